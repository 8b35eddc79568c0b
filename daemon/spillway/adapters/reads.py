"""How much has been read from the cloud: totals that go on counting when a reload brings a new observer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

MONITORING = ("counts", "latencies", "places", "descriptors")
"""Sources that are read from Cloud Monitoring; the others are Compute's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What observers have done so far, by source."""

    calls: Mapping[str, float]
    errors: Mapping[str, float]
    seconds: Mapping[str, float]


@runtime_checkable
class Counting(Protocol):
    """An observer that counts what it does."""

    seconds: dict[str, float]
    errors: dict[str, int]

    @property
    def calls(self) -> dict[str, int]: ...


class ReadTotals:
    """Sums over all observers of this process.

    Args:
        current: the observer in force now; one that does not count adds nothing.
    """

    def __init__(self, current: Callable[[], object]) -> None:
        self._current = current
        self._watched: Counting | None = None
        self._past = Reads(calls={}, errors={}, seconds={})

    def total(self) -> Reads:
        """Everything read so far."""
        observer = self._current()
        if not isinstance(observer, Counting):
            return self._past
        if self._watched is not None and observer is not self._watched:
            self._past = _sum(self._past, self._watched)
        self._watched = observer
        return _sum(self._past, observer)


def _sum(past: Reads, observer: Counting) -> Reads:
    return Reads(
        calls=_added(past.calls, observer.calls),
        errors=_added(past.errors, observer.errors),
        seconds=_added(past.seconds, observer.seconds),
    )


def _added(past: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    return {source: past.get(source, 0) + more.get(source, 0) for source in {**past, **more}}

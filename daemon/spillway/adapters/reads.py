"""Reads from the cloud: how many there were, and the words for an error in one of them that nobody foresaw.

The totals go on counting when a reload brings a new observer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

_log = logging.getLogger(__name__)

MONITORING = ("counts", "latencies", "places", "descriptors")
"""Sources that are read from Cloud Monitoring; the others are Compute's."""
_KINDS_MAX = 100
"""Kinds of errors whose traceback is logged; a source has a handful."""


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


class Unforeseen:
    """Turns errors that nobody foresaw while an answer was read into reasons. Threads may share it."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def told(self, source: str, error: BaseException) -> str:
        """The reason in words; the traceback is logged at debug, once for each source and kind of error."""
        kind = (source, type(error).__name__)
        with self._lock:
            new = kind not in self._told and len(self._told) < _KINDS_MAX
            if new:
                self._told.add(kind)
        if new:
            _log.debug("reading %s failed with an error that nobody foresaw", source, exc_info=error)
        return f"the answer has a shape that Spillway does not know: {kind[1]}"

"""What a pass has observed, for the journal: compact, because a large fleet says a lot and most of it again and again.

Minutes of traffic are written once, by the first record that saw them as they are: a window of fifteen overlapping minutes
would make every record fifteen times as large. `control.readback` puts the windows together again. Settings and health that thousands of backends share are written once a
record and named by their place.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import compress, count
from typing import Any

from spillway.core.values.snapshot import (
    HealthCount,
    Minute,
    Missing,
    ObservedBackend,
    PlaceDemand,
    Seen,
    ServiceView,
    Snapshot,
)

MINUTE = ("end", "ok", "client_error", "too_many", "server_error", "mean", "bounds", "buckets", "counts")
"""What the values of a minute are, in their order; without a latency distribution the last four are left out.

Of a distribution only the buckets that are not empty are written: their numbers and their counts.
"""


class MinutesSeen:
    """Remembers which minutes are in the journal already; bounded by the windows of the newest snapshot."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[Minute, ...]] = {}
        """The minutes of the newest window, by service and region."""
        self._bounds: dict[tuple[float, ...], int] = {}

    def begin(self) -> None:
        """A new record: it names the bucket bounds that it uses itself."""
        self._bounds = {}

    def bounds(self) -> list[tuple[float, ...]]:
        """Bucket bounds used in this record; minutes name them by their place here."""
        return list(self._bounds)

    def fresh(
        self, service: str, region: str, minutes: tuple[Minute, ...]
    ) -> tuple[list[tuple[Any, ...]], int]:
        """Those of `minutes` that no record has yet as they are now, as `MINUTE` says, and how many the window holds.

        Whoever reads the records back merges what is new into the window of the record before and keeps that many of the
        newest. Where a minute has left the middle of the window, all minutes are new and their number is negative: the
        window is exactly these.
        """
        before = self._known.get((service, region), ())
        self._known[service, region] = minutes
        older = minutes[:-1]
        if older and older == before[-len(older) :]:
            return [self._minute(minutes[-1])], len(minutes)  # the usual case: one more minute
        known = {minute.end: minute for minute in before}
        new = [minute for minute in minutes if known.get(minute.end) != minute]
        merged = {**known, **{minute.end: minute for minute in new}}
        if tuple(merged[end] for end in sorted(merged)[-len(minutes) :]) != minutes:
            return [self._minute(minute) for minute in minutes], -len(minutes)
        return [self._minute(minute) for minute in new], len(minutes)

    def _minute(self, m: Minute) -> tuple[Any, ...]:
        latency = m.latency
        if latency is None:
            return m.end, m.ok, m.client_error, m.too_many, m.server_error
        counts = latency.counts
        return (
            m.end,
            m.ok,
            m.client_error,
            m.too_many,
            m.server_error,
            latency.mean,
            self._bounds.setdefault(latency.bounds, len(self._bounds)),
            list(compress(count(), counts)),
            list(filter(None, counts)),
        )


class _Signals:
    """Signals of one record, each written once however many backends share it."""

    def __init__(self) -> None:
        self._places: dict[Seen[Any] | Missing, int] = {}

    def all(self) -> list[Seen[Any] | Missing]:
        """In the order of their places."""
        return [
            signal if isinstance(signal, Missing) else replace(signal, value=_by_name(signal.value))
            for signal in self._places
        ]

    def place(self, signal: Seen[Any] | Missing) -> int:
        """Where `signal` is in `all`; equal ones are at one place."""
        return self._places.setdefault(signal, len(self._places))


def _by_name(value: Any) -> Any:
    """A value with its fields by name; the policy of a service has them already."""
    return value._asdict() if isinstance(value, ObservedBackend | HealthCount) else value


def snapshot_record(seen: MinutesSeen, snapshot: Snapshot) -> dict[str, Any]:
    """What was observed, with ages and evidence."""
    seen.begin()
    signals = _Signals()
    services = {view.service: _service(seen, signals, view) for view in snapshot.services}
    return {
        "at": snapshot.at,
        "lag": snapshot.lag,
        "problems": snapshot.problems,
        "bounds": seen.bounds(),
        "signals": signals.all(),
        "services": services,
    }


def _service(seen: MinutesSeen, signals: _Signals, view: ServiceView) -> dict[str, Any]:
    name, place = view.service, signals.place
    return {
        "fingerprint": view.fingerprint,
        "policy": place(view.policy),
        "places": _places(signals, view.places),
        "unassigned": _traffic(seen, signals, name, "", view.unassigned),
        "backends": {
            backend.region: (
                place(backend.observed),
                place(backend.health),
                _traffic(seen, signals, name, backend.region, backend.traffic),
            )
            for backend in view.backends
        },
    }


def _traffic(
    seen: MinutesSeen,
    signals: _Signals,
    service: str,
    region: str,
    value: Seen[tuple[Minute, ...]] | Missing,
) -> Any:
    """(age, evidence, new minutes, minutes of the window), or the place of the reason why there are none."""
    if isinstance(value, Missing):
        return signals.place(value)
    return value.age, value.evidence, *seen.fresh(service, region, value.value)


def _places(signals: _Signals, value: Seen[tuple[PlaceDemand, ...]] | Missing) -> Any:
    """(age, evidence, rates), or the place of the reason why there are none."""
    if isinstance(value, Missing):
        return signals.place(value)
    return value.age, value.evidence, [(demand.place, demand.region, demand.rate) for demand in value.value]

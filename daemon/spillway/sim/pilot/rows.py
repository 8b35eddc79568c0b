"""From points of the simulator's monitoring to the rows of the daemon's three queries, merged as Google's reducers merge them.

A period's points stop changing once they are complete, and every look reaches back over twenty periods: what was made of
one is kept by its end for as long as it shows equal points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from spillway.core.observe.rows import CountRow, LatencyRow, PlaceRow, histogram
from spillway.core.values.histogram import Distribution
from spillway.sim.monitoring import CountSample, LatencySample, Shown
from spillway.sim.pilot.fleet import GROUP, zone_name

_INVALID = "INVALID_BACKEND"
_MS = 0.001

Sample = TypeVar("Sample", CountSample, LatencySample)
Key = TypeVar("Key")
Value = TypeVar("Value")

CountKey = tuple[str, str, int, int]
"""(service, region, zone, code)."""

PlaceKey = tuple[str, str, int, str]
"""(service, region, zone, continent)."""

GroupKey = tuple[str, str, int]
"""(service, region, zone)."""


class Rows:
    """What the queries answer, look after look."""

    def __init__(self) -> None:
        self._counts: _Kept[CountSample, CountKey, float] = _Kept(_by_code)
        self._places: _Kept[CountSample, PlaceKey, float] = _Kept(_by_place)
        self._latencies: _Kept[LatencySample, GroupKey, Distribution | None] = _Kept(_by_latency)

    def counts(self, view: Shown, start: float, end: float) -> tuple[CountRow, ...]:
        """One row for each service, group and code, of periods that ended in (start, end], UTC seconds."""
        found = self._counts.columns(view.count_points, start, end)
        return tuple(
            CountRow(service, *_labels(region, zone), code, *columns)
            for (service, region, zone, code), columns in found.items()
        )

    def places(self, view: Shown, start: float, end: float) -> tuple[PlaceRow, ...]:
        """Likewise for each service, scope and continent."""
        found = self._places.columns(view.count_points, start, end)
        return tuple(
            PlaceRow(service, _labels(region, zone)[1], continent, *columns)
            for (service, region, zone, continent), columns in found.items()
        )

    def latencies(self, view: Shown, start: float, end: float) -> tuple[LatencyRow, ...]:
        """Likewise for each service and group: class 200 alone, merged over continents."""
        found = self._latencies.columns(view.latency_points, start, end)
        return tuple(
            LatencyRow(service, *_labels(region, zone), *columns)
            for (service, region, zone), columns in found.items()
        )


class _Kept(Generic[Sample, Key, Value]):
    """What was made of each period."""

    def __init__(self, merge: Callable[[Iterable[Sample]], dict[Key, Value]]) -> None:
        self._merge: Callable[[Iterable[Sample]], dict[Key, Value]] = merge
        self._known: dict[float, tuple[tuple[Sample, ...], dict[Key, Value]]] = {}
        """By the period's end, with the points that it was made from."""

    def columns(
        self, periods: Iterable[tuple[Sample, ...]], start: float, end: float
    ) -> dict[Key, tuple[tuple[float, ...], tuple[Value, ...]]]:
        """The ends and the values of each row, in order of time."""
        series: dict[Key, tuple[list[float], list[Value]]] = {}
        kept = {}
        for samples in periods:
            if not samples or not start < samples[0].end <= end:
                continue
            at = samples[0].end
            known = self._known.get(at)
            if known is None or known[0] != samples:
                known = (samples, self._merge(samples))
            kept[at] = known
            for key, value in known[1].items():
                ends, values = series.setdefault(key, ([], []))
                ends.append(at)
                values.append(value)
        self._known = kept
        return {key: (tuple(ends), tuple(values)) for key, (ends, values) in series.items()}


def _labels(region: str, zone: int) -> tuple[str, str]:
    """Labels (name, scope) of a group."""
    return (GROUP, zone_name(region, zone)) if region else (_INVALID, _INVALID)


def _by_code(samples: Iterable[CountSample]) -> dict[CountKey, float]:
    sums: dict[CountKey, float] = {}
    for s in samples:
        key = s.service, s.region, s.zone, s.code
        sums[key] = sums.get(key, 0.0) + s.count
    return sums


def _by_place(samples: Iterable[CountSample]) -> dict[PlaceKey, float]:
    sums: dict[PlaceKey, float] = {}
    for s in samples:
        key = s.service, s.region, s.zone, s.continent
        sums[key] = sums.get(key, 0.0) + s.count
    return sums


def _by_latency(samples: Iterable[LatencySample]) -> dict[GroupKey, Distribution | None]:
    parts: dict[GroupKey, list[LatencySample]] = {}
    for s in samples:
        if s.code_class == 200:
            parts.setdefault((s.service, s.region, s.zone), []).append(s)
    return {key: _merged(found) for key, found in parts.items()}


def _merged(parts: list[LatencySample]) -> Distribution | None:
    """One distribution of several; its mean is taken from theirs, by weight."""
    counts = tuple(map(sum, zip(*(p.counts for p in parts), strict=True)))
    total = sum(counts)
    mean = sum(p.mean_ms * sum(p.counts) for p in parts) / total * _MS if total else 0.0
    bounds = tuple(b * _MS for b in parts[0].bounds_ms)
    return histogram(bounds, counts, count=total, mean=mean)

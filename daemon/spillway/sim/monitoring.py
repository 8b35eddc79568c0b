"""Cloud Monitoring over the world: only what it would have shown by a given moment.

Sampled counts, points that appear piece by piece until the visibility delay has passed, nothing for idle backends,
and the faults of monitoring. There is no way from here to the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spillway.sim.arrays import CODES, UNASSIGNED_CODE
from spillway.sim.blur import Arrival, Blurred, active_faults, arrival, blur
from spillway.sim.latency import BOUNDS_MS
from spillway.sim.places import CONTINENTS
from spillway.sim.samples import CODE_CLASSES, Period, SampleStore

REACH = 3600.0
"""Seconds that controllers may look back: four times the daemon's default window."""

NO_ZONE = -1
"""Zone of answers that no backend gave; their region is the empty string."""

_MIDDLES_MS = np.concatenate(
    ([BOUNDS_MS[0] / 2], np.sqrt(np.array(BOUNDS_MS[:-1]) * np.array(BOUNDS_MS[1:])), [BOUNDS_MS[-1]])
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountSample:
    """Answers of one backend in one sample period."""

    end: float
    """UTC seconds."""
    service: str
    region: str
    zone: int
    """Index of the zonal group; -1 where no backend answered."""
    code: int
    continent: str
    count: float
    """Requests; an estimate from sampled traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySample:
    """Backend latencies of one backend in one sample period: waiting and service, without the network."""

    end: float
    """UTC seconds."""
    service: str
    region: str
    zone: int
    code_class: int
    """200, 400 or 500."""
    continent: str
    bounds_ms: tuple[float, ...]
    counts: tuple[float, ...]
    """One more than bounds: underflow first, overflow last."""
    mean_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What Monitoring shows at one moment: points, and nothing behind them. This is all that controllers are given."""

    count_points: tuple[tuple[CountSample, ...], ...]
    """By period, oldest first."""
    latency_points: tuple[tuple[LatencySample, ...], ...]

    def counts(
        self, start: float, end: float, now: float, *, service: str | None = None
    ) -> tuple[CountSample, ...]:
        """Points of periods that ended in (start, end], oldest first.

        Args:
            start: UTC seconds.
            end: UTC seconds.
            now: UTC seconds by the asker's clock, which changes nothing: Monitoring goes by its own.
            service: only this one; all where none is given.
        """
        del now
        blocks = [b for b in self.count_points if b and start < b[0].end <= end]
        return tuple(s for block in blocks for s in block if service in {None, s.service})

    def latencies(
        self, start: float, end: float, now: float, *, service: str | None = None
    ) -> tuple[LatencySample, ...]:
        """Latency distributions; arguments as of `counts`."""
        del now
        blocks = [b for b in self.latency_points if b and start < b[0].end <= end]
        return tuple(s for block in blocks for s in block if service in {None, s.service})


class MonitoringView:
    """What a reader of Cloud Monitoring sees."""

    def __init__(self, store: SampleStore) -> None:
        self._store = store
        self._blurred: dict[int, tuple[int, Arrival, tuple[Blurred, ...]]] = {}
        self._counts: dict[int, tuple[CountSample, ...]] = {}
        self._latencies: dict[int, tuple[LatencySample, ...]] = {}

    def counts(
        self, start: float, end: float, now: float, *, service: str | None = None
    ) -> tuple[CountSample, ...]:
        """Points of periods that ended in (start, end], as shown at `now`, oldest first.

        Args:
            start: UTC seconds.
            end: UTC seconds.
            now: UTC seconds.
            service: only this one; all where none is given.
        """
        blocks = [self._counts_of(p, now) for p in self._periods(start, end, now)]
        return tuple(s for block in blocks for s in block if service in {None, s.service})

    def latencies(
        self, start: float, end: float, now: float, *, service: str | None = None
    ) -> tuple[LatencySample, ...]:
        """Latency distributions; arguments as of `counts`."""
        blocks = [self._latencies_of(p, now) for p in self._periods(start, end, now)]
        return tuple(s for block in blocks for s in block if service in {None, s.service})

    def shown(self, now: float) -> Shown:
        """All points of the last `REACH` seconds as they show at `now` (UTC seconds)."""
        periods = self._periods(now - REACH, now, now)
        return Shown(
            count_points=tuple(self._counts_of(p, now) for p in periods),
            latency_points=tuple(self._latencies_of(p, now) for p in periods),
        )

    def _counts_of(self, period: Period, now: float) -> tuple[CountSample, ...]:
        known = self._counts.get(period.index)
        if known is not None:
            return known
        made = tuple(self._count_samples(period, now))
        if self._is_complete(period, now):
            self._counts[period.index] = made
        return made

    def _latencies_of(self, period: Period, now: float) -> tuple[LatencySample, ...]:
        known = self._latencies.get(period.index)
        if known is not None:
            return known
        made = tuple(self._latency_samples(period, now))
        if self._is_complete(period, now):
            self._latencies[period.index] = made
        return made

    def _periods(self, start: float, end: float, now: float) -> list[Period]:
        kept = self._store.periods
        if kept:
            for index in [i for i in self._blurred if i < kept[0].index]:
                del self._blurred[index]
                self._counts.pop(index, None)
                self._latencies.pop(index, None)
        return [p for p in kept if start < p.end <= end and p.end <= now]

    def _is_complete(self, period: Period, now: float) -> bool:
        """Whether the period's points will not change any more."""
        return now - period.end >= float(self._look(period)[1].complete.max())

    def _look(self, period: Period) -> tuple[int, Arrival, tuple[Blurred, ...]]:
        """The period's points; made anew when a fault was injected that reaches back into it."""
        faults = active_faults(self._store, period)
        known = self._blurred.get(period.index)
        if known is None or known[0] != len(faults):
            when = arrival(self._store, period, faults)
            points = tuple(blur(self._store, period, i, faults) for i in range(len(period.services)))
            known = (len(faults), when, points)
            self._blurred[period.index] = known
        return known

    def _shown_share(self, period: Period, now: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """How much of each backend's point shows: regions x zones; 0 not yet, 1 complete."""
        when = self._look(period)[1]
        age = now - period.end
        return np.where(age >= when.complete, 1.0, np.where(age >= when.first, when.share, 0.0))

    def _count_samples(self, period: Period, now: float) -> list[CountSample]:
        share = self._shown_share(period, now)
        found = []
        for name, points in zip(period.services, self._look(period)[2], strict=True):
            shown = np.where(share < 1.0, np.floor(points.counts * share), points.counts)
            for place in np.argwhere(~np.isnan(points.counts) & (share > 0)).tolist():
                code, continent, region, zone = place
                found.append(
                    CountSample(
                        end=period.end,
                        service=name,
                        region=self._store.setup.regions[region].name,
                        zone=zone,
                        code=CODES[code],
                        continent=CONTINENTS[continent],
                        count=float(shown[code, continent, region, zone]),
                    )
                )
        if now - period.end >= self._store.setup.scenario.monitoring.visibility_delay:
            found += self._unassigned(period)
        return found

    def _unassigned(self, period: Period) -> list[CountSample]:
        return [
            CountSample(
                end=period.end,
                service=name,
                region="",
                zone=NO_ZONE,
                code=UNASSIGNED_CODE,
                continent=CONTINENTS[i],
                count=float(round(float(period.unassigned[number, i]))),
            )
            for number, name in enumerate(period.services)
            for i in range(len(CONTINENTS))
            if period.unassigned[number, i] >= 0.5
        ]

    def _latency_samples(self, period: Period, now: float) -> list[LatencySample]:
        share = self._shown_share(period, now)
        found = []
        for name, points in zip(period.services, self._look(period)[2], strict=True):
            some = ~np.isnan(points.latencies[..., 0]) & (share > 0)
            for kind, continent, region, zone in np.argwhere(some).tolist():
                counts = points.latencies[kind, continent, region, zone]
                part = float(share[region, zone])
                counts = counts if part >= 1.0 else np.floor(counts * part)
                total = float(counts.sum())
                found.append(
                    LatencySample(
                        end=period.end,
                        service=name,
                        region=self._store.setup.regions[region].name,
                        zone=zone,
                        code_class=CODE_CLASSES[kind],
                        continent=CONTINENTS[continent],
                        bounds_ms=BOUNDS_MS,
                        counts=tuple(counts.tolist()),
                        mean_ms=float(counts @ _MIDDLES_MS) / total if total > 0 else 0.0,
                    )
                )
        return found

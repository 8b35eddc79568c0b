"""From the simulator's monitoring to the rows that the daemon reads from Google: same labels, same merging, same Snapshot."""

from __future__ import annotations

from collections import defaultdict

from spillway.core.observe import observe
from spillway.core.series import (
    Answer,
    CountRow,
    GroupHealth,
    HealthReads,
    Lag,
    LatencyRow,
    ListedGroup,
    ListedService,
    Listing,
    PlaceRow,
    Policies,
    Readings,
    histogram,
)
from spillway.core.snapshot import Missing, ObservedPolicy, Snapshot
from spillway.core.topology import Fleet, GroupKey, Preference
from spillway.sim.controller import Sight
from spillway.sim.monitoring import CountSample, LatencySample, Shown
from spillway.sim.pilot.fleet import GROUP, zone_name

WINDOW = 1200.0
"""Seconds that each query reaches back: the default of `daemon.observe.window`."""

_INVALID = "INVALID_BACKEND"
_MS = 0.001


def _place(region: str, zone: int) -> tuple[str, str]:
    """Labels (name, scope) of a group."""
    return (GROUP, zone_name(region, zone)) if region else (_INVALID, _INVALID)


class Eyes:
    """Builds the Snapshot that the daemon would build at this moment.

    Args:
        fleet: what should be there.
        lag: how late samples are seen, in seconds.
    """

    def __init__(self, fleet: Fleet, lag: Lag) -> None:
        self._fleet = fleet
        self._lag = lag

    def look(self, sight: Sight) -> Snapshot:
        """Everything, as the tick reads it."""
        return observe(
            self._fleet,
            at=sight.now,
            readings=self._readings(sight.monitoring, sight.now),
            listing=self._listing(sight),
            policies=self._policies(sight),
            health=self._health(sight),
            lag=self._lag,
        )

    def _readings(self, view: Shown, now: float) -> Readings:
        start = now - WINDOW
        counts = view.counts(start, now, now)
        latencies = view.latencies(start, now, now)
        return Readings(
            counts=Answer(asked=now, rows=_count_rows(counts)),
            latencies=Answer(asked=now, rows=_latency_rows(latencies)),
            places=Answer(asked=now, rows=_place_rows(counts)),
        )

    def _listing(self, sight: Sight) -> Listing:
        return Listing(
            at=sight.now,
            services={
                control.service: ListedService(
                    resource=control.service,
                    policy=control.service,
                    groups=tuple(
                        ListedGroup(
                            key=GroupKey(name=GROUP, scope=zone_name(b.region, zone)),
                            url=f"{b.region}/{zone}",
                            scaler=b.scaler,
                            preference=Preference.PREFERRED if b.preferred else Preference.DEFAULT,
                        )
                        for b in control.backends
                        for zone in range(len(sight.health[b.region]))
                    ),
                )
                for control in sight.listing
            },
        )

    @staticmethod
    def _policies(sight: Sight) -> Policies | Missing:
        return Policies(
            at=sight.now,
            policies={
                c.service: ObservedPolicy(
                    failover_threshold=round(100 * c.failover_threshold), auto_drain=c.auto_drain
                )
                for c in sight.listing
            },
        )

    @staticmethod
    def _health(sight: Sight) -> HealthReads:
        return HealthReads(
            at=sight.now,
            groups={
                (control.service, GroupKey(name=GROUP, scope=zone_name(b.region, zone))): GroupHealth(
                    healthy=ok, total=total
                )
                for control in sight.listing
                for b in control.backends
                for zone, (ok, total) in enumerate(sight.health[b.region])
            },
        )


def _count_rows(samples: tuple[CountSample, ...]) -> tuple[CountRow, ...]:
    """Reduced as the counts query is: one row for each service, group and code."""
    sums: dict[tuple[str, str, int, int], dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for s in samples:
        sums[s.service, s.region, s.zone, s.code][s.end] += s.count
    return tuple(
        CountRow(service, *_place(region, zone), code, tuple(sorted(points.items())))
        for (service, region, zone, code), points in sums.items()
    )


def _place_rows(samples: tuple[CountSample, ...]) -> tuple[PlaceRow, ...]:
    sums: dict[tuple[str, str, int, str], dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for s in samples:
        sums[s.service, s.region, s.zone, s.continent][s.end] += s.count
    return tuple(
        PlaceRow(service, _place(region, zone)[1], continent, tuple(sorted(points.items())))
        for (service, region, zone, continent), points in sums.items()
    )


def _latency_rows(samples: tuple[LatencySample, ...]) -> tuple[LatencyRow, ...]:
    """Class 200 alone, merged over continents."""
    merged: dict[tuple[str, str, int], dict[float, list[LatencySample]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for s in samples:
        if s.code_class == 200:
            merged[s.service, s.region, s.zone][s.end].append(s)
    rows = []
    for (service, region, zone), minutes in merged.items():
        points = []
        for end, parts in sorted(minutes.items()):
            counts = tuple(map(sum, zip(*(p.counts for p in parts), strict=True)))
            total = sum(counts)
            mean = sum(p.mean_ms * sum(p.counts) for p in parts) / total * _MS if total else 0.0
            bounds = tuple(b * _MS for b in parts[0].bounds_ms)
            points.append((end, histogram(bounds, counts, count=total, mean=mean)))
        rows.append(LatencyRow(service, *_place(region, zone), tuple(points)))
    return tuple(rows)

"""From the simulator's monitoring to the rows that the daemon reads from Google: same labels, same merging, same Snapshot."""

from __future__ import annotations

from spillway.core.observe.agreement import Minutes, doubt_traffic
from spillway.core.observe.agreement import Readings as Earlier
from spillway.core.observe.rows import (
    Answer,
    GroupHealth,
    HealthReads,
    Lag,
    ListedGroup,
    ListedService,
    Listing,
    Policies,
    Readings,
)
from spillway.core.observe.snapshot import observe
from spillway.core.values.snapshot import Missing, ObservedPolicy, Snapshot
from spillway.core.values.topology import Fleet, GroupKey, Preference
from spillway.sim.controller import Sight
from spillway.sim.monitoring import Shown
from spillway.sim.pilot.fleet import GROUP, zone_name
from spillway.sim.pilot.rows import Rows

WINDOW = 1200.0
"""Seconds that each query reaches back: the default of `daemon.observe.window`."""


class Eyes:
    """Builds the Snapshot that the daemon would build at this moment, by the cloud's clock as the daemon does.

    Health is believed as it is read. The daemon wants to see it twice, ten seconds apart, which is less than this clock tells.

    Args:
        fleet: what should be there.
        lag: how late samples are seen, in seconds.
    """

    def __init__(self, fleet: Fleet, lag: Lag) -> None:
        self._fleet = fleet
        self._lag = lag
        self._rows = Rows()
        self._before: Snapshot | None = None
        self._read: Earlier[Minutes] = Earlier()

    def look(self, sight: Sight) -> Snapshot:
        """Everything, as the tick reads it."""
        self._before = observe(
            self._fleet,
            at=sight.date,
            readings=self._readings(sight.monitoring, sight.date),
            listing=self._listing(sight),
            policies=self._policies(sight),
            health=self._health(sight),
            lag=self._lag,
            before=self._before,
        )
        believed, self._read = doubt_traffic(self._before, self._read)
        return believed

    def _readings(self, view: Shown, now: float) -> Readings:
        start = now - WINDOW
        return Readings(
            counts=Answer(asked=now, rows=self._rows.counts(view, start, now)),
            latencies=Answer(asked=now, rows=self._rows.latencies(view, start, now)),
            places=Answer(asked=now, rows=self._rows.places(view, start, now)),
        )

    def _listing(self, sight: Sight) -> Listing:
        return Listing(
            at=sight.date,
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
            at=sight.date,
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
            at=sight.date,
            groups={
                (control.service, GroupKey(name=GROUP, scope=zone_name(b.region, zone))): GroupHealth(
                    healthy=ok, total=total
                )
                for control in sight.listing
                for b in control.backends
                for zone, (ok, total) in enumerate(sight.health[b.region])
            },
        )

"""What an opponent without the truth sees: the same Snapshot that Spillway is given, read as a script would read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spillway.core.observe.rows import Lag
from spillway.core.values.histogram import merge
from spillway.core.values.snapshot import BackendView, Missing
from spillway.sim.baselines.levers import Key, Levers
from spillway.sim.controller import Sight
from spillway.sim.pilot.eyes import Eyes
from spillway.sim.setup import Setup

MINUTES = 3
"""Newest trusted minutes that are read together: as many as Spillway's default."""

ENOUGH = 50.0
"""Requests in these minutes below which nothing is read from them: Spillway's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One region behind one service in the newest trusted minutes."""

    end: float
    """UTC seconds of the newest minute's end."""
    rate: float
    """Answers/s."""
    failed: float
    """Share of answers that are 429 or 5xx."""
    slow: float
    """The SLO's percentile of latency over the SLO's latency; 0 where nothing was answered."""
    mean: float
    """Mean latency of good answers in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that can be read at one moment. A region without a reading is idle, unseen or dead: nobody can tell."""

    now: float
    """UTC seconds."""
    readings: Mapping[Key, Reading]
    healthy: Mapping[str, float]
    """Share of the region's endpoints that pass their checks."""
    scalers: Mapping[Key, float]
    """What is listed; 0 for a region that is no member."""

    def demand(self, service: str) -> float:
        """Answers/s of all regions of a service."""
        return sum(r.rate for k, r in self.readings.items() if k[0] == service)


class Reader:
    """Reads one scenario's sights."""

    def __init__(self, setup: Setup, levers: Levers) -> None:
        scenario = setup.scenario
        monitoring = scenario.monitoring
        self._levers = levers
        self._limit = scenario.slo.latency
        self._percentile = scenario.slo.percentile
        self._lag = Lag(sample_period=monitoring.sample_period, ingest_delay=monitoring.visibility_delay)
        self._eyes = Eyes(levers.fleet, self._lag)
        self._period = monitoring.sample_period
        self.dead_time = (
            monitoring.sample_period
            + monitoring.visibility_delay
            + scenario.actuation.write_time
            + scenario.actuation.propagation
        )
        """Seconds from a decision to the first moment at which its effect can be seen."""

    def read(self, sight: Sight) -> Scene:
        """The scene as it shows now."""
        snapshot = self._eyes.look(sight)
        found: dict[Key, Reading] = {}
        for view in snapshot.services:
            for backend in view.backends:
                reading = self._reading(backend)
                if reading is not None:
                    found[view.service, backend.region] = reading
        told = {(c.service, b.region): b.scaler for c in sight.listing for b in c.backends}
        return Scene(
            now=sight.now,
            readings=found,
            healthy={r: sum(ok for ok, _ in g) / sum(n for _, n in g) for r, g in sight.health.items()},
            scalers={k: told.get(k, 0.0) for k in self._levers.home},
        )

    def _reading(self, backend: BackendView) -> Reading | None:
        if isinstance(backend.traffic, Missing):
            return None
        minutes = backend.traffic.value[-MINUTES:]
        total = sum(m.total for m in minutes)
        if total < ENOUGH:
            return None
        latency = merge(tuple(m.latency for m in minutes if m.latency is not None))
        percentile = latency.percentile(self._percentile) if latency is not None else None
        return Reading(
            end=minutes[-1].end,
            rate=total / (len(minutes) * self._period),
            failed=sum(m.too_many + m.server_error for m in minutes) / total,
            slow=(percentile or 0.0) / self._limit,
            mean=latency.mean if latency is not None else 0.0,
        )

"""`threshold`: the cron job of a good on-call team. Drain what is bad for minutes, probe it later, then restore it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from spillway.core.values.topology import SCALER_FLOOR
from spillway.sim.baselines.levers import Key, Levers
from spillway.sim.baselines.reading import Reading, Scene
from spillway.sim.baselines.script import Rule, Script

DRAIN_FAILED = 0.2
"""Share of failed answers from which a region is drained."""

DRAIN_SLOW = 1.0
"""Percentile latency over the SLO from which a region is drained: the promise is broken."""

RESTORE_FAILED = 0.02
RESTORE_SLOW = 0.85
"""Below both, a drained region gets more again: the gap to the thresholds above is the hysteresis."""

SPARE = 1.05
"""The regions left open must be told to take so many times the demand: a drain must not start a cascade."""

LATELY = 300.0
"""Seconds over which the highest demand counts: a minute of nonsense must not look like no demand at all."""

STEPS = (SCALER_FLOOR, 0.35, 1.0)
"""The way back. A probe of a tenth shows within a dead time if the region is well; then a third, then all."""


@dataclass(slots=True, kw_only=True)
class _Region:
    """What the job remembers of a region."""

    drained: bool = False
    moved: float = -1e12
    """UTC seconds of its last move."""


class _ThresholdRule:
    """See `Threshold`."""

    def __init__(self, levers: Levers, dead_time: float) -> None:
        self._levers, self._dead_time = levers, dead_time
        self._regions = {k: _Region() for k in levers.home}
        self._demand: dict[str, deque[tuple[float, float]]] = {}

    def troubled(self, key: Key) -> bool:
        """True while drained."""
        return self._regions[key].drained

    def decide(self, scene: Scene) -> Mapping[Key, float]:
        """Worst regions first; each one stays as it is for a dead time after it was moved."""
        self._note(scene)
        wanted: dict[Key, float] = {}
        worst = sorted(
            scene.scalers,
            key=lambda k: (-max(_badness(scene.readings[k]), 0.0) if k in scene.readings else 0.0, k),
        )
        for key in worst:
            region = self._regions[key]
            if scene.now - region.moved < self._dead_time:
                continue
            reading = scene.readings.get(key)
            target = self._target(scene, {**scene.scalers, **wanted}, key, reading)
            if target is not None and abs(target - scene.scalers[key]) >= 0.05:
                wanted[key], region.moved = target, scene.now
        return wanted

    def _note(self, scene: Scene) -> None:
        """Remember the demand of the last `LATELY` seconds."""
        for service in {k[0] for k in scene.scalers}:
            seen = self._demand.setdefault(service, deque())
            seen.append((scene.now, scene.demand(service)))
            while abs(scene.now - seen[0][0]) > LATELY:
                seen.popleft()

    def _target(
        self, scene: Scene, scalers: Mapping[Key, float], key: Key, reading: Reading | None
    ) -> float | None:
        """The scaler that this region should have, or None to leave it."""
        region, scaler = self._regions[key], scalers[key]
        if reading is not None and _badness(reading) >= 1.0 and scaler > 0:
            region.drained = True
            return min(scaler, self._least(scene, scalers, key, reading))
        if (
            not region.drained
        ):  # whoever else lowered it, the job says what should be, as infrastructure as code does
            return home if (home := self._levers.home[key]) > scaler > 0 else None
        if reading is None:
            return SCALER_FLOOR if scaler == 0.0 and scene.healthy[key[1]] > 0.5 else None
        if reading.failed > RESTORE_FAILED or reading.slow > RESTORE_SLOW:
            return None
        step = next((s for s in STEPS if s > scaler + 0.01), 1.0)
        region.drained = step < 1.0
        return step

    def _least(self, scene: Scene, scalers: Mapping[Key, float], key: Key, reading: Reading) -> float:
        """0 for a failing region and a tenth for a slow one, or as much as the others cannot take."""
        service, _ = key
        others = sum(
            scalers[k] * self._levers.targets[k] * scene.healthy[k[1]]
            for k in self._levers.keys(service)
            if k != key and not self._regions[k].drained
        )
        demand = max(demand for _, demand in self._demand[service])
        needed = (SPARE * demand - others) / self._levers.targets[key]
        failing = reading.failed >= DRAIN_FAILED
        if failing and needed <= 0.0 and others > 0.0:
            return 0.0
        return max(SCALER_FLOOR, min(1.0, needed))


def _badness(reading: Reading) -> float:
    """1 where a threshold is reached."""
    return max(reading.failed / DRAIN_FAILED, reading.slow / DRAIN_SLOW)


class Threshold(Script):
    """Knows what Cloud Monitoring and health checks show, exactly as Spillway does; each region for itself.

    Drains a region whose error share or percentile latency passes a threshold, as far as the others' targets reach;
    probes, then restores it in steps after a cool-down of one dead time each; joins standby by utilisation.
    """

    name = "threshold"

    def rule(self, levers: Levers, dead_time: float) -> Rule:
        """A fresh rule."""
        return _ThresholdRule(levers, dead_time)

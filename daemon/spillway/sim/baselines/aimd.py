"""`aimd`: additive increase, multiplicative decrease, as congestion control in networks (Chiu and Jain 1989)."""

from __future__ import annotations

from collections.abc import Mapping

from spillway.core.values.topology import SCALER_FLOOR
from spillway.sim.baselines.levers import Key, Levers
from spillway.sim.baselines.reading import Reading, Scene
from spillway.sim.baselines.script import Rule, Script

DECREASE = 0.7
"""Factor after a violation: beta of CUBIC (RFC 9438 section 4.6), gentler than TCP Reno's half."""

INCREASE = 0.1
"""Added for each dead time without a violation: the least scaler there is."""

FAILED = 0.05
"""Share of failed answers that counts as a violation."""

SLOW = 1.0
"""Percentile latency over the SLO that counts as a violation."""

ROOM = 1.1
"""All ceilings together must allow so many times the demand after a decrease: what the others cannot take comes back
to them all, so in a shortage the decreases of one region would only be those of the next."""

WELL = 0.85
"""Percentile latency over the SLO below which a region may rise; between the two it stays."""


class _AimdRule:
    """See `Aimd`."""

    def __init__(self, levers: Levers, dead_time: float) -> None:
        self._levers, self._dead_time = levers, dead_time
        self._moved = dict.fromkeys(levers.home, -1e12)
        self._down = dict.fromkeys(levers.home, False)

    def troubled(self, key: Key) -> bool:
        """True from a decrease until it is undone."""
        return self._down[key]

    def decide(self, scene: Scene) -> Mapping[Key, float]:
        """Each region for itself, at most once in a dead time: until then a move does not show."""
        wanted: dict[Key, float] = {}
        for key, scaler in scene.scalers.items():
            reading = scene.readings.get(key)
            if scene.now - self._moved[key] < self._dead_time or scaler == 0.0:
                continue
            if reading is not None and (reading.failed >= FAILED or reading.slow >= SLOW):
                target = min(
                    scaler, max(self._decreased(scaler, key, reading), self._needed(scene, wanted, key))
                )
                self._down[key] = self._down[key] or target < 1.0
            elif self._down[key] and (reading is None or reading.slow <= WELL):
                target = min(1.0, scaler + INCREASE)
                self._down[key] = target < 1.0
            elif not self._down[key] and scaler < self._levers.home[key]:
                target = self._levers.home[key]  # somebody else lowered it; nothing is wrong with it
            else:
                continue
            if abs(target - scaler) >= 0.01:
                wanted[key], self._moved[key] = target, scene.now
        return wanted

    def _decreased(self, scaler: float, key: Key, reading: Reading) -> float:
        """From what the region gets: a ceiling above its load would be lowered without effect."""
        used = reading.rate / self._levers.targets[key]
        return max(SCALER_FLOOR, DECREASE * min(scaler, used))

    def _needed(self, scene: Scene, wanted: Mapping[Key, float], key: Key) -> float:
        """What the ceilings of the service's other regions leave for this one."""
        targets = self._levers.targets
        others = sum(
            wanted.get(k, scene.scalers[k]) * targets[k] * scene.healthy[k[1]]
            for k in self._levers.keys(key[0])
            if k != key
        )
        return (ROOM * scene.demand(key[0]) - others) / targets[key]


class Aimd(Script):
    """Knows what Cloud Monitoring and health checks show, exactly as Spillway does; each region for itself.

    Multiplies the ceiling of a region in violation, starting from its load, waits one dead time to see what came of
    it, and adds a tenth for each dead time in which the region is well; joins standby by utilisation.
    """

    name = "aimd"

    def rule(self, levers: Levers, dead_time: float) -> Rule:
        """A fresh rule."""
        return _AimdRule(levers, dead_time)

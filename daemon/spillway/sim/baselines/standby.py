"""When a script lets standby and failover regions join and leave: by the share of the open targets that is in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from spillway.sim.baselines.levers import Key, Levers
from spillway.sim.baselines.reading import Scene

JOIN_ABOVE = 0.75
"""Share of the open targets in use from which a region joins: early enough for a rise of 3 % a minute to wait out the
dead time."""

LEAVE_BELOW = 0.6
"""Share that would be in use without it, below which a joined region leaves: a fifth below the other threshold."""

LEAVE_AFTER = 1800.0
"""Seconds for which it must have been so: Spillway's default."""


class Held(Protocol):
    """Knows which regions are held down."""

    def troubled(self, key: Key) -> bool:
        """True while this region does not count as capacity."""
        ...


class Standby:
    """Joins at scaler 1, so that a late script does not have to climb; leaves in one step when long unneeded."""

    def __init__(self, levers: Levers, dead_time: float) -> None:
        self._levers, self._dead_time = levers, dead_time
        self._moved: dict[str, float] = {}
        self._spare_since: dict[Key, float] = {}

    def decide(self, scene: Scene, wanted: Mapping[Key, float], held: Held) -> dict[Key, float]:
        """The scalers of those that join or leave now."""
        changes: dict[Key, float] = {}
        for service in sorted({k[0] for k in wanted}):
            keys = self._levers.keys(service)
            spare = [k for k in keys if self._levers.home[k] == 0.0]
            if not spare:
                continue
            demand = scene.demand(service)
            carried = {k: self._carries(scene, k, wanted[k], held) for k in keys}
            waiting = [k for k in spare if wanted[k] == 0.0 and scene.healthy[k[1]] > 0.5]
            short = demand > JOIN_ABOVE * sum(carried.values())
            ready = scene.now - self._moved.get(service, 0.0) >= self._dead_time
            if short and waiting and ready:
                changes[max(waiting, key=lambda k: self._levers.targets[k])] = 1.0
            elif not short:
                changes |= self._leave(scene, spare, wanted, carried, demand)
            if changes.keys() & set(keys):
                self._moved[service] = scene.now
        return changes

    def _carries(self, scene: Scene, key: Key, scaler: float, held: Held) -> float:
        if held.troubled(key):
            return 0.0
        return scaler * self._levers.targets[key] * scene.healthy[key[1]]

    def _leave(
        self,
        scene: Scene,
        spare: list[Key],
        wanted: Mapping[Key, float],
        carried: Mapping[Key, float],
        demand: float,
    ) -> dict[Key, float]:
        for key in spare:
            without = sum(carried.values()) - carried[key]
            if wanted[key] == 0.0 or demand > LEAVE_BELOW * without:
                self._spare_since.pop(key, None)
            elif scene.now - self._spare_since.setdefault(key, scene.now) >= LEAVE_AFTER:
                del self._spare_since[key]
                return {key: 0.0}
        return {}

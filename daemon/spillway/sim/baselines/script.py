"""What all opponents that steer by visible data share: reading, one write at a time, standby, and a last region left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from spillway.sim.baselines.levers import Key, Levers, careful
from spillway.sim.baselines.reading import Reader, Scene
from spillway.sim.baselines.standby import Standby
from spillway.sim.control import ServiceControl
from spillway.sim.controller import Sight
from spillway.sim.setup import Setup

TICK = 60.0
"""Seconds between ticks: the same as Spillway's."""


class Rule(Protocol):
    """From scenes to scalers; has a memory and steers one run."""

    def decide(self, scene: Scene) -> Mapping[Key, float]:
        """The scalers that should change, of regions that serve."""
        ...

    def troubled(self, key: Key) -> bool:
        """True while the rule holds this region down, so that it does not count as capacity."""
        ...


class Script:
    """Runs a rule once a minute, as a job beside the load balancer would."""

    interval: float | None = TICK

    def __init__(self) -> None:
        self._levers: Levers | None = None
        self._reader: Reader | None = None
        self._standby: Standby | None = None
        self._rule: Rule | None = None

    def initial(self, setup: Setup, controls: tuple[ServiceControl, ...], /) -> tuple[ServiceControl, ...]:
        """The scenario's scalers with the posture `normal`, as Spillway begins."""
        self._levers = Levers.of(setup, controls)
        self._reader = Reader(setup, self._levers)
        self._standby = Standby(self._levers, self._reader.dead_time)
        self._rule = self.rule(self._levers, self._reader.dead_time)
        return careful(controls)

    def rule(self, levers: Levers, dead_time: float) -> Rule:
        """A fresh rule for these levers; `dead_time` in seconds."""
        raise TypeError(
            f"{type(self).__name__} has no rule for {len(levers.home)} levers, {dead_time} s late"
        )

    def tick(self, sight: Sight, /) -> tuple[ServiceControl, ...] | None:
        """Read, decide, and write what differs."""
        if self._levers is None or self._reader is None or self._standby is None or self._rule is None:
            raise RuntimeError("a controller needs its initial controls before its first tick")
        if sight.writing:
            return None
        scene = self._reader.read(sight)
        wanted = {**scene.scalers, **self._rule.decide(scene)}
        wanted |= self._standby.decide(scene, wanted, self._rule)
        for service in {k[0] for k in wanted}:
            keys = self._levers.keys(service)
            if all(wanted[k] == 0.0 for k in keys):
                wanted |= {k: scene.scalers[k] for k in keys}
        changed = self._levers.apply(sight.listing, wanted)
        return changed if changed != sight.listing else None

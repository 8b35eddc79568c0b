"""What an oracle thinks will happen: the true world of one moment, carried on as that moment promised.

An oracle knows what is true, not what is yet to come. Faults that have begun go on, those that have not are unknown,
slow leaks go on leaking. Demand has two futures where its noiseless rate has a trend: it stays, or the trend goes on. Its
noise has the true strength, and is not the noise that will be.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from spillway.sim.demand import noise_of, rate_of
from spillway.sim.faults import Fault
from spillway.sim.plant import DETECTION
from spillway.sim.world import World

Array = NDArray[np.float64]

CHECKED = frozenset({"outage", "flapping"})
"""Kinds of fault that health checks show, and so everybody, without the delay of the metrics."""

TREND = 300.0
"""Seconds over which a trend must hold to be believed: in both halves, so that a step is no trend."""

REACH = 600.0
"""Seconds for which a trend is carried on; then demand stays."""

LEAK_REACH = 86400.0
"""Seconds for which a slow leak is thought to go on."""

OTHER_NOISE = 0x5EED
"""Added to the seed, so that the noise that an oracle imagines is not the one to come."""


class Promised:
    """Demand as one moment promises it."""

    def __init__(self, world: World, *, trend: bool) -> None:
        """From the moment at which `world` is; without `trend`, demand stays."""
        sources, seed, epoch, step, at = world.setup.sources, world.seed, world.epoch, world.step, world.time
        self._sources, self._seed, self._step, self._at = sources, seed + OTHER_NOISE, step, at
        moments = np.array([max(0.0, at - TREND), max(0.0, at - TREND / 2), at])
        self._rate = np.empty(len(self._sources))
        self._slope = np.zeros(len(self._sources))
        for i, source in enumerate(self._sources):
            old, middle, new = rate_of(source, moments, epoch).tolist()
            self._rate[i] = new
            first, second = middle - old, new - middle
            if trend and at >= TREND and first * second > 0:
                self._slope[i] = np.sign(first) * min(abs(first), abs(second)) / (TREND / 2)
        self._imagined: dict[int, Array] = {}

    @property
    def moves(self) -> bool:
        """True where there is a trend."""
        return bool(self._slope.any())

    def copy(self) -> Promised:
        """Itself: it does not change."""
        return self

    def rates(self, first: int, last: int) -> Array:
        """Requests/s in the steps first <= k < last, as steps x clients."""
        times = (np.arange(first, last) + 0.5) * self._step
        ahead = np.minimum(times - self._at, REACH)[:, None]
        rates = np.maximum(0.0, self._rate + self._slope * ahead)
        minutes = (times // 60.0).astype(np.int64)
        result: Array = rates * np.stack([self._noise(m) for m in minutes.tolist()])
        return result

    def _noise(self, minute: int) -> Array:
        """Factors by client, one draw a minute as in the world."""
        known = self._imagined.get(minute)
        if known is None:
            only = np.array([minute])
            strength = [float(getattr(s.demand, "noise", 0.0)) for s in self._sources]
            draws = [
                noise_of(self._seed, s.name, only)[0] if n > 0 else 0.0
                for s, n in zip(self._sources, strength, strict=True)
            ]
            known = np.maximum(0.0, 1.0 + np.array(strength) * np.array(draws))
            self._imagined[minute] = known
        return known


def futures(world: World, seen: float | None = None) -> tuple[World, ...]:
    """Forks that go on as this moment promises: demand as it is, and, where it has a trend, as the trend has it.

    Args:
        world: the world of the moment that is known.
        seen: the moment, seconds since time zero, at which health checks were read; the same where none is given.
    """
    checked = world.time if seen is None else max(world.time, seen - DETECTION)
    faults = []
    for fault in world.faults:
        known = checked if fault.kind in CHECKED else world.time
        if fault.at <= known:
            faults.append(_going_on(fault, known) if fault.until > known else fault)
    steady, moving = Promised(world, trend=False), Promised(world, trend=True)
    found = []
    for demand in (steady, moving) if moving.moves else (steady,):
        twin = world.fork()
        twin.suppose(demand, faults)
        found.append(twin)
    return tuple(found)


def _going_on(fault: Fault, now: float) -> Fault:
    """The fault without an end; a slow leak grows on at its pace for a day."""
    if fault.kind != "slow-leak":
        return replace(fault, until=inf)
    longer = 1.0 + LEAK_REACH / (fault.until - fault.at)
    until = fault.at + (fault.until - fault.at) * longer
    return replace(fault, until=max(until, now), factor=1.0 + (fault.factor - 1.0) * longer)

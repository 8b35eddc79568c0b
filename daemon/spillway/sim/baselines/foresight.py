"""What an oracle thinks will happen: the true world of one moment, carried on as that moment promised.

An oracle knows what is true, not what is yet to come. Faults that have begun go on, those that have not are unknown,
slow leaks go on leaking. Demand has further futures where its noiseless rate has a trend: it stays, or a trend goes on. Its
noise has the true strength, and is not the noise that will be. What has come and gone twice lately
may come again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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

RETURNING = frozenset({"slow", "errors", "fast-failures", "capacity-loss", "gray", "quota"})
"""Kinds of fault that health checks do not show, so that only having been away from there helps when they come back."""

TRENDS = (300.0, 60.0)
"""Seconds over which a trend must hold to be believed: in both halves, so that a step is no trend. The short one sees a
surge while it begins; each makes a future of its own where they differ."""

MATTERS = 0.02
"""Share of the demand by which a trend must change it within `REACH` to make a future, and what is promised must
change to be worth another search."""

REACH = 600.0
"""Seconds for which a trend is carried on at most; then demand stays."""

CARRIED = 6.0
"""A trend is carried on for so many times as long as it was seen: what began a minute ago need not last."""

LEAK_REACH = 86400.0
"""Seconds for which a slow leak is thought to go on."""

AGAIN_WITHIN = 3600.0
"""Seconds for which a fault that has ended is remembered: what came and went twice is likely to come again."""

AGAIN = 0.1
"""Weight of the future in which it has come again, where that of the future in which all stays is 1."""

MOVING = 0.3
"""Weight of a future in which a trend goes on."""

OTHER_NOISE = 0x5EED
"""Added to the seed, so that the noise that an oracle imagines is not the one to come."""


class Promised:
    """Demand as one moment promises it."""

    def __init__(self, world: World, trend: float | None = None) -> None:
        """From the moment at which `world` is; `trend` in seconds is what is looked back on, and without it demand stays."""
        sources, seed, epoch, step, at = world.setup.sources, world.seed, world.epoch, world.step, world.time
        self._sources, self._seed, self._step, self._at = sources, seed + OTHER_NOISE, step, at
        self._rate = np.array([float(rate_of(s, np.array([at]), epoch)[0]) for s in sources])
        self._slope = np.zeros(len(sources))
        self._reach = REACH if trend is None else min(REACH, CARRIED * trend)
        self._imagined: dict[int, Array] = {}
        self._known: dict[tuple[int, int], Array] = {}
        """What was asked before: every trial of a search asks for the same steps."""
        if trend is not None and at >= trend:
            back = np.array([at - trend, at - trend / 2, at])
            self._slope = np.array([_slope(*rate_of(s, back, epoch).tolist()) / (trend / 2) for s in sources])

    def differs(self, other: Promised) -> bool:
        """True where it comes to another demand than `other`."""
        change = np.abs(self._ahead - other._ahead).sum()
        return bool(change > MATTERS * self._ahead.sum())

    @property
    def _ahead(self) -> Array:
        """Requests/s if the trend went as far as any."""
        return np.maximum(0.0, self._rate + self._slope * REACH)

    def copy(self) -> Promised:
        """Itself: it does not change."""
        return self

    def rates(self, first: int, last: int) -> Array:
        """Requests/s in the steps first <= k < last, as steps x clients."""
        known = self._known.get((first, last))
        if known is None:
            known = self._known[first, last] = self._rates(first, last)
        return known

    def _rates(self, first: int, last: int) -> Array:
        times = (np.arange(first, last) + 0.5) * self._step
        ahead = np.minimum(times - self._at, self._reach)[:, None]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Future:
    """A fork that goes on as one promise has it."""

    world: World
    weight: float


def futures(world: World, seen: float | None = None) -> tuple[Future, ...]:
    """What this moment promises: demand as it is; as its trends have it; and the faults of the last hour once more.

    Args:
        world: the world of the moment that is known.
        seen: the moment, seconds since time zero, at which health checks were read; the same where none is given.
    """
    checked = world.time if seen is None else max(world.time, seen - DETECTION)
    faults, again = [], []
    for fault in world.faults:
        known = checked if fault.kind in CHECKED else world.time
        if fault.at <= known < fault.until:
            faults.append(_going_on(fault, known))
        elif fault.at <= known:
            faults.append(fault)
            if fault.kind in RETURNING and fault.until > known - AGAIN_WITHIN:
                again.append(replace(fault, at=known, until=inf))
    again = [f for f in again if sum(o.kind == f.kind and o.region == f.region for o in again) > 1]
    promises = promised(world)
    staying, *moving = promises
    found = [_future(world, staying, faults, 1.0)]
    found += [_future(world, promise, faults, MOVING) for promise in moving]
    if again:
        found.append(_future(world, staying, [*faults, *again], AGAIN))
    return tuple(found)


def promised(world: World) -> tuple[Promised, ...]:
    """All demands that this moment promises; the first is that nothing changes."""
    promises = [Promised(world)]
    for trend in TRENDS:
        moving = Promised(world, trend)
        if all(moving.differs(other) for other in promises):
            promises.append(moving)
    return tuple(promises)


def changed(now: tuple[Promised, ...], before: tuple[Promised, ...]) -> bool:
    """True where demand is promised otherwise than before, by more than is worth another search."""
    return len(now) != len(before) or any(a.differs(b) for a, b in zip(now, before, strict=True))


def _future(world: World, demand: Promised, faults: Sequence[Fault], weight: float) -> Future:
    twin = world.fork()
    twin.suppose(demand, faults)
    return Future(world=twin, weight=weight)


def _slope(old: float, middle: float, new: float) -> float:
    """The lesser change of two halves that agree in direction; 0 where they do not."""
    first, second = middle - old, new - middle
    return float(np.sign(first)) * min(abs(first), abs(second)) if first * second > 0 else 0.0


def _going_on(fault: Fault, now: float) -> Fault:
    """The fault without an end; a slow leak grows on at its pace for a day."""
    if fault.kind != "slow-leak":
        return replace(fault, until=inf)
    longer = 1.0 + LEAK_REACH / (fault.until - fault.at)
    until = fault.at + (fault.until - fault.at) * longer
    return replace(fault, until=max(until, now), factor=1.0 + (fault.factor - 1.0) * longer)

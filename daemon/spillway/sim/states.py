"""What all regions can do at a moment, looked up once for each set of faults in effect.

A state is a function of the faults that are active, of what health checks know and of what outlier detection may eject. A
world passes few such sets, and oracles fork it thousands of times at the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spillway.sim.arrays import Goodness, RegionArrays
from spillway.sim.balancer import Health
from spillway.sim.faults import Fault, Schedule
from spillway.sim.plant import DETECTION, RegionPlant, RegionState, region_state, zone_health

MEMORY = 256
"""Sets that are remembered; more come only in runs that last for weeks, and then the old ones are of no use."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Condition:
    """All regions at one moment, in order."""

    states: tuple[RegionState, ...]
    health: Health
    arrays: RegionArrays


class States:
    """Conditions of one set of plants; a world and its forks share what is known."""

    def __init__(self, plants: Sequence[RegionPlant], goodness: Goodness) -> None:
        self._plants = tuple(plants)
        self._goodness = goodness
        self._known: dict[object, Condition] = {}

    def at(self, faults: Schedule, t: float, ejections: Sequence[float]) -> Condition:
        """The condition at `t`.

        Args:
            faults: all faults.
            t: seconds since time zero.
            ejections: for each region, the largest share of its endpoints that outlier detection may eject.
        """
        key = (
            tuple(_acts(f, t) for f in faults.faults if f.active(t) and _is_local(f)),
            tuple((f.region, f.zone, f.kind, f.ratio) for f in faults.faults if _is_seen(f, t - DETECTION)),
            tuple(ejections),
        )
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MEMORY:
                self._known.clear()
            known = self._known[key] = self._look_up(faults, t, ejections)
        return known

    def _look_up(self, faults: Schedule, t: float, ejections: Sequence[float]) -> Condition:
        states = tuple(region_state(p, faults, t, e) for p, e in zip(self._plants, ejections, strict=True))
        return Condition(
            states=states,
            health=tuple(zone_health(p, faults, t) for p in self._plants),
            arrays=RegionArrays.of(states, self._plants, self._goodness),
        )


def _is_local(fault: Fault) -> bool:
    """True for what may change what a region does."""
    return fault.region is not None and not fault.kind.startswith("metrics")


def _acts(fault: Fault, t: float) -> tuple[object, ...]:
    """What an active fault does at `t`, whenever it began and however long it lasts."""
    slow = fault.slowdown(t) if fault.kind.startswith("slow") else fault.factor
    return fault.region, fault.zone, fault.kind, slow, fault.ratio, fault.code, fault.rps


def _is_seen(fault: Fault, t: float) -> bool:
    """True for a fault by which endpoints fail their checks at `t`."""
    return fault.active(t) and (fault.kind == "outage" or (fault.kind == "flapping" and fault.failing(t)))

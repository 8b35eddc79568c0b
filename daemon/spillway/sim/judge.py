"""Whether writes were wise: wrong-way moves by running the true world both ways, reversals, broken floors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from math import floor, inf
from typing import NamedTuple

from spillway.core.values.policy import Floors
from spillway.sim.control import ServiceControl
from spillway.sim.world import World
from spillway.sim.writes import Written

WRONG_WAY = 0.01
"""Share of one dead time's requests by which a write must add bad ones to count as wrong way (design.md section 7)."""

NOTHING = 0.01
"""Share of the demand up to which what a write takes away is nothing: capacities are not known any better."""

REVERSAL_WITHIN = 1800.0
"""Seconds within which a change of direction of a region's scaler is a reversal (design.md section 7)."""


def dead_time(world: World) -> float:
    """Seconds from a decision to the first moment at which its effect can be seen."""
    scenario = world.setup.scenario
    eyes = scenario.monitoring.sample_period + scenario.monitoring.visibility_delay
    return eyes + scenario.actuation.write_time + scenario.actuation.propagation


class _Standing(NamedTuple):
    """What a service stands on, by the truth."""

    serving: int
    """Regions that are open and not all dead."""
    ceilings: float
    """Target x scaler x healthy share of all, requests/s."""
    takes: float
    """Requests/s under these ceilings that the regions can answer well."""


class Judge:
    """Looks at every write that was carried out."""

    def __init__(self, world: World, floors: Floors) -> None:
        self._world = world
        self._floors = floors
        self._waiting: list[Written] = []
        self._moves: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        self.wrong_way_moves = 0
        self.floors_broken = 0

    def take(self, written: Written) -> None:
        """Note a write that was carried out just now."""
        self._waiting.append(written)
        before = {c.service: c for c in written.before}
        for control in written.after:
            old = before.get(control.service, ServiceControl(service=control.service, backends=()))
            self.floors_broken += self._breaks_floor(old, control)
            was, now = _scalers(old), _scalers(control)
            for region in sorted(was.keys() | now.keys()):
                change = now.get(region, 0.0) - was.get(region, 0.0)
                if change:
                    self._moves[control.service, region].append((written.effective, change))

    def next_event(self) -> float:
        """When the world must stop for a judgement: at the start of the step in which a write takes effect."""
        return min((self._stop(w) for w in self._waiting), default=inf)

    def _stop(self, written: Written) -> float:
        step = self._world.step
        return max(self._world.time, floor(written.effective / step + 1e-6) * step)

    def poll(self) -> None:
        """Judge what takes effect now, before the world puts it into effect."""
        due = [w for w in self._waiting if self._stop(w) <= self._world.time + 1e-6]
        self._waiting = [w for w in self._waiting if w not in due]
        for written in due:
            self.wrong_way_moves += self._is_wrong_way(written)

    def _is_wrong_way(self, written: Written) -> bool:
        until = self._world.time + dead_time(self._world)
        before = self._world.balance().arrived
        made, left = self._world.fork(), self._world.fork(without=written.tickets)
        made.advance(until)
        left.advance(until)
        requests = made.balance().arrived - before
        return made.bad_requests() - left.bad_requests() > WRONG_WAY * requests

    @property
    def reversals(self) -> int:
        """Changes of direction within half an hour, over all services and regions."""
        return sum(_reversals(moves) for moves in self._moves.values())

    def _breaks_floor(self, before: ServiceControl, after: ServiceControl) -> bool:
        """True where the write leaves less than a floor demands, and takes away what could be used."""
        asks = self._world.service_of()
        rates = self._world.demand().tolist()
        demand = sum(r for r, s in zip(rates, asks, strict=True) if s == after.service)
        left, was = self._standing(after, demand), self._standing(before, demand)
        few = left.serving < max(1, self._floors.min_serving_regions) and left.serving < was.serving
        floor = demand * (1.0 + self._floors.reserve)
        scarce = left.ceilings < floor and was.takes - left.takes > NOTHING * demand
        return few or (scarce and self._able() >= floor)

    def _able(self) -> float:
        """Requests/s that all regions can truly take: with less than the floor asks, no write can keep it.

        Ceilings that add up to less than the demand limit nothing then, as Google overfills them in proportion.
        """
        states = [self._world.state(p.name) for p in self._world.setup.regions]
        return sum(s.capacity for s in states if s.dead < 1.0)

    def _standing(self, control: ServiceControl, demand: float) -> _Standing:
        plants = {p.name: p for p in self._world.setup.regions}
        serving, ceilings, takes = 0, 0.0, 0.0
        whole = sum((b.weight or 0.0) * b.scaler for b in control.backends)
        for backend in control.backends:
            health = self._world.health(backend.region)
            share = sum(passing for passing, _ in health) / sum(total for _, total in health)
            plant, state = plants[backend.region], self._world.state(backend.region)
            target = plant.target if backend.target_rate is None else backend.target_rate
            if backend.target_in_flight is not None:
                target = backend.target_in_flight / plant.service_time.mean
            serving += backend.scaler > 0 and share > 0
            ceiling = target * backend.scaler * share
            if backend.weight is not None:  # no ceiling holds: what an open region is sent is its share
                ceilings += target * (backend.scaler > 0)
                ceiling = demand * backend.weight * backend.scaler / whole if whole else 0.0
            else:
                ceilings += ceiling
            well = (1.0 - state.errors) * (1.0 - sum(part for _, part in state.fast))
            takes += well * min(ceiling, state.capacity, inf if state.quota is None else state.quota)
        return _Standing(serving, ceilings, takes)


def _scalers(control: ServiceControl) -> dict[str, float]:
    return {b.region: b.scaler for b in control.backends}


def _reversals(moves: Sequence[tuple[float, float]]) -> int:
    return sum(a[1] * b[1] < 0 and b[0] - a[0] <= REVERSAL_WITHIN for a, b in pairwise(moves))

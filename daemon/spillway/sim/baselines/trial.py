"""What a set of controls would cost: the true model, run from the moment at which a write would take effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from spillway.core.values.overlay import Posture
from spillway.sim.baselines.foresight import Future
from spillway.sim.baselines.levers import Key, Levers, scalers_of
from spillway.sim.control import ServiceControl
from spillway.sim.world import World

HORIZON = 600.0
"""Seconds after a write takes effect for which its result is computed: more than any write can be taken back in."""

REGRET = 9.0
"""Weight of what a plan makes worse in any future than leaving all as it is: a bet on one future is no plan."""

Choice = tuple[tuple[tuple[Key, float], ...], tuple[tuple[str, Posture], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Scalers of all levers, and postures where they differ from what is listed."""

    scalers: Mapping[Key, float]
    postures: Mapping[str, Posture]

    def choice(self) -> Choice:
        """Something that can be looked up."""
        return tuple(sorted(self.scalers.items())), tuple(sorted(self.postures.items()))


class Trial:
    """Tries plans on all foreseen worlds; the same plan costs nothing twice."""

    def __init__(
        self, foreseen: tuple[Future, ...], levers: Levers, listing: tuple[ServiceControl, ...]
    ) -> None:
        """Prepare.

        Args:
            foreseen: one fork for each future, with all changes under way, at the moment a write would take effect.
            levers: what may be moved.
            listing: what is listed now.
        """
        self.futures, self.levers, self.listing = foreseen, levers, listing
        self._before = [f.world.bad_requests() for f in foreseen]
        self._known: dict[Choice, float] = {}
        self._partly: set[Choice] = set()
        """Choices of which only a part of the cost is known."""
        told = scalers_of(listing)
        self.leave = Plan(scalers={k: told.get(k, 0.0) for k in levers.home}, postures={})
        """All as it is."""
        self._left = [self._run(f.world, b, []) for f, b in zip(foreseen, self._before, strict=True)]

    @property
    def world(self) -> World:
        """The future in which demand goes furthest."""
        return max((f.world for f in self.futures), key=lambda w: float(w.demand().sum()))

    @property
    def tries(self) -> int:
        """Runs of the model so far."""
        return len(self._known)

    def cost(self, plan: Plan, below: float = inf) -> float:
        """Bad requests until the horizon, weighted mean over the futures, and what still waits then: its fate is to come.

        Infinity where it shows before all futures are run that it is not less than `below`.
        """
        choice = plan.choice()
        if self._known.get(choice, 0.0) >= below:
            return inf
        if choice not in self._known or choice in self._partly:
            total, whole = self._sum(plan, below)
            self._known[choice] = total
            self._partly.discard(choice)
            if not whole:
                self._partly.add(choice)
                return inf
        return self._known[choice]

    def _sum(self, plan: Plan, below: float) -> tuple[float, bool]:
        """The cost, or as much of it as reaches `below`, and whether it is all."""
        changed = self._changed(plan)
        weights = sum(f.weight for f in self.futures)
        total = 0.0
        for future, before, left in zip(self.futures, self._before, self._left, strict=True):
            if total >= below:
                return total, False
            result = self._run(future.world, before, changed)
            total += future.weight / weights * (result + REGRET * max(0.0, result - left))
        return total, True

    def controls(self, plan: Plan) -> tuple[ServiceControl, ...]:
        """What would be written."""
        return self.levers.apply(self.listing, plan.scalers, plan.postures)

    def _changed(self, plan: Plan) -> list[ServiceControl]:
        return [n for o, n in zip(self.listing, self.controls(plan), strict=True) if o != n]

    def _run(self, world: World, before: float, changed: list[ServiceControl]) -> float:
        twin = world.fork()
        now = twin.time
        for control in changed:
            twin.apply(control, now)
        twin.advance(now + HORIZON)
        return twin.bad_requests() - before + float(twin.waiting.sum())

"""What a set of controls would cost: the true model, run from the moment at which a write would take effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spillway.core.overlay import Posture
from spillway.sim.baselines.levers import Key, Levers, scalers_of
from spillway.sim.control import ServiceControl
from spillway.sim.world import World

HORIZON = 600.0
"""Seconds after a write takes effect for which its result is computed: more than any write can be taken back in."""

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
    """Tries plans on one foreseen world; the same plan costs nothing twice."""

    def __init__(self, foreseen: World, levers: Levers, listing: tuple[ServiceControl, ...]) -> None:
        """Prepare.

        Args:
            foreseen: a fork of which all changes under way are part, at the moment a write would take effect.
            levers: what may be moved.
            listing: what is listed now.
        """
        self.world, self.levers, self.listing = foreseen, levers, listing
        self._before = foreseen.bad_requests()
        self._known: dict[Choice, float] = {}
        told = scalers_of(listing)
        self.leave = Plan(scalers={k: told.get(k, 0.0) for k in levers.home}, postures={})

    @property
    def tries(self) -> int:
        """Runs of the model so far."""
        return len(self._known)

    def cost(self, plan: Plan) -> float:
        """Bad requests until the horizon, and what still waits then: an overload has its end yet to come."""
        choice = plan.choice()
        if choice not in self._known:
            self._known[choice] = self._run(plan)
        return self._known[choice]

    def controls(self, plan: Plan) -> tuple[ServiceControl, ...]:
        """What would be written."""
        return self.levers.apply(self.listing, plan.scalers, plan.postures)

    def _run(self, plan: Plan) -> float:
        twin = self.world.fork()
        now = twin.time
        for old, new in zip(self.listing, self.controls(plan), strict=True):
            if old != new:
                twin.apply(new, now)
        twin.advance(now + HORIZON)
        return twin.bad_requests() - self._before + float(twin.waiting.sum())

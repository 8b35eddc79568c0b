"""What steers a simulated world: the protocol that Spillway's controller and all its opponents fulfil."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from spillway.ports import Outcome
from spillway.sim.control import ServiceControl
from spillway.sim.monitoring import Shown
from spillway.sim.setup import Setup
from spillway.sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that a controller may look at: what Google's interfaces show at this moment, and no more.

    These are values, not views: nothing here leads back to the world.
    """

    now: float
    """UTC seconds by the controller's clock, which a clock step may have moved."""
    date: float
    """UTC seconds by the cloud's clock: the Date of its answers."""
    monitoring: Shown
    listing: tuple[ServiceControl, ...]
    """What Compute lists: the last finished write or outside edit, in traffic or not yet."""
    health: Mapping[str, tuple[tuple[int, int], ...]]
    """For each region, (passing, all) endpoints of each zonal group."""
    writing: bool
    """True while an earlier write has not been answered; another one would be dropped."""
    answer: Outcome | None
    """What became of the write that was answered since the last tick."""


class Controller(Protocol):
    """Something that may move traffic."""

    @property
    def name(self) -> str:
        """As `--baseline` and the report call it."""
        ...

    @property
    def interval(self) -> float | None:
        """Seconds between ticks; None for one that never acts."""
        ...

    def initial(self, setup: Setup, controls: tuple[ServiceControl, ...], /) -> tuple[ServiceControl, ...]:
        """What the balancer is told at time zero, made from the scenario's own. The set-up is as `sim.setup.public` leaves it."""
        ...

    def tick(self, sight: Sight, /) -> tuple[ServiceControl, ...] | None:
        """The services to write, whole, or None to leave all as it is."""
        ...


@runtime_checkable
class Oracle(Protocol):
    """A controller that sees the truth: the measure of what is possible, never a product."""

    def attach(self, world: World) -> None:
        """Be shown the world before it starts. It may fork it, and must not touch it."""
        ...

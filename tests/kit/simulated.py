"""The daemon's own loop in a simulated world, in virtual time: what it decides moves the world, and its reports are given on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.control.fakes import FakeStore

from spillway.control.alarms import AlarmBook
from spillway.control.memory import Keeper
from spillway.control.report import TickReport
from spillway.control.tick import Loop, Parts
from spillway.control.timing import Progress
from spillway.core.observe.rows import Lag
from spillway.core.values.drift import DriftReport
from spillway.core.values.overlay import Overlay
from spillway.core.values.policy import Mode, Policy
from spillway.core.values.snapshot import Snapshot
from spillway.core.values.topology import Fleet, ServiceName
from spillway.errors import TemporaryError
from spillway.ports import Applied, Outcome, Preview
from spillway.sim.control import ServiceControl
from spillway.sim.controller import Sight
from spillway.sim.pilot.eyes import Eyes
from spillway.sim.pilot.fleet import controls_of, fleet_of, overlay_of
from spillway.sim.pilot.pilot import TICK, policy_for
from spillway.sim.setup import Setup

ENGINE_SECONDS = 11.0
"""Of one adjustment, as the engine needs it (reference: one write of the CLI)."""


class SilentJournal:
    """Keeps nothing."""

    full = False
    """Whether the disk takes no more."""

    def append(self, record: dict[str, Any]) -> None:
        """Take a record.

        Raises:
            TemporaryError: the disk takes no more.
        """
        if self.full:
            raise TemporaryError("no space left", remedy="Free some.")


class SimulatedWorld:
    """Observer, engine and clock over one run of the simulator.

    The world carries a write out later; the engine says at once that it is done, as the simulator never refuses one by itself.
    """

    kind = "simulated"

    def __init__(self, fleet: Fleet, policy: Policy, lag: Lag) -> None:
        self.sight: Sight | None = None
        self.outcome: Callable[[float], Outcome] = _done
        """What becomes of a write at this UTC second."""
        self.lie: Callable[[Snapshot], Snapshot] = _as_it_is
        """What the observer makes of the truth."""
        self.controls: tuple[ServiceControl, ...] | None = None
        """What the last pass has written; None where it wrote nothing."""
        self._fleet, self._policy = fleet, policy
        self._eyes = Eyes(fleet, lag)

    def now(self) -> float:
        assert self.sight is not None
        return self.sight.date

    def monotonic(self) -> float:
        return self.now()

    def observe(self) -> Snapshot:
        assert self.sight is not None
        return self.lie(self._eyes.look(self.sight))

    observe_health = observe

    def preview(self, overlay: Overlay) -> Preview:
        return Preview(changes=(), same=len(overlay.services))

    def apply(self, overlay: Overlay) -> Applied:
        outcome = self.outcome(self.now())
        if outcome is Outcome.DONE:
            self.controls = controls_of(self._fleet, overlay, self._policy)
        return Applied(
            outcome=outcome, sentence=outcome.value, engine_processes=1, engine_seconds=ENGINE_SECONDS
        )

    build = apply

    def destroy(self) -> Applied:
        return Applied(outcome=Outcome.REFUSED, sentence="a simulated load balancer stays")

    def recover(self) -> str | None:
        return None

    def outputs(self) -> dict[str, str]:
        return {}


Before = Callable[["SimulatedDaemon", float], bool]


class SimulatedDaemon:
    """Steers a run of the simulator by the loop of the daemon.

    Args:
        mode: of every service.
        told: is given each report.
        before: is called before each pass with this daemon and the seconds since its first one; False for no pass: it hangs.
        steering: makes the policy of every service from the default one, and the UTC seconds of the first pass.
    """

    name = "spillway"
    interval: float | None = TICK

    def __init__(
        self,
        mode: Mode,
        told: Callable[[TickReport], None],
        *,
        before: Before | None = None,
        steering: Callable[[Policy, float], Policy] | None = None,
    ) -> None:
        self._mode = mode
        self._told = told
        self._before = before
        self._steering = steering
        self._begun: float | None = None
        self.missed = 0
        """Ticks that did not happen in time."""
        self.drift: DriftReport | None = None
        """What a look at all parts finds."""
        self.store = FakeStore()
        self.journal = SilentJournal()
        self.world: SimulatedWorld
        self.loop: Loop
        self.fleet: Fleet
        self.policy: Policy

    def initial(self, setup: Setup, controls: tuple[ServiceControl, ...], /) -> tuple[ServiceControl, ...]:
        """Put the daemon together for this fleet."""
        self.policy = replace(policy_for(setup), mode=self._mode)
        if self._steering is not None:
            self.policy = self._steering(self.policy, setup.scenario.start)
        self.fleet = fleet_of(setup)
        starting = overlay_of(self.fleet, controls)
        monitoring = setup.scenario.monitoring
        lag = Lag(sample_period=monitoring.sample_period, ingest_delay=monitoring.visibility_delay)
        self.world = SimulatedWorld(self.fleet, self.policy, lag)
        self.loop = Loop(
            Parts(
                fleet=self.fleet,
                policies={"default": self.policy},
                starting=starting,
                observer=self.world,
                deployer=self.world,
                digest="simulated",
                look=lambda _: self.drift,
            ),
            journal=self.journal,
            keeper=Keeper(self.store),
            clock=self.world,
            progress=Progress(lambda: 0.0, tick=TICK, write_limit=900.0),
            stopwatch=lambda: 0.0,
            alarms=AlarmBook("lb"),
        )
        return controls_of(self.fleet, starting, self.policy)

    def policies(self) -> dict[ServiceName, Policy]:
        """The policy of each service."""
        return self.loop.policies()

    def elapsed(self, sight: Sight) -> float:
        """Seconds since the first pass."""
        self._begun = sight.date if self._begun is None else self._begun
        return sight.date - self._begun

    def tick(self, sight: Sight, /) -> tuple[ServiceControl, ...] | None:
        """One pass of the loop; while a write is under way the daemon is inside it."""
        if sight.writing:
            return None
        self.world.sight, self.world.controls = sight, None
        if self._before is not None and not self._before(self, self.elapsed(sight)):
            return None
        if self.drift is not None:
            self.loop.drift_pass()
        report = self.loop.tick()
        self._told(report)
        return self.world.controls


def _done(at: float) -> Outcome:
    return Outcome.DONE


def _as_it_is(snapshot: Snapshot) -> Snapshot:
    return snapshot

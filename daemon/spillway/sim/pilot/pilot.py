"""`spillway`: the controller of the daemon, steering a simulated world through the same entrances."""

from __future__ import annotations

from dataclasses import replace

from spillway.core import loop
from spillway.core.observe.rows import Lag
from spillway.core.values.decision import Plan
from spillway.core.values.overlay import Overlay
from spillway.core.values.policy import Mode, Policy, Slo, Timing
from spillway.core.values.topology import Fleet
from spillway.ports import Outcome
from spillway.sim.control import ServiceControl
from spillway.sim.controller import Sight
from spillway.sim.pilot.eyes import Eyes
from spillway.sim.pilot.fleet import controls_of, fleet_of, overlay_of
from spillway.sim.setup import Setup

TICK = 60.0
"""Seconds between ticks: the default of `daemon.tick`."""

_GOOD = frozenset({Outcome.DONE, Outcome.UNCHANGED})


def policy_for(setup: Setup, policy: Policy | None = None) -> Policy:
    """A policy in mode `act`; without one, the defaults with the scenario's promise and delays."""
    if policy is not None:
        return replace(policy, mode=Mode.ACT)
    scenario = setup.scenario
    slo = scenario.slo
    return Policy(
        mode=Mode.ACT,
        slo=Slo(latency=slo.latency, percentile=slo.percentile, availability=slo.availability),
        timing=Timing(
            sample_period=scenario.monitoring.sample_period,
            visibility_delay=scenario.monitoring.visibility_delay,
            write_time=scenario.actuation.write_time,
            propagation=scenario.actuation.propagation,
        ),
    )


class Pilot:
    """Steers one run.

    Args:
        policy: how; the defaults with the scenario's promise and delays where none is given.
    """

    name = "spillway"
    interval: float | None = TICK

    def __init__(self, policy: Policy | None = None) -> None:
        self._given = policy
        self._memory = loop.fresh()
        self._writing: tuple[Plan, float] | None = None
        self._policy = Policy()
        self._fleet = Fleet(services=())
        self._overlay = Overlay(services=())
        self._eyes = Eyes(self._fleet, Lag())
        self.sentences: list[tuple[float, str]] = []
        """(UTC seconds, sentence) of every tick that wrote something."""

    def initial(self, setup: Setup, controls: tuple[ServiceControl, ...], /) -> tuple[ServiceControl, ...]:
        """What `spillway up` would have built: the scenario's scalers with the posture `normal`."""
        self._policy = policy_for(setup, self._given)
        self._fleet = fleet_of(setup)
        self._overlay = overlay_of(self._fleet, controls)
        monitoring = setup.scenario.monitoring
        self._eyes = Eyes(
            self._fleet, Lag(sample_period=monitoring.sample_period, ingest_delay=monitoring.visibility_delay)
        )
        return controls_of(self._fleet, self._overlay, self._policy)

    def tick(self, sight: Sight, /) -> tuple[ServiceControl, ...] | None:
        """One pass of the daemon's loop; while a write is under way the daemon is inside it, and so is this."""
        if sight.writing:
            return None
        if self._writing is not None:
            self._settle(sight)
        snapshot = self._eyes.look(sight)
        result = loop.step(self._fleet, {"default": self._policy}, snapshot, self._overlay, self._memory)
        self._memory, self._overlay = result.memory, result.overlay
        if result.plan.empty:
            return None
        self.sentences.append((sight.date, result.sentence))
        self._writing = (result.plan, sight.date)
        return controls_of(self._fleet, result.plan.overlay, self._policy)

    def _settle(self, sight: Sight) -> None:
        """Take in what became of the last write."""
        assert self._writing is not None  # noqa: S101 for the type checker: the caller has looked
        plan, begun = self._writing
        done = sight.answer in _GOOD
        self._memory = loop.confirm(
            self._memory, plan, outcome_done=done, at=begun + self._policy.timing.write_time
        )
        if done:
            self._overlay = plan.overlay
        self._writing = None

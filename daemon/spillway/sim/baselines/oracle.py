"""`oracle` and `oracle-delayed`: the yardsticks. They know the true world and search the levers with the true model."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil

from spillway.sim.baselines.foresight import Future, Promised, changed, futures, promised
from spillway.sim.baselines.levers import Levers, careful
from spillway.sim.baselines.search import best, noise
from spillway.sim.baselines.trial import HORIZON, Plan, Trial
from spillway.sim.control import ServiceControl
from spillway.sim.controller import Sight
from spillway.sim.setup import Setup
from spillway.sim.world import World

TICK = 60.0
"""Seconds between ticks: the same as Spillway's."""

PATIENCE = 300.0
"""Seconds after which an oracle that found nothing to do searches again although nothing has changed but noise and queues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """The world of one tick."""

    at: float
    world: World


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A listed change and when traffic follows."""

    seen: float
    effective: float
    control: ServiceControl


@dataclass(frozen=True, slots=True, kw_only=True)
class _Idle:
    """A search that found nothing to do."""

    since: float
    situation: object
    demand: tuple[Promised, ...]


class Oracle:
    """Knows the truth of now: capacities, faults, queues, demand and its trend; not what will begin or end.

    It sees through every fault of monitoring. It writes like everybody else: the same levers, the same write time,
    propagation and write faults, at the same ticks.
    """

    name = "oracle"
    interval: float | None = TICK

    def __init__(self) -> None:
        self._world: World | None = None
        self._levers: Levers | None = None
        self._listing: tuple[ServiceControl, ...] = ()
        self._records: deque[_Record] = deque()
        self._changes: deque[_Change] = deque()
        self._begun = 0.0
        self._last: Plan | None = None
        self._idle: _Idle | None = None

    def initial(self, setup: Setup, controls: tuple[ServiceControl, ...], /) -> tuple[ServiceControl, ...]:
        """The scenario's scalers with the posture `normal`, as Spillway begins."""
        self._levers = Levers.of(setup, controls)
        self._listing = careful(controls)
        return self._listing

    def attach(self, world: World) -> None:
        """Be shown the world."""
        self._world = world

    def age(self, world: World) -> float:
        """Seconds by which the truth that it knows is older than now."""
        del world
        return 0.0

    def tick(self, sight: Sight, /) -> tuple[ServiceControl, ...] | None:
        """Search, and write what gains more than noise."""
        if self._world is None or self._levers is None:
            raise RuntimeError("an oracle needs to be attached to a world before its first tick")
        self._note(self._world, sight)
        if sight.writing:
            return None
        old = self._records[0].world
        situation = self._situation(old, sight)
        demand = promised(old)
        if self._idle is not None:
            idle = self._idle
            same = idle.situation == situation and not changed(demand, idle.demand)
            if same and self._world.time - idle.since < PATIENCE:
                return None
        trial = Trial(self._foreseen(self._world, old), self._levers, sight.listing)
        plan = self._choose(trial)
        if plan is None:
            self._idle = _Idle(since=self._world.time, situation=situation, demand=demand)
            return None
        self._idle, self._last, self._begun = None, plan, self._world.time
        return trial.controls(plan)

    def _note(self, world: World, sight: Sight) -> None:
        """Keep the world of this tick as long as it is of use, and what was listed anew."""
        now, scenario = world.time, world.setup.scenario
        listed = {c.service: c for c in self._listing}
        for control in sight.listing:
            if listed.get(control.service) != control:
                done = max(now - TICK, min(now, self._begun + scenario.actuation.write_time))
                effective = done + scenario.actuation.propagation
                self._changes.append(_Change(seen=now, effective=effective, control=control))
        self._listing = sight.listing
        self._records.append(_Record(at=now, world=world.fork()))
        known = now - self.age(world)
        while len(self._records) > 1 and self._records[1].at <= known:
            self._records.popleft()
        while self._changes and self._changes[0].seen <= self._records[0].at:
            self._changes.popleft()

    def _situation(self, old: World, sight: Sight) -> object:
        """What a search depends on, but for noise and queues."""
        faults = tuple(f for f in old.faults if f.active(old.time))
        return sight.listing, faults, tuple(sorted(sight.health.items()))

    def _foreseen(self, world: World, old: World) -> tuple[Future, ...]:
        """The known past carried on to when a write of now takes effect, with all that is under way."""
        actuation = world.setup.scenario.actuation
        effective = world.time + actuation.write_time + actuation.propagation
        found = futures(old, world.time)
        for future in found:
            for change in self._changes:
                future.world.apply(change.control, change.effective)
            future.world.advance(ceil(effective / world.step - 1e-6) * world.step)
        return found

    def _choose(self, trial: Trial) -> Plan | None:
        """The best plan, where it is better than leaving all as it is by more than noise; home where it costs nothing."""
        leave = trial.cost(trial.leave)
        requests = float(trial.world.demand().sum()) * HORIZON
        plan = best(trial, (self._last,) if self._last is not None else ())
        if trial.cost(plan) < leave - noise(leave, requests):
            return plan
        home = Plan(scalers=trial.levers.home, postures={})
        if (
            trial.controls(home) != trial.listing
            and trial.cost(home) <= leave + noise(leave, requests) / 10.0
        ):
            return home
        return None


class DelayedOracle(Oracle):
    """Knows the truth as old as the metrics: the world one sample period and one visibility delay ago.

    What it has written since it knows, and what health checks show, as everybody does; it computes the present from
    the past with the true model. What else has begun or ended since, it cannot know.
    """

    name = "oracle-delayed"

    def age(self, world: World) -> float:
        """One sample period and one visibility delay."""
        monitoring = world.setup.scenario.monitoring
        return monitoring.sample_period + monitoring.visibility_delay


__all__ = ["DelayedOracle", "Oracle"]

"""One scenario, one controller, in virtual time: to a result with the fields of `spillway backtest --json`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf
from time import perf_counter
from typing import Any

from spillway.core.values.policy import Floors
from spillway.ports import Outcome
from spillway.sim.accounting import Report
from spillway.sim.control import RouteControl, ServiceControl
from spillway.sim.controller import Controller, Oracle, Sight
from spillway.sim.faults import Schedule
from spillway.sim.judge import Judge
from spillway.sim.monitoring import MonitoringView
from spillway.sim.setup import Setup, public
from spillway.sim.world import World
from spillway.sim.writes import WritePath

STRIDE = 600.0
"""Longest time in seconds that the world runs without a look at it, for progress; a recorder looks more often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a run came to (design.md section 7)."""

    scenario: str
    policy: str
    seed: int
    report: Report
    writes: int
    """Writes begun, whatever became of them."""
    reversals: int
    wrong_way_moves: int
    floors_broken: int
    trace_hash: str
    wall_seconds: float

    def to_json(self) -> dict[str, Any]:
        """The object that `spillway backtest --json` prints."""
        report = self.report
        return {
            "scenario": self.scenario,
            "policy": self.policy,
            "seed": self.seed,
            "requests": round(report.requests, 3),
            "answered": round(report.answered, 3),
            "failed": round(report.failed, 3),
            "waiting": round(report.waiting, 3),
            "bad_requests": round(report.bad_requests, 3),
            "slo_minutes_lost": report.slo_minutes_lost,
            "latency_ms": dict(report.latency_ms),
            "writes": self.writes,
            "reversals": self.reversals,
            "wrong_way_moves": self.wrong_way_moves,
            "max_over_mean_utilization": round(report.max_over_mean_utilization, 4),
            "cost": round(report.cost, 3),
            "floors_broken": self.floors_broken,
            "trace_hash": self.trace_hash,
            "wall_seconds": round(self.wall_seconds, 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a watcher is shown after each stretch of time: for progress bars, plots and the demo's table."""

    world: World
    done: float
    """Share of the run that has passed, 0..1."""
    listing: tuple[ServiceControl, ...]
    decision: tuple[ServiceControl, ...] | None
    """What the controller asked for in a tick just now."""


class Run:
    """One run, from time zero to its end."""

    def __init__(
        self,
        setup: Setup,
        controller: Controller,
        *,
        seed: int | None = None,
        controls: Sequence[ServiceControl] | None = None,
        routes: Sequence[RouteControl] | None = None,
        floors: Floors | None = None,
    ) -> None:
        """Prepare a run.

        Args:
            setup: from `sim.setup.build`.
            controller: who steers.
            seed: the scenario's own where none is given.
            controls: what the balancer would be told at time zero; the scenario's own where none are given.
            routes: likewise.
            floors: what a write must not break; the core's defaults where none are given.
        """
        first = controller.initial(public(setup), tuple(setup.controls if controls is None else controls))
        self.world = World(setup, seed, controls=first, routes=routes)
        self._setup, self._controller = setup, controller
        self._path = WritePath(self.world, first)
        self._judge = Judge(self.world, floors or Floors())
        if self.world.samples is None:
            raise ValueError("a fork has no monitoring; start from a whole world")
        self._monitoring = MonitoringView(self.world.samples)
        self._answer: Outcome | None = None
        if isinstance(controller, Oracle):
            controller.attach(self.world)

    def go(self, watch: Callable[[Moment], None] | None = None, *, stride: float = STRIDE) -> RunResult:
        """Run to the end; `watch` is called at every tick, and at every multiple of `stride` seconds."""
        started = perf_counter()
        world, step = self.world, self.world.step
        end = self._setup.scenario.duration
        interval = self._controller.interval or inf
        next_tick = 0.0 if self._controller.interval else inf
        while world.time < end - step / 2:
            answer, written = self._path.poll()
            self._answer = answer or self._answer
            for write in written:
                self._judge.take(write)
            self._judge.poll()
            decision = None
            if world.time >= next_tick - 1e-6:
                decision = self._tick()
                next_tick += interval
            if watch is not None:
                watch(
                    Moment(world=world, done=world.time / end, listing=self._path.listing, decision=decision)
                )
            look = (floor(world.time / stride + 1e-6) + 1) * stride
            stop = min(end, look, next_tick, self._path.next_event(), self._judge.next_event())
            world.advance(max(world.time + step, ceil(stop / step - 1e-6) * step))
        return self._result(perf_counter() - started)

    def _tick(self) -> tuple[ServiceControl, ...] | None:
        now = self.world.epoch + self.world.time
        sight = Sight(
            now=now + Schedule(self.world.faults).clock(self.world.time),
            date=now,
            monitoring=self._monitoring.shown(now),
            listing=self._path.listing,
            health={p.name: self.world.health(p.name) for p in self._setup.regions},
            writing=self._path.busy,
            answer=self._answer,
        )
        self._answer = None
        decision = self._controller.tick(sight)
        if decision:
            self._path.begin(decision)
        return decision

    def _result(self, wall: float) -> RunResult:
        return RunResult(
            scenario=self._setup.scenario.scenario,
            policy=self._controller.name,
            seed=self.world.seed,
            report=self.world.report(),
            writes=self._path.attempts,
            reversals=self._judge.reversals,
            wrong_way_moves=self._judge.wrong_way_moves,
            floors_broken=self._judge.floors_broken,
            trace_hash=self.world.trace_hash(),
            wall_seconds=wall,
        )

"""Planned work in the simulated world: a standby makes the room, or people hear in time that nothing can."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.sim.worlds import client, region, setup

from spillway.core import loop
from spillway.core.loop import StepResult
from spillway.core.values.policy import CalendarWindow, Membership, Mode, Policy, Timing
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run, RunResult

START, END = 7200.0, 14_400.0
BIG, OTHER, STANDBY = "europe-west4", "us-east4", "asia-northeast1"
DEAD_TIME = Timing().dead_time


@dataclass
class Diary:
    """What the core gave back, tick by tick."""

    result: RunResult
    steps: list[tuple[float, StepResult]] = field(default_factory=list)

    def first(self, code: str) -> float:
        """When a move was first made for this reason."""
        return next(at for at, step in self.steps for move in step.plan.moves if move.reason.code == code)

    def told(self, code: str) -> list[float]:
        """When an alarm was up."""
        return [at for at, step in self.steps for alarm in step.alarms if alarm.code == code]

    def scalers(self, region: str) -> list[float]:
        return [step.plan.overlay.service("pool").backend(region).scaler for _, step in self.steps]


def played(monkeypatch: pytest.MonkeyPatch, *, standby: bool, demand: float) -> Diary:
    """Two hours and a half of steady demand on a big and a small region, with work in the big one after two hours."""
    regions: dict[str, Any] = {
        BIG: region(endpoints=20, target_rps=200, capacity_rps=215),
        OTHER: region(endpoints=14, target_rps=140, capacity_rps=150),
    }
    if standby:
        regions[STANDBY] = region(endpoints=16, target_rps=160, capacity_rps=170, standby=True)
    world = setup(
        duration="150m",
        regions=regions,
        clients=[client("paris", demand, 48.9, 2.4), client("ohio", demand / 2, 40.0, -83.0)],
    )
    steps: list[tuple[float, StepResult]] = []
    step, epoch = loop.step, world.scenario.start

    def noting(*args: Any, **more: Any) -> StepResult:
        result = step(*args, **more)
        steps.append((args[2].at - epoch, result))
        return result

    monkeypatch.setattr(loop, "step", noting)
    window = CalendarWindow(start=epoch + START, end=epoch + END, reason="new kernel", region=BIG)
    policy = Policy(mode=Mode.ACT, planned=(window,))
    return Diary(Run(world, Pilot(policy)).go(), steps)


def test_a_standby_makes_room_for_the_drain_of_a_big_region(monkeypatch: pytest.MonkeyPatch) -> None:
    diary = played(monkeypatch, standby=True, demand=110.0)
    joined, drained = diary.first("join-for-drain"), diary.first("drain-planned")
    assert joined + DEAD_TIME <= drained
    assert START - DEAD_TIME - Membership().drain_wait <= drained <= START - DEAD_TIME
    assert diary.told("planned-late") == []
    assert diary.scalers(BIG)[-1] == 0.0
    assert diary.result.floors_broken == 0
    assert diary.result.wrong_way_moves == 0


def test_where_nothing_makes_room_it_is_told_in_time_and_drained_as_far_as_the_floors_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    diary = played(monkeypatch, standby=False, demand=110.0)
    told = diary.told("planned-late")
    assert min(told) <= START - 2.0 * DEAD_TIME
    assert max(told) > START
    assert 0.1 <= min(diary.scalers(BIG)) < 1.0
    assert diary.result.floors_broken == 0

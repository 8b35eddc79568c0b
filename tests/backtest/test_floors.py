"""Floors hold where demand cannot be seen whole: random schedules that once broke them."""

from __future__ import annotations

import pytest
from tests.bench.library import FOLDER, chosen
from tests.bench.schedules import FAULTS, HOURS, schedule

from spillway.sim.backtest.jobs import Job, contenders, perform


@pytest.mark.parametrize(
    ("seed", "what"),
    [
        (23, "the clock is wrong by a quarter of an hour"),
        (148, "answers fall as machines are lost, before that shows as a queue"),
        (333, "garbage for most of an hour"),
        (348, "demand rises while it is looked at"),
        (797, "one region's samples are late while another fails"),
        (855, "traffic moves to a region that cannot be seen"),
    ],
)
def test_no_floor_is_broken_when(seed: int, what: str) -> None:
    (quiet,) = chosen(["quiet"], FOLDER)
    (spillway,) = contenders((), ("spillway",), oracles=False)
    result = perform(Job(setup=schedule(quiet, seed, HOURS, FAULTS), seed=seed, contender=spillway)).result
    assert result.writes > 0
    assert result.floors_broken == 0, what

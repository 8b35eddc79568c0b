"""The library of stories: each says what a good controller does, can be run, and loses no request."""

from __future__ import annotations

from pathlib import Path

import pytest

from spillway.sim.baselines import BASELINES
from spillway.sim.run import Run
from spillway.sim.scenario_file import load_scenario
from spillway.sim.setup import build

FOLDER = Path(__file__).resolve().parents[2] / "config" / "scenarios"

FILES = sorted(FOLDER.glob("*.yaml"))

NAMED = {
    *("region-slow", "region-dead", "zone-gray-failure", "fast-failures-that-look-healthy", "quota-429"),
    *("slow-leak", "flapping-endpoints", "daily-peak-follow-the-sun", "flash-crowd", "all-regions-short"),
    *("standby-needed", "deploy-wave", "metrics-late", "metrics-missing", "metrics-lying", "write-refused"),
    *("write-slow", "write-unknown", "outside-edit", "clock-step", "two-faults-at-once"),
    *("quiet-week-of-noise", "capacity-loss", "pinned-europe"),
}

QUIET_FIRST = 300.0
"""Seconds in which every story is still calm, so that what follows can be told from it."""


def test_the_stories_of_the_pager_are_there() -> None:
    names = [load_scenario(file).scenario for file in FILES]
    assert set(names) >= NAMED
    assert names == [file.stem for file in FILES]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_a_story_says_what_to_do_and_runs(file: Path) -> None:
    scenario = load_scenario(file)
    assert 20 <= len(scenario.description) <= 300
    assert scenario.description.endswith(".")
    assert 3 <= len(scenario.regions) <= 8
    assert scenario.faults == tuple(f for f in scenario.faults if f.at < scenario.duration)
    run = Run(build(scenario.model_copy(update={"duration": 1800.0}), file.parent), BASELINES["google"]())
    run.world.advance(QUIET_FIRST)
    assert run.world.bad_requests() < 0.02 * run.world.balance().arrived
    result = run.go()
    balance = run.world.balance()
    assert balance.error < 1e-9
    assert min(balance.answered, balance.failed + 1e-9, balance.waiting + 1e-9) >= 0.0
    assert result.report.requests == pytest.approx(balance.arrived)
    assert result.report.requests > 1000.0

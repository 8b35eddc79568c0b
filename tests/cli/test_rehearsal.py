"""The demo's words: the story of a scenario, each decision once, a comparison that admits a defeat."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from spillway.cli.rehearsal.compare import verdict
from spillway.cli.rehearsal.feed import Decisions
from spillway.cli.rehearsal.story import tell
from spillway.resources import config_file
from spillway.sim.scenario import Scenario


def test_the_demo_is_told_in_order() -> None:
    scenario = Scenario.model_validate(yaml.safe_load(config_file("scenarios/demo.yaml").read_text()))
    lines = tell(scenario)
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    told = "\n".join(line.text for line in lines)
    assert "us-east4 turns slow: every answer takes 3 times as long" in told
    assert "asia-northeast1 dies" in told
    assert told.count("a surge begins") == 1


def status(*decisions: dict[str, Any], alarms: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "at": 120.0,
        "decisions": list(decisions),
        "alarms": [{"code": a, "sentence": f"{a}!"} for a in alarms],
    }


def decision(tick: int, *, outcome: str = "done") -> dict[str, Any]:
    move = {
        "lever": "scaler",
        "region": "us-east4",
        "service": "pool",
        "before": "1.00",
        "after": "0.10",
        "reason": {"code": "shed-slow", "sentence": "us-east4 is slow; next best: nothing"},
    }
    return {
        "tick": tick,
        "kind": "tick",
        "at": 60.0 * tick,
        "moves": [move],
        "verdicts": [],
        "applied": {"outcome": outcome, "sentence": f"the write ended {outcome}"},
    }


def test_each_decision_is_told_once() -> None:
    feed = Decisions(epoch=0.0)
    first = feed.lines(status(decision(1)))
    assert [line.text for line in first] == ["us-east4 in pool: scaler 1.00 -> 0.10: us-east4 is slow"]
    assert feed.lines(status(decision(2), decision(1)))[0].at == 120.0
    assert feed.lines(status(decision(2), decision(1))) == []
    assert feed.levers == {"scaler"}
    assert feed.writes == 2


def test_a_failed_write_and_a_new_alarm_are_told() -> None:
    feed = Decisions(epoch=0.0)
    lines = feed.lines(status(decision(1, outcome="unknown"), alarms=("shortage",)))
    assert [line.who for line in lines] == ["spillway", "alarm", "alarm"]
    assert feed.lines(status(decision(1, outcome="unknown"), alarms=("shortage",))) == []
    assert feed.lines(status()) == []
    assert len(feed.lines(status(alarms=("shortage",)))) == 1, "it comes back, so it is told again"


@pytest.mark.parametrize(
    ("spillway", "google", "words"),
    [(10.0, 100.0, "90% fewer"), (120.0, 100.0, "no better"), (0.0, 0.0, "nothing to win")],
)
def test_the_comparison_is_honest(spillway: float, google: float, words: str) -> None:
    runs = {
        name: {"bad_requests": bad}
        for name, bad in (("static", 2 * google), ("google", google), ("spillway", spillway))
    }
    assert words in verdict(runs)

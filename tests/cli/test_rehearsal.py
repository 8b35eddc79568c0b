"""The demo's words: the story of a scenario, each decision once, a comparison that admits a defeat."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from rich.console import Console
from rich.live import Live

from spillway.cli.rehearsal.compare import verdict
from spillway.cli.rehearsal.feed import Decisions, Line
from spillway.cli.rehearsal.story import tell
from spillway.cli.rehearsal.telling import tell as tell_line
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
        "alarms": [{"service": "pool", "code": "a", "sentence": a} for a in alarms],
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
    assert (feed.writes, feed.moves) == (2, 2)


def test_a_failed_write_and_a_new_alarm_are_told() -> None:
    feed = Decisions(epoch=0.0)
    lines = feed.lines(status(decision(1, outcome="unknown"), alarms=("shortage",)))
    assert [line.who for line in lines] == ["spillway", "alarm", "alarm"]
    assert feed.lines(status(decision(1, outcome="unknown"), alarms=("shortage",))) == []
    assert feed.moves == 0, "a move whose write failed is none"
    assert feed.lines(status()) == []
    assert len(feed.lines(status(alarms=("shortage",)))) == 1, "it comes back, so it is told again"


def test_an_alarm_names_its_service_and_is_told_once_for_each_region() -> None:
    feed = Decisions(epoch=0.0)
    first = feed.lines(status(alarms=("us-east4 has 0 of 16 endpoints healthy",)))
    assert [line.text for line in first] == ["pool: us-east4 has 0 of 16 endpoints healthy"]
    assert feed.lines(status(alarms=("us-east4 has 1 of 16 endpoints healthy",))) == [], "other numbers"
    both = ("us-east4 has 1 of 16 endpoints healthy", "us-east1 has 0 of 8 endpoints healthy")
    assert [line.text for line in feed.lines(status(alarms=both))] == [f"pool: {both[1]}"]


@pytest.mark.parametrize("terminal", [False, True])
def test_when_and_who_stand_before_what_also_above_a_live_table(terminal: bool) -> None:
    text = "us-east4 in pool: scaler 1.00 -> 0.10: it answers too slowly for what was promised"
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=50, color_system=None)
    with Live("a table", console=console, auto_refresh=False):
        tell_line(console, Line(at=780.0, who="spillway", text=text))
    said = file.getvalue()
    assert "00:13 spillway us-east4 in pool" in said
    told = said[said.index("00:13") :]
    if terminal:
        assert "\n               0.10: it answers too slowly for " in told, "whole words, under one another"
    else:
        assert f"00:13 spillway {text}\n" in told, "one line, so that grep finds it"


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

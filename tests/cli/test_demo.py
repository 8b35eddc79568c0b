"""The demo's words: the script of a scenario, lines in order of time, each decision once, a comparison that admits a defeat."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from rich.console import Console

from spillway.cli.demo.baselines import verdict
from spillway.cli.demo.command import _keep
from spillway.cli.demo.environment import Environment
from spillway.cli.demo.events import Decisions, Line, Timeline
from spillway.cli.demo.output import Output
from spillway.cli.demo.script import script
from spillway.resources import config_file
from spillway.sim.scenario import Scenario


def test_the_demo_is_told_in_order() -> None:
    scenario = Scenario.model_validate(yaml.safe_load(config_file("scenarios/demo.yaml").read_text()))
    lines = script(scenario)
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    told = "\n".join(line.text for line in lines)
    assert "us-east4 turns slow: every answer takes 3 times as long" in told
    assert "asia-northeast1 goes down" in told
    assert told.count("a surge begins") == 1


def status(*decisions: dict[str, Any], alarms: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "at": 120.0,
        "decisions": list(decisions),
        "alarms": [{"service": "pool", "code": "a", "sentence": a} for a in alarms],
    }


def decision(tick: int, *, outcome: str = "done", judged: bool = False) -> dict[str, Any]:
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
        "verdicts": [{"service": "pool", "sentence": f"what became of {tick}"}] if judged else [],
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
    (over,) = feed.lines(status())
    assert (over.who, over.text) == ("alarm", "over: pool: shortage")
    assert feed.lines(status()) == [], "its end is told once"
    assert len(feed.lines(status(alarms=("shortage",)))) == 1, "it comes back, so it is told again"


def test_an_alarm_names_its_service_and_is_told_once_for_each_region() -> None:
    feed = Decisions(epoch=0.0)
    first = feed.lines(status(alarms=("us-east4 has 0 of 16 endpoints healthy",)))
    assert [line.text for line in first] == ["pool: us-east4 has 0 of 16 endpoints healthy"]
    assert feed.lines(status(alarms=("us-east4 has 1 of 16 endpoints healthy",))) == [], "other numbers"
    both = ("us-east4 has 1 of 16 endpoints healthy", "us-east1 has 0 of 8 endpoints healthy")
    assert [line.text for line in feed.lines(status(alarms=both))] == [f"pool: {both[1]}"]
    assert [line.text for line in feed.lines(status(alarms=both[1:]))] == [f"over: {first[0].text}"]


def test_lines_come_in_order_of_time_though_a_pass_is_told_when_it_has_ended() -> None:
    """The world turned slow while the pass of minute 2 was writing; it used to be told before that pass."""
    world = [
        Line(at=0.0, who="world", text="well"),
        Line(at=130.0, who="world", text="slow"),
        Line(at=999.0, who="world", text="late"),
    ]
    feed, timeline = Decisions(epoch=0.0), Timeline(world)
    assert feed.told_until({"at": None}) < 0.0
    assert timeline.due(feed.told_until(status(decision(1)) | {"at": 60.0})) == world[:1]
    timeline.add(feed.lines(status(decision(2, judged=True), decision(1))))
    told = timeline.due(feed.told_until({"at": 180.0}))
    assert [line.at for line in told] == [60.0, 120.0, 120.0, 130.0]
    assert [line.text for line in told][1] == "pool: what became of 2", (
        "a verdict comes before the moves that build on it"
    )
    assert timeline.due(500.0) == []
    assert timeline.due(1000.0) == world[2:]


@pytest.mark.parametrize("terminal", [False, True])
def test_when_and_who_stand_before_what_also_above_a_live_table(terminal: bool) -> None:
    text = "us-east4 in pool: scaler 1.00 -> 0.10: it answers too slowly for what was promised"
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=50, color_system=None)
    output = Output(console, epoch=1_767_603_600.0, duration=3600.0)
    output.begin(60.0)
    output.tell(Line(at=780.0, who="spillway", text=text))
    output.end()
    said = file.getvalue()
    assert said.count("UTC") == 1, "one clock, and said once"
    assert "09:13:00 spillway us-east4 in pool" in said
    told = said[said.index("09:13:00") :]
    if terminal:
        assert "\n                  0.10: it answers too slowly" in told, "whole words, under one another"
    else:
        assert f"09:13:00 spillway {text}\n" in told, "one line, so that grep finds it"


@pytest.mark.parametrize(
    ("spillway", "google", "words"),
    [(10.0, 100.0, "90% fewer"), (120.0, 100.0, "no better"), (0.0, 0.0, "these hours show nothing")],
)
def test_the_comparison_is_honest(spillway: float, google: float, words: str) -> None:
    runs = {
        name: {"bad_requests": bad}
        for name, bad in (("static", 2 * google), ("google", google), ("spillway", spillway))
    }
    assert words in verdict(runs)


def test_a_demo_that_is_kept_says_how_to_give_commands_to_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spillway.cli.demo.command.time.sleep", interrupted)
    config = Path("/somewhere/spillway-demo-12345678") / ("long" * 10) / "demo.yaml"
    kept = SimpleNamespace(addresses=SimpleNamespace(daemon="127.0.0.1:9464"), config=config)
    _keep(cast("Environment", kept))
    said = capsys.readouterr().out
    assert "Still running: http://127.0.0.1:9464/" in said
    assert f"spillway status --config {config}\n" in said, "in one line, to be copied"

"""Kills at random moments, fewer than `python -m tests.bench kills` makes: nothing lost, nothing doubled, nothing left over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.engine.kills import OPERATIONS, Life, rows, schedule
from tests.engine.tinycloud import TinyCloud, serving

from spillway.adapters.engine.pulumi_cli.installation import find_cli, pulumi_home

HOME = os.environ.get("PULUMI_HOME")


@pytest.mark.parametrize("rounds", [1, pytest.param(2, marks=pytest.mark.long)])
def test_the_embedded_engine_survives_kills_at_random_moments(tmp_path: Path, rounds: int) -> None:
    with serving(TinyCloud()) as cloud, Life(cloud, tmp_path / "life") as life:
        life.rehearse()
        kills = [life.kill(*turn) for turn in schedule("embedded", rounds * len(OPERATIONS))]
    assert [kill for kill in kills if kill.faults] == []
    assert sum(kill.intent or kill.pending for kill in kills) > 0, rows(kills)


@pytest.mark.engine
def test_the_real_cli_survives_kills_at_random_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if HOME:
        monkeypatch.setenv("PULUMI_HOME", HOME)
    cli = find_cli(pulumi_home())
    if cli is None:
        pytest.skip("SKIPPED LOUDLY: there is no `pulumi` on PATH; `spillway setup` gets it")
    with serving(TinyCloud()) as cloud, Life(cloud, tmp_path / "life", cli=cli) as life:
        life.rehearse()
        kills = [life.kill(*turn) for turn in schedule("cli", 2 * len(OPERATIONS))]
    assert [kill for kill in kills if kill.faults] == []

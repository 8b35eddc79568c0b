"""Runs over a Dask cluster: a real scheduler and worker on loopback; and what is said where something is missing."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.backtest.test_cli import SCENARIO

from spillway.cli.main import main
from spillway.exits import Exit

distributed: Any = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


@pytest.fixture
def address() -> Iterator[str]:
    """The scheduler of a cluster with one worker of two threads, on loopback."""
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            host="127.0.0.1",
            protocol="tcp://",
            dashboard_address=None,
            silence_logs=False,
        ) as cluster,
    ):
        yield str(cluster.scheduler_address)


def results(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["backtest", *arguments, "--json"]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "wall_seconds"} for line in lines]


def test_a_cluster_gives_the_same_results_and_hashes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, address: str
) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(SCENARIO.format(name="one"))
    chosen = (str(file), "--baseline", "google", "--baseline", "spillway", "--seed", "1", "--seed", "2")
    here = results(capsys, *chosen, "--jobs", "1")
    there = results(capsys, *chosen, "--cluster", address)
    assert len(here) == 4
    assert here == there


def test_nobody_at_the_address(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spillway.sim.backtest.cluster.CONNECT", 0.2)
    file = tmp_path / "one.yaml"
    file.write_text(SCENARIO.format(name="one"))
    code = main(["backtest", str(file), "--baseline", "static", "--cluster", "tcp://127.0.0.1:9", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert code == Exit.UNAVAILABLE
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in said["message"]
    assert "dask scheduler" in said["remedy"]


def test_without_the_extra_the_error_says_what_to_install(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    file = tmp_path / "one.yaml"
    file.write_text(SCENARIO.format(name="one"))
    code = main(["backtest", str(file), "--baseline", "static", "--cluster", "tcp://127.0.0.1:9", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert code == Exit.UNAVAILABLE
    assert "spillway[cluster]" in said["remedy"]

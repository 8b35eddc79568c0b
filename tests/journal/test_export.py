"""`spillway journal export`: a flat table, in bounded memory, and never a half file."""

from __future__ import annotations

import csv
import errno
import importlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.control.journal_files import AMPLE, journal_at
from tests.exporter import example_report as example
from tests.journal.samples import night, record_of

from spillway.adapters.journal import export
from spillway.adapters.journal.schema import NAME, open_reader
from spillway.adapters.journal.store import Bounds
from spillway.cli.main import main
from spillway.exits import Exit


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A state folder with a journal, and a configuration that names it."""
    journal = journal_at(tmp_path / "journal")
    for report in night():
        journal.append(record_of(report))
    journal.close()
    path = tmp_path / "spillway.yaml"
    path.write_text(f"daemon: {{state_dir: {tmp_path}, listen: '127.0.0.1:1'}}\n")
    return path


def run(config: Path, *words: str) -> int:
    return main(["journal", "export", "--config", str(config), *words])


def test_figures_are_a_row_for_each_tick_service_and_region(config: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    assert run(config, "--out", str(target)) == Exit.OK
    rows = list(csv.DictReader(target.read_text().splitlines()))
    assert len(rows) == 20 * 3
    assert tuple(rows[0]) == export.FIGURES
    (europe,) = [r for r in rows if r["region"] == "europe-west4" and float(r["at"]) == example.AT + 660.0]
    assert europe["time"] == export.iso(example.AT + 660.0)
    assert (float(europe["served"]), europe["state"], europe["health"]) == (88.0, "degraded", "unknown")
    assert float(europe["service_demand"]) == 184.0
    standby = next(r for r in rows if r["region"] == "asia-northeast1")
    assert standby["served"] == "", "what is not known is empty, not zero"
    assert not list(tmp_path.glob("*.part"))


def test_moves_are_a_row_each(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "--table", "moves", "--out", "-") == Exit.OK
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(r["region"], r["before"], r["after"], r["code"], r["outcome"]) for r in rows] == [
        ("europe-west4", "1.00", "0.62", "shed-slow", "done")
    ]


def test_a_time_may_be_chosen(config: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    since, until = str(example.AT + 301.0), str(example.AT + 480.0)
    assert run(config, "--since", since, "--until", until, "--out", str(target)) == Exit.OK
    assert {float(r["at"]) for r in csv.DictReader(target.read_text().splitlines())} == {
        example.AT + 60.0 * n for n in (6, 7, 8)
    }


def test_a_long_time_is_read_in_parts(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    reader = open_reader

    def counted(*arguments: Any) -> Any:
        opened.append(arguments)
        return reader(*arguments)

    monkeypatch.setattr(export, "open_reader", counted)
    monkeypatch.setattr(export, "_PART", 120.0)
    target = tmp_path / "out.csv"
    assert run(config, "--out", str(target)) == Exit.OK
    assert len(opened) > 9, "no transaction stays open over the whole export"
    assert len(target.read_text().splitlines()) == 1 + 60


def test_an_export_that_fails_leaves_what_was_there(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.csv"
    target.write_text("yesterday's")

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "iso", broken)
    assert run(config, "--out", str(target)) == Exit.UNAVAILABLE
    assert target.read_text() == "yesterday's"
    assert not list(tmp_path.glob("*.part"))


def test_years_without_a_record_are_passed_over_at_once(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that began in 1970 until it knew the time: hour by hour this would open the file half a million times."""
    journal = journal_at(tmp_path / "journal", Bounds(age=1e12, size=AMPLE.size))
    journal.append({**record_of(night()[10]), "at": 60.0})
    journal.append({**record_of(night()[10]), "at": example.AT + 40 * 365 * 86400.0})
    journal.close()
    opened = []
    reader = open_reader

    def counted(path: Path, seconds: float) -> Any:
        opened.append(path)
        return reader(path, seconds)

    monkeypatch.setattr(export, "open_reader", counted)
    target = tmp_path / "out.csv"
    assert run(config, "--table", "moves", "--since", "0", "--out", str(target)) == Exit.OK
    times = [float(row["at"]) for row in csv.DictReader(target.read_text().splitlines())]
    assert times == [60.0, example.AT + 660.0, example.AT + 40 * 365 * 86400.0]
    assert len(opened) < 8


def test_a_target_that_cannot_be_written_is_named(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "--out", str(tmp_path / "none" / "out.csv")) == Exit.UNAVAILABLE
    assert "cannot be written: No such file" in capsys.readouterr().err.replace("\n", " ")


def test_a_pipe_is_written_and_not_replaced(config: Path, tmp_path: Path) -> None:
    """And so is a device: whoever exports to /dev/null as root keeps it."""
    target = tmp_path / "pipe"
    os.mkfifo(target)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(target.read_text()), daemon=True)
    reader.start()
    assert run(config, "--table", "moves", "--out", str(target)) == Exit.OK
    reader.join(10.0)
    assert got[0].startswith("time,at,tick")
    assert target.is_fifo()


def test_a_reader_who_goes_away_is_no_mistake(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(export, "write_csv", gone)
    monkeypatch.setattr("spillway.cli.journal.drop_output", lambda: None)
    assert run(config, "--out", "-") == Exit.OK


def test_without_a_journal_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "spillway.yaml"
    config.write_text(f"daemon: {{state_dir: {tmp_path}}}\n")
    assert run(config, "--out", str(tmp_path / "out.csv")) == Exit.UNAVAILABLE
    assert NAME in capsys.readouterr().err.replace("\n", "")


def test_parquet_without_its_library_names_the_remedy(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.import_module

    def without(name: str, *arguments: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(name)
        return find(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", without)
    target = tmp_path / "out.parquet"
    assert run(config, "--format", "parquet", "--out", str(target)) == Exit.REFUSED
    assert "pip install 'spillway[parquet]'" in capsys.readouterr().err
    assert not target.exists()


def test_parquet_goes_to_a_file(config: Path) -> None:
    assert run(config, "--format", "parquet", "--out", "-") == Exit.CONFIG


@pytest.mark.parametrize("table", ["figures", "moves"])
def test_parquet_has_the_same_rows(
    config: Path, tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    monkeypatch.setattr(export, "_BATCH", 7)
    target = tmp_path / "out.parquet"
    assert run(config, "--table", table, "--format", "parquet", "--out", str(target)) == Exit.OK
    found = parquet.read_table(str(target))
    assert tuple(found.column_names) == export.TABLES[table]
    rows = found.to_pylist()
    assert len(rows) == (60 if table == "figures" else 1)
    if table == "figures":
        (europe,) = [r for r in rows if r["region"] == "europe-west4" and r["at"] == example.AT + 660.0]
        assert (europe["served"], europe["state"], europe["health"]) == (88.0, "degraded", "unknown")

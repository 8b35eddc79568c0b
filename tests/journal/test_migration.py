"""Journals of older versions: lines of JSON are taken in bit by bit, once, and kept."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.control.journal_files import AMPLE, journal_at, records_in
from tests.exporter import example_report as example
from tests.journal.samples import record_of

from spillway.adapters.journal import migration, store
from spillway.adapters.journal.answers import Answers
from spillway.adapters.journal.store import Bounds


def old_line(number: int) -> bytes:
    """A tick as schema 2 had it: alarms without a service, nothing of orders and memory."""
    record = json.loads(msgspec.json.encode(record_of(example.report(number))))
    for name in ("orders", "edit_told", "memory", "fleet", "policies"):
        del record[name]
    record["alarms"] = [{"code": "shortage", "sentence": "too little"}]
    record["assessments"]["services"][0]["alarms"] = record["alarms"]
    return json.dumps({"schema": 2, **record}).encode() + b"\n"


def event(at: float, sentence: str) -> bytes:
    return json.dumps({"schema": 2, "kind": "start", "at": at, "sentence": sentence}).encode() + b"\n"


def write_old(folder: Path) -> None:
    folder.mkdir()
    (folder / "journal.jsonl.2").write_bytes(event(example.AT, "the first") + old_line(1) + old_line(2))
    (folder / "journal.jsonl.1").write_bytes(old_line(3) + b'{"schema":2,"kind":"tick","at":17')
    (folder / "journal.jsonl").write_bytes(b"no json\n" + old_line(4) + b"\n[]\n" + old_line(5))


def tick(number: int) -> dict[str, Any]:
    return record_of(example.quiet(number))


def test_old_files_are_taken_in_oldest_first_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "journal"
    write_old(folder)
    journal = journal_at(folder)
    with caplog.at_level(logging.INFO):
        for number in (6, 7, 8):
            journal.append(tick(number))
    journal.close()
    found = records_in(folder)
    assert sorted(r["tick"] for r in found if r["kind"] == "tick") == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [r["sentence"] for r in found if r["kind"] == "start"] == ["the first"]
    names = {path.name for path in folder.iterdir() if "jsonl" in path.name}
    assert names == {f"journal.jsonl{tail}.migrated" for tail in ("", ".1", ".2")}
    assert "taken in 6 records" in caplog.text
    moved = next(r for r in found if r.get("tick") == 3)
    assert moved["alarms"] == [{"service": "pool", "code": "shortage", "sentence": "too little"}]
    assert moved["inputs"]["services"]["pool"]
    history = Answers(journal.path, None, now=lambda: example.AT + 600).answer("/history", {"since": "1h"})
    assert history["services"]["pool"]["regions"]["us-east4"]["served"] == [96.0] * 8
    assert len(history["marks"]) == 5


def test_a_restart_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / "journal.jsonl").write_bytes(b"".join(old_line(number) for number in range(1, 40)))
    monkeypatch.setattr(migration, "_SYMBOLS", 1)  # one line a transaction
    lines = iter([0.0, *[0.05] * 8, *[9.0] * 50])
    monkeypatch.setattr("time.monotonic", lambda: next(lines, 9.0))
    first = journal_at(folder)
    first.append(tick(50))
    first.close()
    taken = len(records_in(folder)) - 1
    assert 0 < taken < 39
    assert (folder / "journal.jsonl").exists()
    monkeypatch.undo()
    second = journal_at(folder)
    for number in range(51, 60):
        second.append(tick(number))
    second.close()
    ticks = sorted(r["tick"] for r in records_in(folder))
    assert ticks == [*range(1, 40), *range(50, 60)], "each once"


def test_what_is_older_than_what_is_kept_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    write_old(folder)
    journal = journal_at(folder, Bounds(age=150.0, size=AMPLE.size))
    journal.append(tick(6))
    journal.close()
    assert sorted(r["tick"] for r in records_in(folder)) == [4, 5, 6]


def test_one_tick_spends_a_bounded_time_on_it() -> None:
    assert store.MIGRATION_SECONDS <= 0.2


def test_an_old_file_that_cannot_be_read_is_told_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "journal"
    (folder / "journal.jsonl").mkdir(parents=True)
    journal = journal_at(folder, Bounds(age=90.0, size=AMPLE.size))
    for number in range(1, 5):
        journal.append(tick(number))
    journal.close()
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1
    assert "not taken in" in told[0]
    assert [r["tick"] for r in records_in(folder)] == [3, 4], "what is too old goes all the same"

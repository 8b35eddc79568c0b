"""Journals of older versions: lines of JSON are taken in bit by bit, once, and kept."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.control.journal_files import AMPLE, journal_at, records_in
from tests.exporter import example_report as example
from tests.journal.samples import record_of

from spillway.adapters.journal import migration, store
from spillway.adapters.journal.answers import Answers
from spillway.adapters.journal.schema import NAME
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


def test_a_file_that_could_not_be_renamed_is_taken_in_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as a kill between the last line and the new name."""
    folder = tmp_path / "journal"
    write_old(folder)

    def fail(self: Path, target: Path) -> Path:
        raise OSError(1, "Operation not permitted", str(self), str(target))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        first = journal_at(folder)
        first.append(tick(6))
        first.close()
    assert (folder / "journal.jsonl.2").exists()
    second = journal_at(folder)
    for number in (7, 8):
        second.append(tick(number))
    second.close()
    assert sorted(r["tick"] for r in records_in(folder) if r["kind"] == "tick") == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sorted(path.suffix for path in folder.iterdir() if "jsonl" in path.name) == [".migrated"] * 3


def test_a_place_in_a_file_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    first = journal_at(folder)
    first.append(tick(1))
    first.close()
    with sqlite3.connect(folder / NAME) as connection:
        connection.execute("INSERT INTO migration VALUES ('journal.jsonl', 99999)")
    connection.close()
    second = journal_at(folder)
    second.append(tick(2))
    second.close()
    (folder / "journal.jsonl").write_bytes(old_line(3))  # an older version has run in between
    third = journal_at(folder)
    third.append(tick(4))
    third.close()
    assert sorted(r["tick"] for r in records_in(folder)) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "line",
    [
        b'{"at":%d,"kind":"note","tick":99999999999999999999}' % example.AT,
        b'{"at":%d,"kind":"note","tick":1e300}' % example.AT,
        b'{"at":1e999,"kind":"note"}',
        b'{"at":%d,"kind":"note","more":%s' % (example.AT, b"[" * 50_000),
        old_line(9).replace(b'"lever": "scaler"', b'"lever": {}'),
        old_line(9).replace(b'"lever": "scaler"', b'"lever": null'),
        old_line(9).replace(b'"service": "pool"', b'"service": null'),
        old_line(9).replace(b'"backends": [[', b'"backends": ["x", ['),
    ],
    ids=["large", "larger", "infinite", "deep", "object", "null", "no name", "no row"],
)
def test_a_line_of_nonsense_stops_neither_the_tick_nor_the_lines_behind_it(
    tmp_path: Path, line: bytes
) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / "journal.jsonl").write_bytes(old_line(1) + line.strip() + b"\n" + old_line(2))
    journal = journal_at(folder)
    journal.append(tick(3))
    journal.close()
    found = records_in(folder)
    assert sorted(r["tick"] for r in found) == [1, 2, 3], "and nothing of the line is left"
    assert all("inputs" in r for r in found)
    assert (folder / "journal.jsonl.migrated").exists()


def test_a_pipe_under_the_name_of_an_old_file_is_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    os.mkfifo(folder / "journal.jsonl")
    journal = journal_at(folder)
    journal.append(tick(1))
    journal.close()
    assert "no regular file" in caplog.text


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

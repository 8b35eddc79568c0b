"""What /status shows of the decisions before a restart: those of the journal, and never later because of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.control.journal_files import journal_at
from tests.exporter import example_report as example
from tests.exporter.scene import Scene
from tests.journal.samples import night, record_of

from spillway.adapters.journal.answers import Answers
from spillway.adapters.status_document import DECISIONS

PATIENCE = 20.0


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of a daemon that has ended: an order and a start are in it too."""
    made = journal_at(tmp_path / "journal")
    made.append({"kind": "start", "at": example.AT, "sentence": "Cold start: nothing was kept."})
    for report in night():
        made.append(record_of(report))
    made.append({"kind": "stop", "at": example.AT + 60.0 * 20 + 20.0, "sentence": "Stopped."})
    path = made.path
    made.close()
    return path


def shown(scene: Scene) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scene.json("/status")["decisions"]
    return found


def test_after_a_restart_the_list_begins_with_the_decisions_of_the_journal(journal: Path) -> None:
    before = Scene()
    before.exporter.bind()
    before.exporter.start()
    for report in night():
        before.exporter.report(report)
    told = shown(before)
    before.exporter.stop()

    after = Scene(journal=journal)
    after.exporter.bind()
    after.exporter.start()
    until(lambda: shown(after) == told)
    after.exporter.report(example.report(42))
    assert [entry["tick"] for entry in shown(after)] == [42, *(entry["tick"] for entry in told)]
    for number in range(43, 43 + DECISIONS):
        after.exporter.report(example.report(number))
    assert [entry["tick"] for entry in shown(after)] == [*range(42 + DECISIONS, 42, -1)], "60 in all"
    after.exporter.stop()


def test_no_tick_and_no_answer_waits_for_the_journal(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, read = threading.Event(), Answers.passes_before

    def slow(past: Answers, until: float, most: int) -> list[dict[str, Any]]:
        assert held.wait(PATIENCE)
        return read(past, until, most)

    monkeypatch.setattr(Answers, "passes_before", slow)
    scene = Scene(journal=journal)
    scene.exporter.bind()
    scene.exporter.start()
    for number in range(42, 42 + DECISIONS - 1):
        scene.exporter.report(example.report(number))
    assert len(shown(scene)) == DECISIONS - 1
    held.set()
    until(lambda: len(shown(scene)) == DECISIONS)
    assert [entry["tick"] for entry in shown(scene)][-2:] == [42, 16], "the newest before the start, behind"
    scene.exporter.stop()


def test_a_journal_that_cannot_be_read_is_said_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"no database" * 100)
    scene = Scene(journal=path)
    with caplog.at_level(logging.WARNING):
        scene.exporter.bind()
        scene.exporter.start()
        scene.exporter.report(example.report(42))
        until(lambda: "Decisions before the start are not shown" in caplog.text)
    assert [entry["tick"] for entry in shown(scene)] == [42]
    scene.exporter.stop()

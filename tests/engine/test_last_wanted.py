"""What the last build declared: a file that makes no sense counts as never built, and is no defect."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spillway.adapters.drift.last_wanted import LastWanted
from spillway.config import reading


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[" * 200_000,
        b'{"version": 1}',
        b'{"version": 1, "built": {"a": 5}, "attempts": [], "since": {}}',
        b'{"version": 1, "built": {}, "attempts": [5], "since": {}}',
        b'{"version": 1, "built": {}, "attempts": [{"a": []}], "since": {}}',
        b'{"version": 1, "built": [], "attempts": [], "since": {}}',
        b'{"version": 1, "built": {"a": {"b": 1}}, "attempts": [], "since": {"c": "never"}}',
    ],
)
def test_a_file_that_makes_no_sense_counts_as_never_built(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "main.json"
    file.write_bytes(content)
    assert LastWanted(file).empty


def test_a_sound_file_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "main.json"
    file.write_text('{"version": 1, "built": {"a": {"b": 1}}, "attempts": [{"a": {}}], "since": {"c": 5}}')
    assert not LastWanted(file).empty


def test_a_pipe_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIPE_SECONDS", 0.05)
    os.mkfifo(tmp_path / "main.json")
    assert LastWanted(tmp_path / "main.json").empty

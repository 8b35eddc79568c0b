"""The journal: durable lines, bounded size, and what a crash leaves spoils no other record."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from spillway.adapters.journal import SCHEMA, FileJournal
from spillway.errors import TemporaryError

Make = Callable[..., FileJournal]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Make]:
    made: list[FileJournal] = []

    def make(*, max_bytes: int = 10_000, keep: int = 3) -> FileJournal:
        made.append(FileJournal(tmp_path / "journal", max_bytes=max_bytes, keep=keep))
        return made[-1]

    yield make
    for each in made:
        each.close()


def records(folder: Path) -> list[dict[str, Any]]:
    """All records in the files of the journal, oldest first; a line that a crash has torn is skipped."""
    found = []
    for path in sorted((folder / "journal").iterdir(), key=lambda path: path.name, reverse=True):
        for line in path.read_bytes().splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
    return found


def numbers(folder: Path) -> list[int]:
    return [record["tick"] for record in records(folder)]


def test_records_are_lines_in_order_with_the_schema_in_front(journal: Make, tmp_path: Path) -> None:
    written = journal()
    for number in range(5):
        written.append({"tick": number, "sentence": "nothing done, all is well"})
    assert numbers(tmp_path) == [0, 1, 2, 3, 4]
    line = (tmp_path / "journal" / "journal.jsonl").read_text().splitlines()[0]
    assert line.startswith(f'{{"schema":{SCHEMA},')


def test_a_new_file_begins_at_the_limit_and_the_oldest_is_dropped(journal: Make, tmp_path: Path) -> None:
    written = journal(max_bytes=300, keep=3)
    for number in range(40):
        written.append({"tick": number, "filler": "x" * 60})
    files = sorted(path.name for path in (tmp_path / "journal").iterdir())
    assert files == ["journal.jsonl", "journal.jsonl.1", "journal.jsonl.2"]
    assert all(path.stat().st_size <= 300 for path in (tmp_path / "journal").iterdir())
    found = numbers(tmp_path)
    assert found == list(range(found[0], 40))
    assert 5 < len(found) < 15


def test_a_torn_last_line_is_skipped_and_spoils_nothing(journal: Make, tmp_path: Path) -> None:
    first = journal()
    first.append({"tick": 1})
    first.close()
    path = tmp_path / "journal" / "journal.jsonl"
    with path.open("ab") as file:
        file.write(b'{"schema":1,"tick":2,"sent')
    again = journal()
    assert numbers(tmp_path) == [1]
    again.append({"tick": 3})
    assert numbers(tmp_path) == [1, 3]


def test_nothing_is_made_before_the_first_record(journal: Make, tmp_path: Path) -> None:
    journal()
    assert not (tmp_path / "journal").exists()


def test_other_users_cannot_read_it_even_where_an_older_version_made_it(
    journal: Make, tmp_path: Path
) -> None:
    path = tmp_path / "journal" / "journal.jsonl"
    path.parent.mkdir()
    path.write_text("")
    path.chmod(0o644)
    journal().append({"n": 1})
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_is_not_finite_is_null(journal: Make, tmp_path: Path) -> None:
    written = journal()
    written.append({"tick": 1, "headroom": float("inf")})
    assert records(tmp_path)[0]["headroom"] is None


def test_what_has_no_json_is_refused(journal: Make) -> None:
    with pytest.raises(TypeError):
        journal().append({"tick": object()})


def test_a_full_disk_is_named_and_leaves_no_half_record(
    journal: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = journal()
    written.append({"tick": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(TemporaryError, match="No space left") as caught:
            written.append({"tick": 2})
    assert "Free space" in caught.value.remedy
    written.append({"tick": 3})
    assert numbers(tmp_path) == [1, 3]

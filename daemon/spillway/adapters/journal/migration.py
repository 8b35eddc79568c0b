"""Journals of older versions: files of JSON lines beside the new file, taken in bit by bit and then kept as `.migrated`.

The place that was reached is written in the same transaction as the records, so that a restart goes on from there and takes nothing
in twice. A line that a crash has torn is left out.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from spillway.adapters.journal.rows import Inserter
from spillway.control.decisions import PASSES, Stories

_NAME = re.compile(r"journal\.jsonl(?:\.(\d+))?")
_LONGEST = 64 << 20
"""Bytes of a line that are read; 200 services in ten regions take some two MiB."""
_SYMBOLS = 1 << 20
"""Bytes of lines in one transaction, about."""


class _Head(msgspec.Struct):
    """What tells whether a line is worth reading."""

    at: float
    kind: str


class Migration:
    """Takes in the old files of one folder, oldest first.

    Args:
        folder: of the journal.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[Path] | None = None
        self._stories = Stories()
        self._records = 0
        self.done = False
        """Whether nothing is left to take in."""

    def step(self, connection: sqlite3.Connection, *, oldest: float, seconds: float) -> str:
        """Take in lines for about so many wall seconds; what people should hear, empty where nothing.

        Args:
            connection: the journal's.
            oldest: UTC seconds; older records are left out.
            seconds: wall seconds.

        Raises:
            sqlite3.Error: the disk does not take them.
            OSError: a file cannot be read or renamed.
        """
        if self._files is None:
            self._files = _old_files(self._folder)
        ends = time.monotonic() + seconds
        while self._files and time.monotonic() < ends:
            if self._part(connection, self._files[0], oldest, ends):
                self._files[0].replace(self._files[0].with_name(f"{self._files[0].name}.migrated"))
                del self._files[0]
        if self._files:
            return ""
        self.done = True
        if not self._records:
            return ""
        return (
            f"The journal has taken in {self._records} records of an older version; their files are kept as .migrated "
            "and may be deleted."
        )

    def _part(self, connection: sqlite3.Connection, path: Path, oldest: float, ends: float) -> bool:
        """One transaction of lines of a file; whether its end was reached."""
        inserter = Inserter(connection, self._stories, whole=True)
        begun = connection.execute("SELECT offset FROM migration WHERE file = ?", (path.name,)).fetchone()
        offset, finished, taken = begun[0] if begun else 0, False, 0
        connection.execute("BEGIN IMMEDIATE")
        try:
            with path.open("rb") as file:
                file.seek(offset)
                while file.tell() - offset < _SYMBOLS and time.monotonic() < ends:
                    line = file.readline(_LONGEST)
                    if not line:
                        finished = True
                        break
                    taken += _take(inserter, line, oldest)
                reached = file.tell()
            if finished:
                connection.execute("DELETE FROM migration WHERE file = ?", (path.name,))
            else:
                connection.execute("INSERT OR REPLACE INTO migration VALUES (?, ?)", (path.name, reached))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        self._records += taken
        return finished


def _old_files(folder: Path) -> list[Path]:
    """`journal.jsonl.N` to `journal.jsonl`, oldest first."""
    if not folder.is_dir():
        return []
    found = [(int(name[1] or 0), path) for path in folder.iterdir() if (name := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def _take(inserter: Inserter, line: bytes, oldest: float) -> int:
    """Insert the record of a line; 0 where it is torn, too old, or nothing that this version knows."""
    try:
        head = msgspec.json.decode(line, type=_Head)
        if head.at < oldest:
            return 0
        record = msgspec.json.decode(line)
        inserter.insert(_as_now(record))
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, IndexError, AttributeError):
        return 0
    return 1


def _as_now(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of schema 2 in today's form: alarms name their service, windows tell nothing of their length."""
    found = {name: value for name, value in record.items() if name != "schema"}
    if found["kind"] in PASSES:
        found["alarms"] = [
            {"service": service["service"], "code": alarm["code"], "sentence": alarm["sentence"]}
            for service in found["assessments"]["services"]
            for alarm in service["alarms"]
        ]
    return found

"""Journals of older versions: files of JSON lines beside the new file, taken in bit by bit and then kept as `.migrated`.

The place that was reached is written in the same transaction as the records, so that a restart goes on from there and takes nothing
in twice. A line that a crash has torn is left out.
"""

from __future__ import annotations

import errno
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

_NO_RECORD = (
    msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError,
    sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError,
)  # fmt: skip
"""Errors of a line that is torn, or that a hand has changed: the line is left out, and those behind it are taken in."""


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
            self._files = _begin(connection, self._folder)
        ends = time.monotonic() + seconds
        while self._files and time.monotonic() < ends:
            path = self._files[0]
            if self._part(connection, path, oldest, ends):
                # the place is forgotten last: whoever is killed before that finds the end again, and nothing behind it
                path.replace(path.with_name(f"{path.name}.migrated"))
                connection.execute("DELETE FROM migration WHERE file = ?", (path.name,))
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
        """One transaction of lines of a file; whether its end was reached.

        Raises:
            OSError: it cannot be read, or is no regular file: reading a pipe would wait for its writer.
            sqlite3.Error: the disk does not take them.
        """
        if not path.is_file():
            raise OSError(errno.EINVAL, "no regular file", str(path))
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
                    record = _record(line, oldest)
                    if record is None:
                        continue
                    connection.execute("SAVEPOINT line")
                    try:
                        inserter.insert(record)
                        taken += 1
                    except _NO_RECORD:
                        connection.execute("ROLLBACK TO line")
                        inserter = Inserter(connection, self._stories, whole=True)
                    connection.execute("RELEASE line")
                reached = file.tell()
            connection.execute("INSERT OR REPLACE INTO migration VALUES (?, ?)", (path.name, reached))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        self._records += taken
        return finished


def _begin(connection: sqlite3.Connection, folder: Path) -> list[Path]:
    """The old files, oldest first; places in files that are gone are forgotten, because another file may get such a name."""
    files = _old_files(folder)
    known = {name for (name,) in connection.execute("SELECT file FROM migration")}
    gone = known - {path.name for path in files}
    connection.executemany("DELETE FROM migration WHERE file = ?", [(name,) for name in gone])
    return files


def _old_files(folder: Path) -> list[Path]:
    """`journal.jsonl.N` to `journal.jsonl`, oldest first."""
    if not folder.is_dir():
        return []
    found = [(int(name[1] or 0), path) for path in folder.iterdir() if (name := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def _record(line: bytes, oldest: float) -> dict[str, Any] | None:
    """The record of a line; None where it is torn, too old, or nothing that this version knows."""
    try:
        head = msgspec.json.decode(line, type=_Head)
        return None if head.at < oldest else _as_now(msgspec.json.decode(line))
    except _NO_RECORD:
        return None


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

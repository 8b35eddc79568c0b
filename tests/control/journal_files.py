"""The journal of a state folder as tests read it: every record whole, oldest first."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from spillway.adapters.journal.rows import unpack
from spillway.adapters.journal.schema import NAME, open_reader
from spillway.adapters.journal.store import Bounds, SqliteJournal

AMPLE = Bounds(age=14 * 86400.0, size=64 << 20)


def journal_at(folder: Path, bounds: Bounds = AMPLE) -> SqliteJournal:
    """A journal in a folder, with room."""
    return SqliteJournal(folder, bounds)


def records_in(folder: Path) -> list[dict[str, Any]]:
    """All records of the journal in `folder`, in the order in which they were written."""
    with open_reader(folder / NAME, 30.0) as connection:
        rows = connection.execute(
            "SELECT r.detail, b.content FROM records r LEFT JOIN bodies b ON b.record = r.id ORDER BY r.id"
        ).fetchall()
    return [{**unpack(detail), **(unpack(large) if large is not None else {})} for detail, large in rows]


def intact(path: Path) -> bool:
    """Whether SQLite finds every page and index in order."""
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])

"""The journal on disk: a record is durable when `append` returns, the file is bounded, and no trouble with it stops the loop.

A kill at any moment loses at most the record that is being written: each is one transaction (sqlite.org/atomiccommit.html).
What is too old or too much goes in small steps, a few records with each tick, and the same holds for what an older Spillway has left
in files of JSON lines.
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from spillway.adapters.files import remedy_for
from spillway.adapters.journal.migration import Migration
from spillway.adapters.journal.rows import Inserter
from spillway.adapters.journal.schema import (
    LOCAL,
    NAME,
    OF_A_RECORD,
    error_code,
    file_system,
    give_back,
    open_writer,
    used_bytes,
)
from spillway.control.decisions import Stories
from spillway.errors import TemporaryError

_log = logging.getLogger(__name__)

_STEP = 8
"""Records that one tick deletes at most: a tick adds two or three, so the file shrinks, and no tick stalls."""
_PAGES = 128
"""Pages that one tick gives back to the disk at most: one MiB."""
MIGRATION_SECONDS = 0.1
"""Wall seconds that one tick spends on files of an older version."""

_SPOILED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is kept."""

    age: float
    """Seconds."""
    size: int
    """Bytes of the file; the write-ahead log comes on top, some MiB."""


class _Files(NamedTuple):
    """What tells whether somebody else has replaced, cut or overwritten the journal: only its writer changes these."""

    inode: int
    size: int
    changed: int
    """Nanoseconds since 1970."""
    log_inode: int
    """Of the write-ahead log."""
    log_size: int
    log_changed: int


class SqliteJournal:
    """The one writer of a journal. May be called from several threads, one after another.

    Args:
        folder: made where it is missing, with the first record.
        bounds: what is kept.
        mounts: where the kernel lists file systems.
    """

    def __init__(self, folder: Path, bounds: Bounds, *, mounts: Path = Path("/proc/self/mountinfo")) -> None:
        self.path = folder / NAME
        self._bounds = bounds
        self._mounts = mounts
        self._connection: sqlite3.Connection | None = None
        self._inserter: Inserter | None = None
        self._left: _Files | None = None
        """How the last record has left the files."""
        self._stories = Stories()
        self._migration: Migration | None = Migration(folder)
        self._told_remote = False
        self._untidy = False
        """Whether the last try to drop what is too old has failed."""
        self._lock = threading.Lock()

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record and wait until it is on the disk.

        Raises:
            TemporaryError: the disk does not take it; the journal is as it was before.
            PermanentError: a newer Spillway has written the file.
            TypeError: a value that has no JSON; the journal is as it was before.
        """
        with self._lock:
            try:
                try:
                    self._append(record)
                except sqlite3.DatabaseError as error:
                    if error_code(error) not in _SPOILED:
                        raise
                    self._begin_anew(error, float(record.get("at", 0.0)))
                    self._append(record)
            except sqlite3.Error as error:
                raise self._refusal(error) from error
            except OSError as error:
                self._let_go()
                raise TemporaryError(
                    f"the journal {self.path} takes no record: {error}", remedy=remedy_for(error)
                ) from error
            if record.get("kind") == "tick":
                self._tidy(float(record["at"]))
            self._left = _files(self.path)

    def close(self) -> None:
        """Close the file; nothing is lost, as every record is on the disk already."""
        with self._lock:
            self._let_go()

    def _append(self, record: Mapping[str, Any]) -> None:
        connection, inserter = self._open()
        try:
            connection.execute("BEGIN IMMEDIATE")
            inserter.insert(record)
            connection.execute("COMMIT")
        except BaseException:
            self._let_go()  # what was begun is undone, and what the inserter remembers may not be true
            raise

    def _open(self) -> tuple[sqlite3.Connection, Inserter]:
        """The connection; opened by the first record, and by the next one after a failure or where somebody touched the files."""
        if self._connection is not None and self._left is not None and self._left != _files(self.path):
            # a file without a name would go on to take records, and pages in memory would hide what was overwritten
            self._let_go()
        if self._connection is None or self._inserter is None:
            folder = self.path.parent
            existing = next((place for place in (folder, *folder.parents) if place.exists()), folder)
            kind = file_system(existing, self._mounts)
            local = kind in LOCAL
            if not local and not self._told_remote:
                self._told_remote = True
                _log.warning(
                    "The journal %s lies on a file system that is not local (%s): it is written without a write-ahead log, "
                    "and each record waits for its readers. Set daemon.state_dir to a folder on a local disk.",
                    self.path,
                    kind or "its type is not known",
                )
            self._connection = open_writer(self.path, wal=local)
            self._inserter = Inserter(self._connection, self._stories, whole=True)
        return self._connection, self._inserter

    def _let_go(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = self._inserter = self._left = None

    def _begin_anew(self, error: sqlite3.DatabaseError, at: float) -> None:
        """Set a spoiled file aside, and begin a new one whose first record tells it.

        Raises:
            sqlite3.Error: the disk takes no new file.
            OSError: the old one cannot be renamed, or no new one made.
        """
        self._let_go()
        aside = _set_aside(self.path)
        told = f"The journal was spoiled ({error}) and now lies in {aside}; a new one begins."
        _log.error("%s", told)
        self._append({"kind": "recover", "at": at, "sentence": told})

    def _refusal(self, error: sqlite3.Error) -> TemporaryError:
        """What an error of SQLite means to people."""
        self._let_go()
        code = error_code(error)
        if code == sqlite3.SQLITE_FULL:
            cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return TemporaryError(
                f"the journal {self.path} takes no record: {cause.strerror}", remedy=remedy_for(cause)
            )
        if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
            return TemporaryError(
                f"the journal {self.path} takes no record: {error}",
                remedy=remedy_for(OSError(_why_unwritable(self.path.parent), "")),
            )
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return TemporaryError(
                f"the journal {self.path} takes no record: somebody else holds it",
                remedy="End what reads or writes it; the daemon's own readers let go within seconds.",
            )
        return TemporaryError(
            f"the journal {self.path} takes no record: {error}",
            remedy="Look at daemon.state_dir and its disk (`dmesg`, `df`, `ls -l`); it may be full.",
        )

    def _tidy(self, now: float) -> None:
        """After a tick's record: take in a part of old files, drop what is over the bounds. Failing, it is tried with the next one."""
        connection = self._connection
        if connection is None:
            return
        try:
            self._migrate(connection, now)
            connection.execute("BEGIN IMMEDIATE")
            prune(connection, self._bounds, now)
            connection.execute("COMMIT")
            give_back(connection, _PAGES)
        except sqlite3.Error as error:
            self._let_go()
            if isinstance(error, sqlite3.DatabaseError) and error_code(error) in _SPOILED:
                with suppress(sqlite3.Error, OSError):  # the next record finds the same, and tells it
                    self._begin_anew(error, now)
                return
            if not self._untidy:
                _log.warning(
                    "The journal %s cannot drop what is too old: %s. It grows meanwhile.", self.path, error
                )
            self._untidy = True
        else:
            self._untidy = False

    def _migrate(self, connection: sqlite3.Connection, now: float) -> None:
        if self._migration is None:
            return
        try:
            told = self._migration.step(connection, oldest=now - self._bounds.age, seconds=MIGRATION_SECONDS)
        except OSError as error:
            _log.warning("A journal of an older version is not taken in: %s. %s", error, remedy_for(error))
            self._migration = None
            return
        if told:
            _log.info("%s", told)
        if self._migration.done:
            self._migration = None


def _files(path: Path) -> _Files:
    """The files as they stand; zeros for what is not there."""
    found: list[int] = []
    for each in (path, path.with_name(f"{path.name}-wal")):
        try:
            status = each.stat()
        except OSError:
            found += (0, 0, 0)
        else:
            found += (status.st_ino, status.st_size, status.st_mtime_ns)
    return _Files(*found)


def prune(connection: sqlite3.Connection, bounds: Bounds, now: float) -> int:
    """Delete a few of the oldest records where they are too old or too many; how many. In the caller's transaction.

    Raises:
        sqlite3.Error: the disk does not take it.
    """
    whole = used_bytes(connection) > bounds.size
    rows = connection.execute(
        "SELECT id FROM records WHERE at < ? ORDER BY at LIMIT ?",
        (1e300 if whole else now - bounds.age, _STEP),
    ).fetchall()
    for table, column in (*OF_A_RECORD, ("records", "id")):
        connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", rows)  # noqa: S608 names of this module
    return len(rows)


def _set_aside(path: Path) -> Path:
    """Rename a spoiled journal, with its write-ahead log, to a name with the time; the new name.

    Raises:
        OSError: the disk does not take it.
    """
    stamp = f"{datetime.now(tz=UTC):%Y%m%dT%H%M%SZ}"
    names = (
        path.with_name(f"{path.name}.unreadable-{stamp}{tail}")
        for tail in ("", *(f"-{n}" for n in range(2, 100)))
    )
    aside = next((name for name in names if not name.exists()), path.with_name(f"{path.name}.unreadable"))
    for tail in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}{tail}").replace(aside.with_name(f"{aside.name}{tail}"))
    path.replace(aside)
    return aside


def _why_unwritable(folder: Path) -> int:
    """The error number behind SQLite's "unable to open" and "read-only"."""
    with suppress(OSError):
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return errno.EROFS
    return errno.EACCES

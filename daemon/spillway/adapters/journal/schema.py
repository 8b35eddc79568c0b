"""The journal's file: its tables, how it is opened, and which file systems carry a write-ahead log.

A record is one row of `records`, with what is large of it compressed in `bodies` and what charts need in `figures`: so a week of
charts or decisions is read without touching the raw inputs.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from spillway.errors import PermanentError, TemporaryError

SCHEMA = 3
"""Version of the records and the tables; 1 and 2 were lines of JSON. Raised when a field changes its meaning or disappears."""

NAME = "journal.sqlite3"
"""Of the file, in `state_dir`/journal."""

_APPLICATION = 0x53505759
"""`SPWY` in the header (sqlite.org/pragma.html#pragma_application_id), so that `file` can tell what it is."""
_MODE = 0o640
"""Permission bits of a journal: it names projects, addresses and orders, so it is no business of other users."""
BUSY_SECONDS = 5.0
"""Wall seconds that a write waits for a reader, which happens without a write-ahead log alone. Readers are shorter."""
_WAL_BYTES = 16 << 20
"""Bytes to which the write-ahead log is cut after a checkpoint."""
PAGE = 8192
"""Bytes of a page: records of a small fleet take some two KiB, and of these three fit into it, but only one into 4096 bytes."""
_SPARE = 500
"""Free pages that stay in the file for the next records: four MiB."""
_LOOK = 20_000
"""Steps of SQLite's machine between two looks at the clock; some milliseconds."""

LOCAL = frozenset(
    [
        "bcachefs",
        "btrfs",
        "ext2",
        "ext3",
        "ext4",
        "f2fs",
        "jfs",
        "nilfs2",
        "overlay",
        "ramfs",
        "reiserfs",
        "tmpfs",
        "ufs",
        "xfs",
        "zfs",
    ]
)
"""File systems whose shared memory and locks are this machine's own. A write-ahead log needs both (sqlite.org/wal.html, section 9)."""

TABLES = """
CREATE TABLE records (
  id INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  tick INTEGER NOT NULL,
  kind TEXT NOT NULL,
  story INTEGER NOT NULL,
  sentence TEXT NOT NULL,
  detail BLOB NOT NULL
);
CREATE INDEX records_at ON records (at, kind, story);
CREATE TABLE bodies (record INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
CREATE TABLE layouts (
  id INTEGER PRIMARY KEY, service TEXT NOT NULL, regions TEXT NOT NULL, UNIQUE (service, regions)
);
CREATE TABLE figures (
  record INTEGER NOT NULL, layout INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (record, layout)
) WITHOUT ROWID;
CREATE TABLE marks (
  record INTEGER NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, tick INTEGER NOT NULL,
  service TEXT NOT NULL, region TEXT, lever TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
  code TEXT NOT NULL, sentence TEXT NOT NULL, outcome TEXT NOT NULL, PRIMARY KEY (record, number)
) WITHOUT ROWID;
CREATE INDEX marks_at ON marks (at);
CREATE TABLE verdicts (
  record INTEGER NOT NULL, number INTEGER NOT NULL, made_at REAL NOT NULL, service TEXT NOT NULL, region TEXT,
  lever TEXT NOT NULL, predicted REAL, observed REAL, better INTEGER NOT NULL, sentence TEXT NOT NULL,
  PRIMARY KEY (record, number)
) WITHOUT ROWID;
CREATE INDEX verdicts_made_at ON verdicts (made_at);
CREATE TABLE migration (file TEXT PRIMARY KEY, offset INTEGER NOT NULL);
"""

OF_A_RECORD = (("bodies", "record"), ("figures", "record"), ("marks", "record"), ("verdicts", "record"))
"""Tables whose rows belong to a record, and the column that names it."""


def file_system(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Type of the file system that holds `folder`, as the kernel names it; empty where nobody can tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    path, best, found = folder.resolve(), -1, ""
    for line in lines:
        # proc(5): ID, parent, device, root, mount point, options, tags, `-`, type, source, options
        before, separator, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if not separator or len(fields) < 5 or not kind:
            continue
        point = fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        if path.is_relative_to(point) and len(point) >= best:
            best, found = len(point), kind[0]
    return found


def open_writer(path: Path, *, wal: bool) -> sqlite3.Connection:
    """The journal's one writing connection; the file and its folder are made where they are missing.

    Raises:
        OSError: the folder or the file cannot be made, or what stands under its name is no regular file.
        PermanentError: a newer Spillway has written it, or something else.
        sqlite3.Error: it cannot be opened, or is no database.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, _MODE)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
        os.fchmod(descriptor, _MODE)
    finally:
        os.close(descriptor)
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        _prepare(connection, path, wal=wal)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, *, wal: bool) -> None:
    """Set what holds for this connection, and make the tables in a new file."""
    # both have an effect only before the first table is made; without the second no page ever goes back to the disk
    connection.execute(f"PRAGMA page_size = {PAGE}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    check_version(connection, path)
    connection.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    if _number(connection, "user_version") == 0:
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise PermanentError(
                f"the journal {path} is a database of another program",
                remedy="Move the file away: a new one is made then.",
            )
        make_tables(connection)


def make_tables(connection: sqlite3.Connection) -> None:
    """All tables, or none after a crash.

    Raises:
        sqlite3.Error: the disk does not take them, or others stand in their place.
    """
    connection.executescript(
        f"BEGIN IMMEDIATE;{TABLES}PRAGMA application_id = {_APPLICATION};PRAGMA user_version = {SCHEMA};COMMIT;"
    )


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file of a newer Spillway.

    Raises:
        PermanentError: it has a newer schema.
        sqlite3.Error: it is no database.
    """
    version = _number(connection, "user_version")
    if version > SCHEMA:
        raise PermanentError(
            f"the journal {path} has schema {version}, and this Spillway knows {SCHEMA}",
            remedy="Run the newer Spillway that wrote it, or move the file away: a new one is made then.",
        )


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    pages = _number(connection, "page_count") - _number(connection, "freelist_count")
    return pages * _number(connection, "page_size")


def give_back(connection: sqlite3.Connection, pages: int) -> None:
    """Return up to `pages` free pages to the disk, where many are free; new records use the others."""
    free, count = _number(connection, "freelist_count"), _number(connection, "page_count")
    if free > max(_SPARE, count // 8):
        # of a statement without columns `execute` takes one step, which is one page
        connection.executescript(f"PRAGMA incremental_vacuum({pages})")


@contextmanager
def open_reader(path: Path, seconds: float) -> Iterator[sqlite3.Connection]:
    """A connection that reads for at most so many wall seconds, beside a writer or without one.

    Raises:
        TemporaryError: there is no such file, it cannot be read, or the time is over.
        PermanentError: a newer Spillway has written it.
    """
    if not path.exists():
        raise TemporaryError(
            f"there is no journal {path}", remedy="The daemon makes it with its first record."
        )
    if not path.is_file():  # SQLite would wait for the writer of a pipe without a bound
        raise TemporaryError(
            f"the journal {path} is no regular file", remedy="Move it away: the daemon makes a new one."
        )
    try:
        with closing(_connect_reader(path)) as connection, bounded(connection, seconds):
            check_version(connection, path)
            if _number(connection, "user_version") == 0:
                raise TemporaryError(
                    f"the journal {path} is empty", remedy="The daemon makes it with its first record."
                )
            yield connection
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def _connect_reader(path: Path) -> sqlite3.Connection:
    """Read-only; where the folder cannot be written and no writer lives, as a file that nobody changes."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        return _connected(uri)
    except sqlite3.OperationalError:
        # a write-ahead log without its shared memory needs a folder that can be written (sqlite.org/wal.html, section 5)
        if path.with_name(f"{path.name}-wal").exists():
            raise
    return _connected(f"{uri}&immutable=1")


def _connected(uri: str) -> sqlite3.Connection:
    """A connection that has read something: `connect` alone opens nothing."""
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False
    )
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def bounded(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Interrupt whatever the connection does after so many wall seconds."""
    ends = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > ends, _LOOK)
    try:
        yield
    finally:
        with suppress(sqlite3.Error):
            connection.set_progress_handler(None, 0)


class TooLong(TemporaryError):
    """A reading that took longer than it may."""


def unreadable(path: Path, error: sqlite3.Error) -> TemporaryError:
    """What a reader says of an error of SQLite."""
    if error_code(error) == sqlite3.SQLITE_INTERRUPT:
        return TooLong(
            "reading the journal takes longer than an answer may",
            remedy="Ask for a shorter time, or name a service.",
        )
    return TemporaryError(
        f"the journal {path} cannot be read: {error}",
        remedy="Read it as the daemon's user; where it is spoiled, the daemon sets it aside and begins a new one.",
    )


def error_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

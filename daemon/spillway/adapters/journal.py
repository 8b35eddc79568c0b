"""The journal on disk: one JSON object a line, durable when `append` returns, bounded in size.

The current file is `journal.jsonl`; full ones are `journal.jsonl.1` (newest) and so on. Every record starts
with its schema version. A crash may leave a part of a line behind: the next record begins on a line of its own.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from spillway.adapters.files import remedy_for, sync_folder
from spillway.errors import TemporaryError

SCHEMA = 2
"""Version of the records; raised when a field changes its meaning or disappears."""


def encode(record: dict[str, Any]) -> bytes:
    """One line of the journal, schema first. Dataclasses become objects, what is not finite becomes null.

    Raises:
        TypeError: a value that has no JSON.
    """
    return msgspec.json.encode({"schema": SCHEMA, **record}) + b"\n"


_MODE = 0o640
"""Permission bits of a journal: it names projects, addresses and orders, so it is no business of other users."""


def _private(path: str, flags: int) -> int:
    """Open a file that other users cannot read; one that an older version made is closed to them too."""
    descriptor = os.open(path, flags, _MODE)
    os.fchmod(descriptor, _MODE)
    return descriptor


class FileJournal:
    """An append-only journal in a folder.

    Args:
        folder: made where it is missing.
        max_bytes: size at which a new file is begun.
        keep: files that are kept, the current one included.
    """

    def __init__(self, folder: Path, *, max_bytes: int, keep: int) -> None:
        self._folder = folder
        self._path = folder / "journal.jsonl"
        self._max_bytes = max_bytes
        self._keep = keep
        self._size = 0
        self._file: FileIO | None = None

    def append(self, record: dict[str, Any]) -> None:
        """Write one record and wait until it is on the disk.

        Raises:
            TemporaryError: the disk does not take it; the journal is as it was before.
        """
        line = encode(record)
        try:
            file = self._writable()
            if self._size and self._size + len(line) > self._max_bytes:
                file = self._rotate(file)
            written = file.write(line)
            if written != len(line):
                raise OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes fit")  # noqa: TRY301
            os.fdatasync(file.fileno())
        except OSError as error:
            self._forget_torn_line()
            raise TemporaryError(
                f"the journal {self._path} takes no record: {error}", remedy=remedy_for(error)
            ) from error
        self._size += len(line)

    def close(self) -> None:
        """Close the file; nothing is lost, as every record is on the disk already."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _numbered(self, number: int) -> Path:
        return self._path if number == 0 else self._path.with_name(f"{self._path.name}.{number}")

    def _writable(self) -> FileIO:
        """The current file; made, with its folder, by the first record."""
        if self._file is not None:
            return self._file
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        file = FileIO(self._path, "ab+", opener=_private)
        self._size = file.seek(0, os.SEEK_END)
        if self._size:
            file.seek(self._size - 1)
            if file.read(1) != b"\n":
                self._size += file.write(b"\n")
        self._file = file
        return file

    def _rotate(self, file: FileIO) -> FileIO:
        """Begin a new file, drop the oldest."""
        file.close()
        self._file = None
        for number in reversed(range(self._keep)):
            path = self._numbered(number)
            if not path.exists():
                continue
            if number + 1 >= self._keep:
                path.unlink()
            else:
                path.replace(self._numbered(number + 1))
        sync_folder(self._folder)
        return self._writable()

    def _forget_torn_line(self) -> None:
        """After a failed write: cut off what part of the line has arrived."""
        if self._file is not None:
            with suppress(OSError):
                self._file.truncate(self._size)

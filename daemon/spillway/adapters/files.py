"""Files that survive crashes: written whole, beside the old one, then renamed over it."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from spillway.config.reading import read_bounded
from spillway.errors import TemporaryError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_OURS = frozenset({errno.EACCES, errno.EPERM})
_LARGEST = 256 << 20
"""Bytes of a state file that are read: a backend takes about 1.3 KB, 200 services in ten regions some 3 MiB."""
_NUMBERED = 100
"""Unreadable files of one name that are kept: whoever does not look at the first hundred needs no more."""


def remedy_for(error: OSError) -> str:
    """What a person does about an error of the disk below `daemon.state_dir`."""
    if error.errno in _FULL:
        return "Free space on the disk of daemon.state_dir."
    if error.errno == errno.EROFS:
        return "Set daemon.state_dir to a folder on a disk that can be written."
    if error.errno in _NOT_OURS:
        return "Run every command as the daemon's user, and let daemon.state_dir with all in it belong to that user."
    return "Look at daemon.state_dir and its disk (`dmesg`, `df`, `ls -l`)."


def set_aside(path: Path) -> Path:
    """Rename a file that nobody can read to `NAME.unreadable-1` and so on, for whoever wants to know why; its new name.

    Raises:
        OSError: the disk does not take it.
    """
    names = (path.with_name(f"{path.name}.unreadable-{number}") for number in range(1, _NUMBERED + 1))
    aside = next((name for name in names if not name.exists()), path.with_name(f"{path.name}.unreadable-1"))
    path.replace(aside)
    return aside


def write_atomically(path: Path, content: bytes, *, mode: int = 0o666, durable: bool = True) -> None:
    """Replace the file at `path`; after a crash at any point either the old or the new content is there, never a mixture.

    Args:
        path: the file; its folder is there.
        content: all of it.
        mode: permission bits of the new file, less the process's umask.
        durable: wait until it is on the disk; without it a power cut may leave neither content.

    Raises:
        OSError: the disk does not take it; the old content stands.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        # 1. The new content, beside the old one and on the disk before anything points to it.
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        # 2. One rename, which the file system does whole or not at all.
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
    # 3. The rename itself is on the disk when its folder is.
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable.

    Raises:
        OSError: the disk does not take it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FileStore:
    """What the control loop must not forget, as bytes in `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        except OSError as error:
            raise TemporaryError(
                f"{path.parent} cannot be made: {error}", remedy=remedy_for(error)
            ) from error

    def load(self) -> bytes | None:
        """What was saved last, or None where nothing was.

        Raises:
            TemporaryError: the file is there and cannot be read.
        """
        try:
            content = read_bounded(self._path, _LARGEST)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TemporaryError(f"{self._path} cannot be read: {error}", remedy=remedy_for(error)) from error
        if len(content) > _LARGEST:
            raise TemporaryError(
                f"{self._path} is larger than {_LARGEST >> 20} MiB, the most that Spillway reads",
                remedy="Move it away; what stands in the cloud counts then.",
            )
        return content

    def save(self, content: bytes) -> None:
        """Replace the content; after a crash at any point either the old or the new one is there, never a mixture.

        Raises:
            TemporaryError: the disk does not take it; the old content stands.
        """
        try:
            write_atomically(self._path, content, mode=0o640)
        except OSError as error:
            raise TemporaryError(
                f"{self._path} cannot be written: {error}", remedy=remedy_for(error)
            ) from error

    def set_aside(self) -> str:
        """Move a file that nobody can read out of the way, keeping it for whoever wants to know why; its new name.

        Raises:
            TemporaryError: the disk does not take it.
        """
        try:
            return str(set_aside(self._path))
        except OSError as error:
            raise TemporaryError(
                f"{self._path} cannot be set aside: {error}", remedy=remedy_for(error)
            ) from error

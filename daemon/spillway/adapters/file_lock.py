"""One process at a time: a lock on a file that names its holder. The kernel frees it when its process ends, however it ends."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import filelock

from spillway.adapters.files import remedy_for
from spillway.errors import TemporaryError


class LockHeldError(Exception):
    """Another process has the lock."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder
        """Such as `process 4711, since 2026-11-30 06:54:10 UTC`."""


class FileLock:
    """An advisory lock (flock). The file holds the number of the process that has it, and stays when it is released.

    Args:
        path: the file; made with its folder where it is missing.
        mode: permission bits of a file that is made.
    """

    def __init__(self, path: Path, *, mode: int) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._lock = filelock.FileLock(
            path,
            mode=mode,
            thread_local=False,
            fallback_to_soft=False,  # a file that outlives its process would lock out the next one
            preserve_lock_file=True,
            on_acquired=self._sign,
        )

    def acquire(self, wait: float = 0.0) -> None:
        """Take the lock, waiting for it `wait` seconds at most.

        Raises:
            LockHeldError: another process has it all that time.
            TemporaryError: the disk takes no name of a holder.
            OSError: the file cannot be opened.
        """
        try:
            self._lock.acquire(timeout=wait)
        except filelock.Timeout:
            raise LockHeldError(self._holder()) from None

    def release(self) -> None:
        """Give the lock back; does nothing where it is not held."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        self._descriptor = None
        self._lock.release()

    def _sign(self, descriptor: int) -> None:
        """Name this process as the holder. The file's time of change then says since when."""
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise TemporaryError(
                f"the state folder {self._path.parent} takes nothing: {error}", remedy=remedy_for(error)
            ) from error
        self._descriptor = descriptor

    def _holder(self) -> str:
        """Who has the lock, for people; it may have been given back since it was asked for."""
        try:
            pid = self._path.read_text(encoding="utf-8", errors="replace").strip()
            since = datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
        except OSError:
            pid, since = "", datetime.now(UTC)
        return f"process {pid}, since {since:%Y-%m-%d %H:%M:%S} UTC" if pid else "process unknown"


class FileLease:
    """The right to write: one process at a time for each `state_dir`, held by a lock on `state_dir`/lock."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._lock = FileLock(state_dir / "lock", mode=0o640)

    def acquire(self) -> None:
        """Take the lease, at once or not at all.

        Raises:
            TemporaryError: another process has it, or `state_dir` cannot be written.
        """
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
            self._lock.acquire()
        except LockHeldError as error:
            raise TemporaryError(
                f"another spillway ({error.holder}) is running on {self._state_dir}; two writers would undo each other's moves",
                remedy="Stop it first (systemctl stop spillway), or give this one its own daemon.state_dir.",
            ) from None
        except OSError as error:
            raise TemporaryError(
                f"the state folder {self._state_dir} cannot be written: {error}", remedy=remedy_for(error)
            ) from error

    def release(self) -> None:
        """Give the lease back; does nothing where it is not held."""
        self._lock.release()

    def __enter__(self) -> Self:
        """Acquire."""
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release."""
        self.release()

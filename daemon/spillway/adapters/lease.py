"""The right to write: one process at a time for each `state_dir`, held by a lock that dies with its holder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from spillway.errors import TemporaryError


class FileLease:
    """An advisory lock (flock) on `state_dir`/lock. The kernel frees it when the process ends, however it ends."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lease, at once or not at all.

        Raises:
            TemporaryError: another process has it, or `state_dir` cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise TemporaryError(
                f"the state folder {self._path.parent} cannot be written: {error}",
                remedy="Set daemon.state_dir to a folder that this user owns.",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise TemporaryError(
                f"another spillway (process {holder}) is running on {self._path.parent}; two writers would undo each other's moves",
                remedy="Stop it first (systemctl stop spillway), or give this one its own daemon.state_dir.",
            ) from None
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(descriptor)
            raise TemporaryError(
                f"the state folder {self._path.parent} takes nothing: {error}",
                remedy="Free space on the disk of daemon.state_dir.",
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lease back; does nothing where it is not held."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        """Acquire."""
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release."""
        self.release()

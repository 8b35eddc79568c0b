"""Who may drive the engine: one call at a time in this process, and one process at a time for each stack."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from spillway.errors import TemporaryError

_PAUSE = 0.05
"""Seconds between two tries."""


def unusable(folder: Path, error: OSError) -> TemporaryError:
    """Why the engine cannot work in its folder."""
    return TemporaryError(
        f"the engine's folder {folder} cannot be used: {error}",
        remedy="Run every command as the daemon's user, and let daemon.state_dir with all in it belong to that user.",
    )


class ExclusiveCalls:
    """One call at a time in this process, and none after `close`; the last one frees what they share."""

    def __init__(self, free: Callable[[], None]) -> None:
        """`free` gives back what the calls share; it must not fail when it is called again."""
        self._free = free
        self._lock = threading.Lock()
        self.closed = False

    @contextmanager
    def exclusive(self, deadline: float) -> Iterator[None]:
        """Wait `deadline` seconds at most until no other call runs; none begins inside the block.

        Raises:
            TemporaryError: another call goes on for longer than that, or the engine is closed.
        """
        if not self._lock.acquire(timeout=deadline):
            raise TemporaryError("another engine call has not ended within the deadline")
        try:
            if self.closed:
                raise TemporaryError("the engine is closed")
            yield
        finally:
            self._lock.release()
            if self.closed:
                self._free_if_idle()

    def close(self) -> None:
        """Allow no further call. Does not wait: a call that goes on frees things itself when it ends."""
        self.closed = True
        self._free_if_idle()

    def _free_if_idle(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self._free()
            finally:
                self._lock.release()


class Hold:
    """Holds the file `path` for the time of a `with` block; the lock dies with its process, a crash leaves nothing.

    Raises:
        TemporaryError: somebody else has held it for all of `deadline` seconds, or it cannot be written.
    """

    def __init__(self, path: Path, deadline: float) -> None:
        self._path = path
        self._deadline = deadline
        self._file = -1

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(self._path.parent, error) from error
        end = time.monotonic() + self._deadline
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    os.close(self._file)
                    raise TemporaryError(
                        f"another process holds {self._path}",
                        remedy="Stop the other Spillway on this state_dir, or give this one its own.",
                    ) from None
                time.sleep(_PAUSE)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

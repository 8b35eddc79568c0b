"""Who may drive the engine: one call at a time in this process, and one process at a time for each stack."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spillway.adapters.file_lock import FileLock, LockHeldError
from spillway.errors import TemporaryError

_log = logging.getLogger(__name__)

LOCK_WAIT = 60.0
"""Seconds that a call waits at most for the lock of another process: one tick; a write takes 11 s (reference: pulumi.md section 8)."""


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


@contextmanager
def engine_lock(path: Path, deadline: float) -> Iterator[None]:
    """Hold the file `path` for the time of a `with` block. The lock ends with its process; a crash leaves nothing.

    Args:
        path: the lock's file.
        deadline: seconds that the call itself may take: a wait for the lock is never longer, nor longer than `LOCK_WAIT`.

    Raises:
        TemporaryError: another process held it all that time, or it cannot be written.
    """
    lock = FileLock(path, mode=0o600)
    wait = min(deadline, LOCK_WAIT)
    try:
        try:
            lock.acquire()
        except LockHeldError as error:
            _log.warning("Another Spillway (%s) holds %s: waiting %.0f s at most.", error.holder, path, wait)
            lock.acquire(wait)
    except LockHeldError as error:
        raise TemporaryError(
            f"another process ({error.holder}) holds {path} and did not let go of it within {wait:g} s",
            remedy="Stop the other Spillway on this state_dir, or give this one its own.",
        ) from None
    except OSError as error:
        raise unusable(path.parent, error) from error
    try:
        yield
    finally:
        lock.release()

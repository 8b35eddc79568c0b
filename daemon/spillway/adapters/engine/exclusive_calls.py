"""Who may drive the engine: one call at a time in this process, and one process at a time for each stack."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spillway.adapters.file_lock import FileLock, LockHeldError
from spillway.adapters.files import remedy_for
from spillway.errors import TemporaryError

_log = logging.getLogger(__name__)

LOCK_WAIT = 60.0
"""Seconds that a call waits at most for another one: one tick; a write takes 11 s (reference: pulumi.md section 8)."""
TOLD_AFTER = 2.0
"""Seconds after which whoever waits for another call of this process is told so."""


def unusable(folder: Path, error: OSError) -> TemporaryError:
    """Why the engine cannot work in its folder."""
    return TemporaryError(f"the engine's folder {folder} cannot be used: {error}", remedy=remedy_for(error))


class ExclusiveCalls:
    """One call at a time in this process, and none after `close`; the last one frees what they share."""

    def __init__(self, free: Callable[[], None]) -> None:
        """`free` gives back what the calls share; it must not fail when it is called again."""
        self._free = free
        self._lock = threading.Lock()
        self._since = 0.0
        self.closed = False

    @contextmanager
    def exclusive(self, deadline: float) -> Iterator[None]:
        """Wait until no other call runs, `deadline` seconds at most and never longer than `LOCK_WAIT`; none begins inside the block.

        Raises:
            TemporaryError: another call goes on for longer than that, or the engine is closed.
        """
        wait = min(deadline, LOCK_WAIT)
        if not self._acquired(wait):
            raise TemporaryError(
                f"another engine call of this process, {time.monotonic() - self._since:.0f} s old, has not ended within {wait:g} s",
                remedy="It ends by itself at daemon.engine.deadline; then this is tried again.",
            )
        try:
            if self.closed:
                raise TemporaryError("the engine is closed")
            self._since = time.monotonic()
            yield
        finally:
            self._lock.release()
            if self.closed:
                self._free_if_idle()

    def _acquired(self, wait: float) -> bool:
        first = min(wait, TOLD_AFTER)
        if self._lock.acquire(timeout=first):
            return True
        if wait <= first:
            return False
        _log.warning(
            "An engine call of this process, %.0f s old, goes on: waiting %.0f s more at most.",
            time.monotonic() - self._since,
            wait - first,
        )
        return self._lock.acquire(timeout=wait - first)

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

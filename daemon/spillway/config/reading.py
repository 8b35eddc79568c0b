"""Reads a file that somebody names, within bounds of size and time: the name may be that of a pipe or a device."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from pathlib import Path

PIPE_SECONDS = 5.0
"""Wall seconds in which all of a pipe must have come. A file of the disk needs no such bound."""

_PART = 1 << 16
"""Bytes asked for at once."""


def read_bounded(path: Path, most: int) -> bytes:
    """The content of a file; of a longer one the first `most` bytes and one more, by which the caller sees that it is longer.

    A pipe is read too, as `<(...)` of a shell is one, but nothing waits for a writer without a bound.

    Raises:
        TimeoutError: what is there is a pipe or a device, and its end did not come within `PIPE_SECONDS`.
        OSError: the disk does not give it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        until = time.monotonic() + PIPE_SECONDS
        content = bytearray()
        while len(content) <= most:
            if waits:
                _wait(descriptor, until, path)
            part = os.read(descriptor, min(_PART, most + 1 - len(content)))
            if not part:
                break
            content += part
        return bytes(content)
    finally:
        os.close(descriptor)


def _wait(descriptor: int, until: float, path: Path) -> None:
    """Until there is something to read, or its end.

    Raises:
        TimeoutError: neither comes in time.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    left = until - time.monotonic()
    if left <= 0.0 or not poll.poll(1000.0 * left):
        what = f"it is no file of the disk, and its end did not come within {PIPE_SECONDS:g} s"
        raise TimeoutError(errno.ETIMEDOUT, what, str(path))

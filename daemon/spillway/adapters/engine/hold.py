"""A file lock that dies with its process: two daemons never drive one stack, and a crash leaves nothing behind."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from spillway.errors import TemporaryError

_PAUSE = 0.05
"""Seconds between two tries."""


class Hold:
    """Holds `path` for the time of a `with` block.

    Raises:
        TemporaryError: somebody else has held it for all of `deadline` seconds.
    """

    def __init__(self, path: Path, deadline: float) -> None:
        self._path = path
        self._deadline = deadline
        self._file = -1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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

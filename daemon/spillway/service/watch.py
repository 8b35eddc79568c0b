"""Notices when the wall clock jumps: after a sleep of the machine, a correction, a change by a person."""

from __future__ import annotations

import time
from collections.abc import Callable

JUMP = 2.0
"""Wall seconds: smaller differences between two looks are the slewing of a time service."""


class ClockWatch:
    """Compares the wall clock with one that never jumps.

    Args:
        wall: UTC seconds.
        steady: seconds that never run backwards.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._offset = wall() - steady()

    def jump(self) -> float:
        """Seconds by which the wall clock has jumped since the last look; 0 where it has not."""
        offset = self._wall() - self._steady()
        jump, self._offset = offset - self._offset, offset
        return jump if abs(jump) > JUMP else 0.0

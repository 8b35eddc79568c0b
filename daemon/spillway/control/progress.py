"""Is the loop getting anywhere? Liveness means finished ticks, not an open port."""

from __future__ import annotations

from collections.abc import Callable

QUIET_TICKS = 3
"""Ticks that may pass without a finished one."""


class Progress:
    """Marks set by the loop, read by /healthz and the service manager. All in wall seconds.

    Args:
        monotonic: wall seconds that never run backwards.
        tick: wall seconds between ticks.
        write_limit: wall seconds that one write may take, by its own deadline.
    """

    def __init__(self, monotonic: Callable[[], float], *, tick: float, write_limit: float) -> None:
        self._monotonic = monotonic
        self._tick = tick
        self._write_limit = write_limit
        self._moved = monotonic()
        self._writing = True
        self.ready = False

    def retime(self, *, tick: float, write_limit: float) -> None:
        """A reload has changed the intervals."""
        self._tick = tick
        self._write_limit = write_limit

    def ticked(self) -> None:
        """A tick is finished; the first one makes the daemon ready."""
        self._moved = self._monotonic()
        self._writing = False
        self.ready = True

    def writing(self, *, under_way: bool) -> None:
        """A write begins or has ended; its own deadline bounds it."""
        self._moved = self._monotonic()
        self._writing = under_way

    def health(self) -> tuple[bool, str]:
        """Whether there was progress lately, and a sentence that says so or not."""
        quiet = self._monotonic() - self._moved
        limit = QUIET_TICKS * self._tick + (self._write_limit if self._writing else 0.0)
        what = "write" if self._writing and self.ready else "finished tick" if self.ready else "start"
        if quiet <= limit:
            return True, f"ok: {what} {quiet:.0f} s ago, at most {limit:.0f} s are allowed"
        return (
            False,
            f"stuck: no progress since the last {what} {quiet:.0f} s ago; at most {limit:.0f} s are allowed",
        )

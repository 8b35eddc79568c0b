"""Time limits of the loop: how long it may be quiet before it counts as stuck, and how long it waits after a failed write."""

from __future__ import annotations

from collections.abc import Callable

QUIET_TICKS = 3
"""Ticks that may pass without a finished one."""
FIRST_WAIT = 60.0
"""Seconds after the first failure: one tick, so that a passing hiccup costs nothing."""
LONGEST_WAIT = 960.0
"""Seconds at most: four doublings; a refusal that lasts an hour makes four writes, not sixty."""

_DOUBLINGS = 10
"""More of them than reach `LONGEST_WAIT`, and few enough for any number of failures: urgent moves fail a thousand times in a night."""


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


class Backoff:
    """Counts failed writes in a row; each one doubles the wait before the next try."""

    def __init__(self) -> None:
        self.failures = 0
        self._until = 0.0
        self._failed_at = 0.0

    def done(self) -> None:
        """A write worked."""
        self.failures = 0
        self._until = 0.0

    def failed(self, at: float) -> None:
        """A write at UTC second `at` did not work."""
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(self.failures, _DOUBLINGS))
        self.failures += 1
        self._until = at + wait
        self._failed_at = at

    def waiting(self, at: float, *, urgent: bool = False) -> float:
        """Seconds until the next try; 0 if it may be now. What is urgent waits for `FIRST_WAIT` at most."""
        # Where the clock was set back, the failure counts as one of now: nobody waits for years.
        self._failed_at = min(self._failed_at, at)
        self._until = min(self._until, at + LONGEST_WAIT)
        until = min(self._until, self._failed_at + FIRST_WAIT) if urgent else self._until
        return max(0.0, until - at)

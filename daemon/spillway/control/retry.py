"""A budget for writes that keep failing: each failure in a row doubles the wait before the next try."""

from __future__ import annotations

FIRST_WAIT = 60.0
"""Seconds after the first failure: one tick, so that a passing hiccup costs nothing."""
LONGEST_WAIT = 960.0
"""Seconds at most: four doublings; a refusal that lasts an hour makes four writes, not sixty."""


class Retry:
    """Counts failures in a row."""

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
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0**self.failures)
        self.failures += 1
        self._until = at + wait
        self._failed_at = at

    def waiting(self, at: float, *, urgent: bool = False) -> float:
        """Seconds until the next try; 0 if it may be now. What is urgent waits for `FIRST_WAIT` at most."""
        until = min(self._until, self._failed_at + FIRST_WAIT) if urgent else self._until
        return max(0.0, until - at)

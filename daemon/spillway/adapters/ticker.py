"""The ticker: APScheduler, used narrowly, runs the passes of the loop one after another in one thread.

One job for each pass, never two runs at once, late runs merged into one, and every run that did not happen counted.
Jobs live in memory, and nothing of the loop is known here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

_log = logging.getLogger(__name__)

LEAST_GRACE = 1
"""Seconds: a run that starts no later than this after its time is never skipped, however short its interval."""
LONGEST_SLEEP = timedelta(days=1)
"""A run that is later than this is no late run: the wall clock has jumped, and there is nothing to catch up with."""


class SteadyTrigger(IntervalTrigger):  # type: ignore[misc]  # APScheduler has no types
    """An interval that begins anew where the clock has jumped ahead: the base would list every run of ten years, one by one."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The run after `previous_fire_time`."""
        following: datetime = super().get_next_fire_time(previous_fire_time, now)
        return now if now - following > LONGEST_SLEEP else following


class Ticker:
    """Runs functions at intervals, all in one thread."""

    def __init__(self) -> None:
        self._on_error: Callable[[str, BaseException], None] = _ignore
        self._intervals: dict[str, float] = {}
        self._functions: dict[str, Callable[[], object]] = {}
        self._due: dict[str, datetime] = {}
        self._missed: dict[str, int] = {}
        self._lock = threading.Lock()
        self._busy = threading.Lock()
        self._stopping = threading.Event()
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(max_workers=1)},
            job_defaults={"coalesce": True, "max_instances": 1},
            timezone=UTC,
            daemon=True,
        )
        self._scheduler.add_listener(
            self._heard, EVENT_JOB_ERROR | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED | EVENT_JOB_SUBMITTED
        )

    def start(self, on_error: Callable[[str, BaseException], None]) -> None:
        """Begin; jobs may be added before and after.

        Args:
            on_error: told the name of the job and what it raised; the job goes on at its next time.
        """
        self._on_error = on_error
        self._scheduler.start()

    def every(self, name: str, seconds: float, function: Callable[[], object]) -> None:
        """Run `function` now and then every `seconds` of wall time; a job of that name is replaced."""
        self._intervals[name] = seconds
        self._functions[name] = function
        with self._lock:
            self._due.pop(name, None)
            self._missed.setdefault(name, 0)
        self._scheduler.add_job(
            self._guarded(function),
            SteadyTrigger(seconds=seconds, timezone=UTC),
            id=name,
            name=name,
            replace_existing=True,
            misfire_grace_time=max(LEAST_GRACE, ceil(seconds)),
            next_run_time=datetime.now(UTC),
        )

    def soon(self, name: str, function: Callable[[], object]) -> None:
        """Run `function` once, between two passes; asked again while it runs, it runs once more afterwards."""
        self._scheduler.add_job(
            self._guarded(function),
            id=name,
            name=name,
            replace_existing=True,
            misfire_grace_time=None,
            max_instances=2,
        )

    def realign(self) -> None:
        """Plan all runs anew from now on: the wall clock has jumped, and plans by the old one are void."""
        for name, seconds in list(self._intervals.items()):
            self.every(name, seconds, self._functions[name])

    def missed(self) -> dict[str, int]:
        """Runs that did not happen in time, by job: skipped because the one before was still going, or started too late."""
        with self._lock:
            return dict(self._missed)

    def stop(self, deadline: float) -> bool:
        """Begin nothing new and wait for what is running.

        Args:
            deadline: seconds to wait.

        Returns:
            False if something is still running after that.
        """
        if not self._stopping.is_set():
            self._stopping.set()
            if self._scheduler.running:
                self._scheduler.shutdown(wait=False)
        if not self._busy.acquire(timeout=max(0.0, deadline)):
            return False
        self._busy.release()
        return True

    def _guarded(self, function: Callable[[], object]) -> Callable[[], None]:
        """`function`, unless the ticker is stopping; `stop` waits for it."""

        def run() -> None:
            with self._busy:
                if not self._stopping.is_set():
                    function()

        return run

    def _heard(self, event: Any) -> None:
        """Count what did not run, and pass on what went wrong."""
        if event.code == EVENT_JOB_ERROR:
            self._on_error(event.job_id, event.exception)
        elif event.code == EVENT_JOB_MISSED:
            self._miss(event.job_id, 1)
        elif event.job_id in self._intervals:
            skipped = event.code == EVENT_JOB_MAX_INSTANCES
            self._miss(
                event.job_id, self._steps(event.job_id, event.scheduled_run_times[-1]) - (0 if skipped else 1)
            )

    def _steps(self, name: str, due: datetime) -> int:
        """Intervals since the run before; more than one where APScheduler has merged several late runs."""
        with self._lock:
            before = self._due.get(name)
            self._due[name] = due
        if before is None or abs(due - before) > LONGEST_SLEEP:
            return 1
        return max(1, round((due - before).total_seconds() / self._intervals[name]))

    def _miss(self, name: str, count: int) -> None:
        if count > 0 and name in self._intervals:
            with self._lock:
                self._missed[name] += count
            _log.debug("%s: %d run(s) did not happen in time", name, count)


def _ignore(name: str, error: BaseException) -> None:
    """Before the start nothing runs, so nothing can raise."""

"""The ticker: one thread, no overlap, late runs merged and counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.events import (
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobExecutionEvent,
    JobSubmissionEvent,
)

from spillway.adapters.ticker import Ticker

PATIENCE = 20.0
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


class Errors:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.heard = threading.Event()

    def __call__(self, name: str, error: BaseException) -> None:
        self.seen.append((name, str(error)))
        self.heard.set()


@pytest.fixture
def errors() -> Errors:
    return Errors()


@pytest.fixture
def ticker() -> Iterator[Ticker]:
    made = Ticker()
    yield made
    made.stop(PATIENCE)


def until(condition: Callable[[], bool]) -> bool:
    """Wait for a condition, with patience and without luck."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.005)):
        if condition():
            return True
        pause.wait(0.005)
    return False


def test_a_job_runs_at_once_and_again(ticker: Ticker, errors: Errors) -> None:
    runs = threading.Semaphore(0)
    ticker.start(errors)
    ticker.every("tick", 0.02, runs.release)
    for _ in range(3):
        assert runs.acquire(timeout=PATIENCE)


def test_jobs_share_one_thread_and_never_overlap(ticker: Ticker, errors: Errors) -> None:
    inside = threading.Lock()
    names: set[str] = set()
    clashes: list[str] = []
    enough = threading.Semaphore(0)

    def body() -> None:
        if not inside.acquire(blocking=False):
            clashes.append(threading.current_thread().name)
            return
        names.add(threading.current_thread().name)
        inside.release()
        enough.release()

    ticker.start(errors)
    ticker.every("tick", 0.01, body)
    ticker.every("health", 0.01, body)
    for _ in range(10):
        assert enough.acquire(timeout=PATIENCE)
    assert not clashes
    assert len(names) == 1


def test_runs_missed_behind_a_slow_one_are_counted_and_merged(ticker: Ticker, errors: Errors) -> None:
    entered, free = threading.Event(), threading.Event()
    runs: list[int] = []

    def slow() -> None:
        runs.append(1)
        entered.set()
        free.wait(PATIENCE)

    ticker.start(errors)
    ticker.every("tick", 0.02, slow)
    assert entered.wait(PATIENCE)
    assert until(lambda: ticker.missed()["tick"] >= 3)
    assert len(runs) == 1
    free.set()
    assert until(lambda: len(runs) >= 2)


def test_a_defect_is_passed_on_and_the_job_goes_on(ticker: Ticker, errors: Errors) -> None:
    calls: list[int] = []

    def fails() -> None:
        calls.append(1)
        raise RuntimeError("a defect")

    ticker.start(errors)
    ticker.every("tick", 0.02, fails)
    assert until(lambda: len(calls) >= 3)
    assert errors.heard.wait(PATIENCE)
    assert errors.seen[0] == ("tick", "a defect")


def test_something_soon_waits_for_the_pass_under_way(ticker: Ticker, errors: Errors) -> None:
    entered, free, done = threading.Event(), threading.Event(), threading.Event()
    order: list[str] = []

    def tick() -> None:
        entered.set()
        free.wait(PATIENCE)
        order.append("tick")

    def reload() -> None:
        order.append("reload")
        done.set()

    ticker.start(errors)
    ticker.soon("first", tick)
    assert entered.wait(PATIENCE)
    ticker.soon("reload", reload)
    assert not order
    free.set()
    assert done.wait(PATIENCE)
    assert order == ["tick", "reload"]


def test_stop_waits_for_the_pass_under_way_but_no_longer_than_told(ticker: Ticker, errors: Errors) -> None:
    entered, free = threading.Event(), threading.Event()
    after: list[int] = []

    def slow() -> None:
        entered.set()
        free.wait(PATIENCE)

    ticker.start(errors)
    ticker.soon("slow", slow)
    assert entered.wait(PATIENCE)
    ticker.soon("late", lambda: after.append(1))
    assert ticker.stop(0.01) is False
    free.set()
    assert ticker.stop(PATIENCE) is True
    assert not after


def submitted(name: str, due: datetime, code: int = EVENT_JOB_SUBMITTED) -> JobSubmissionEvent:
    return JobSubmissionEvent(code, name, "default", [due])


def test_every_kind_of_missed_run_is_counted_once(ticker: Ticker) -> None:
    """The events of APScheduler, as they come for a job of 60 s."""
    ticker.every("tick", 60.0, lambda: None)

    def at(minute: int) -> datetime:
        return NOON + timedelta(minutes=minute)

    ticker._heard(submitted("tick", at(0)))
    ticker._heard(submitted("tick", at(1)))
    assert ticker.missed() == {"tick": 0}
    ticker._heard(submitted("tick", at(4)))  # the runs of minutes 2 and 3 were merged into this one
    assert ticker.missed() == {"tick": 2}
    ticker._heard(submitted("tick", at(5), EVENT_JOB_MAX_INSTANCES))  # the run of minute 4 was still going
    assert ticker.missed() == {"tick": 3}
    ticker._heard(submitted("tick", at(6)))
    ticker._heard(JobExecutionEvent(EVENT_JOB_MISSED, "tick", "default", at(6)))  # it began too late
    assert ticker.missed() == {"tick": 4}


def test_realigned_runs_begin_at_once_and_the_jump_is_not_counted(ticker: Ticker, errors: Errors) -> None:
    ran = threading.Semaphore(0)
    ticker.every("tick", 3600.0, ran.release)
    ticker.start(errors)
    assert ran.acquire(timeout=PATIENCE)
    ticker.realign()
    assert ran.acquire(timeout=PATIENCE)
    assert ticker.missed() == {"tick": 0}

"""Carrying out jobs: in this process, over the cores of this machine, or over a Dask cluster; same results each way.

Results come in the order of the jobs. Only so many jobs are under way that nothing piles up.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from spillway.errors import SpillwayError
from spillway.sim.backtest.jobs import Done, Job, perform

Progress = Callable[[float], None]
"""Told how many jobs' worth of work has been done since the last call; fractions while one is under way."""

AHEAD = 2
"""Jobs under way for each process: one that runs, and one that waits for it."""


class Runner(Protocol):
    """Somewhere to carry out jobs."""

    def run(self, jobs: Sequence[Job], progress: Progress) -> Iterator[Done]:
        """Results in the order of `jobs`."""
        ...


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Here:
    """One job after the other in this process."""

    def run(self, jobs: Sequence[Job], progress: Progress) -> Iterator[Done]:
        """Results in the order of `jobs`."""
        for job in jobs:
            told = 0.0

            def tell(share: float) -> None:
                nonlocal told
                progress(share - told)
                told = share

            done = perform(job, tell)
            tell(1.0)
            yield done


class Processes:
    """Processes of this machine.

    Args:
        count: how many at most.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def run(self, jobs: Sequence[Job], progress: Progress) -> Iterator[Done]:
        """Results in the order of `jobs`.

        Raises:
            SpillwayError: a process died.
        """
        known = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(
            max_workers=min(self._count, len(jobs)),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_end_at_once_on_interrupt,
        )
        try:
            yield from _in_order(jobs, lambda job: pool.submit(perform, job), self._count * AHEAD, progress)
            pool.shutdown()
        except BrokenProcessPool as error:
            raise SpillwayError(
                "a process of the backtest died in the middle of a run.",
                remedy="Was it short of memory? Try fewer at once with --jobs.",
            ) from error
        finally:  # finished, interrupted, or left by whoever reads the results
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - known:
                child.terminate()


def _end_at_once_on_interrupt() -> None:
    """Ctrl-C reaches every process of the terminal; a worker then has nothing to say."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _in_order(
    jobs: Sequence[Job], submit: Callable[[Job], Future[Done]], most: int, progress: Progress
) -> Iterator[Done]:
    """Keep `most` jobs under way; the oldest is handed on first."""
    under_way: deque[Future[Done]] = deque()
    for job in jobs:
        if len(under_way) >= most:
            yield _finish(under_way.popleft(), progress)
        under_way.append(submit(job))
    while under_way:
        yield _finish(under_way.popleft(), progress)


def _finish(future: Future[Done], progress: Progress) -> Done:
    done = future.result()
    progress(1.0)
    return done

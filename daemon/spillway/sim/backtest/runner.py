"""Carrying out jobs: in this process, over the cores of this machine, or over a Dask cluster; same results each way.

Results come in the order of the jobs. Only so many jobs are under way that nothing piles up.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.queues
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from typing import Protocol

from spillway.errors import SpillwayError
from spillway.sim.backtest.jobs import Done, Job, perform

Progress = Callable[[float], None]
"""Told how many jobs' worth of work has been done since the last call; fractions while one is under way."""

AHEAD = 2
"""Jobs under way for each process: one that runs, and one that waits for it."""


GRACE = 2.0
"""Seconds that a pool has to notice that its processes were ended."""


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
        under_way: deque[Future[Done]] = deque()
        try:
            for job in jobs:
                if len(under_way) >= self._count * AHEAD:
                    yield _finish(under_way.popleft(), progress)
                under_way.append(_submit(pool, job))
            while under_way:
                yield _finish(under_way.popleft(), progress)
            pool.shutdown()
        except KeyboardInterrupt:
            _silence()
            raise
        except BrokenProcessPool as error:
            raise SpillwayError(
                "a process of the backtest died in the middle of a run.",
                remedy="Was it short of memory? Try fewer at once with --jobs.",
            ) from error
        finally:  # finished, interrupted, or left by whoever reads the results
            for child in set(multiprocessing.active_children()) - known:
                child.terminate()
            for future in (
                under_way
            ):  # a pool that shuts down before it knows that its processes are gone complains aloud
                with suppress(CancelledError, TimeoutError):
                    future.exception(GRACE)
            pool.shutdown(wait=False, cancel_futures=True)


def _silence() -> None:
    """From here on the pool's threads have nothing to say: their processes are about to go, and they would complain."""
    threading.excepthook = lambda _: None
    hook = "_on_queue_feeder_error"  # called in place of a traceback when a pipe is gone (multiprocessing/queues.py)
    setattr(multiprocessing.queues.Queue, hook, staticmethod(lambda *_: None))


def _submit(pool: ProcessPoolExecutor, job: Job) -> Future[Done]:
    """Submit, which may start a process: Ctrl-C waits until it has been told what to do."""
    with _interrupt_held():
        return pool.submit(perform, job)


@contextmanager
def _interrupt_held() -> Iterator[None]:
    """Hold Ctrl-C back: from processes that start meanwhile, which inherit the mask, and from this thread.

    The mask alone does not keep it from this thread: where another one takes the signal (that of the progress bar), Python
    interrupts the main thread all the same, in the middle of what a new process is being sent.

    Raises:
        KeyboardInterrupt: it came meanwhile.
    """
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    ours = before is not signal.SIG_IGN and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        if ours:
            signal.signal(signal.SIGINT, before)
        if came:
            raise KeyboardInterrupt


def _end_at_once_on_interrupt() -> None:
    """Ctrl-C reaches every process of the terminal; a worker then has nothing to say.

    Where the backtest itself was started to ignore it, as a shell's background job is, its workers do the same.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _finish(future: Future[Done], progress: Progress) -> Done:
    done = future.result()
    progress(1.0)
    return done

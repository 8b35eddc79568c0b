"""Jobs on an existing Dask cluster; its package `distributed` is the optional extra `cluster`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from spillway import __version__
from spillway.errors import TemporaryError
from spillway.sim.backtest.jobs import Done, Job, perform
from spillway.sim.backtest.runner import AHEAD, Progress

CONNECT = 10.0
"""Seconds to wait for the scheduler."""


class Cluster:
    """The workers behind a Dask scheduler.

    Args:
        address: of the scheduler, such as `tcp://10.0.0.5:8786`.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def run(self, jobs: Sequence[Job], progress: Progress) -> Iterator[Done]:
        """Results in the order of `jobs`. What is under way is cancelled when nobody waits for it any more.

        Raises:
            TemporaryError: the extra is not installed, nobody answers at the address, or the workers cannot do the jobs.
        """
        with self._connect() as client:
            most = AHEAD * _able_workers(client)
            under_way: deque[Any] = deque()
            try:
                for job in jobs:
                    if len(under_way) >= most:
                        yield self._finish(under_way.popleft(), progress)
                    under_way.append(client.submit(perform, job, pure=False))
                while under_way:
                    yield self._finish(under_way.popleft(), progress)
            finally:
                if under_way:
                    client.cancel(list(under_way))

    def _connect(self) -> Any:
        try:
            from distributed import Client
        except ImportError as error:
            raise TemporaryError(
                "running on a cluster needs the package `distributed`, which is not installed.",
                remedy="Install it with `pip install 'spillway[cluster]'`, or leave out --cluster to use this machine's cores.",
            ) from error
        try:
            return Client(self._address, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:  # distributed turns every failure to connect into one of these
            raise TemporaryError(
                f"no Dask scheduler answers at {self._address}: {error}",
                remedy="Start one with `dask scheduler` and workers with `dask worker ADDRESS`, and give the address it prints, such as tcp://10.0.0.5:8786.",
            ) from error

    def _finish(self, future: Any, progress: Progress) -> Done:
        from distributed import CancelledError, KilledWorker

        try:
            done: Done = future.result()
        except (OSError, CancelledError, KilledWorker) as error:
            raise TemporaryError(
                f"the Dask cluster at {self._address} lost a run: {error}",
                remedy="Look at the log of its workers; they may be short of memory.",
            ) from error
        progress(1.0)
        return done


def _version() -> str:
    """What a worker has installed; runs there."""
    return __version__


def _able_workers(client: Any) -> int:
    """How many threads the workers have together.

    Raises:
        TemporaryError: there are none, or they have another Spillway or none.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise TemporaryError(
            "the Dask cluster has no workers.", remedy="Start some with `dask worker ADDRESS`."
        )
    try:
        versions = set(client.run(_version).values())
    except ImportError as error:
        raise TemporaryError(
            f"the workers of the Dask cluster cannot import Spillway: {error}",
            remedy=f"Install spillway=={__version__} where they run.",
        ) from error
    if versions != {__version__}:
        raise TemporaryError(
            f"this is Spillway {__version__}, and the workers of the Dask cluster have {', '.join(sorted(versions))}.",
            remedy=f"Install spillway=={__version__} where they run.",
        )
    return sum(int(worker["nthreads"]) for worker in workers.values())

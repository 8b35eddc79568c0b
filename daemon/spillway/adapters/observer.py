"""Reads everything from Google: all reads of one pass side by side, then one Snapshot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from spillway.adapters.compute import ComputeReader
from spillway.adapters.monitoring import MonitoringReader
from spillway.core.observe.rows import HealthReads, Lag, ListedGroup, Listing, Readings
from spillway.core.observe.snapshot import NOTHING_ASKED, observe
from spillway.core.values.policy import Evidence
from spillway.core.values.snapshot import Absence, Missing, Snapshot
from spillway.core.values.topology import Fleet, ServiceName
from spillway.errors import SpillwayError
from spillway.ports import Clock

T = TypeVar("T")

SOURCES = ("counts", "latencies", "places", "descriptors", "listing", "policies", "health")
"""Names of the reads, as the exporter labels them."""
_NOT_ASKED = Missing(absence=Absence.NOT_ASKED)
_LAG_RETRY = 300.0
"""World seconds between attempts to read the lag from the descriptors."""
_MARGIN = 2.0
"""Wall seconds past a read's own deadline after which it is left behind."""


class CloudObserver:
    """Implements `ports.Observer` over Google's APIs, real or sandbox."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        monitoring: MonitoringReader,
        compute: ComputeReader,
        clock: Clock,
        deadline: float,
        evidence: Mapping[ServiceName, Evidence] | None = None,
    ) -> None:
        """Take the parts.

        Args:
            fleet: what should be there.
            monitoring: reads traffic.
            compute: reads listing, policies and health.
            clock: the world's time.
            deadline: wall seconds, the longest of the readers' own deadlines.
            evidence: what each service's policy trusts.
        """
        self._fleet = fleet
        self._monitoring = monitoring
        self._compute = compute
        self._clock = clock
        self._deadline = deadline
        self._evidence = dict(evidence or {})
        self._ours = frozenset(
            (service.resource, key)
            for service in fleet.services
            for backend in service.backends
            for key in backend.groups
        )
        self._pool = ThreadPoolExecutor(max_workers=len(SOURCES), thread_name_prefix="observe")
        self._lock = threading.Lock()
        self._running: dict[str, Future[object]] = {}
        self._lag: Lag | None = None
        self._lag_next = float("-inf")
        self._before: Snapshot | None = None
        """Of the last full pass; most of its minutes are in the next one too."""
        self.seconds = dict.fromkeys(SOURCES, 0.0)
        """Wall seconds spent in each read so far."""
        self.errors = dict.fromkeys(SOURCES, 0)
        """Reads that failed so far."""

    @property
    def calls(self) -> dict[str, int]:
        """Requests sent so far by source, pages and repetitions counted one by one."""
        sent = {source: usage.calls for source, usage in self._monitoring.usage.items()}
        return {**dict.fromkeys(SOURCES, 0), **sent, **self._compute.calls}

    def close(self) -> None:
        """Let go of threads and connections; reads under way end by their own deadlines."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._compute.close()
        self._monitoring.close()

    def observe(self) -> Snapshot:
        """Read everything; see `ports.Observer`."""
        asked = self._clock.now()
        counts = self._start("counts", lambda: self._monitoring.counts(asked))
        latencies = self._start("latencies", lambda: self._monitoring.latencies(asked))
        places = self._start("places", lambda: self._monitoring.places(asked))
        policies = self._start("policies", lambda: self._compute.policies(asked))
        descriptors = self._start("descriptors", self._monitoring.lag) if self._lag_is_due() else None
        listing, health = self._listing_and_health(asked)
        problems: tuple[str, ...] = ()
        if descriptors is not None:
            problems = self._take_lag(self._join(descriptors))
        readings = Readings(
            counts=self._join(counts), latencies=self._join(latencies), places=self._join(places)
        )
        self._before = observe(
            self._fleet,
            at=self._clock.now(),
            readings=readings,
            listing=listing,
            policies=self._join(policies),
            health=health,
            lag=self._lag or Lag(),
            evidence=self._evidence,
            problems=problems,
            before=self._before,
        )
        return self._before

    def observe_health(self) -> Snapshot:
        """Read listing and health alone; see `ports.Observer`."""
        listing, health = self._listing_and_health(self._clock.now())
        return observe(
            self._fleet,
            at=self._clock.now(),
            readings=NOTHING_ASKED,
            listing=listing,
            policies=_NOT_ASKED,
            health=health,
            lag=self._lag or Lag(),
            evidence=self._evidence,
        )

    def _listing_and_health(self, asked: float) -> tuple[Listing | Missing, HealthReads | Missing]:
        """What is attached, then the health of each attached group that is ours."""
        listing = self._join(self._start("listing", lambda: self._compute.listing(asked)))
        if isinstance(listing, Missing):
            return listing, Missing(
                absence=Absence.QUERY_FAILED, detail="which groups are attached could not be read"
            )
        groups = [
            (service.resource, group)
            for service in self._fleet.services
            for group in self._attached(listing, service.resource)
        ]
        began = self._clock.now()
        return listing, self._join(self._start("health", lambda: self._compute.health(began, groups)))

    def _attached(self, listing: Listing, resource: str) -> tuple[ListedGroup, ...]:
        """Groups of a service that are attached and in our fleet."""
        listed = listing.services.get(resource)
        return tuple(g for g in listed.groups if (resource, g.key) in self._ours) if listed else ()

    def _start(self, source: str, read: Callable[[], T]) -> Future[T | Missing]:
        """Begin a read, unless the one before it still hangs."""
        with self._lock:
            before = self._running.get(source)
            if before is not None and not before.done():
                hung: Future[T | Missing] = Future()
                hung.set_result(
                    Missing(absence=Absence.QUERY_FAILED, detail=f"the last read of {source} still hangs")
                )
                self.errors[source] += 1
                return hung
            future = self._pool.submit(self._run, source, read)
            self._running[source] = future  # type: ignore[assignment]  # only asked whether it is done
            return future

    def _run(self, source: str, read: Callable[[], T]) -> T | Missing:
        """One read, timed; a failure becomes a reason."""
        began = time.monotonic()
        try:
            return read()
        except SpillwayError as error:
            with self._lock:
                self.errors[source] += 1
            detail = f"{error}; {error.remedy}" if error.remedy else str(error)
            return Missing(absence=Absence.QUERY_FAILED, detail=detail)
        finally:
            with self._lock:
                self.seconds[source] += time.monotonic() - began

    def _join(self, future: Future[T | Missing]) -> T | Missing:
        """The outcome of a read; one past all deadlines is left behind."""
        try:
            return future.result(timeout=self._deadline + _MARGIN)
        except FutureTimeoutError:
            return Missing(absence=Absence.QUERY_FAILED, detail="the read ran into its deadline")

    def _lag_is_due(self) -> bool:
        """Tell if the lag is unknown and the last attempt is long enough ago."""
        return self._lag is None and self._clock.monotonic() >= self._lag_next

    def _take_lag(self, read: Lag | Missing) -> tuple[str, ...]:
        """Keep the lag for good, or say that the documented one is used until the next attempt."""
        if isinstance(read, Lag):
            self._lag = read
            return ()
        self._lag_next = self._clock.monotonic() + _LAG_RETRY
        return (f"the metrics' delay could not be read, so the documented 210 s are used: {read.detail}",)

"""Reads everything from Google: all reads of one pass side by side, then one Snapshot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from spillway.adapters.compute import ComputeReader
from spillway.adapters.monitoring import MonitoringReader
from spillway.adapters.reads import Unforeseen
from spillway.core.observe.agreement import HealthReadings, Minutes, doubt_health, doubt_traffic
from spillway.core.observe.agreement import Readings as Earlier
from spillway.core.observe.rows import HealthReads, Lag, ListedGroup, Listing, Policies, Readings
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reads:
    """What the reads of one pass brought."""

    listing: Listing | Missing
    health: HealthReads | Missing
    policies: Policies | Missing = _NOT_ASKED
    traffic: Readings = NOTHING_ASKED

    def without(self, source: str, why: Missing) -> _Reads:
        """The same with one of `_PARTS` missing."""
        changes: dict[str, Any] = {source: why}
        if source in {"counts", "latencies", "places"}:
            return replace(self, traffic=replace(self.traffic, **changes))
        return replace(self, **changes)


_PARTS = ("places", "latencies", "counts", "health", "policies", "listing")
"""Reads that a snapshot is made of, in the order in which they are given up where it cannot be made."""


def _reduced(reads: _Reads, why: Missing) -> Iterator[tuple[str, _Reads]]:
    """Less and less of what was read, and what was given up last: each read by itself, then one after the other."""
    for source in _PARTS:
        yield source, reads.without(source, why)
    left = reads
    for source in _PARTS:
        left = left.without(source, why)
        yield source, left


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
        self._probed = frozenset(
            (service.resource, key)
            for service in fleet.services
            for backend in service.backends
            if backend.has_scaler
            for key in backend.groups
        )
        """Groups of ours whose health is asked for; serverless and internet groups have no health checks."""
        self._pool = ThreadPoolExecutor(max_workers=len(SOURCES), thread_name_prefix="observe")
        self._lock = threading.RLock()
        self._running: dict[str, Future[object]] = {}
        self._lag: Lag | None = None
        self._lag_next = float("-inf")
        self._lag_told: Lag | None = None
        """What the descriptors said last, where it is not what is documented."""
        self._unforeseen = Unforeseen()
        self._before: Snapshot | None = None
        """Of the last full pass; most of its minutes are in the next one too."""
        self._traffic_read: Earlier[Minutes] = Earlier()
        self._health_read = HealthReadings()
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
        """Read everything; see `ports.Observer`. Without services there is no traffic to ask for."""
        if not self._fleet.services:
            return self.observe_health()
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
        traffic = Readings(
            counts=self._join(counts), latencies=self._join(latencies), places=self._join(places)
        )
        reads = _Reads(listing=listing, health=health, policies=self._join(policies), traffic=traffic)
        self._before = self._snapshot(reads, problems, self._before)
        believed, self._traffic_read = doubt_traffic(self._before, self._traffic_read)
        return self._believed_health(believed)

    def observe_health(self) -> Snapshot:
        """Read listing and health alone; see `ports.Observer`."""
        listing, health = self._listing_and_health(self._clock.now())
        return self._believed_health(self._snapshot(_Reads(listing=listing, health=health)))

    def _believed_health(self, snapshot: Snapshot) -> Snapshot:
        """Without the health that this look alone has shown."""
        believed, self._health_read = doubt_health(snapshot, self._health_read)
        return believed

    def _snapshot(
        self, reads: _Reads, problems: tuple[str, ...] = (), before: Snapshot | None = None
    ) -> Snapshot:
        """What was read as one snapshot. A read that it cannot be made of, for a reason that nobody foresaw, is missing."""
        at = self._clock.now()
        try:
            return self._made(at, reads, problems, before)
        except Exception as error:  # noqa: BLE001 whatever an answer holds, the pass goes on
            reason = error
        why = Missing(absence=Absence.QUERY_FAILED, detail=self._unforeseen.told("snapshot", reason))
        for source, left in _reduced(reads, why):
            try:
                made = self._made(at, left, problems, None)
            except Exception as error:  # noqa: BLE001 as above
                reason = error
            else:
                self._failed(source)
                return made
        raise reason

    def _made(self, at: float, reads: _Reads, problems: tuple[str, ...], before: Snapshot | None) -> Snapshot:
        return observe(
            self._fleet,
            at=at,
            readings=reads.traffic,
            listing=reads.listing,
            policies=reads.policies,
            health=reads.health,
            lag=self._lag or Lag(),
            evidence=self._evidence,
            problems=problems,
            before=before,
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
        """Groups of a service that are attached, in our fleet, and probed."""
        listed = listing.services.get(resource)
        return tuple(g for g in listed.groups if (resource, g.key) in self._probed) if listed else ()

    def _start(self, source: str, read: Callable[[], T]) -> Future[T | Missing]:
        """Begin a read, unless the one before it still hangs."""
        with self._lock:
            before = self._running.get(source)
            if before is not None and not before.done():
                hung: Future[T | Missing] = Future()
                hung.set_result(
                    Missing(absence=Absence.QUERY_FAILED, detail=f"the last read of {source} still hangs")
                )
                self._failed(source)
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
            detail = f"{error}; {error.remedy}" if error.remedy else str(error)
        except Exception as error:  # noqa: BLE001 whatever an answer holds, the pass goes on
            detail = self._unforeseen.told(source, error)
        finally:
            with self._lock:
                self.seconds[source] += time.monotonic() - began
        self._failed(source)
        return Missing(absence=Absence.QUERY_FAILED, detail=detail)

    def _failed(self, source: str) -> None:
        with self._lock:
            self.errors[source] += 1

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
        """Keep the lag for good, or say that the documented one is used until the next attempt.

        It is read once in the life of a daemon, so what differs from the documentation is believed when two reads say it.
        """
        if isinstance(read, Lag) and read in {Lag(), self._lag_told}:
            self._lag = read
            return ()
        self._lag_next = self._clock.monotonic() + _LAG_RETRY
        if isinstance(read, Lag):
            self._lag_told = read
            return ()
        return (f"the metrics' delay could not be read, so the documented 210 s are used: {read.detail}",)

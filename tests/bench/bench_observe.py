"""Cost of the eyes for a large project: rows to snapshot, and calls over the wire."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from statistics import median
from typing import Any

from tests.bench.bench_service import fleet_of
from tests.monitoring.fake_source import COUNT, LATENCY, REQUESTS, FakeSource, FixedClock, raw

from spillway.adapters.monitoring import MonitoringReader, connect
from spillway.core.observe.rows import (
    Answer,
    GroupHealth,
    HealthReads,
    ListedGroup,
    ListedService,
    Listing,
    Policies,
    Readings,
)
from spillway.core.observe.snapshot import observe
from spillway.core.values.snapshot import Snapshot
from spillway.core.values.topology import Fleet
from spillway.sandbox.monitoring.server import serve
from spillway.sandbox.monitoring.source import Histogram, RawSeries, Value

_NOW = 1_700_000_040.0
_TICKS = 6
"""Passes that are measured, a minute apart: most minutes of a window are those of the pass before."""
_MINUTES = 15
_BOUNDS = tuple(0.05 * 1.4**i * 1000.0 for i in range(20))


def _points(value_at: Callable[[int], Value]) -> list[tuple[float, Value]]:
    """A value for each minute; `value_at` is told which."""
    return [(_NOW - 60.0 * back, value_at(back)) for back in reversed(range(_MINUTES + _TICKS))]


def _histogram(count: int) -> Histogram:
    """`count` latencies in four buckets."""
    parts = (count - 3 * (count // 4), count // 4, count // 4, count // 4)
    return Histogram(bounds=_BOUNDS, counts=(*[0] * 8, *parts, *[0] * 9), count=count, mean=900.0)


def _source(fleet: Fleet) -> FakeSource:
    """Two codes and a latency distribution for every group, as a busy project has them."""
    series: dict[str, list[RawSeries]] = {COUNT: [], LATENCY: [], REQUESTS: []}
    backends = [(service, backend) for service in fleet.services for backend in service.backends]
    for number, (service, backend) in enumerate(backends):

        def answers(back: int, number: int = number) -> int:
            return 1000 + 10 * number + back % 7  # no two backends say the same, as none do in earnest

        for key in backend.groups:
            names: dict[str, Any] = {"target": service.resource, "name": key.name, "scope": key.scope}
            series[COUNT].append(raw(_points(answers), **names))
            series[COUNT].append(
                raw(_points(lambda back, of=answers: of(back) // 50), code=503, **names)  # type: ignore[misc]
            )
            series[LATENCY].append(raw(_points(lambda back, of=answers: _histogram(of(back))), **names))  # type: ignore[misc]
            series[REQUESTS].append(raw(_points(lambda back, of=answers: of(back) + 1), **names))  # type: ignore[misc]
    return FakeSource(series)


@dataclass(frozen=True, slots=True)
class _Reads:
    """What some ticks have read through the official client from a real server."""

    readings: list[Readings]
    calls: int
    decoding: list[float]
    """CPU milliseconds of each tick in which messages became rows."""


@cache
def _read(services: int, regions: int, ticks: int) -> _Reads:
    """The three queries of some ticks, each a minute after the one before."""
    fleet = fleet_of(services, regions)
    server = serve(_source(fleet), FixedClock(_NOW), "127.0.0.1:0")
    try:
        reader = MonitoringReader(
            connect(f"127.0.0.1:{server.port}"),
            project="p",
            resources=[s.resource for s in fleet.services],
            window=900.0,
            deadline=60.0,
        )
        readings: list[Readings] = []
        spent = [0.0]
        for back in reversed(range(ticks)):
            at = _NOW - 60.0 * back
            readings.append(
                Readings(counts=reader.counts(at), latencies=reader.latencies(at), places=reader.places(at))
            )
            spent.append(1000.0 * sum(usage.decoding for usage in reader.usage.values()))
        calls = sum(usage.calls for usage in reader.usage.values())
        return _Reads(readings, calls, [after - before for before, after in pairwise(spent)])
    finally:
        server.stop(0.0)


def monitoring_calls(services: int, regions: int) -> int:
    """ListTimeSeries calls of one tick, pages counted one by one."""
    reads = _read(services, regions, _TICKS)
    assert isinstance(reads.readings[0].counts, Answer)
    return reads.calls // _TICKS


def messages_to_rows(services: int, regions: int) -> float:
    """CPU milliseconds of `adapters.decode`, the median of ticks that each bring one new minute.

    The official client's own part, the call and the protobuf parser, is not in it; nor is this in the tick from rows to
    record: it runs in the threads that wait for the client.
    """
    return median(_read(services, regions, _TICKS).decoding[1:])


def rows_to_snapshot(services: int, regions: int) -> float:
    """CPU milliseconds of `core.observe.snapshot.observe`, the median of ticks that each bring one new minute."""
    fleet = fleet_of(services, regions)
    readings = _read(services, regions, _TICKS).readings
    listing = Listing(
        at=_NOW,
        services={
            s.resource: ListedService(
                resource=s.resource,
                groups=tuple(
                    ListedGroup(key=k, url=k.name, scaler=1.0) for b in s.backends for k in b.groups
                ),
            )
            for s in fleet.services
        },
    )
    health = HealthReads(
        at=_NOW,
        groups={
            (s.resource, k): GroupHealth(healthy=4, total=4)
            for s in fleet.services
            for b in s.backends
            for k in b.groups
        },
    )
    took = []
    before: Snapshot | None = None
    for back, read in enumerate(readings, start=1 - len(readings)):
        began = time.process_time()
        before = observe(
            fleet,
            before=before,
            at=_NOW + 60.0 * back,
            readings=read,
            listing=listing,
            policies=Policies(at=_NOW, policies={}),
            health=health,
        )
        took.append(1000.0 * (time.process_time() - began))
    return median(took[1:])

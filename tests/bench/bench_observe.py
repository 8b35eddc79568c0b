"""Cost of the eyes for a large project: rows to snapshot, and calls over the wire."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from tests.bench.bench_service import fleet_of
from tests.monitoring.fake_source import COUNT, LATENCY, REQUESTS, FakeSource, FixedClock, raw

from spillway.adapters.monitoring import MonitoringReader, connect
from spillway.core.observe import Past, follow
from spillway.core.series import (
    Answer,
    GroupHealth,
    HealthReads,
    ListedGroup,
    ListedService,
    Listing,
    Policies,
    Readings,
)
from spillway.core.topology import Fleet
from spillway.sandbox.monitoring.server import serve
from spillway.sandbox.monitoring.source import Histogram, RawSeries, Value

_NOW = 1_700_000_040.0
_TICKS = 6
"""Passes that are measured, a minute apart: most minutes of a window are those of the pass before."""
_MINUTES = 15
_BOUNDS = tuple(0.05 * 1.4**i * 1000.0 for i in range(20))


def _points(value: Value) -> list[tuple[float, Value]]:
    return [(_NOW - 60.0 * i, value) for i in range(_MINUTES + _TICKS)][::-1]


def _source(fleet: Fleet) -> FakeSource:
    """Two codes and a latency distribution for every group, as a busy project has them."""
    counts = tuple([0] * 8 + [40, 30, 20, 10] + [0] * 9)
    histogram = Histogram(bounds=_BOUNDS, counts=counts, count=100, mean=900.0)
    series: dict[str, list[RawSeries]] = {COUNT: [], LATENCY: [], REQUESTS: []}
    for service in fleet.services:
        for backend in service.backends:
            for key in backend.groups:
                names: dict[str, Any] = {"target": service.resource, "name": key.name, "scope": key.scope}
                series[COUNT].append(raw(_points(100), **names))
                series[COUNT].append(raw(_points(1), code=503, **names))
                series[LATENCY].append(raw(_points(histogram), **names))
                series[REQUESTS].append(raw(_points(101), **names))
    return FakeSource(series)


def _read(fleet: Fleet, ticks: int = 1) -> tuple[list[Readings], int]:
    """The three queries of some ticks through the official client and a real server, and how many calls they took."""
    server = serve(_source(fleet), FixedClock(_NOW), "127.0.0.1:0")
    try:
        reader = MonitoringReader(
            connect(f"127.0.0.1:{server.port}"),
            project="p",
            resources=[s.resource for s in fleet.services],
            window=900.0,
            deadline=60.0,
        )
        readings = [
            Readings(counts=reader.counts(at), latencies=reader.latencies(at), places=reader.places(at))
            for at in (_NOW - 60.0 * back for back in reversed(range(ticks)))
        ]
        return readings, sum(usage.calls for usage in reader.usage.values())
    finally:
        server.stop(0.0)


def monitoring_calls(services: int, regions: int) -> int:
    """ListTimeSeries calls of one tick, pages counted one by one."""
    readings, calls = _read(fleet_of(services, regions))
    assert isinstance(readings[0].counts, Answer)
    return calls


def rows_to_snapshot(services: int, regions: int) -> float:
    """CPU milliseconds of `core.observe.follow`, the median of ticks that each bring one new minute."""
    fleet = fleet_of(services, regions)
    readings, _ = _read(fleet, _TICKS)
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
    past = Past()
    for back, read in enumerate(readings, start=1 - len(readings)):
        began = time.process_time()
        _, past = follow(
            fleet,
            past,
            at=_NOW + 60.0 * back,
            readings=read,
            listing=listing,
            policies=Policies(at=_NOW, policies={}),
            health=health,
        )
        took.append(1000.0 * (time.process_time() - began))
    return median(took[1:])

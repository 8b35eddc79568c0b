"""The backtest's Snapshot is the daemon's: the same world seen through gRPC and through the simulator's eyes, value by value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from tests.monitoring.fake_source import FixedClock
from tests.sim.worlds import client, region, setup

from spillway.adapters.monitoring import MonitoringReader, connect
from spillway.core.observe.rows import Lag, Readings
from spillway.core.observe.snapshot import observe
from spillway.core.values.snapshot import Minute, Seen, Snapshot
from spillway.sandbox.monitoring.server import serve
from spillway.sandbox.monitoring.world_source import FrontLabels, GroupLabels, WorldSource
from spillway.sim.control import BackendControl, ServiceControl
from spillway.sim.controller import Sight
from spillway.sim.monitoring import MonitoringView
from spillway.sim.pilot.eyes import WINDOW, Eyes
from spillway.sim.pilot.fleet import GROUP, fleet_of, zone_name
from spillway.sim.setup import Setup
from spillway.sim.world import World

LAG = Lag(sample_period=60.0, ingest_delay=210.0)

MOMENTS = (930.0, 1500.0, 2170.0, 2700.0)
"""Seconds since time zero: between two minutes and on one, while each of the faults is at work."""


class View(MonitoringView):
    def errors(self, now: float) -> tuple[str, ...]:
        return ()


class Names:
    """Groups as a scenario's own fleet names them."""

    def refresh(self) -> None:
        """Nothing changes."""

    def has_project(self, project: str) -> bool:
        return True

    def front(self, service: str) -> FrontLabels:
        return FrontLabels(url_map="map", forwarding_rule="rule", target_proxy="proxy")

    def group(self, service: str, region: str, zone: int) -> GroupLabels:
        return GroupLabels(name=GROUP, scope=zone_name(region, zone))


def _story() -> Setup:
    """Two services, several zones, every fault of monitoring, and answers of every class."""
    return setup(
        regions={
            "europe-west4": region(zones=2),
            "us-east4": region(zones=3),
            "asia-northeast1": region(endpoints=8, target_rps=80, capacity_rps=85),
        },
        services={"pool": {}, "eu": {"home": "europe-west4", "failover": ["us-east4"], "paths": ["/eu/*"]}},
        clients=[
            client("paris", 55.0, 48.9, 2.4, demand={"shape": "steady", "rps": 55, "noise": 0.1}),
            client("london", 20.0, 51.5, -0.1, path="/eu/chat"),
            client("ohio", 50.0, 40.0, -83.0),
            client("tokyo", 95.0, 35.7, 139.7),
        ],
        faults=[
            {"kind": "errors", "region": "us-east4", "zone": 1, "at": "8m", "for": "20m", "ratio": 0.2},
            {
                "kind": "fast-failures",
                "region": "us-east4",
                "at": "10m",
                "for": "9m",
                "ratio": 0.1,
                "code": 429,
            },
            {"kind": "outage", "region": "asia-northeast1", "zone": 0, "at": "30m", "for": "3m"},
            {"kind": "metrics-partial", "at": "12m", "for": "5m", "ratio": 0.4},
            {"kind": "metrics-late", "region": "europe-west4", "at": "20m", "for": "6m", "delay": "4m"},
            {"kind": "metrics-garbage", "region": "us-east4", "at": "26m", "for": "5m"},
            {"kind": "metrics-missing", "region": "asia-northeast1", "at": "38m", "for": "4m"},
        ],
    )


def _run(to: float) -> tuple[World, View, Sight]:
    world = World(_story())
    closed = (
        BackendControl(region="europe-west4", scaler=0.0),
        BackendControl(region="us-east4", scaler=0.0),
    )
    opened = (replace(closed[0], scaler=1.0, preferred=True),)
    world.apply(ServiceControl(service="eu", backends=closed), 1860.0)
    world.apply(ServiceControl(service="eu", backends=opened), 2000.0)
    assert world.samples is not None
    view = View(world.samples)
    world.advance(to)
    now = world.epoch + world.time
    sight = Sight(
        now=now,
        date=now,
        monitoring=view.shown(now),
        listing=tuple(world.controls.values()),
        health={p.name: world.health(p.name) for p in world.setup.regions},
        writing=False,
        answer=None,
    )
    return world, view, sight


@contextmanager
def _reader(view: View, now: float) -> Iterator[MonitoringReader]:
    server = serve(WorldSource(view, Names()), FixedClock(now), "127.0.0.1:0")
    reader = MonitoringReader(
        connect(f"127.0.0.1:{server.port}"),
        project="demo",
        resources=["eu", "pool"],
        window=WINDOW,
        deadline=10.0,
    )
    try:
        yield reader
    finally:
        reader.close()
        server.stop(0)


def _both(to: float) -> tuple[Snapshot, Snapshot]:
    """(as the daemon sees it through gRPC, as the backtest shows it)."""
    world, view, sight = _run(to)
    fleet = fleet_of(world.setup)
    eyes = Eyes(fleet, LAG)
    with _reader(view, sight.now) as reader:
        readings = Readings(
            counts=reader.counts(sight.now),
            latencies=reader.latencies(sight.now),
            places=reader.places(sight.now),
        )
    daemon = observe(
        fleet,
        at=sight.now,
        readings=readings,
        listing=eyes._listing(sight),
        policies=eyes._policies(sight),
        health=eyes._health(sight),
        lag=LAG,
    )
    return daemon, eyes.look(sight)


@pytest.mark.parametrize("to", MOMENTS)
def test_the_daemon_and_the_backtest_see_the_same(to: float) -> None:
    daemon, backtest = _both(to)
    for ours, theirs in zip(daemon.services, backtest.services, strict=True):
        assert ours.places == theirs.places
        assert ours.unassigned == theirs.unassigned
        for a, b in zip(ours.backends, theirs.backends, strict=True):
            assert a == b, (ours.service, a.region)
    assert daemon == backtest


def test_what_is_compared_is_there() -> None:
    """Minutes of every class, latencies and places: an agreement about nothing would prove nothing."""
    minutes: list[Minute] = []
    places, unassigned = 0, 0.0
    for to in MOMENTS:
        daemon, _ = _both(to)
        for service in daemon.services:
            places += len(service.places.value) if isinstance(service.places, Seen) else 0
            if isinstance(service.unassigned, Seen):
                unassigned += sum(m.server_error for m in service.unassigned.value)
            for backend in service.backends:
                if isinstance(backend.traffic, Seen):
                    minutes += backend.traffic.value
    assert len(minutes) > 100
    assert sum(m.latency is not None for m in minutes) > 80
    assert places > 10
    assert min(sum(m.ok for m in minutes), sum(m.too_many for m in minutes), unassigned) > 100
    assert sum(m.server_error for m in minutes) > 100


def test_the_clock_of_the_asker_opens_no_future() -> None:
    """Both refuse to show what Monitoring would not have shown by now, whatever time the question claims."""
    world, view, sight = _run(1500.0)
    ahead = sight.now + 3600.0
    shown = sight.monitoring.counts(sight.now - 600.0, ahead, ahead)
    assert shown == view.counts(sight.now - 600.0, sight.now, sight.now)
    assert world.samples is not None
    newest = world.samples.periods[-1].end
    assert all(s.end < newest for s in shown)

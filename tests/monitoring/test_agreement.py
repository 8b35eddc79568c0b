"""What the daemon sees through gRPC is what the simulator's own view says, value by value."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.monitoring.fake_source import FixedClock

from spillway.adapters.monitoring import MonitoringReader, connect
from spillway.core.observe.rows import Answer, CountRow, LatencyRow
from spillway.core.values.histogram import Distribution
from spillway.sandbox.monitoring.server import serve
from spillway.sandbox.monitoring.world_source import FrontLabels, GroupLabels, WorldSource
from spillway.sim.monitoring import MonitoringView
from spillway.sim.scenario_file import load_scenario
from spillway.sim.setup import build
from spillway.sim.world import World

WINDOW = 900.0


class View(MonitoringView):
    def errors(self, now: float) -> tuple[str, ...]:
        return ()


class Names:
    """One group in each zone, named after its region."""

    def refresh(self) -> None:
        """Nothing changes."""

    def has_project(self, project: str) -> bool:
        return True

    def front(self, service: str) -> FrontLabels:
        return FrontLabels(url_map="map", forwarding_rule="rule", target_proxy="proxy")

    def group(self, service: str, region: str, zone: int) -> GroupLabels:
        return GroupLabels(name=f"{region}-{zone}", scope=f"{region}-{'abc'[zone]}")


def _world(minutes: float) -> tuple[World, View]:
    path = Path(ROOT / "config" / "scenarios" / "demo.yaml")
    world = World(build(load_scenario(path), path.parent))
    assert world.samples is not None
    view = View(world.samples)
    world.advance(minutes * 60.0)
    return world, view


def _ask(world: World, view: View) -> tuple[Answer[CountRow], Answer[LatencyRow]]:
    now = world.epoch + world.time
    server = serve(WorldSource(view, Names()), FixedClock(now), "127.0.0.1:0")
    try:
        reader = MonitoringReader(
            connect(f"127.0.0.1:{server.port}"),
            project="demo",
            resources=["pool", "europe"],
            window=WINDOW,
            deadline=10.0,
        )
        return reader.counts(now), reader.latencies(now)
    finally:
        server.stop(0)


@pytest.mark.parametrize("minutes", [20.5, 50.0])
def test_counts_and_latencies_agree(minutes: float) -> None:
    world, view = _world(minutes)
    counts, latencies = _ask(world, view)
    now = world.epoch + world.time
    start, end = now // 60 * 60 - WINDOW, now // 60 * 60
    expected: dict[tuple[str, str, int, float], float] = {}
    for sample in view.counts(start, end, now):
        name = f"{sample.region}-{sample.zone}" if sample.region else "INVALID_BACKEND"
        key = (sample.service, name, sample.code, sample.end)
        expected[key] = expected.get(key, 0.0) + sample.count
    seen = {(r.target, r.name, r.code, at): value for r in counts.rows for at, value in r.points}
    assert seen == expected
    assert len(seen) > 40
    merged: dict[tuple[str, str, float], list[float]] = {}
    for histogram in view.latencies(start, end, now):
        if histogram.code_class == 200:
            place = (histogram.service, f"{histogram.region}-{histogram.zone}", histogram.end)
            known = merged.setdefault(place, [0.0] * len(histogram.counts))
            merged[place] = [a + b for a, b in zip(known, histogram.counts, strict=True)]
    found = {(r.target, r.name, at): value for r in latencies.rows for at, value in r.points}
    assert {
        key: list(value.counts) if isinstance(value, Distribution) else None for key, value in found.items()
    } == merged


def test_a_world_before_anything_is_built_is_silent() -> None:
    path = Path(ROOT / "config" / "scenarios" / "demo.yaml")
    world = World(build(load_scenario(path), path.parent), controls=(), routes=())
    assert world.samples is not None
    view = View(world.samples)
    world.advance(600.0)
    counts, latencies = _ask(world, view)
    assert (counts.rows, latencies.rows) == ((), ())

"""Monitoring shows what Cloud Monitoring would have shown by then, and never the truth."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sim.worlds import region, setup

from spillway.sim.faults import Fault
from spillway.sim.latency import BOUNDS_MS
from spillway.sim.monitoring import CountSample, MonitoringView
from spillway.sim.world import World

DELAY = 210.0


def view(world: World) -> MonitoringView:
    assert world.samples is not None
    return MonitoringView(world.samples)


def after(seconds: float, **changes: Any) -> World:
    world = World(setup(**changes))
    world.advance(seconds)
    return world


def counts(world: World, age: float, shown: MonitoringView | None = None) -> tuple[CountSample, ...]:
    """The points of the first minute, `age` seconds after its end."""
    end = world.epoch + 60.0
    return (shown or view(world)).counts(end - 60.0, end, end + age)


def total(samples: tuple[CountSample, ...], **labels: Any) -> float:
    return sum(s.count for s in samples if all(getattr(s, k) == v for k, v in labels.items()))


def test_after_the_visibility_delay_a_minute_is_complete() -> None:
    world = after(600.0)
    samples = counts(world, DELAY)
    assert total(samples) == pytest.approx(150 * 60, rel=0.05)
    assert total(samples, region="europe-west4", code=200, continent="Europe") == pytest.approx(
        3600, rel=0.05
    )
    assert {s.end for s in samples} == {world.epoch + 60.0}
    assert samples == counts(world, 500.0)


def test_before_it_points_are_missing_or_partial() -> None:
    world = after(600.0)
    assert counts(world, 0.3 * DELAY - 1.0) == ()
    grown = [total(counts(world, age)) for age in (60.0, 120.0, 150.0, 180.0, 210.0)]
    assert grown == sorted(grown)
    assert grown[1] < grown[-1]


def test_a_minute_that_has_not_ended_is_never_shown() -> None:
    world = after(600.0)
    now = world.epoch + 90.0
    assert all(s.end <= now for s in view(world).counts(0.0, now + 1e6, now))
    assert view(world).counts(0.0, world.epoch + 59.0, now) == ()


def test_counts_come_from_sampled_traffic() -> None:
    world = after(3600.0)
    assert world.samples is not None
    shown = view(world).counts(0.0, 1e12, world.epoch + 1e6)
    truth = world.samples.periods[10].counts[0].sum(axis=(0, 1))[0]
    seen = [total(shown, end=p.end, region="europe-west4", code=200) for p in world.samples.periods]
    assert len(set(seen)) > 5  # the truth is the same in every minute
    assert sum(seen) / len(seen) == pytest.approx(truth, rel=0.02)


def test_what_is_seen_does_not_depend_on_who_reads_when() -> None:
    world = after(900.0)
    reader = view(world)
    end, now = world.epoch + 900.0, world.epoch + 800.0
    early = reader.counts(world.epoch, end, now)
    assert early == view(world).counts(world.epoch, end, now)
    later = reader.counts(world.epoch, end, now + 600.0)
    assert later == view(world).counts(world.epoch, end, now + 600.0)
    live = World(setup())
    watcher = view(live)
    for minute in range(1, 15):
        live.advance(minute * 60.0)
        watcher.counts(live.epoch, end, live.epoch + live.time)
    live.advance(900.0)
    assert watcher.latencies(world.epoch, end, now + 600.0) == view(world).latencies(
        world.epoch, end, now + 600.0
    )


def test_idle_backends_have_no_series() -> None:
    regions = {"europe-west4": region(), "us-east4": region(), "asia-northeast1": region(standby=True)}
    world = after(600.0, regions=regions)
    assert {s.region for s in counts(world, DELAY)} == {"europe-west4", "us-east4"}


def test_a_request_without_a_backend_has_no_region() -> None:
    world = World(setup(), controls=())
    world.advance(600.0)
    samples = counts(world, DELAY)
    assert {(s.region, s.zone, s.code) for s in samples} == {("", -1, 502)}
    assert total(samples) == pytest.approx(9000, abs=3)


def test_zones_share_a_region() -> None:
    world = after(600.0, regions={"europe-west4": region(endpoints=9, zones=3)})
    samples = counts(world, DELAY)
    assert {s.zone for s in samples} == {0, 1, 2}
    assert total(samples, zone=1) == pytest.approx(total(samples) / 3, rel=0.15)


def test_latencies_are_distributions_by_class() -> None:
    errors = [{"kind": "errors", "region": "europe-west4", "at": "0s", "for": "1h", "ratio": 0.2}]
    world = after(600.0, faults=errors)
    end = world.epoch + 120.0
    samples = view(world).latencies(end - 60.0, end, end + DELAY)
    assert {s.code_class for s in samples if s.region == "europe-west4"} == {200, 500}
    good = next(s for s in samples if s.region == "europe-west4" and s.code_class == 200)
    assert good.bounds_ms == BOUNDS_MS
    assert len(good.counts) == len(BOUNDS_MS) + 1
    assert good.mean_ms == pytest.approx(1040, rel=0.1)
    below = sum(c for b, c in zip(BOUNDS_MS, good.counts, strict=False) if b <= 2200)
    assert below / sum(good.counts) == pytest.approx(0.95, abs=0.03)


def faulty(kind: str, **changes: Any) -> World:
    return after(600.0, faults=[{"kind": kind, "at": "0s", "for": "5m", **changes}])


def test_metrics_can_be_missing_in_one_region_or_in_all() -> None:
    assert counts(faulty("metrics-missing"), DELAY) == ()
    regions = {s.region for s in counts(faulty("metrics-missing", region="us-east4"), DELAY)}
    assert regions == {"europe-west4", "asia-northeast1"}
    world = faulty("metrics-missing")
    assert view(world).counts(world.epoch + 300.0, world.epoch + 600.0, world.epoch + 1e4)


def test_metrics_can_be_late() -> None:
    world = faulty("metrics-late", delay="10m")
    assert counts(world, DELAY) == ()
    assert counts(world, DELAY + 600.0) == counts(after(600.0), DELAY)


def test_metrics_can_be_partial() -> None:
    world = faulty("metrics-partial", ratio=0.5)
    window = (world.epoch, world.epoch + 300.0, world.epoch + 1e4)
    some, all_of_them = len(view(world).counts(*window)), len(view(after(600.0)).counts(*window))
    assert 0 < some < all_of_them


def test_metrics_can_be_garbage() -> None:
    world = faulty("metrics-garbage")
    window = (world.epoch, world.epoch + 300.0, world.epoch + 1e4)
    honest = {(s.end, s.region): s.count for s in view(after(600.0)).counts(*window)}
    factors = {round(s.count / honest[s.end, s.region], 2) for s in view(world).counts(*window)}
    assert factors <= {0.0, 0.01, 100.0}
    assert len(factors) > 1
    wild = view(world).latencies(*window)
    assert all(sum(1 for c in s.counts if c > 0) > 50 for s in wild if sum(s.counts) > 1000)


def test_a_fault_injected_later_changes_only_what_came_after() -> None:
    world = after(300.0)
    reader = view(world)
    world.inject(Fault(kind="metrics-missing", at=300.0, until=600.0))
    world.advance(600.0)
    assert {s.end - world.epoch for s in reader.counts(0.0, 1e12, world.epoch + 1e5)} == {
        60,
        120,
        180,
        240,
        300,
    }


def test_a_reader_of_one_service_sees_that_one() -> None:
    world = after(600.0)
    now = world.epoch + 1e4
    assert view(world).counts(0.0, 1e12, now, service="pool") == view(world).counts(0.0, 1e12, now)
    assert view(world).counts(0.0, 1e12, now, service="other") == ()


def test_the_truth_cannot_be_reached_from_the_view() -> None:
    reachable = {name for name in dir(MonitoringView) if not name.startswith("_")}
    assert reachable == {"counts", "latencies", "shown"}

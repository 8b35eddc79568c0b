"""Faults as functions of time, and what they leave of a region."""

from __future__ import annotations

from math import exp, inf, log

import pytest
from tests.sim.random_faults import random_faults

from spillway.sim.faults import Fault, Schedule
from spillway.sim.plant import DETECTION, RegionPlant, RegionState, region_state, zone_health
from spillway.sim.service_time import ServiceTime

TIME = ServiceTime(0.9, 2.2)


def plant(zones: int = 1) -> RegionPlant:
    return RegionPlant(
        name="r",
        endpoints=10,
        zones=zones,
        target=100.0,
        capacity=110.0,
        service_time=TIME,
        timeout=30.0,
        cost=1.0,
        standby=False,
    )


def fault(kind: str, at: float = 100.0, until: float = 700.0, **changes: float | str) -> Fault:
    return Fault(kind=kind, at=at, until=until, **{"region": "r", **changes})  # type: ignore[arg-type]


def state(*faults: Fault, t: float = 200.0, zones: int = 1, ejection: float = 0.0) -> RegionState:
    return region_state(plant(zones), Schedule(faults), t, ejection)


def test_a_well_region_serves_its_capacity() -> None:
    well = state()
    assert well.capacity == pytest.approx(110.0)
    assert well.slots == pytest.approx(110.0 * TIME.mean)
    assert (well.dead, well.errors, well.fast, well.quota) == (0.0, 0.0, (), None)


def test_slow_divides_capacity_and_keeps_slots() -> None:
    slow = state(fault("slow", factor=3.0))
    assert slow.capacity == pytest.approx(110.0 / 3)
    assert slow.slots == pytest.approx(110.0 * TIME.mean)
    assert state(fault("slow", factor=3.0), t=700.0).capacity == pytest.approx(110.0)
    both = state(fault("slow", factor=3.0), fault("slow", factor=2.0))
    assert both.capacity == pytest.approx(110.0 / 6)


def test_gray_endpoints_answer_a_smaller_share() -> None:
    gray = state(fault("gray", ratio=0.2, factor=10.0))
    assert gray.capacity == pytest.approx(110.0 * (0.8 + 0.2 / 10))
    shares = {factor: share for share, factor in gray.mixture.parts}
    assert shares[10.0] == pytest.approx(0.02 / 0.82)


def test_capacity_loss_takes_slots_and_passes_its_checks() -> None:
    lost = state(fault("capacity-loss", ratio=0.4))
    assert lost.slots == pytest.approx(0.6 * 110.0 * TIME.mean)
    assert lost.mean == pytest.approx(TIME.mean)
    assert zone_health(plant(), Schedule([fault("capacity-loss", ratio=0.4)]), 200.0) == ((10, 10),)


def test_health_checks_notice_late() -> None:
    schedule = Schedule([fault("outage")])
    assert zone_health(plant(), schedule, 100.0 + DETECTION - 1) == ((10, 10),)
    assert zone_health(plant(), schedule, 100.0 + DETECTION) == ((0, 10),)
    assert zone_health(plant(), schedule, 700.0 + DETECTION) == ((10, 10),)


def test_a_dead_zone_fails_its_share_until_it_is_noticed() -> None:
    early = state(fault("outage", zone=0), t=100.0, zones=2)
    assert early.dead == pytest.approx(0.5)
    late = state(fault("outage", zone=0), t=120.0, zones=2)
    assert late.dead == 0.0
    assert late.capacity == pytest.approx(55.0)
    assert late.zone_share == (0.0, 1.0)


def test_flapping_endpoints_fail_by_turns() -> None:
    flapping = fault("flapping", ratio=0.6, period=120.0)
    schedule = Schedule([flapping])
    seen = [zone_health(plant(), schedule, 100.0 + DETECTION + s)[0][0] for s in (0, 59, 60, 119, 120)]
    assert seen == [4, 4, 10, 10, 4]
    assert flapping.next_change(100.0) == 160.0
    assert flapping.next_change(160.0) == 220.0


def test_a_leak_grows_evenly_to_its_factor() -> None:
    leak = fault("slow-leak", at=0.0, until=3600.0, factor=3.0)
    growth = [leak.slowdown(t) for t in range(0, 3600, 60)]
    assert growth == sorted(growth)
    assert growth[0] == pytest.approx(1.0, abs=0.03)
    assert growth[30] == pytest.approx(2.0, rel=0.03)
    assert growth[-1] == pytest.approx(3.0, rel=0.03)
    assert leak.slowdown(3600.0) == 1.0
    assert log(growth[30]) / 0.02 == pytest.approx(round(log(growth[30]) / 0.02))
    assert exp(0.02) < 1.03


def test_errors_and_fast_failures_add_up_as_chances() -> None:
    twice = state(fault("errors", ratio=0.5), fault("errors", ratio=0.5))
    assert twice.errors == pytest.approx(0.75)
    fast = state(fault("fast-failures", ratio=0.5, code=429), fault("fast-failures", ratio=0.5, code=503))
    assert dict(fast.fast) == {429: 0.5, 503: 0.25}


def test_the_lowest_quota_counts() -> None:
    assert state(fault("quota", rps=50.0), fault("quota", rps=30.0)).quota == 30.0


def test_outlier_detection_ejects_erring_endpoints_up_to_its_limit() -> None:
    bad_zone = fault("errors", ratio=0.9, zone=0)
    open_door = state(bad_zone, zones=2)
    assert open_door.errors == pytest.approx(0.45)
    ejected = state(bad_zone, zones=2, ejection=0.5)
    assert ejected.errors == 0.0
    assert ejected.capacity == pytest.approx(55.0)
    partly = state(bad_zone, zones=2, ejection=0.25)
    assert partly.errors == pytest.approx(0.9 * 0.25 / 0.75)


def test_the_next_change_is_the_earliest_of_all() -> None:
    schedule = Schedule([fault("slow", at=50.0, until=80.0), fault("outage")])
    assert [schedule.next_change(t) for t in (0.0, 50.0, 80.0, 100.0, 700.0)] == [
        50.0,
        80.0,
        100.0,
        700.0,
        inf,
    ]


def test_random_faults_are_repeatable_and_legal() -> None:
    faults = random_faults(3, ("a-b1", "c-d1"), 3600.0, 200)
    assert faults == random_faults(3, ("a-b1", "c-d1"), 3600.0, 200)
    assert faults != random_faults(4, ("a-b1", "c-d1"), 3600.0, 200)
    assert len({f.kind for f in faults}) == 19
    assert all(f.scaler == 0 or f.scaler >= 0.1 for f in faults)

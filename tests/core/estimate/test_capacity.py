"""Lost capacity is a doubt: it halves with time, longer after each return that found the same."""

from __future__ import annotations

from math import exp2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillway.core.estimate.capacity import (
    CERTAIN,
    MOST_DOUBLINGS,
    RECOVERY_SECONDS,
    CapacityBelief,
    believed_capacity,
    capacity_proven,
    p_degraded,
    persistence,
)
from spillway.core.estimate.latency import LASTING_MINUTES
from spillway.core.values.state import ConcurrencyTrack, Estimate, HealthTrack, LatencyTrack, SaturationTrack

TARGET = 160.0
LOST = Estimate(
    latency=LatencyTrack(baseline=1.0, service_time=1.0),
    concurrency=ConcurrencyTrack(limit=80.0),
    saturation=SaturationTrack(last_rate=80.0, findings=1, last_at=1000.0),
)
"""Half the machines were missing when it was last full."""


def believed(estimate: Estimate, after: float, *, backoff: float = 1.0, share: float = 1.0) -> CapacityBelief:
    found = believed_capacity(estimate, TARGET, share, 1000.0 + after, backoff)
    assert found is not None
    return found


@given(st.floats(0.0, 1e9), st.floats(0.0, 1e5), st.floats(1.0, 16.0))
def test_a_doubt_is_whole_at_first_and_halves_ever_after(since: float, later: float, backoff: float) -> None:
    left = p_degraded(since, since + later, backoff)
    assert 0.0 < left <= 1.0
    assert p_degraded(since, since - later, backoff) == 1.0
    half_life = RECOVERY_SECONDS * backoff
    assert p_degraded(since, since + later + half_life, backoff) == pytest.approx(left / 2, rel=1e-6)


def test_nothing_known_is_no_belief_and_a_target_alone_is_taken_at_its_word() -> None:
    assert believed_capacity(Estimate(), None, 1.0, 0.0, 1.0) is None
    assert believed_capacity(Estimate(), TARGET, 0.5, 0.0, 1.0) == CapacityBelief(
        capacity_proven=80.0, capacity_nominal=80.0, p_recovered=0.0
    )


def test_what_was_lost_is_hoped_for_more_with_every_half_life() -> None:
    assert believed(LOST, 0.0) == CapacityBelief(
        capacity_proven=80.0, capacity_nominal=TARGET, p_recovered=0.0
    )
    assert believed(LOST, RECOVERY_SECONDS).p_recovered == pytest.approx(0.5)
    assert believed(LOST, 2 * RECOVERY_SECONDS).p_recovered == pytest.approx(0.75)
    assert believed(LOST, RECOVERY_SECONDS, backoff=2.0).p_recovered == pytest.approx(1.0 - exp2(-0.5))
    assert believed(LOST, RECOVERY_SECONDS, share=0.5) == CapacityBelief(
        capacity_proven=40.0, capacity_nominal=80.0, p_recovered=0.5
    )


@pytest.mark.parametrize(("count", "factor"), [(0, 1.0), (1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (99, 32.0)])
def test_every_return_that_found_the_same_doubles_the_half_life(count: int, factor: float) -> None:
    again = Estimate(
        latency=LatencyTrack(baseline=1.0, service_time=1.0),
        concurrency=ConcurrencyTrack(limit=80.0),
        saturation=SaturationTrack(findings=count, last_at=1000.0),
    )
    assert persistence(again.saturation) == factor
    assert believed(again, factor * RECOVERY_SECONDS).p_recovered == pytest.approx(0.5)
    assert 2.0**MOST_DOUBLINGS * RECOVERY_SECONDS == 16 * 3600.0


def test_a_saturated_region_leaves_no_hope() -> None:
    full = Estimate(
        latency=LatencyTrack(baseline=1.0, service_time=1.0),
        concurrency=ConcurrencyTrack(limit=160.0),
        saturation=SaturationTrack(rate=70.0, last_at=1000.0),
    )
    assert believed(full, 10 * RECOVERY_SECONDS) == CapacityBelief(
        capacity_proven=70.0, capacity_nominal=70.0, p_recovered=0.0
    )


def test_a_finding_that_is_not_understood_yet_counts_before_the_slots() -> None:
    doubtful = Estimate(
        latency=LatencyTrack(baseline=1.0, service_time=1.0),
        concurrency=ConcurrencyTrack(limit=160.0),
        saturation=SaturationTrack(undecided_rate=70.0, findings=1, last_at=1000.0),
    )
    assert believed(doubtful, RECOVERY_SECONDS) == CapacityBelief(
        capacity_proven=70.0, capacity_nominal=TARGET, p_recovered=0.5
    )


def test_slowness_is_seen_and_no_doubt() -> None:
    slow = Estimate(
        latency=LatencyTrack(baseline=1.0, service_time=2.0),
        concurrency=ConcurrencyTrack(limit=160.0),
        saturation=SaturationTrack(last_at=1000.0),
    )
    assert believed(slow, RECOVERY_SECONDS) == CapacityBelief(
        capacity_proven=80.0, capacity_nominal=80.0, p_recovered=0.0
    )
    both = Estimate(
        latency=LatencyTrack(baseline=1.0, service_time=2.0),
        concurrency=ConcurrencyTrack(limit=80.0),
        saturation=SaturationTrack(findings=1, last_at=1000.0),
    )
    assert believed(both, RECOVERY_SECONDS) == CapacityBelief(
        capacity_proven=40.0, capacity_nominal=80.0, p_recovered=0.5
    )


def test_a_region_that_was_proven_to_take_more_than_its_target_keeps_it() -> None:
    strong = Estimate(
        latency=LatencyTrack(baseline=1.0, service_time=1.0),
        concurrency=ConcurrencyTrack(limit=200.0),
        saturation=SaturationTrack(last_at=1000.0),
    )
    assert believed(strong, 0.0) == CapacityBelief(
        capacity_proven=200.0, capacity_nominal=200.0, p_recovered=0.0
    )


def test_a_share_that_comes_and_goes_is_not_trusted_at_once() -> None:
    flapping = Estimate(
        latency=LatencyTrack(baseline=1.0, service_time=1.0),
        concurrency=ConcurrencyTrack(limit=160.0),
        health=HealthTrack(drops=2, lowest=0.25, lowest_at=1000.0),
    )
    assert believed(flapping, RECOVERY_SECONDS) == CapacityBelief(
        capacity_proven=40.0, capacity_nominal=160.0, p_recovered=0.5
    )
    assert believed(flapping, 0.0, share=0.5) == CapacityBelief(
        capacity_proven=40.0, capacity_nominal=80.0, p_recovered=0.0
    )
    assert believed(flapping, 0.0, share=0.25) == CapacityBelief(
        capacity_proven=40.0, capacity_nominal=40.0, p_recovered=0.0
    )
    assert p_degraded(1000.0, 1000.0 + 8 * RECOVERY_SECONDS, 1.0) <= CERTAIN
    assert believed(flapping, 8 * RECOVERY_SECONDS) == CapacityBelief(
        capacity_proven=160.0, capacity_nominal=160.0, p_recovered=0.0
    )
    once = Estimate(
        latency=LatencyTrack(baseline=1.0, service_time=1.0),
        concurrency=ConcurrencyTrack(limit=160.0),
        health=HealthTrack(drops=1, lowest=0.25),
    )
    assert believed(once, 0.0) == CapacityBelief(
        capacity_proven=160.0, capacity_nominal=160.0, p_recovered=0.0
    )


def test_the_capacity_of_a_leaking_region_is_that_of_the_moment_that_is_asked_for() -> None:
    latency = LatencyTrack(baseline=1.0, service_time=1.05, mean=1.1, rising=LASTING_MINUTES, slope=0.001)
    leaking = Estimate(latency=latency, concurrency=ConcurrencyTrack(limit=160.0))
    assert capacity_proven(leaking, TARGET, 1.0, 300.0) == pytest.approx(160.0 / 1.4)
    assert capacity_proven(leaking, TARGET, 1.0) == pytest.approx(160.0)


@given(
    st.floats(1.0, 400.0),
    st.floats(0.3, 5.0),
    st.floats(0.1, 1.0),
    st.integers(0, 9),
    st.floats(0.0, 1e5),
    st.one_of(st.none(), st.floats(1.0, 400.0)),
)
def test_a_belief_is_never_upside_down(
    slots: float, service: float, share: float, count: int, later: float, target: float | None
) -> None:
    known = Estimate(
        latency=LatencyTrack(baseline=1.0, service_time=service),
        concurrency=ConcurrencyTrack(limit=slots),
        saturation=SaturationTrack(findings=count),
        health=HealthTrack(drops=count, lowest=0.5),
    )
    found = believed_capacity(known, target, share, later, 1.0)
    assert found is not None
    assert 0.0 < found.capacity_proven <= found.capacity_nominal
    assert 0.0 <= found.p_recovered <= 1.0
    assert found.p_recovered == 0.0 or found.capacity_nominal > found.capacity_proven


@pytest.mark.parametrize("unit", [0.2, 3.0])
def test_the_usual_pace_does_not_matter(unit: float) -> None:
    lost = Estimate(
        latency=LatencyTrack(baseline=unit, service_time=2.0 * unit),
        concurrency=ConcurrencyTrack(limit=80.0 * unit),
        saturation=SaturationTrack(findings=1, last_at=1000.0),
    )
    found = believed(lost, RECOVERY_SECONDS)
    assert (found.capacity_proven, found.capacity_nominal, found.p_recovered) == pytest.approx(
        (40.0, 80.0, 0.5)
    )

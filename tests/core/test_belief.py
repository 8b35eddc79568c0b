"""Lost capacity is a doubt: it halves with time, longer after each return that found the same."""

from __future__ import annotations

from math import exp2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillway.core.estimate.queueing import (
    CALM,
    CERTAIN,
    LASTING,
    LEAKED,
    RECOVERY_SECONDS,
    RISEN,
    RISING_MINUTES,
    Belief,
    belief,
    capacity,
    doubt_left,
    lasting,
    slowness,
)
from spillway.core.values.state import Estimate

TARGET = 160.0
LOST = Estimate(baseline=1.0, service_time=1.0, slots=80.0, low_rate=80.0, low_count=1, low_at=1000.0)
"""Half the machines were missing when it was last full."""


def believed(estimate: Estimate, after: float, *, hold: float = 1.0, share: float = 1.0) -> Belief:
    found = belief(estimate, TARGET, share, 1000.0 + after, hold)
    assert found is not None
    return found


@given(st.floats(0.0, 1e9), st.floats(0.0, 1e5), st.floats(1.0, 16.0))
def test_a_doubt_is_whole_at_first_and_halves_ever_after(since: float, later: float, hold: float) -> None:
    left = doubt_left(since, since + later, hold)
    assert 0.0 < left <= 1.0
    assert doubt_left(since, since - later, hold) == 1.0
    half_life = RECOVERY_SECONDS * hold
    assert doubt_left(since, since + later + half_life, hold) == pytest.approx(left / 2, rel=1e-6)


def test_nothing_known_is_no_belief_and_a_target_alone_is_taken_at_its_word() -> None:
    assert belief(Estimate(), None, 1.0, 0.0, 1.0) is None
    assert belief(Estimate(), TARGET, 0.5, 0.0, 1.0) == Belief(low=80.0, high=80.0, hope=0.0)


def test_what_was_lost_is_hoped_for_more_with_every_half_life() -> None:
    assert believed(LOST, 0.0) == Belief(low=80.0, high=TARGET, hope=0.0)
    assert believed(LOST, RECOVERY_SECONDS).hope == pytest.approx(0.5)
    assert believed(LOST, 2 * RECOVERY_SECONDS).hope == pytest.approx(0.75)
    assert believed(LOST, RECOVERY_SECONDS, hold=2.0).hope == pytest.approx(1.0 - exp2(-0.5))
    assert believed(LOST, RECOVERY_SECONDS, share=0.5) == Belief(low=40.0, high=80.0, hope=0.5)


@pytest.mark.parametrize(("count", "factor"), [(0, 1.0), (1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (99, 32.0)])
def test_every_return_that_found_the_same_doubles_the_half_life(count: int, factor: float) -> None:
    again = Estimate(baseline=1.0, service_time=1.0, slots=80.0, low_count=count, low_at=1000.0)
    assert lasting(again) == factor
    assert believed(again, factor * RECOVERY_SECONDS).hope == pytest.approx(0.5)
    assert 2.0**LASTING * RECOVERY_SECONDS == 16 * 3600.0


def test_a_saturated_region_leaves_no_hope() -> None:
    full = Estimate(baseline=1.0, service_time=1.0, slots=160.0, saturated_rate=70.0, low_at=1000.0)
    assert believed(full, 10 * RECOVERY_SECONDS) == Belief(low=70.0, high=70.0, hope=0.0)


def test_a_finding_that_is_not_understood_yet_counts_before_the_slots() -> None:
    doubtful = Estimate(baseline=1.0, service_time=1.0, slots=160.0, doubt=70.0, low_count=1, low_at=1000.0)
    assert believed(doubtful, RECOVERY_SECONDS) == Belief(low=70.0, high=TARGET, hope=0.5)


def test_slowness_is_seen_and_no_doubt() -> None:
    slow = Estimate(baseline=1.0, service_time=2.0, slots=160.0, low_at=1000.0)
    assert believed(slow, RECOVERY_SECONDS) == Belief(low=80.0, high=80.0, hope=0.0)
    both = Estimate(baseline=1.0, service_time=2.0, slots=80.0, low_count=1, low_at=1000.0)
    assert believed(both, RECOVERY_SECONDS) == Belief(low=40.0, high=80.0, hope=0.5)


def test_a_region_that_was_proven_to_take_more_than_its_target_keeps_it() -> None:
    strong = Estimate(baseline=1.0, service_time=1.0, slots=200.0, low_at=1000.0)
    assert believed(strong, 0.0) == Belief(low=200.0, high=200.0, hope=0.0)


def test_a_share_that_comes_and_goes_is_not_trusted_at_once() -> None:
    flapping = Estimate(
        baseline=1.0, service_time=1.0, slots=160.0, share_drops=2, share_low=0.25, share_low_at=1000.0
    )
    assert believed(flapping, RECOVERY_SECONDS) == Belief(low=40.0, high=160.0, hope=0.5)
    assert believed(flapping, 0.0, share=0.5) == Belief(low=40.0, high=80.0, hope=0.0)
    assert believed(flapping, 0.0, share=0.25) == Belief(low=40.0, high=40.0, hope=0.0)
    assert doubt_left(1000.0, 1000.0 + 8 * RECOVERY_SECONDS, 1.0) <= CERTAIN
    assert believed(flapping, 8 * RECOVERY_SECONDS) == Belief(low=160.0, high=160.0, hope=0.0)
    once = Estimate(baseline=1.0, service_time=1.0, slots=160.0, share_drops=1, share_low=0.25)
    assert believed(once, 0.0) == Belief(low=160.0, high=160.0, hope=0.0)


@pytest.mark.parametrize(
    ("service", "expected"), [(0.7, 1.0), (1.0, 1.0), (1.0 + CALM - 0.01, 1.0), (1.2, 1.2), (3.0, 3.0)]
)
def test_slowness_within_noise_is_none(service: float, expected: float) -> None:
    assert slowness(Estimate(baseline=1.0, service_time=service, mean=service)) == pytest.approx(expected)
    assert slowness(Estimate()) == 1.0


def leaking(*, rising: int = RISING_MINUTES, mean: float = 1.1, service: float = 1.05) -> Estimate:
    return Estimate(
        baseline=1.0, service_time=service, slots=160.0, mean=mean, rising=rising, slope=0.001, low_at=1000.0
    )


def test_a_rise_is_carried_on_to_the_moment_that_is_asked_for() -> None:
    assert slowness(leaking(), 300.0) == pytest.approx(1.4)
    assert slowness(leaking(), 600.0) == pytest.approx(1.7)
    assert capacity(leaking(), TARGET, 1.0, 300.0) == pytest.approx(160.0 / 1.4)
    assert slowness(leaking()) == 1.0


def test_a_rise_is_not_carried_on_where_it_may_be_noise_or_needs_no_forecast() -> None:
    assert slowness(leaking(rising=RISING_MINUTES - 1), 300.0) == 1.0
    assert slowness(leaking(mean=RISEN - 0.01), 300.0) == 1.0
    assert slowness(leaking(mean=1.7, service=LEAKED + 0.1), 300.0) == pytest.approx(LEAKED + 0.1)


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
        baseline=1.0,
        service_time=service,
        slots=slots,
        low_count=count,
        share_drops=count,
        share_low=0.5,
    )
    found = belief(known, target, share, later, 1.0)
    assert found is not None
    assert 0.0 < found.low <= found.high
    assert 0.0 <= found.hope <= 1.0
    assert found.hope == 0.0 or found.high > found.low


@pytest.mark.parametrize("unit", [0.2, 3.0])
def test_the_usual_pace_does_not_matter(unit: float) -> None:
    lost = Estimate(baseline=unit, service_time=2.0 * unit, slots=80.0 * unit, low_count=1, low_at=1000.0)
    found = believed(lost, RECOVERY_SECONDS)
    assert (found.low, found.high, found.hope) == pytest.approx((40.0, 80.0, 0.5))
    rising = Estimate(
        baseline=unit,
        service_time=1.05 * unit,
        slots=160.0 * unit,
        mean=1.1 * unit,
        rising=RISING_MINUTES,
        slope=0.001 * unit,
    )
    assert slowness(rising, 300.0) == pytest.approx(1.4)

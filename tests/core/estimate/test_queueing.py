"""Waiting by chance, and what it tells of a region that is nearly full."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.estimate.stretches import CALM, learned, takes

from spillway.core.estimate.latency import (
    DELAY_MINUTES,
    DELAY_NOISE,
    FULLEST,
    NEARLY_FULL,
    concurrency_shown,
    offered_capacity,
    queueing_delay,
)


def test_crowding_is_sakasegawas_formula() -> None:
    assert queueing_delay(0.5, 0.0) == 1.0
    assert queueing_delay(0.0, 4.0) == 1.0
    # M/G/1 by Pollaczek and Khinchine, which the formula meets: 1 + (1 + scv) / 2 x rho / (1 - rho)
    assert queueing_delay(0.8, 1.0) == pytest.approx(1.0 + 1.35 / 2 * 0.8 / 0.2)
    assert queueing_delay(2.0, 4.0) == queueing_delay(0.97, 4.0)


@given(st.floats(0.0, 0.97), st.floats(0.0, 0.97), st.floats(1.0, 500.0))
def test_more_in_work_waits_longer_and_more_machines_wait_less(a: float, b: float, slots: float) -> None:
    low, high = sorted((a, b))
    assert 1.0 <= queueing_delay(low, slots) <= queueing_delay(high, slots)
    assert queueing_delay(high, 2 * slots) <= queueing_delay(high, slots)


@given(st.floats(20.0, 800.0), st.floats(0.6, 0.97))
def test_the_slots_behind_a_latency_are_found_again(slots: float, used: float) -> None:
    busy = used * slots
    found = concurrency_shown(busy, queueing_delay(used, slots))
    told = queueing_delay(used, slots) - 1.0 > 1e-6  # else nobody waits, and any larger number would do
    assert found == pytest.approx(slots, rel=0.01) if told else found >= slots * 0.99


@given(st.floats(20.0, 800.0), st.floats(1.0, 2.0))
def test_no_fewer_slots_are_found_than_are_in_use(busy: float, crowded: float) -> None:
    assert busy / FULLEST * 0.999 <= concurrency_shown(busy, crowded) <= 2.0 * busy


FOUND = (CALM, (2, 80.0, 3.0), (25, 40.0, 1.0))
"""Half of the machines were missing when it was full; its queue is long gone."""


def test_nobody_who_waits_shows_that_there_are_more_slots() -> None:
    low = learned(*FOUND)
    assert takes(low) == pytest.approx(80.0, rel=0.02)
    near = learned(*FOUND, (DELAY_MINUTES, 0.98 * 80.0, 1.0))
    assert takes(near) > 1.02 * takes(low)
    short = learned(*FOUND, (DELAY_MINUTES - 1, 0.98 * 80.0, 1.0))
    assert takes(short) == pytest.approx(takes(low), rel=0.01)
    far = learned(*FOUND, (3 * DELAY_MINUTES, (NEARLY_FULL - 0.05) * 80.0, 1.0))
    assert takes(far) == pytest.approx(takes(low), rel=0.01)


def test_waiting_that_chance_explains_shows_nothing() -> None:
    waits = queueing_delay(0.96, 80.0) + DELAY_NOISE
    assert takes(learned(*FOUND, (3 * DELAY_MINUTES, 0.96 * 80.0, waits))) == pytest.approx(80.0, rel=0.03)


def test_what_carries_much_more_than_was_found_is_whole_again() -> None:
    steps = [(8, 80.0 * factor, 1.0) for factor in (0.98, 1.02, 1.06, 1.1, 1.14)]
    assert takes(learned(*FOUND, *steps)) == pytest.approx(160.0, rel=0.02)


def test_a_full_region_whose_requests_wait_is_short_of_slots_and_not_slow() -> None:
    waits = queueing_delay(0.97, 80.0) + 0.3
    found = learned(*FOUND, (1, 0.97 * 80.0, waits))
    assert found.latency.service_time == pytest.approx(found.latency.baseline, rel=0.02)
    assert takes(found) <= 80.5


@pytest.mark.parametrize(
    ("answered", "failed", "capacity"),
    [(20.8, 99.5, 59.2), (49.4, 21.1, 59.2), (56.9, 5.0, 59.2)],
    ids=["twice its capacity", "a sixth more", "a twentieth more"],
)
def test_capacity_shows_through_time_outs(answered: float, failed: float, capacity: float) -> None:
    """Rates of an exact simulation: 39 slots, log-normal service of 0.57 s (p50) and 1.38 s (p95), a time-out of 30 s."""
    assert offered_capacity(answered, failed) == pytest.approx(capacity, rel=0.02)


@given(st.floats(0.1, 500.0), st.floats(0.0, 500.0))
def test_what_slots_give_lies_between_what_is_answered_and_what_comes(answered: float, failed: float) -> None:
    found = offered_capacity(answered, failed)
    assert answered - 1e-9 <= found <= answered + failed + 1e-9


def test_who_fails_nothing_gives_what_it_answers() -> None:
    assert offered_capacity(50.0, 0.0) == 50.0
    assert offered_capacity(0.0, 0.0) == 0.0

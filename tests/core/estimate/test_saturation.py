"""What a region can take, learned from rates and mean latencies alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.estimate.stretches import CALM, PERIOD, SETTING, Stretch, learned, minute, minutes, takes

from spillway.core.estimate.belief import IDLE
from spillway.core.estimate.capacity import (
    NEARLY_ALL,
    SATURATED_SECONDS,
    SETTLING,
    believed_capacity,
    capacity_proven,
)
from spillway.core.estimate.latency import LASTING_MINUTES, queueing_delay, slowness
from spillway.core.estimate.update import REMEMBERED, learn, settled
from spillway.core.values.state import Estimate, HealthTrack


def test_a_calm_region_is_worth_its_target() -> None:
    found = learned(CALM)
    assert found.saturation.rate is None
    assert found.concurrency.limit == pytest.approx(160.0, rel=1e-3)
    assert takes(found) == pytest.approx(160.0, rel=1e-3)


@pytest.mark.parametrize(("mean", "capacity"), [(1.45, None), (1.55, 110.0)])
def test_full_slots_are_saturation_from_one_and_a_half_times_the_usual_latency(
    mean: float, capacity: float | None
) -> None:
    """160 slots, and 110 answers/s of so many seconds: all slots are in work in both minutes."""
    assert 110.0 * mean > NEARLY_ALL * 160.0
    found = learned(CALM, (1, 110.0, mean))
    assert found.saturation.rate == (None if capacity is None else pytest.approx(capacity))


def test_the_answers_of_a_saturated_minute_are_the_capacity() -> None:
    found = learned(CALM, (1, 80.0, 3.0))
    assert found.saturation.rate == pytest.approx(80.0)
    assert takes(found) == pytest.approx(80.0)
    assert (found.saturation.last_rate, found.saturation.findings, found.saturation.last_at) == (
        found.saturation.rate,
        1,
        16 * PERIOD,
    )


def test_with_half_the_machines_the_whole_region_is_worth_twice_its_answers() -> None:
    half = Estimate(health=HealthTrack(share=0.5))
    found = learned(CALM, (1, 80.0, 3.0), start=half)
    assert found.saturation.rate == pytest.approx(160.0)
    assert capacity_proven(found, SETTING.target, 0.5) == pytest.approx(80.0)


def test_long_answers_with_free_slots_are_slowness_and_no_saturation() -> None:
    found = learned(CALM, (3, 40.0, 3.0))
    assert found.saturation.rate is None
    assert slowness(found.latency) == pytest.approx(3.0, rel=0.05)


def test_full_slots_at_the_usual_pace_are_a_larger_region() -> None:
    found = learned(CALM, (3, 170.0, 1.02))
    assert found.saturation.rate is None
    assert takes(found) > 160.0


def test_a_standing_queue_that_fails_nothing_is_taken_at_its_answers() -> None:
    found = learned((15, 100.0, 1.0), (1, 60.0, 4.0), (1, 55.0, 4.5), (1, 65.0, 20.0))
    assert found.saturation.rate == pytest.approx(65.0)


@pytest.mark.parametrize(("answered", "failed"), [(37.5, 87.2), (46.0, 68.8), (65.4, 27.8)])
def test_what_time_outs_cut_off_is_reckoned_back(answered: float, failed: float) -> None:
    """Minutes of a region of 76 requests/s: deep in its time-outs, on the way there and on the way back."""
    before = learned(CALM, (1, 100.0, 4.0))
    found = learn(before, (minute(17, answered, 29.0, errors=failed),), SETTING)
    assert found.saturation.rate == pytest.approx(76.0, rel=0.04)


def after_a_cut(rate: float, *, minutes_since: int, quick: float) -> float:
    """What a region of 80 requests/s is found to take after a minute in which the share `quick` of the answers did not wait."""
    start = learned(CALM, (3, 80.0, 4.0))
    end = 19
    cut = SETTING._replace(cut_at=(end - minutes_since) * PERIOD)
    found = learn(start, (minute(end, rate, 4.0 / (1.0 - quick), quick=quick),), cut)
    assert found.saturation.rate is not None
    return found.saturation.rate


def test_a_minute_in_which_the_queue_came_to_its_end_is_no_measure() -> None:
    assert after_a_cut(40.0, minutes_since=2, quick=0.3) == pytest.approx(80.0)
    later = int(SETTLING / PERIOD) + 1
    assert after_a_cut(40.0, minutes_since=later, quick=0.3) == pytest.approx(40.0), "by then it is its own"


def test_a_queue_that_stands_all_the_minute_measures_even_while_it_is_worked_off() -> None:
    assert after_a_cut(60.0, minutes_since=2, quick=0.0) == pytest.approx(60.0)
    falling = learned(CALM, (3, 80.0, 6.0), (1, 60.0, 4.0), setting=SETTING._replace(cut_at=17 * PERIOD))
    assert falling.saturation.rate == pytest.approx(60.0)


def test_after_a_cut_a_minute_that_offers_enough_measures_in_any_case() -> None:
    enough = (NEARLY_ALL + 0.01) * 80.0
    assert after_a_cut(enough, minutes_since=2, quick=0.3) == pytest.approx(enough)


def test_the_minute_in_which_a_cut_was_made_still_measures() -> None:
    assert after_a_cut(40.0, minutes_since=1, quick=0.3) == pytest.approx(40.0)
    assert after_a_cut(40.0, minutes_since=2, quick=0.3) == pytest.approx(80.0)


def test_slowness_that_does_not_explain_what_was_found_leaves_the_rest_lost() -> None:
    """Half of the machines gone, and the others a quarter slower: 60 of 160 requests/s, and no return to 128 of them."""
    found = learned(CALM, (3, 60.0, 4.0), (LASTING_MINUTES + 1, 20.0, 1.25))
    assert found.saturation.undecided_rate is None
    assert slowness(found.latency) == pytest.approx(1.25, rel=0.02)
    assert takes(found) == pytest.approx(60.0, rel=0.05)
    slow = learned(CALM, (3, 60.0, 4.0), (LASTING_MINUTES + 1, 20.0, 2.4))
    assert takes(slow) == pytest.approx(160.0 / 2.4, rel=0.05)
    assert slow.concurrency.limit == pytest.approx(160.0, rel=0.02), (
        "all of them are there, and will be as fast as before"
    )


SLOW = (CALM, (5, 53.0, 20.0))
"""Three times as slow, behind a long queue that began to grow within its first minute."""


def test_a_latency_that_stays_is_slowness_and_all_machines_are_there() -> None:
    open_question = learned(*SLOW, (LASTING_MINUTES, 16.0, 3.0))
    assert open_question.saturation.rate is None
    assert open_question.saturation.undecided_rate == pytest.approx(53.0, rel=0.01)
    answered = learned(*SLOW, (LASTING_MINUTES + 1, 16.0, 3.0))
    assert answered.saturation.undecided_rate is None
    assert takes(answered) == pytest.approx(160.0 / 3.0, rel=0.05)


DRAINING = (CALM, (4, 80.0, 15.0), (1, 10.0, 12.0), (1, 10.0, 8.0), (1, 10.0, 5.0), (1, 10.0, 2.5))
"""Half the machines missing; little is asked since, and the queue is worked off."""


def test_a_latency_that_falls_is_a_queue_and_machines_are_missing() -> None:
    assert learned(*DRAINING).saturation.undecided_rate == pytest.approx(80.0, rel=0.01)
    found = learned(*DRAINING, (5, 10.0, 1.0))
    assert found.saturation.undecided_rate is None
    assert takes(found) == pytest.approx(80.0, rel=0.02)


def test_machines_found_missing_again_and_again_are_counted() -> None:
    gap = round(SATURATED_SECONDS / PERIOD) + 1
    once: tuple[Stretch, ...] = ((2, 80.0, 3.0), (gap, 40.0, 1.0))
    assert learned(CALM, *once).saturation.findings == 1
    assert learned(CALM, *once, *once).saturation.findings == 2
    assert learned(CALM, *once, *once, *once).saturation.findings == 3
    other: tuple[Stretch, ...] = ((2, 40.0, 5.0), (gap, 10.0, 1.0))
    assert learned(CALM, *once, *once, *other).saturation.findings == 1


def test_a_small_full_region_is_not_slow() -> None:
    small = SETTING._replace(target=4.0)
    quiet, busy = queueing_delay(0.25, 4.0), queueing_delay(0.9, 4.0)
    assert busy > 2.0
    found = learned((15, 1.0, quiet), (10, 3.6, busy), setting=small)
    assert found.saturation.rate is None
    assert slowness(found.latency) == 1.0
    slow = learned((15, 1.0, quiet), (10, 1.0, 2.0 * quiet), setting=small)
    assert slow.saturation.rate is None
    assert slowness(slow.latency) == pytest.approx(2.0, rel=0.05)


def test_saturation_that_nothing_confirms_becomes_a_doubt() -> None:
    full = learned(CALM, (3, 80.0, 3.0))
    assert settled(full, full.saturation.last_at + SATURATED_SECONDS) is full
    later = settled(full, full.saturation.last_at + SATURATED_SECONDS + 1.0)
    assert (later.saturation.rate, later.saturation.undecided_rate, later.saturation.waiting) == (
        None,
        full.saturation.rate,
        0.0,
    )
    assert takes(later) == takes(full)
    hoped = believed_capacity(
        later, SETTING.target, 1.0, full.saturation.last_at + SATURATED_SECONDS + 1.0, 1.0
    )
    assert hoped is not None
    assert 0.0 < hoped.p_recovered < 0.5


def test_a_region_that_is_silent_for_long_is_believed_to_have_no_traffic() -> None:
    calm = learned(CALM)
    assert calm.served > IDLE
    assert settled(calm, calm.last_minute + REMEMBERED) is calm
    silent = settled(calm, calm.last_minute + REMEMBERED + 1.0)
    assert silent.served == 0.0
    assert settled(silent, calm.last_minute + 2.0 * REMEMBERED) is silent


def rise(*means: float) -> Estimate:
    return learned(CALM, *((1, 75.0, mean) for mean in means))


def test_a_rise_is_believed_after_three_minutes_past_the_noise() -> None:
    assert slowness(rise(1.03, 1.06).latency, 300.0) == 1.0
    found = rise(1.03, 1.06, 1.09)
    assert found.latency.rising == 3
    assert found.latency.slope == pytest.approx(0.03 / PERIOD, rel=0.05)
    assert slowness(found.latency, 300.0) == pytest.approx(1.09 + 0.15, rel=0.02)
    assert slowness(rise(1.01, 1.02, 1.03).latency, 300.0) == 1.0


def test_a_jump_a_fall_or_a_standstill_is_no_rise() -> None:
    assert rise(1.03, 1.06, 1.06).latency.rising == 0
    assert rise(1.03, 1.06, 1.04).latency.rising == 0
    jumped = rise(1.03, 1.06, 1.4)
    assert (jumped.latency.rising, jumped.latency.slope) == (0, 0.0)


def test_a_minute_is_learned_once_and_garbage_never() -> None:
    seen = minutes(CALM, (2, 80.0, 3.0))
    found = learn(Estimate(), seen, SETTING)
    assert learn(found, seen, SETTING) is found
    negative = replace(minute(18, 80.0, 3.0), ok=-1.0)
    assert learn(found, (negative,), SETTING) is found


def test_a_minute_of_two_shares_teaches_no_capacity() -> None:
    fell = Estimate(health=HealthTrack(share=0.5, changes=((15.5 * PERIOD, 0.5),)))
    found = learned(CALM, (1, 60.0, 4.0), start=fell)
    assert found.saturation.rate is None
    assert found.served == pytest.approx(66.0, rel=1e-3)


@pytest.mark.parametrize("unit", [0.2, 3.0])
@pytest.mark.parametrize(
    "stretches",
    [
        (CALM, (3, 40.0, 3.0)),
        (CALM, (2, 80.0, 3.0)),
        (*SLOW, (LASTING_MINUTES + 1, 16.0, 3.0)),
        (*DRAINING, (5, 10.0, 1.0)),
        (CALM, (1, 75.0, 1.03), (1, 75.0, 1.06), (1, 75.0, 1.09)),
        (CALM, (3, 5.0, 1.25), (3, 5.0, 1.5)),
    ],
    ids=["slow", "full", "slow-and-full", "drained", "rising", "thin"],
)
def test_the_usual_pace_of_a_service_does_not_matter(stretches: tuple[Stretch, ...], unit: float) -> None:
    usual = learned(*stretches)
    other = learned(*((count, rate, unit * mean) for count, rate, mean in stretches))
    assert other.saturation.rate == pytest.approx(usual.saturation.rate)
    assert other.latency.rising == usual.latency.rising
    assert slowness(other.latency, 300.0) == pytest.approx(slowness(usual.latency, 300.0), rel=1e-3)
    assert takes(other) == pytest.approx(takes(usual), rel=1e-3)

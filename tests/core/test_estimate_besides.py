"""What minutes teach besides the capacity: waits, slowness, errors, quotas, and how long it has been bad."""

from __future__ import annotations

import pytest
from tests.core.stretches import CALM, SETTING, learned, minute

from spillway.core.estimate.capacity import SMOOTH, UNKNOWN_SLOW, learn
from spillway.core.values.state import Estimate


def test_a_saturated_minute_shows_the_wait_and_hides_how_slow_it_is() -> None:
    found = learned(CALM, (1, 80.0, 3.0))
    assert found.waiting == pytest.approx(3.0 - 160.0 / 80.0, rel=1e-3)
    assert found.service_time == pytest.approx(1.0, rel=1e-3)
    assert found.slow == UNKNOWN_SLOW
    slow_before = learned(CALM, (3, 20.0, 5.0), (1, 53.0, 20.0))
    assert slow_before.saturated_rate is not None
    assert slow_before.slow == pytest.approx(1.0)


def test_bad_minutes_are_counted_in_a_row_whatever_makes_them_bad() -> None:
    assert learned(CALM).bad_minutes == 0
    assert learned(CALM, (3, 20.0, 5.0)).bad_minutes == 3
    assert learned(CALM, (3, 20.0, 5.0), (1, 20.0, 1.0)).bad_minutes == 0
    mixed = (minute(1, 70.0, 1.0, errors=10.0), minute(2, 70.0, 1.0, refused=10.0), minute(3, 70.0, 5.0))
    assert learn(Estimate(), mixed, SETTING).bad_minutes == 3
    few = (minute(1, 70.0, 1.0, errors=5.0),)
    assert learn(Estimate(), few, SETTING).bad_minutes == 0


def test_a_jump_of_plenty_is_believed_at_once_and_one_of_few_is_smoothed() -> None:
    assert learned(CALM, (1, 20.0, 2.0)).service_time == pytest.approx(2.0, rel=1e-3)
    few = learned((15, 2.0, 1.0), (1, 2.0, 2.0))
    assert few.service_time == pytest.approx(1.0 + SMOOTH, rel=1e-3)
    assert learned((15, 20.0, 1.0), (1, 20.0, 1.15)).service_time == pytest.approx(
        1.0 + SMOOTH * 0.15, rel=1e-3
    )
    late = learned((15, 2.0, 1.0), (1, 2.0, 5.0))
    assert late.slow == pytest.approx(SMOOTH)
    assert learned((15, 2.0, 1.0), (2, 2.0, 5.0)).slow == pytest.approx(SMOOTH + SMOOTH * (1.0 - SMOOTH))


def test_errors_are_learned_the_same_way() -> None:
    plenty = learn(learned(CALM), (minute(16, 50.0, 1.0, errors=50.0),), SETTING)
    assert plenty.errors == pytest.approx(0.5)
    few = learn(learned((15, 2.0, 1.0)), (minute(16, 2.0, 1.0, errors=2.0),), SETTING)
    assert few.errors == pytest.approx(SMOOTH * 0.5)
    again = learn(few, (minute(17, 2.0, 1.0, errors=2.0),), SETTING)
    assert again.errors == pytest.approx(few.errors + SMOOTH * (0.5 - few.errors))


def test_a_minute_of_errors_alone_says_nothing_of_the_pace() -> None:
    calm = learned(CALM)
    found = learn(calm, (minute(16, 0.0, 1.0, errors=20.0),), SETTING)
    assert found.errors == 1.0
    assert (found.service_time, found.baseline, found.slots) == (calm.service_time, calm.baseline, calm.slots)


def test_refusals_above_a_rate_are_a_quota_and_refusals_of_little_are_not() -> None:
    met = learn(learned(CALM), (minute(16, 30.0, 1.0, refused=45.0),), SETTING)
    assert met.quota == pytest.approx(30.0)
    lifted = learn(met, (minute(17, 40.0, 1.0),), SETTING)
    assert lifted.quota == pytest.approx(40.0)
    below = learn(met, (minute(17, 10.0, 1.0, refused=10.0),), SETTING)
    assert below.quota == pytest.approx(30.0)
    assert below.refusing == pytest.approx(SMOOTH * 0.5)

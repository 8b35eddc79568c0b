"""What minutes teach besides the capacity: waits, slowness, errors, quotas, and how long it has been bad."""

from __future__ import annotations

import pytest
from tests.core.estimate.stretches import CALM, SETTING, learned, minute

from spillway.core.estimate.failures import UNKNOWN_SLOW
from spillway.core.estimate.latency import SMOOTH
from spillway.core.estimate.update import learn
from spillway.core.values.state import Estimate


def test_a_saturated_minute_shows_the_wait_and_hides_how_slow_it_is() -> None:
    found = learned(CALM, (1, 80.0, 3.0))
    assert found.saturation.waiting == pytest.approx(3.0 - 160.0 / 80.0, rel=1e-3)
    assert found.latency.service_time == pytest.approx(1.0, rel=1e-3)
    assert found.failures.slow == UNKNOWN_SLOW
    slow_before = learned(CALM, (3, 20.0, 5.0), (1, 53.0, 20.0))
    assert slow_before.saturation.rate is not None
    assert slow_before.failures.slow == pytest.approx(1.0)


def test_bad_minutes_are_counted_in_a_row_whatever_makes_them_bad() -> None:
    assert learned(CALM).failures.bad_minutes == 0
    assert learned(CALM, (3, 20.0, 5.0)).failures.bad_minutes == 3
    assert learned(CALM, (3, 20.0, 5.0), (1, 20.0, 1.0)).failures.bad_minutes == 0
    mixed = (minute(1, 70.0, 1.0, errors=10.0), minute(2, 70.0, 1.0, refused=10.0), minute(3, 70.0, 5.0))
    assert learn(Estimate(), mixed, SETTING).failures.bad_minutes == 3
    few = (minute(1, 70.0, 1.0, errors=5.0),)
    assert learn(Estimate(), few, SETTING).failures.bad_minutes == 0


def test_a_jump_of_plenty_is_believed_at_once_and_one_of_few_is_smoothed() -> None:
    assert learned(CALM, (1, 20.0, 2.0)).latency.service_time == pytest.approx(2.0, rel=1e-3)
    few = learned((15, 2.0, 1.0), (1, 2.0, 2.0))
    assert few.latency.service_time == pytest.approx(1.0 + SMOOTH, rel=1e-3)
    assert learned((15, 20.0, 1.0), (1, 20.0, 1.15)).latency.service_time == pytest.approx(
        1.0 + SMOOTH * 0.15, rel=1e-3
    )
    late = learned((15, 2.0, 1.0), (1, 2.0, 5.0))
    assert late.failures.slow == pytest.approx(SMOOTH)
    assert learned((15, 2.0, 1.0), (2, 2.0, 5.0)).failures.slow == pytest.approx(
        SMOOTH + SMOOTH * (1.0 - SMOOTH)
    )


def test_errors_are_learned_the_same_way() -> None:
    plenty = learn(learned(CALM), (minute(16, 50.0, 1.0, errors=50.0),), SETTING)
    assert plenty.failures.errors == pytest.approx(0.5)
    few = learn(learned((15, 2.0, 1.0)), (minute(16, 2.0, 1.0, errors=2.0),), SETTING)
    assert few.failures.errors == pytest.approx(SMOOTH * 0.5)
    again = learn(few, (minute(17, 2.0, 1.0, errors=2.0),), SETTING)
    assert again.failures.errors == pytest.approx(few.failures.errors + SMOOTH * (0.5 - few.failures.errors))


def test_a_minute_of_errors_alone_says_nothing_of_the_pace() -> None:
    calm = learned(CALM)
    found = learn(calm, (minute(16, 0.0, 1.0, errors=20.0),), SETTING)
    assert found.failures.errors == 1.0
    assert (found.latency.service_time, found.latency.baseline, found.concurrency.limit) == (
        calm.latency.service_time,
        calm.latency.baseline,
        calm.concurrency.limit,
    )


def test_refusals_above_a_rate_are_a_quota_and_refusals_of_little_are_not() -> None:
    met = learn(learned(CALM), (minute(16, 30.0, 1.0, refused=45.0),), SETTING)
    assert met.quota.rate == pytest.approx(30.0)
    lifted = learn(met, (minute(17, 40.0, 1.0),), SETTING)
    assert lifted.quota.rate == pytest.approx(40.0)
    below = learn(met, (minute(17, 10.0, 1.0, refused=10.0),), SETTING)
    assert below.quota.rate == pytest.approx(30.0)
    assert below.quota.refused_share == pytest.approx(SMOOTH * 0.5)

"""A region that was slow and is well again has all its machines; one that lost machines has not."""

from __future__ import annotations

from spillway.core.estimate.capacity import Setting, learn
from spillway.core.estimate.queueing import capacity
from spillway.core.values.histogram import Distribution
from spillway.core.values.policy import Evidence, Slo
from spillway.core.values.snapshot import Minute
from spillway.core.values.state import Estimate

SETTING = Setting(target=160.0, slo=Slo(), evidence=Evidence(), period=60.0)


def minute(number: int, rate: float, mean: float) -> Minute:
    """One minute of `rate` good answers a second that took `mean` seconds each."""
    spread = Distribution(bounds=(mean * 0.9, mean * 1.1), counts=(0.0, 60.0 * rate, 0.0), mean=mean)
    return Minute(
        end=60.0 * number, ok=60.0 * rate, client_error=0.0, too_many=0.0, server_error=0.0, latency=spread
    )


def learned(*stretches: tuple[int, float, float]) -> Estimate:
    """After stretches of (minutes, rate, mean latency)."""
    minutes = [(rate, mean) for count, rate, mean in stretches for _ in range(count)]
    return learn(Estimate(), tuple(minute(i + 1, *m) for i, m in enumerate(minutes)), SETTING)


def test_a_slow_region_gets_all_its_capacity_back() -> None:
    # three times as slow: saturated at 46/s behind a long queue, then cut to 16/s and still slow, then well
    found = learned((15, 75.0, 1.0), (4, 46.0, 20.0), (10, 16.0, 3.0), (15, 16.0, 1.0))
    takes = capacity(found, 160.0, 1.0)
    assert takes is not None
    assert takes > 0.9 * 160.0


def test_a_slow_region_is_not_trusted_while_it_is_slow() -> None:
    found = learned((15, 75.0, 1.0), (4, 46.0, 20.0), (10, 16.0, 3.0))
    takes = capacity(found, 160.0, 1.0)
    assert takes is not None
    assert takes < 0.4 * 160.0


def test_lost_machines_stay_lost_until_shown_otherwise() -> None:
    # half the machines gone: saturated at 80/s behind a queue, then cut to 40/s and as quick as ever
    found = learned((15, 75.0, 1.0), (4, 80.0, 15.0), (15, 40.0, 1.0))
    takes = capacity(found, 160.0, 1.0)
    assert takes is not None
    assert 70.0 < takes < 110.0


def test_a_queue_that_drains_is_no_slowness() -> None:
    found = learned((15, 75.0, 1.0), (4, 80.0, 15.0), (2, 40.0, 2.0), (15, 40.0, 1.0))
    takes = capacity(found, 160.0, 1.0)
    assert takes is not None
    assert takes < 110.0

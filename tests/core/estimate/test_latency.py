"""The service time: when it is slow, when it rises, and what a slow region is worth while it is slow and after."""

from __future__ import annotations

import pytest

from spillway.core.estimate.capacity import capacity_proven
from spillway.core.estimate.latency import (
    BASELINE_FAR,
    BASELINE_NEAR,
    LASTING_MINUTES,
    LEAKED,
    NEAR_BASELINE,
    RISEN,
    next_baseline,
    slowness,
)
from spillway.core.estimate.update import Circumstances, learn
from spillway.core.values.histogram import Distribution
from spillway.core.values.policy import Evidence, Slo
from spillway.core.values.snapshot import Minute
from spillway.core.values.state import Estimate, LatencyTrack

SETTING = Circumstances(target=160.0, slo=Slo(), evidence=Evidence(), period=60.0)


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
    takes = capacity_proven(found, 160.0, 1.0)
    assert takes is not None
    assert takes > 0.9 * 160.0


def test_a_slow_region_is_not_trusted_while_it_is_slow() -> None:
    found = learned((15, 75.0, 1.0), (4, 46.0, 20.0), (10, 16.0, 3.0))
    takes = capacity_proven(found, 160.0, 1.0)
    assert takes is not None
    assert takes < 0.4 * 160.0


def test_lost_machines_stay_lost_until_shown_otherwise() -> None:
    # half the machines gone: saturated at 80/s behind a queue, then cut to 40/s and as quick as ever
    found = learned((15, 75.0, 1.0), (4, 80.0, 15.0), (15, 40.0, 1.0))
    takes = capacity_proven(found, 160.0, 1.0)
    assert takes is not None
    assert 70.0 < takes < 110.0


def test_a_queue_that_drains_is_no_slowness() -> None:
    found = learned((15, 75.0, 1.0), (4, 80.0, 15.0), (2, 40.0, 2.0), (15, 40.0, 1.0))
    takes = capacity_proven(found, 160.0, 1.0)
    assert takes is not None
    assert takes < 110.0


@pytest.mark.parametrize(
    ("service", "expected"),
    [(0.7, 1.0), (1.0, 1.0), (1.0 + NEAR_BASELINE - 0.01, 1.0), (1.2, 1.2), (3.0, 3.0)],
)
def test_slowness_within_noise_is_none(service: float, expected: float) -> None:
    assert slowness(LatencyTrack(baseline=1.0, service_time=service, mean=service)) == pytest.approx(expected)
    assert slowness(LatencyTrack()) == 1.0


def leaking(*, rising: int = LASTING_MINUTES, mean: float = 1.1, service: float = 1.05) -> LatencyTrack:
    return LatencyTrack(baseline=1.0, service_time=service, mean=mean, rising=rising, slope=0.001)


def test_a_rise_is_carried_on_to_the_moment_that_is_asked_for() -> None:
    assert slowness(leaking(), 300.0) == pytest.approx(1.4)
    assert slowness(leaking(), 600.0) == pytest.approx(1.7)
    assert slowness(leaking()) == 1.0


def test_a_rise_is_not_carried_on_where_it_may_be_noise_or_needs_no_forecast() -> None:
    assert slowness(leaking(rising=LASTING_MINUTES - 1), 300.0) == 1.0
    assert slowness(leaking(mean=RISEN - 0.01), 300.0) == 1.0
    assert slowness(leaking(mean=1.7, service=LEAKED + 0.1), 300.0) == pytest.approx(LEAKED + 0.1)


def test_a_leak_of_a_percent_a_minute_does_not_take_the_baseline_along() -> None:
    baseline, mean = 1.0, 1.0
    for _ in range(30):
        mean *= 1.01
        baseline = next_baseline(baseline, mean, nearly_full=False)
    assert mean > 1.18 * baseline


def test_the_baseline_falls_faster_than_it_rises() -> None:
    assert next_baseline(1.0, 1.1, nearly_full=False) == pytest.approx(1.0 + 0.1 * BASELINE_NEAR[1])
    assert next_baseline(1.0, 0.9, nearly_full=False) == pytest.approx(1.0 - 0.1 * BASELINE_NEAR[0])
    assert next_baseline(1.0, 2.0, nearly_full=False) == pytest.approx(1.0 + BASELINE_FAR[1])
    assert next_baseline(1.0, 2.0, nearly_full=True) == 1.0


@pytest.mark.parametrize("unit", [0.2, 3.0])
def test_slowness_does_not_depend_on_the_baseline_of_a_service(unit: float) -> None:
    rising = LatencyTrack(
        baseline=unit,
        service_time=1.05 * unit,
        mean=1.1 * unit,
        rising=LASTING_MINUTES,
        slope=0.001 * unit,
    )
    assert slowness(rising, 300.0) == pytest.approx(1.4)

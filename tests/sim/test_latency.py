"""Latency tables against drawn samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spillway.sim.latency import BOUNDS, LatencyTable, bucket_of, histogram, read_at
from spillway.sim.service_time import MeasuredTime, Mixture, ServiceTime, read_times
from spillway.sim.streams import stream

TIME = ServiceTime(0.9, 2.2)
MIX = Mixture(TIME, ((0.8, 1.0), (0.2, 4.0)))


def draw(mixture: Mixture, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    random = stream(1, "latency-test")
    parts = random.choice([f for _, f in mixture.parts], count, p=[s for s, _ in mixture.parts])
    result: np.ndarray[tuple[int], np.dtype[np.float64]] = parts * np.exp(
        np.log(TIME.p50) + TIME.sigma * random.standard_normal(count)
    )
    return result


def test_a_log_normal_goes_through_its_two_points() -> None:
    assert TIME.cdf(np.array([0.0, 0.9, 2.2])).tolist() == pytest.approx([0.0, 0.5, 0.95], abs=1e-5)
    sample = draw(Mixture(TIME), 400_000)
    assert TIME.mean == pytest.approx(float(sample.mean()), rel=0.01)
    assert TIME.scv == pytest.approx(float(sample.var() / sample.mean() ** 2), rel=0.03)


def test_a_mix_of_endpoints_answers_like_its_parts() -> None:
    sample = draw(MIX, 400_000)
    assert MIX.mean == pytest.approx(float(sample.mean()), rel=0.01)
    assert MIX.scv == pytest.approx(float(sample.var() / sample.mean() ** 2), rel=0.03)
    x = np.array([0.5, 1.0, 3.0, 8.0])
    assert MIX.cdf(x).tolist() == pytest.approx([(sample <= v).mean() for v in x], abs=0.003)


@pytest.mark.parametrize(("waiting", "mean", "certain"), [(0.0, 0.0, 0.0), (0.5, 2.0, 0.0), (1.0, 12.0, 1.0)])
def test_waiting_and_service_are_folded(waiting: float, mean: float, certain: float) -> None:
    random = stream(2, "fold-test")
    service = draw(MIX, 400_000)
    if certain:
        wait = np.full(len(service), mean)
    elif mean:
        waits = random.random(len(service)) < waiting
        wait = np.where(waits, random.exponential(mean / waiting, len(service)), 0.0)
    else:
        wait = np.zeros(len(service))
    total = wait + service
    row = LatencyTable(MIX, 30.0).rows(np.array([waiting]), np.array([mean]), np.array([certain]))
    assert row[0, -1] == pytest.approx(float((total <= 30.0).mean()), abs=0.005)
    expected = [float((total <= min(b, 30.0)).mean()) for b in BOUNDS]
    assert row[0, :-1].tolist() == pytest.approx(expected, abs=0.02)
    assert histogram(row).sum() == pytest.approx(row[0, -1])
    assert (histogram(row) >= -1e-12).all()
    seconds = np.array([0.7, 3.3, 14.0])
    assert read_at(row, seconds)[0].tolist() == pytest.approx(
        [float((total <= s).mean()) for s in seconds], abs=0.04
    )


def test_a_slot_is_held_until_the_time_out_at_most() -> None:
    table = LatencyTable(MIX, 30.0)
    sample = draw(MIX, 400_000)
    for waited in (0.0, 20.0, 28.0, 30.0):
        left = max(0.0, 30.0 - waited)
        assert table.work(waited) == pytest.approx(float(np.minimum(sample, left).mean()), rel=0.02, abs=1e-3)


def test_measured_times_are_kept_as_measured() -> None:
    measured = MeasuredTime((1.0, 2.0, 3.0, 4.0))
    assert measured.mean == 2.5
    assert measured.cdf(np.array([0.5, 2.0, 9.0])).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.data
def test_service_times_are_read_from_measurements(shared_data: Path) -> None:
    measured = read_times(shared_data / "llm_service_times.csv", "e2e_time")
    assert 1000 < len(measured.values) <= 2000
    assert 0.1 < measured.mean < 100.0


def test_buckets_hold_their_values() -> None:
    assert bucket_of(0.001) == 0
    assert BOUNDS[bucket_of(1.0) - 1] <= 1.0 < BOUNDS[bucket_of(1.0)]
    assert bucket_of(1e6) == len(BOUNDS)

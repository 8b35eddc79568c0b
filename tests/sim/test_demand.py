"""Demand: every shape at known moments, noise that does not know the step, traces as rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from spillway.sim.demand import Demand, Source, noise_of, rate_of
from spillway.sim.scenario import DAY_ZERO, DemandModel
from spillway.sim.traces import BIN, bin_arrivals, read_trace

ADAPTER: TypeAdapter[DemandModel] = TypeAdapter(DemandModel)


def source(**demand: Any) -> Source:
    return Source(name="paris", demand=ADAPTER.validate_python(demand))


def at(made: Source, *seconds: float, start: float = DAY_ZERO) -> list[float]:
    return [round(v, 6) for v in rate_of(made, np.array(seconds), start).tolist()]


def test_a_day_peaks_at_its_hour_and_keeps_its_mean() -> None:
    daily = source(shape="daily", mean_rps=60, peak_to_mean=1.6, peak_hour_utc=13)
    assert at(daily, 13 * 3600, 1 * 3600) == [96.0, 24.0]
    day = rate_of(daily, np.arange(0, 86400, 10.0), DAY_ZERO)
    assert day.mean() == pytest.approx(60.0)
    assert at(daily, 0.0, start=DAY_ZERO + 13 * 3600) == [96.0]


def test_a_day_with_a_steep_peak_never_falls_below_zero() -> None:
    daily = source(shape="daily", mean_rps=10, peak_to_mean=4, peak_hour_utc=0)
    assert at(daily, 0.0, 12 * 3600) == [40.0, 0.0]


def test_a_step_changes_at_its_moment() -> None:
    assert at(source(shape="step", rps=10, to_rps=30, at="5m"), 299.9, 300.0) == [10.0, 30.0]


def test_a_surge_rises_holds_and_falls() -> None:
    surge = source(shape="surge", rps=10, factor=3, at="10m", **{"for": "20m"}, ramp="4m")
    assert at(surge, 599, 720, 840, 1799, 1920, 2040) == [10.0, 20.0, 30.0, 30.0, 20.0, 10.0]
    sudden = source(shape="surge", rps=10, factor=3, at="10m", **{"for": "20m"})
    assert at(sudden, 599, 600, 1799, 1800) == [10.0, 30.0, 30.0, 10.0]


def test_noise_is_one_draw_a_minute_whatever_the_step() -> None:
    noisy = source(shape="steady", rps=100, noise=0.1)
    fine = Demand([noisy], seed=3, start=DAY_ZERO, step=10.0).rates(0, 360)[:, 0]
    coarse = Demand([noisy], seed=3, start=DAY_ZERO, step=60.0).rates(0, 60)[:, 0]
    assert np.array_equal(fine[::6], coarse)
    assert np.array_equal(fine.reshape(60, 6), np.repeat(coarse[:, None], 6, axis=1))
    assert 5.0 < coarse.std() < 15.0


def test_another_client_does_not_disturb_the_noise() -> None:
    noisy = source(shape="steady", rps=100, noise=0.1)
    other = Source(name="tokyo", demand=noisy.demand)
    alone = Demand([noisy], seed=3, start=DAY_ZERO, step=10.0).rates(0, 700)[:, 0]
    among = Demand([other, noisy], seed=3, start=DAY_ZERO, step=10.0).rates(0, 700)
    assert np.array_equal(alone, among[:, 1])
    assert not np.array_equal(among[:, 0], among[:, 1])


def test_noise_can_be_had_from_the_middle() -> None:
    whole = noise_of(1, "x", np.arange(1200))
    assert np.array_equal(noise_of(1, "x", np.arange(900, 1200)), whole[900:])


def test_a_trace_is_counted_in_minutes_and_linear_between_their_centres() -> None:
    arrivals = np.concatenate((np.linspace(0, 59, 10), np.linspace(60, 119, 30), [125.0]))
    trace = bin_arrivals(arrivals)
    assert trace.bins.tolist() == [0.5, 1.5]
    assert trace.rate(np.array([30.0, 60.0, 90.0, 120.0, 150.0])).tolist() == [0.5, 1.0, 1.5, 1.0, 0.5]


def test_a_trace_of_milliseconds_and_one_of_iso_times_agree(tmp_path: Path) -> None:
    (tmp_path / "ms.csv").write_text("t_ms,x\n0,1\n1000,1\n61000,1\n130000,1\n")
    (tmp_path / "iso.csv").write_text(
        "TIMESTAMP,x\n2023-11-16 18:15:46.6805900,1\n2023-11-16 18:15:47.6805900,1\n"
        "2023-11-16 18:16:47.6805900,1\n2023-11-16 18:17:56.6805900,1\n"
    )
    assert read_trace(tmp_path / "ms.csv").bins.tolist() == read_trace(tmp_path / "iso.csv").bins.tolist()


def test_a_bad_trace_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("time\n2023-11-16 18:15:46\nsoon\n")
    with pytest.raises(ValueError, match=r"bad\.csv:3: 'soon' is no time"):
        read_trace(tmp_path / "bad.csv")
    (tmp_path / "empty.csv").write_text("time\n")
    with pytest.raises(ValueError, match="holds no requests"):
        read_trace(tmp_path / "empty.csv")


@pytest.mark.data
def test_the_azure_trace_is_replayed_as_recorded(shared_data: Path) -> None:
    trace = read_trace(shared_data / "azure_llm_2023_conv.csv")
    rows = (shared_data / "azure_llm_2023_conv.csv").read_text().splitlines()[1:]
    assert trace.period == 58 * BIN
    first = [r for r in rows if r < "2023-11-16 18:16:46.6805900"]
    assert trace.bins[0] * (
        len([r for r in rows if r < "2023-11-16 19:13:46.6805900"]) / 58
    ) == pytest.approx(len(first))
    demand = ADAPTER.validate_python({"shape": "trace", "file": "x", "mean_rps": 70, "offset": "10m"})
    made = Source(name="ohio", demand=demand, trace=trace)
    rates = Demand([made], seed=1, start=DAY_ZERO, step=10.0).rates(0, 58 * 6)[:, 0]
    assert rates.mean() == pytest.approx(70.0, rel=0.01)
    middle = trace.bins[10] * 70
    assert rates[2:4].mean() == pytest.approx(middle, rel=0.05)

"""Rows of the daemon's queries, made from what the simulator's monitoring shows, look after look."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spillway.sim.latency import BOUNDS_MS
from spillway.sim.monitoring import CountSample, LatencySample, Shown
from spillway.sim.pilot.rows import Rows


def answers(end: float, count: float, continent: str, code: int = 200) -> CountSample:
    return CountSample(
        end=end, service="pool", region="us-east4", zone=0, code=code, continent=continent, count=count
    )


def times(end: float, bucket: int, count: float, continent: str) -> LatencySample:
    counts = tuple(count if i == bucket else 0.0 for i in range(len(BOUNDS_MS) + 1))
    return LatencySample(
        end=end,
        service="pool",
        region="us-east4",
        zone=0,
        code_class=200,
        continent=continent,
        bounds_ms=BOUNDS_MS,
        counts=counts,
        mean_ms=BOUNDS_MS[bucket] * 0.95,
    )


def test_a_period_that_shows_more_than_before_is_merged_anew() -> None:
    first = (answers(60.0, 10.0, "Europe"), answers(60.0, 5.0, "Asia"))
    partial, whole = (answers(120.0, 4.0, "Europe"),), (answers(120.0, 9.0, "Europe"),)
    rows = Rows()
    (row,) = rows.counts(Shown(count_points=(first, partial), latency_points=()), 0.0, 120.0)
    assert row.points == ((60.0, 15.0), (120.0, 4.0))
    (row,) = rows.counts(Shown(count_points=(first, whole), latency_points=()), 0.0, 120.0)
    assert row.points == ((60.0, 15.0), (120.0, 9.0))
    assert {
        r.place: r.points
        for r in rows.places(Shown(count_points=(first, whole), latency_points=()), 0.0, 120.0)
    } == {"Europe": ((60.0, 10.0), (120.0, 9.0)), "Asia": ((60.0, 5.0),)}


def test_only_periods_of_the_window_are_read() -> None:
    points = tuple((answers(60.0 * i, float(i), "Europe"),) for i in range(1, 6))
    (row,) = Rows().counts(Shown(count_points=((), *points), latency_points=()), 120.0, 240.0)
    assert row.points == ((180.0, 3.0), (240.0, 4.0))


def test_latencies_of_continents_become_one_distribution_and_other_classes_none() -> None:
    good = (times(60.0, 30, 30.0, "Europe"), times(60.0, 40, 10.0, "Asia"))
    failed = replace(good[0], code_class=500)
    (row,) = Rows().latencies(Shown(count_points=(), latency_points=((*good, failed),)), 0.0, 60.0)
    ((end, found),) = row.points
    assert end == 60.0
    assert found is not None
    assert sum(found.counts) == pytest.approx(40.0)
    assert found.mean == pytest.approx(0.95e-3 * (0.75 * BOUNDS_MS[30] + 0.25 * BOUNDS_MS[40]))

"""Aligners and reducers against numbers worked by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillway.sandbox.monitoring import aligners, reducers
from spillway.sandbox.monitoring.aligners import Points, Shape, align, merge_histograms, percentile
from spillway.sandbox.monitoring.reducers import Series, reduce
from spillway.sandbox.monitoring.source import Histogram, Invalid, Value

NUMBERS = ((60.0, 6), (120.0, 12), (180.0, 30), (240.0, 2))


def _histogram(*counts: int, mean: float = 0.0) -> Histogram:
    return Histogram(bounds=(10.0, 20.0, 40.0), counts=counts, count=sum(counts), mean=mean)


def _plain(points: Points) -> list[tuple[float, Any]]:
    """Points that are all numbers."""
    return [(end, value) for end, value in points if not isinstance(value, Histogram)]


@pytest.mark.parametrize(
    ("aligner", "expected"),
    [
        ("ALIGN_NONE", NUMBERS),
        ("ALIGN_SUM", ((120.0, 18), (240.0, 32))),
        ("ALIGN_DELTA", ((120.0, 18), (240.0, 32))),
        ("ALIGN_RATE", ((120.0, 0.15), (240.0, 32 / 120))),
        ("ALIGN_MEAN", ((120.0, 9.0), (240.0, 16.0))),
        ("ALIGN_COUNT", ((120.0, 2), (240.0, 2))),
        ("ALIGN_MIN", ((120.0, 6), (240.0, 2))),
        ("ALIGN_MAX", ((120.0, 12), (240.0, 30))),
    ],
)
def test_aligners(aligner: str, expected: tuple[tuple[float, float], ...]) -> None:
    assert align(NUMBERS, aligner, end=240.0, period=120.0) == expected


def test_periods_count_back_from_the_end_and_hold_their_last_moment() -> None:
    # (150, 270], (30, 150]: the point at 150 belongs to the older one
    points: tuple[tuple[float, Value], ...] = ((90.0, 1), (150.0, 2), (151.0, 4), (270.0, 8))
    assert align(points, "ALIGN_SUM", end=270.0, period=120.0) == ((150.0, 3), (270.0, 12))


def test_only_delta_and_rate_fill_an_empty_period() -> None:
    gap: tuple[tuple[float, Value], ...] = ((60.0, 6), (240.0, 12))
    assert align(gap, "ALIGN_SUM", end=240.0, period=60.0) == gap
    assert align(gap, "ALIGN_DELTA", end=240.0, period=60.0) == (
        (60.0, 6),
        (120.0, 8),
        (180.0, 10),
        (240.0, 12),
    )
    rates = align(gap, "ALIGN_RATE", end=240.0, period=60.0)
    assert [round(value, 6) for _, value in rates if not isinstance(value, Histogram)] == [
        0.1,
        0.133333,
        0.166667,
        0.2,
    ]


def test_distributions_are_merged_before_the_percentile() -> None:
    # 10 in [0,10), 80 in [10,20), 10 in [20,40): p50 is rank 50, 40 of 80 into the second bucket
    parts = (_histogram(10, 30, 0, 0, mean=8.0), _histogram(0, 50, 10, 0, mean=18.0))
    merged = merge_histograms(parts)
    assert merged.counts == (10, 80, 10, 0)
    assert merged.count == 100
    assert merged.mean == pytest.approx(0.4 * 8 + 0.6 * 18)
    assert percentile(merged, 50.0) == pytest.approx(10 + 10 * 40 / 80)
    assert percentile(merged, 95.0) == pytest.approx(20 + 20 * 5 / 10)
    aligned = align(((60.0, parts[0]), (120.0, parts[1])), "ALIGN_PERCENTILE_95", end=120.0, period=120.0)
    assert _plain(aligned) == [(120.0, pytest.approx(30.0))]
    filled = align(((60.0, parts[0]), (180.0, parts[1])), "ALIGN_DELTA", end=180.0, period=60.0)
    assert filled[1][0] == 120.0
    assert filled[1][1] == _histogram(5, 40, 5, 0, mean=13.0)


def test_deviation_of_a_merge() -> None:
    # samples 1,3 (mean 2, squares 2) and 5,9 (mean 7, squares 8): all four have mean 4.5 and squares 35
    one = Histogram(bounds=(), counts=(2,), count=2, mean=2.0, squares=2.0)
    two = Histogram(bounds=(), counts=(2,), count=2, mean=7.0, squares=8.0)
    assert merge_histograms([one, two]).squares == pytest.approx(35.0)


def test_different_layouts_are_refused() -> None:
    with pytest.raises(Invalid, match="bucket options"):
        merge_histograms([_histogram(1, 0, 0, 0), Histogram(bounds=(1.0,), counts=(1, 0), count=1, mean=0.5)])


def _series(zone: str, *values: Value, project: str = "p") -> Series:
    points = tuple(zip((60.0, 120.0), values, strict=False))
    return Series(
        resource={"project_id": project, "backend_scope": zone, "region": "global"},
        metric={"code": "200"},
        points=points,
    )


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [
        ("REDUCE_SUM", 60),
        ("REDUCE_MEAN", 20.0),
        ("REDUCE_MIN", 10),
        ("REDUCE_MAX", 30),
        ("REDUCE_COUNT", 3),
        ("REDUCE_PERCENTILE_50", 20),
        ("REDUCE_PERCENTILE_95", 29.0),
        ("REDUCE_PERCENTILE_05", 11.0),
        ("REDUCE_PERCENTILE_99", 29.8),
    ],
)
def test_reducers_on_numbers(reducer: str, expected: float) -> None:
    three = [_series("a", 10), _series("b", 20), _series("c", 30)]
    (only,) = reduce(three, reducer, [])
    assert _plain(only.points) == [(60.0, pytest.approx(expected))]
    assert only.resource == {"project_id": "p"}, "every other label is aggregated away"
    assert not only.metric


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [
        ("REDUCE_SUM", _histogram(10, 80, 10, 0, mean=14.0)),
        ("REDUCE_COUNT", 2),
        ("REDUCE_MEAN", pytest.approx(14.0)),
        ("REDUCE_PERCENTILE_50", pytest.approx(15.0)),
    ],
)
def test_reducers_on_distributions(reducer: str, expected: object) -> None:
    two = [
        _series("a", _histogram(10, 30, 0, 0, mean=8.0)),
        _series("b", _histogram(0, 50, 10, 0, mean=18.0)),
    ]
    (only,) = reduce(two, reducer, [])
    value = only.points[0][1]
    if isinstance(expected, Histogram) and isinstance(value, Histogram):
        assert value.counts == expected.counts
        assert value.count == expected.count
        assert value.mean == pytest.approx(expected.mean)
    else:
        assert value == expected


def test_grouping_keeps_its_labels_and_each_period_its_own_members() -> None:
    parts = [_series("a", 1, 2), _series("a", 10), _series("b", 5, 6)]
    a, b = reduce(parts, "REDUCE_SUM", [("resource", "backend_scope"), ("metric", "code")])
    assert a.resource == {"project_id": "p", "backend_scope": "a"}
    assert a.metric == {"code": "200"}
    assert a.points == ((60.0, 11), (120.0, 2))
    assert b.points == ((60.0, 5), (120.0, 6))


def test_empty_distributions_have_no_percentile_and_no_mean() -> None:
    empty = [_series("a", _histogram(0, 0, 0, 0))]
    assert reduce(empty, "REDUCE_PERCENTILE_95", []) == []
    assert reduce(empty, "REDUCE_MEAN", []) == []


@pytest.mark.parametrize(
    ("aligner", "value_type"),
    [
        ("ALIGN_RATE", "DISTRIBUTION"),
        ("ALIGN_MEAN", "DISTRIBUTION"),
        ("ALIGN_PERCENTILE_95", "INT64"),
        ("ALIGN_STDDEV", "INT64"),
    ],
)
def test_aligners_that_do_not_apply_are_named(aligner: str, value_type: str) -> None:
    with pytest.raises(Invalid, match=aligner):
        aligners.shape_after(aligner, Shape(kind="DELTA", value_type=value_type))


@pytest.mark.parametrize(
    ("reducer", "value_type"), [("REDUCE_MAX", "DISTRIBUTION"), ("REDUCE_STDDEV", "INT64")]
)
def test_reducers_that_do_not_apply_are_named(reducer: str, value_type: str) -> None:
    with pytest.raises(Invalid, match=reducer):
        reducers.shape_after(reducer, Shape(kind="DELTA", value_type=value_type))


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 1000)), unique_by=lambda p: p[0]), st.integers(1, 7)
)
def test_sums_lose_nothing(points: list[tuple[int, int]], minutes: int) -> None:
    raw: tuple[tuple[float, Value], ...] = tuple((60.0 * end, value) for end, value in sorted(points))
    aligned = align(raw, "ALIGN_SUM", end=2400.0, period=60.0 * minutes)
    assert sum(value for _, value in aligned if not isinstance(value, Histogram)) == sum(v for _, v in points)
    assert [end for end, _ in aligned] == sorted({end for end, _ in aligned})

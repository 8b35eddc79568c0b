"""Distributions are taken only if their parts add up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillway.core.observe.rows import Lag, exponential_bounds, histogram, linear_bounds
from spillway.core.values.histogram import Distribution

BOUNDS = (1.0, 2.0, 4.0)


def test_missing_buckets_at_the_end_are_zeros() -> None:
    assert histogram(BOUNDS, (1.0, 3.0), count=4.0, mean=1.25) == Distribution(
        bounds=BOUNDS, counts=(1.0, 3.0, 0.0, 0.0), mean=1.25
    )
    assert histogram(BOUNDS, (), count=0.0, mean=0.0) == Distribution(
        bounds=BOUNDS, counts=(0.0,) * 4, mean=0.0
    )


@pytest.mark.parametrize(
    ("bounds", "counts", "count", "mean"),
    [
        (BOUNDS, (1.0, 3.0), 5.0, 1.25),
        (BOUNDS, (1.0, -1.0, 4.0), 4.0, 2.0),
        (BOUNDS, (1.0, 1.0, 1.0, 1.0, 1.0), 5.0, 2.0),
        (BOUNDS, (0.0, 4.0, 0.0, 0.0), 4.0, 3.0),
        (BOUNDS, (0.0, 4.0, 0.0, 0.0), 4.0, 0.5),
        (BOUNDS, (0.0, 4.0), 4.0, float("nan")),
        (BOUNDS, (0.0, float("inf")), float("inf"), 1.5),
        ((2.0, 1.0), (0.0, 0.0, 4.0), 4.0, 5.0),
    ],
    ids=[
        "count",
        "negative",
        "too many buckets",
        "mean too high",
        "mean too low",
        "nan",
        "infinite",
        "falling bounds",
    ],
)
def test_parts_that_do_not_add_up(
    bounds: tuple[float, ...], counts: tuple[float, ...], count: float, mean: float
) -> None:
    assert histogram(bounds, counts, count=count, mean=mean) is None


def test_the_overflow_bucket_has_no_upper_bound() -> None:
    assert histogram(BOUNDS, (0.0, 0.0, 0.0, 4.0), count=4.0, mean=1000.0) is not None
    assert histogram(BOUNDS, (0.0, 0.0, 0.0, 4.0), count=4.0, mean=1.0) is None


@given(st.lists(st.floats(0.01, 10.0), min_size=1, max_size=50))
def test_what_was_really_measured_is_always_taken(samples: list[float]) -> None:
    counts = [0.0] * 4
    for sample in samples:
        counts[sum(sample >= bound for bound in BOUNDS)] += 1
    found = histogram(BOUNDS, tuple(counts), count=len(samples), mean=sum(samples) / len(samples))
    assert found is not None
    assert found.count == len(samples)


def test_layouts() -> None:
    assert exponential_bounds(finite=3, growth=2.0, scale=1.0) == (1.0, 2.0, 4.0, 8.0)
    assert linear_bounds(finite=2, width=5.0, offset=1.0) == (1.0, 6.0, 11.0)


def test_lag_in_total() -> None:
    assert Lag().total == 270.0

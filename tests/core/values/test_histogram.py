"""Percentiles and shares of latency distributions, alone and together."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillway.core.values.histogram import Distribution, merge, percentile_of

BOUNDS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
COUNTS = st.lists(
    st.sampled_from((0, 0, 1, 2, 19, 20, 100, 12345)), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1
)


def spread(counts: list[int]) -> Distribution:
    return Distribution(bounds=BOUNDS, counts=tuple(float(count) for count in counts), mean=0.5)


def by_the_book(counts: tuple[float, ...], percent: float) -> float | None:
    """Google's rule, bucket by bucket."""
    seen = list(accumulate(counts))
    if seen[-1] <= 0:
        return None
    rank = percent / 100.0 * seen[-1]
    i = bisect_left(seen, rank)
    while i < len(counts) and counts[i] <= 0:
        i += 1
    if i >= len(BOUNDS):
        return BOUNDS[-1]
    low, before = (BOUNDS[i - 1], seen[i - 1]) if i else (0.0, 0.0)
    return low + (BOUNDS[i] - low) * max(0.0, rank - before) / counts[i]


@given(st.lists(COUNTS, min_size=1, max_size=4), st.sampled_from((0.0, 5.0, 50.0, 95.0, 99.9, 100.0)))
def test_the_percentile_of_several_is_that_of_their_sum(counts: list[list[int]], percent: float) -> None:
    spreads = [spread(row) for row in counts]
    whole = merge(tuple(spreads))
    assert whole is not None
    assert percentile_of(spreads, percent) == by_the_book(whole.counts, percent)
    assert percentile_of(spreads, percent) == whole.percentile(percent)


@given(COUNTS, st.sampled_from((0.0, 0.05, 0.1, 0.3, 1.6, 2.0, 3.2, 9.0)))
def test_the_share_above_a_limit_is_counted_by_bucket(counts: list[int], limit: float) -> None:
    known = spread(counts)
    edges = (0.0, *BOUNDS)
    above = 0.0
    for i, count in enumerate(counts):
        low, high = edges[i], edges[i + 1] if i < len(BOUNDS) else float("inf")
        if low >= limit or high == float("inf"):
            above += count
        elif high > limit:
            above += count * (high - limit) / (high - low)
    assert known.share_above(limit) == pytest.approx(above / sum(counts) if sum(counts) else 0.0)


def test_what_is_worked_out_once_is_no_part_of_the_value() -> None:
    one, two = spread([1, 2, 3, 0, 0, 0, 1]), spread([1, 2, 3, 0, 0, 0, 1])
    assert list(one.cumulative) == [1.0, 3.0, 6.0, 6.0, 6.0, 6.0, 7.0]
    assert one == two
    assert repr(one) == repr(two)

"""Latency distributions. They are merged before a percentile is taken; percentiles are never averaged."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from operator import add, mul


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Counts in buckets: bucket i holds [bounds[i-1], bounds[i]); the first is underflow, the last overflow.

    Raises:
        ValueError: bounds are not rising, or the counts do not fit them.
    """

    bounds: tuple[float, ...]
    """Seconds, rising."""
    counts: tuple[float, ...]
    """One more than bounds."""
    mean: float
    """Seconds; 0 where empty."""

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together."""
        if len(self.counts) != len(self.bounds) + 1:
            raise ValueError(
                f"{len(self.bounds)} bounds need {len(self.bounds) + 1} counts, not {len(self.counts)}"
            )
        if not _rising(self.bounds):
            raise ValueError("bucket bounds must rise")
        if min(self.counts) < 0:
            raise ValueError("bucket counts cannot be negative")

    @cached_property
    def count(self) -> float:
        """All samples."""
        return self.cumulative[-1]

    @cached_property
    def cumulative(self) -> array[float]:
        """Samples in each bucket and all buckets below it. Exact, and so are sums of it: samples are whole numbers."""
        # a list gives the array its size at once; an iterator would make it grow step by step
        return array("d", list(accumulate(self.counts)))

    @cached_property
    def edges(self) -> tuple[float, float]:
        """Lowest and highest possible sum of all samples in seconds: each at the lower, or at the upper bound of its bucket.

        The overflow bucket has no upper bound, so the second sum leaves it out.
        """
        bounds, counts = self.bounds, self.counts
        return sum(map(mul, bounds, counts[1:])), sum(map(mul, bounds, counts))

    def percentile(self, percent: float) -> float | None:
        """Google's estimate of the percentile in seconds, or None where there is no sample; see `percentile_of`."""
        return percentile_of((self,), percent)

    def share_above(self, limit: float) -> float:
        """Share of samples slower than `limit` seconds, linear inside the bucket that holds it; 0 where empty."""
        below, bounds = self.cumulative, self.bounds
        count = below[-1]
        if count <= 0:
            return 0.0
        i = bisect_left(bounds, limit)
        above = count - below[i]
        if i < len(bounds):
            low = bounds[i - 1] if i else 0.0
            above += self.counts[i] * (bounds[i] - limit) / (bounds[i] - low)
        else:
            above += self.counts[i]
        return above / count


def percentile_of(spreads: Sequence[Distribution], percent: float) -> float | None:
    """Google's estimate of the percentile of all samples together in seconds, or None where there is none.

    Linear inside the bucket: low + (up - low) * (p - p_low) / (p_up - p_low)
    (docs.cloud.google.com/monitoring/api/v3/distribution-metrics). The overflow bucket has no upper bound, so its lower one
    is given; the underflow bucket starts at 0.

    Args:
        spreads: with equal bounds; one at least.
        percent: 0 to 100.
    """
    bounds, sums = spreads[-1].bounds, [spread.cumulative for spread in spreads]
    count = sum([below[-1] for below in sums])
    if count <= 0:
        return None
    rank = percent / 100.0 * count
    # start at the bucket of the last distribution alone: that of all together is the same or near it
    i = bisect_left(sums[-1], percent / 100.0 * sums[-1][-1])
    before, up_to = _around(sums, i)
    while up_to < rank:
        i += 1
        before, up_to = _around(sums, i)
    while i and before >= rank:
        i -= 1
        before, up_to = _around(sums, i)
    while i < len(bounds) and up_to <= before:
        i += 1
        before, up_to = up_to, sum([below[i] for below in sums])
    if i >= len(bounds):
        return bounds[-1] if bounds else 0.0
    low = bounds[i - 1] if i else 0.0
    return low + (bounds[i] - low) * max(0.0, rank - before) / (up_to - before)


def _around(sums: Sequence[array[float]], i: int) -> tuple[float, float]:
    """Samples of all distributions below bucket `i`, and up to and with it."""
    before = up_to = 0.0
    for below in sums:
        up_to += below[i]
        if i:
            before += below[i - 1]
    return before, up_to


@lru_cache(maxsize=256)
def _rising(bounds: tuple[float, ...]) -> bool:
    """Tell if bounds rise; cached, because thousands of distributions share one layout."""
    return all(a < b for a, b in pairwise(bounds))


def merge(parts: tuple[Distribution, ...]) -> Distribution | None:
    """The sum of distributions with equal bounds, or None for none at all.

    Raises:
        ValueError: bounds differ; ask the server to merge them (REDUCE_SUM) instead.
    """
    if not parts:
        return None
    bounds = parts[0].bounds
    if any(p.bounds is not bounds and p.bounds != bounds for p in parts):
        raise ValueError("distributions with different bucket bounds cannot be merged")
    counts = parts[0].counts
    for part in parts[1:]:
        counts = tuple(map(add, counts, part.counts))
    total = sum(counts)
    mean = sum(p.mean * p.count for p in parts) / total if total else 0.0
    return Distribution(bounds=bounds, counts=counts, mean=mean)

"""Latency distributions: merged before any percentile is taken, never averaged after."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from operator import add, mul


class Weighed:
    """Room beside a frozen distribution for sums over its buckets, worked out once.

    Not fields: they take no part in equality, in `repr`, in copies or in what is stored.
    """

    __slots__ = ("_count", "_edges")

    _count: float
    _edges: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution(Weighed):
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
        object.__setattr__(self, "_count", sum(self.counts))

    @property
    def count(self) -> float:
        """All samples."""
        try:
            return self._count
        except AttributeError:  # a copy, or one that was pickled
            return sum(self.counts)

    def edges(self) -> tuple[float, float]:
        """Seconds of all samples together, each at the lower and each at the upper bound of its bucket.

        The overflow bucket has no upper bound and is left out of the second.
        """
        try:
            return self._edges
        except AttributeError:
            low: float = sum(map(mul, self.bounds, self.counts[1:]))
            high: float = sum(map(mul, self.bounds, self.counts))
            object.__setattr__(self, "_edges", (low, high))
            return low, high

    def percentile(self, percent: float) -> float | None:
        """Google's estimate of the percentile in seconds, or None where there is no sample.

        Linear inside the bucket: low + (up - low) * (p - p_low) / (p_up - p_low)
        (docs.cloud.google.com/monitoring/api/v3/distribution-metrics). The overflow bucket has no upper
        bound, so its lower one is given; the underflow bucket starts at 0.
        """
        return percentile_in(self.bounds, self.counts, percent)

    def share_above(self, limit: float) -> float:
        """Share of samples slower than `limit` seconds, linear inside the bucket that holds it; 0 where empty."""
        count = self.count
        if count <= 0:
            return 0.0
        i = bisect_left(self.bounds, limit)
        above = sum(self.counts[i + 1 :])
        if i < len(self.bounds):
            low = self.bounds[i - 1] if i else 0.0
            above += self.counts[i] * (self.bounds[i] - limit) / (self.bounds[i] - low)
        else:
            above += self.counts[i]
        return above / count


def percentile_in(bounds: Sequence[float], counts: Sequence[float], percent: float) -> float | None:
    """`Distribution.percentile` of bare buckets, for sums of distributions that need no checks of their own."""
    seen = list(accumulate(counts))
    if seen[-1] <= 0:
        return None
    rank = percent / 100.0 * seen[-1]
    i = bisect_left(seen, rank)
    while i < len(counts) and counts[i] <= 0:
        i += 1
    if i >= len(bounds):
        return bounds[-1] if bounds else 0.0
    low, before = (bounds[i - 1], seen[i - 1]) if i else (0.0, 0.0)
    return low + (bounds[i] - low) * max(0.0, rank - before) / counts[i]


@lru_cache(maxsize=256)
def _rising(bounds: tuple[float, ...]) -> bool:
    """Tell if bounds rise; remembered, because thousands of distributions share one layout."""
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

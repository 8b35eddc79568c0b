"""Per-series aligners: many points in, one for each alignment period out (reference: py:Aggregation.Aligner).

Periods are counted back from the end of the interval. A point belongs to the period in which its minute
ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor

from spillway.core.values.histogram import Distribution
from spillway.sandbox.monitoring.source import Histogram, Invalid, Value

Points = tuple[tuple[float, Value], ...]
_PERCENT = {"05": 5.0, "50": 50.0, "95": 95.0, "99": 99.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Kind and type of a series: DELTA or GAUGE; INT64, DOUBLE or DISTRIBUTION."""

    kind: str
    value_type: str


def merge_histograms(parts: Sequence[Histogram]) -> Histogram:
    """The sum of histograms; deviations by the parallel formula of Chan, Golub and LeVeque (1979).

    Raises:
        Invalid: their bounds differ.
    """
    if any(part.bounds != parts[0].bounds for part in parts):
        raise Invalid("Distributions with different bucket options cannot be aggregated.")
    count = sum(part.count for part in parts)
    mean = sum(part.mean * part.count for part in parts) / count if count else 0.0
    return Histogram(
        bounds=parts[0].bounds,
        counts=tuple(map(sum, zip(*(part.counts for part in parts), strict=True))),
        count=count,
        mean=mean,
        squares=sum(part.squares + part.count * (part.mean - mean) ** 2 for part in parts),
    )


def percentile(histogram: Histogram, percent: float) -> float | None:
    """Google's estimate (reference: DIST), None where empty; negative counts of a faulty metric count as 0."""
    counts = tuple(float(max(0, count)) for count in histogram.counts)
    return Distribution(bounds=histogram.bounds, counts=counts, mean=histogram.mean).percentile(percent)


def percent_of(name: str) -> float | None:
    """The percentile that the name of an aligner or reducer asks for, or None."""
    head, _, digits = name.rpartition("_")
    return _PERCENT[digits] if head.endswith("PERCENTILE") and digits in _PERCENT else None


def numbers(values: Sequence[Value]) -> list[float]:
    """`values`, which the caller has checked to be numbers."""
    return [value for value in values if not isinstance(value, Histogram)]


def histograms(values: Sequence[Value]) -> list[Histogram]:
    """`values`, which the caller has checked to be histograms."""
    return [value for value in values if isinstance(value, Histogram)]


def total(values: Sequence[Value]) -> Value:
    """The sum of numbers, or of histograms."""
    merged = histograms(values)
    return merge_histograms(merged) if merged else sum(numbers(values))


_NUMERIC: dict[str, Callable[[Sequence[float]], float]] = {
    "MIN": min,
    "MAX": max,
    "MEAN": lambda values: sum(values) / len(values),
    "COUNT": len,
}


def shape_after(aligner: str, shape: Shape) -> Shape:
    """Kind and type after `aligner`.

    Raises:
        Invalid: it does not apply to `shape`, or is not known here.
    """
    numeric = shape.value_type != "DISTRIBUTION"
    name = aligner.removeprefix("ALIGN_")
    if name in {"NONE", "DELTA", "SUM"}:
        return shape
    if numeric and name in {"MIN", "MAX"}:
        return Shape(kind="GAUGE", value_type=shape.value_type)
    if numeric and name == "COUNT":
        return Shape(kind="GAUGE", value_type="INT64")
    if (numeric and name in {"RATE", "MEAN"}) or (not numeric and percent_of(aligner) is not None):
        return Shape(kind="GAUGE", value_type="DOUBLE")
    if name not in {"MIN", "MAX", "COUNT", "RATE", "MEAN"} and percent_of(aligner) is None:
        raise Invalid(f"Field aggregation.perSeriesAligner: {aligner} is not served by this sandbox.")
    raise Invalid(
        f'Field aggregation.perSeriesAligner had an invalid value of "{aligner}": The aligner cannot be '
        f"applied to metrics with kind {shape.kind} and value type {shape.value_type}."
    )


def align(points: Points, aligner: str, *, end: float, period: float) -> Points:
    """One point for each period that has data, oldest first.

    Args:
        points: oldest first.
        aligner: checked by `shape_after` before.
        end: end of the interval in UTC seconds, from which periods count back.
        period: seconds.
    """
    if aligner == "ALIGN_NONE":
        return points
    grouped: dict[int, list[Value]] = {}
    for at, value in points:
        grouped.setdefault(floor((end - at) / period), []).append(value)
    aligned: dict[int, Value] = {}
    for index, values in grouped.items():
        one = _one(values, aligner, period)
        if one is not None:
            aligned[index] = one
    if aligner in {"ALIGN_DELTA", "ALIGN_RATE"}:
        aligned |= _between(aligned)
    return tuple((end - index * period, aligned[index]) for index in sorted(aligned, reverse=True))


def _one(values: list[Value], aligner: str, period: float) -> Value | None:
    """All values of one period as one; None where a percentile has no sample."""
    name = aligner.removeprefix("ALIGN_")
    if name in {"SUM", "DELTA"}:
        return total(values)
    if name == "RATE":
        return sum(numbers(values)) / period
    percent = percent_of(aligner)
    if percent is not None:
        return percentile(merge_histograms(histograms(values)), percent)
    return _NUMERIC[name](numbers(values))


def _between(aligned: dict[int, Value]) -> dict[int, Value]:
    """Values for empty periods between two others: DELTA and RATE fill them by linear interpolation."""
    filled: dict[int, Value] = {}
    known = sorted(aligned)
    for left, right in pairwise(known):
        low, high = aligned[left], aligned[right]
        for index in range(left + 1, right):
            share = (index - left) / (right - left)
            if isinstance(low, Histogram) and isinstance(high, Histogram):
                filled[index] = _blend(low, high, share)
            elif not isinstance(low, Histogram) and not isinstance(high, Histogram):
                value = low + (high - low) * share
                filled[index] = round(value) if isinstance(low, int) and isinstance(high, int) else value
    return filled


def _blend(low: Histogram, high: Histogram, share: float) -> Histogram:
    """The histogram between two, bucket by bucket."""
    counts = tuple(round(a + (b - a) * share) for a, b in zip(low.counts, high.counts, strict=True))
    return Histogram(
        bounds=low.bounds,
        counts=counts,
        count=sum(counts),
        mean=low.mean + (high.mean - low.mean) * share,
        squares=low.squares + (high.squares - low.squares) * share,
    )

"""Cross-series reducers: aligned series with equal grouping labels become one (reference: py:Aggregation.Reducer)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spillway.sandbox.monitoring.aligners import (
    Points,
    Shape,
    histograms,
    merge_histograms,
    numbers,
    percent_of,
    percentile,
    total,
)
from spillway.sandbox.monitoring.source import Invalid, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of an answer, oldest point first."""

    resource: Mapping[str, str]
    metric: Mapping[str, str]
    points: Points


def shape_after(reducer: str, shape: Shape) -> Shape:
    """Kind and type after `reducer`.

    Raises:
        Invalid: it does not apply to `shape`, or is not known here.
    """
    name = reducer.removeprefix("REDUCE_")
    numeric = shape.value_type != "DISTRIBUTION"
    if name in {"NONE", "SUM"} or (numeric and name in {"MIN", "MAX"}):
        return shape
    if name == "COUNT":
        return Shape(kind="GAUGE", value_type="INT64")
    if name == "MEAN" or percent_of(reducer) is not None:
        return Shape(kind="GAUGE", value_type="DOUBLE")
    if name in {"MIN", "MAX"}:
        raise Invalid(
            f'Field aggregation.crossSeriesReducer had an invalid value of "{reducer}": The reducer cannot be '
            f"applied to metrics with kind {shape.kind} and value type {shape.value_type}."
        )
    raise Invalid(f"Field aggregation.crossSeriesReducer: {reducer} is not served by this sandbox.")


def reduce(series: Sequence[Series], reducer: str, group_by: Sequence[tuple[str, str]]) -> list[Series]:
    """One series for each combination of the grouping labels, sorted by them.

    Args:
        series: aligned alike.
        reducer: checked by `shape_after` before.
        group_by: (`resource` or `metric`, label) to keep; all other labels vanish but `project_id`.
    """
    if reducer == "REDUCE_NONE":
        return list(series)
    groups: dict[tuple[str, ...], list[Series]] = {}
    for one in series:
        key = tuple(
            (one.resource if root == "resource" else one.metric).get(label, "") for root, label in group_by
        )
        groups.setdefault(key, []).append(one)
    reduced: list[Series] = []
    for key, members in sorted(groups.items()):
        kept = list(zip(group_by, key, strict=True))
        resource = {"project_id": members[0].resource.get("project_id", "")}
        resource |= {label: value for (root, label), value in kept if root == "resource"}
        metric = {label: value for (root, label), value in kept if root == "metric"}
        points = _across(members, reducer)
        if points:
            reduced.append(Series(resource=resource, metric=metric, points=points))
    return reduced


def _across(members: Sequence[Series], reducer: str) -> Points:
    """The reduced point of every period in which a member has one, oldest first."""
    at_end: dict[float, list[Value]] = {}
    for member in members:
        for end, value in member.points:
            at_end.setdefault(end, []).append(value)
    points = [(end, _one(at_end[end], reducer)) for end in sorted(at_end)]
    return tuple((end, value) for end, value in points if value is not None)


def _one(values: list[Value], reducer: str) -> Value | None:
    """Values of one period as one; None where a percentile or a mean has no sample."""
    name = reducer.removeprefix("REDUCE_")
    if name == "SUM":
        return total(values)
    if name == "COUNT":
        return len(values)
    distributions = histograms(values)
    percent = percent_of(reducer)
    if distributions:
        merged = merge_histograms(distributions)
        if percent is not None:
            return percentile(merged, percent)
        return merged.mean if merged.count else None
    plain = numbers(values)
    if percent is not None:
        return _rank(plain, percent)
    if name == "MEAN":
        return sum(plain) / len(plain)
    return min(plain) if name == "MIN" else max(plain)


def _rank(values: Sequence[float], percent: float) -> float:
    """The percentile of plain numbers, linear between the two nearest ranks."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100.0
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

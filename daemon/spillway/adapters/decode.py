"""From the protobuf messages of Cloud Monitoring to the core's rows. Works on raw messages: the wrappers cost ten times more."""

from __future__ import annotations

from typing import Any

from spillway.core.distribution import Distribution
from spillway.core.series import (
    CountRow,
    LatencyRow,
    PlaceRow,
    exponential_bounds,
    histogram,
    linear_bounds,
)

_MS = 0.001
"""Latency metrics are in milliseconds (reference: MET)."""


def count_row(series: Any) -> CountRow:
    """A row of the counts query."""
    resource, metric = series.resource.labels, series.metric.labels
    code = metric["response_code"]
    return CountRow(
        target=resource["backend_target_name"],
        name=resource["backend_name"],
        scope=resource["backend_scope"],
        code=int(code) if code.isdigit() else 0,
        points=_numbers(series),
    )


def place_row(series: Any) -> PlaceRow:
    """A row of the places query."""
    resource = series.resource.labels
    return PlaceRow(
        target=resource["backend_target_name"],
        scope=resource["backend_scope"],
        place=series.metric.labels["proxy_continent"],
        points=_numbers(series),
    )


def latency_row(series: Any, layouts: dict[bytes, tuple[float, ...]]) -> LatencyRow:
    """A row of the latency query.

    Args:
        series: the message.
        layouts: bucket bounds by their encoded options, filled on the way: series share a layout, and equal
            bounds that are one object are quick to compare.
    """
    resource = series.resource.labels
    return LatencyRow(
        target=resource["backend_target_name"],
        name=resource["backend_name"],
        scope=resource["backend_scope"],
        points=tuple(
            (_end(point), _distribution(point.value.distribution_value, layouts)) for point in series.points
        ),
    )


def _end(point: Any) -> float:
    """UTC seconds at which a point's interval ended."""
    stamp = point.interval.end_time
    return float(stamp.seconds + stamp.nanos / 1e9)


def _numbers(series: Any) -> tuple[tuple[float, float], ...]:
    """Points of a numeric series; which of the two fields is set depends on its value type."""
    return tuple(
        (
            _end(point),
            float(point.value.int64_value)
            if point.value.WhichOneof("value") == "int64_value"
            else point.value.double_value,
        )
        for point in series.points
    )


def _distribution(value: Any, layouts: dict[bytes, tuple[float, ...]]) -> Distribution | None:
    """A distribution in seconds, or None where it cannot be true."""
    key = value.bucket_options.SerializeToString(deterministic=True)
    bounds = layouts.get(key)
    if bounds is None:
        bounds = layouts[key] = _bounds(value.bucket_options)
    return histogram(
        bounds, tuple(map(float, value.bucket_counts)), count=float(value.count), mean=value.mean * _MS
    )


def _bounds(options: Any) -> tuple[float, ...]:
    """Bucket bounds in seconds of any of the three layouts (google/api/distribution.proto)."""
    layout = options.WhichOneof("options")
    if layout == "exponential_buckets":
        e = options.exponential_buckets
        raw = exponential_bounds(finite=e.num_finite_buckets, growth=e.growth_factor, scale=e.scale)
    elif layout == "linear_buckets":
        line = options.linear_buckets
        raw = linear_bounds(finite=line.num_finite_buckets, width=line.width, offset=line.offset)
    else:
        raw = tuple(options.explicit_buckets.bounds)
    return tuple(bound * _MS for bound in raw)

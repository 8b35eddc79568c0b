"""From the protobuf messages of Cloud Monitoring to the core's rows. Works on raw messages: the wrappers cost ten times more.

Each question reaches back a quarter of an hour, so fourteen of fifteen points were there a tick before. What a point says
follows from its bytes alone: equal bytes give the very point of the pass before, which is quick to make and quick to compare.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from spillway.core.observe.rows import (
    CountRow,
    LatencyRow,
    PlaceRow,
    exponential_bounds,
    histogram,
    linear_bounds,
)
from spillway.core.values.histogram import Distribution

V = TypeVar("V")

_MS = 0.001
"""Latency metrics are in milliseconds (reference: MET)."""
_LAYOUTS_MAX = 1000
"""Bucket layouts that are remembered; Google has one for each metric."""


class Points:
    """The points of one question by their bytes; what neither this pass nor the one before has seen is forgotten."""

    __slots__ = ("_before", "_layouts", "_now")

    def __init__(self) -> None:
        self._before: dict[bytes, Any] = {}
        self._now: dict[bytes, Any] = {}
        self._layouts: dict[bytes, tuple[float, ...]] = {}

    def begin(self) -> None:
        """A new pass."""
        self._before, self._now = self._now, {}
        if len(self._layouts) > _LAYOUTS_MAX:
            self._layouts.clear()

    def numbers(self, series: Any) -> tuple[tuple[float, float], ...]:
        """The points of a numeric series: (end in UTC seconds, value)."""
        return self._points(series, _number)

    def spreads(self, series: Any) -> tuple[tuple[float, Distribution | None], ...]:
        """The points of a series of distributions; None for each that cannot be true."""
        return self._points(series, self._distribution)

    def _points(self, series: Any, value_of: Callable[[Any], V]) -> tuple[tuple[float, V], ...]:
        before, now = self._before, self._now
        points = []
        for point in series.points:
            raw = point.SerializeToString()
            known = before.get(raw) or now.get(raw)
            if known is None:
                known = (_end(point), value_of(point.value))
            now[raw] = known
            points.append(known)
        return tuple(points)

    def _distribution(self, value: Any) -> Distribution | None:
        """A distribution in seconds; equal bounds are one object, which makes them quick to compare."""
        sent = value.distribution_value
        key = sent.bucket_options.SerializeToString(deterministic=True)
        bounds = self._layouts.get(key)
        if bounds is None:
            bounds = self._layouts[key] = _bounds(sent.bucket_options)
        return histogram(
            bounds,
            # most buckets are empty: all of them share one 0.0, which takes 20 MB less for 2,000 backends
            tuple([float(count) if count else 0.0 for count in sent.bucket_counts]),
            count=float(sent.count),
            mean=sent.mean * _MS,
        )


def count_row(series: Any, points: Points) -> CountRow:
    """A row of the counts query."""
    resource, metric = series.resource.labels, series.metric.labels
    code = metric["response_code"]
    return CountRow(
        target=resource["backend_target_name"],
        name=resource["backend_name"],
        scope=resource["backend_scope"],
        code=int(code) if code.isdigit() else 0,
        points=points.numbers(series),
    )


def place_row(series: Any, points: Points) -> PlaceRow:
    """A row of the places query."""
    resource = series.resource.labels
    return PlaceRow(
        target=resource["backend_target_name"],
        scope=resource["backend_scope"],
        place=series.metric.labels["proxy_continent"],
        points=points.numbers(series),
    )


def latency_row(series: Any, points: Points) -> LatencyRow:
    """A row of the latency query."""
    resource = series.resource.labels
    return LatencyRow(
        target=resource["backend_target_name"],
        name=resource["backend_name"],
        scope=resource["backend_scope"],
        points=points.spreads(series),
    )


def _end(point: Any) -> float:
    """UTC seconds at which a point's interval ended."""
    stamp = point.interval.end_time
    return float(stamp.seconds + stamp.nanos / 1e9)


def _number(value: Any) -> float:
    """A numeric value; which of the two fields is set depends on the value type of its series."""
    number = value.int64_value if value.WhichOneof("value") == "int64_value" else value.double_value
    return float(number)


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

"""From the protobuf messages of Cloud Monitoring to the core's rows. Works on raw messages: the wrappers cost ten times more.

Each query reaches back a quarter of an hour, so of fifteen distributions fourteen were in the answer before. To check and
sum up a distribution costs more than to read it, so `Distributions` keeps those of one answer for the next one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from spillway.core.observe.rows import (
    CountRow,
    LatencyRow,
    PlaceRow,
    exponential_bounds,
    histogram,
    linear_bounds,
)
from spillway.core.values.histogram import Distribution

_MS = 0.001
"""Latency metrics are in milliseconds (reference: MET)."""
_Facts = tuple[tuple[float, ...], tuple[float, ...], float, float]
"""Bounds in seconds, counts, count and mean in seconds of a distribution, as sent."""
_LAYOUTS_MAX = 1000
"""Bucket layouts whose bounds are kept; Google has one for each metric."""


class Distributions:
    """Checked distributions by what they say: those of this answer and of the one before, no others."""

    __slots__ = ("_before", "_now")

    def __init__(self) -> None:
        self._before: dict[_Facts, Distribution] = {}
        self._now: dict[_Facts, Distribution] = {}

    def begin(self) -> None:
        """A new answer."""
        self._before, self._now = self._now, {}

    def read(self, sent: Any) -> Distribution | None:
        """A distribution in seconds, or None where it cannot be true."""
        bounds = _bounds(sent.bucket_options)
        # most buckets are empty: all of them share one 0.0, which takes 20 MB less for 2,000 backends
        counts = tuple([float(count) if count else 0.0 for count in sent.bucket_counts])
        facts = (bounds, counts, float(sent.count), sent.mean * _MS)
        found = self._now.get(facts) or self._before.get(facts)
        if found is None:
            found = histogram(bounds, counts, count=facts[2], mean=facts[3])
        if found is not None:
            self._now[facts] = found
        return found


def count_row(series: Any) -> CountRow:
    """A row of the counts query."""
    resource, metric = series.resource.labels, series.metric.labels
    code = metric["response_code"]
    return CountRow(
        target=resource["backend_target_name"],
        name=resource["backend_name"],
        scope=resource["backend_scope"],
        code=int(code) if code.isdigit() else 0,
        ends=_ends(series),
        values=_numbers(series),
    )


def place_row(series: Any) -> PlaceRow:
    """A row of the places query."""
    resource = series.resource.labels
    return PlaceRow(
        target=resource["backend_target_name"],
        scope=resource["backend_scope"],
        place=series.metric.labels["proxy_continent"],
        ends=_ends(series),
        values=_numbers(series),
    )


def latency_row(series: Any, distributions: Distributions) -> LatencyRow:
    """A row of the latency query; None for each distribution that cannot be true."""
    resource = series.resource.labels
    return LatencyRow(
        target=resource["backend_target_name"],
        name=resource["backend_name"],
        scope=resource["backend_scope"],
        ends=_ends(series),
        values=tuple([distributions.read(point.value.distribution_value) for point in series.points]),
    )


def _numbers(series: Any) -> tuple[float, ...]:
    """The values of a numeric series."""
    points = series.points
    # which of the two fields is set depends on the value type of the series, so that the first point tells it for all
    if points and points[0].value.WhichOneof("value") == "int64_value":
        return tuple([float(point.value.int64_value) for point in points])
    return tuple([point.value.double_value for point in points])


def _ends(series: Any) -> tuple[float, ...]:
    """UTC seconds at which the interval of each point ended."""
    stamps = [point.interval.end_time for point in series.points]
    return tuple([stamp.seconds + stamp.nanos / 1e9 for stamp in stamps])


def _bounds(options: Any) -> tuple[float, ...]:
    """Bucket bounds in seconds of any of the three layouts (google/api/distribution.proto)."""
    layout = options.WhichOneof("options")
    if layout == "exponential_buckets":
        e = options.exponential_buckets
        return _exponential(e.num_finite_buckets, e.growth_factor, e.scale)
    if layout == "linear_buckets":
        line = options.linear_buckets
        return _linear(line.num_finite_buckets, line.width, line.offset)
    return _explicit(tuple(options.explicit_buckets.bounds))


@lru_cache(maxsize=_LAYOUTS_MAX)
def _exponential(finite: int, growth: float, scale: float) -> tuple[float, ...]:
    return _seconds(exponential_bounds(finite=finite, growth=growth, scale=scale))


@lru_cache(maxsize=_LAYOUTS_MAX)
def _linear(finite: int, width: float, offset: float) -> tuple[float, ...]:
    return _seconds(linear_bounds(finite=finite, width=width, offset=offset))


@lru_cache(maxsize=_LAYOUTS_MAX)
def _explicit(bounds: tuple[float, ...]) -> tuple[float, ...]:
    return _seconds(bounds)


def _seconds(bounds: tuple[float, ...]) -> tuple[float, ...]:
    return tuple([bound * _MS for bound in bounds])

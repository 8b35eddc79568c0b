"""From the protobuf messages of Cloud Monitoring to the core's rows. Works on raw messages: the wrappers cost ten times more.

Each query reaches back a quarter of an hour, so of fifteen distributions fourteen were in the answer before. To check and
sum up a distribution costs more than to read it, so `Distributions` keeps those of one answer for the next one.

A message of the right type may still hold values of the wrong one, or times that nobody asked for: `ShapeError` says which.
A distribution that cannot be true is None, and the others count.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from functools import lru_cache
from typing import Any

from spillway.adapters.answers import ShapeError, quoted
from spillway.core.observe.rows import (
    BUCKETS_MAX,
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
SERIES_MAX = 100_000
"""Series of one answer, those of other services included."""
POINTS_MAX = 1000
"""Points of one series; a window of the longest length has some 60."""
COUNTS_MAX = 10_000_000
"""Buckets of all distributions of one answer. 2,000 backends with 66 buckets and 20 minutes have 2.6 million."""


class Intake:
    """What one answer has brought so far, over all its pages.

    Args:
        metric: type of the metric that was asked for.
        targets: names of our backend services; none stands for all.
        start: UTC seconds; the question reaches back to it.
        end: UTC seconds.
    """

    def __init__(self, *, metric: str, targets: Collection[str], start: float, end: float) -> None:
        self._metric, self._targets = metric, targets
        self._start, self._end = start, end
        self._series = 0
        self._sound: set[tuple[float, ...]] = set()
        """Ends that were checked; nearly all rows have the same."""
        self._ends: dict[Hashable, frozenset[float]] = {}
        """By labels: the ends of the points that were read."""

    def count(self, series: int) -> None:
        """Take in the number of series of a page.

        Raises:
            ShapeError: they are too many together.
        """
        self._series += series
        if self._series > SERIES_MAX:
            raise ShapeError(f"it has more than {SERIES_MAX:,} series, the most that Spillway reads")

    def takes(self, series: Any) -> bool:
        """Tell if a series is of one of our services.

        Raises:
            ShapeError: it is of another metric.
        """
        if self._targets and series.resource.labels["backend_target_name"] not in self._targets:
            return False
        if series.metric.type not in {"", self._metric}:
            raise ShapeError("it holds another metric")
        return True

    def check(self, row: CountRow | LatencyRow | PlaceRow) -> None:
        """Take in a row.

        Raises:
            ShapeError: its points lie outside the time that was asked for, or one of them stands twice.
        """
        ends, labels = row.ends, row.labels
        if ends not in self._sound:
            self._check(ends)
            self._sound.add(ends)
        before = self._ends.get(labels)
        if before is not None and not before.isdisjoint(ends):
            raise ShapeError("a minute of a series stands twice")
        self._ends[labels] = frozenset(ends) if before is None else before.union(ends)

    def _check(self, ends: tuple[float, ...]) -> None:
        if len(set(ends)) != len(ends):
            raise ShapeError("a minute of a series stands twice")
        for end in ends:
            if not self._start <= end <= self._end:
                raise ShapeError("a point lies outside the time that was asked for")


class Distributions:
    """Checked distributions by what they say: those of this answer and of the one before, no others."""

    __slots__ = ("_before", "_buckets", "_now", "notes")

    def __init__(self) -> None:
        self._before: dict[_Facts, Distribution] = {}
        self._now: dict[_Facts, Distribution] = {}
        self._buckets = 0
        self.notes: set[str] = set()
        """Sentences about distributions of this answer that were left out."""

    def begin(self) -> None:
        """A new answer."""
        self._before, self._now = self._now, {}
        self._buckets = 0
        self.notes = set()

    def read(self, sent: Any) -> Distribution | None:
        """A distribution in seconds, or None where it cannot be true.

        Raises:
            ShapeError: the distributions of the answer have too many buckets together.
        """
        buckets = len(sent.bucket_counts)
        bounds = _bounds(sent.bucket_options) if buckets <= BUCKETS_MAX else None
        if bounds is None:
            self.notes.add(f"distributions of more than {BUCKETS_MAX} buckets, or of none, were left out")
            return None
        self._buckets += buckets
        if self._buckets > COUNTS_MAX:
            raise ShapeError(f"it has more than {COUNTS_MAX:,} buckets, the most that Spillway reads")
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
    """A row of the counts query.

    Raises:
        ShapeError: a value or the response code is no number, or the times of a point make no sense.
    """
    resource, metric = series.resource.labels, series.metric.labels
    return CountRow(
        target=resource["backend_target_name"],
        name=resource["backend_name"],
        scope=resource["backend_scope"],
        code=_code(metric["response_code"]),
        ends=_ends(series),
        values=_numbers(series),
    )


@lru_cache(maxsize=_LAYOUTS_MAX)
def _code(label: str) -> int:
    """The HTTP status in a label; 0 for none."""
    if label in {"", "0"}:
        return 0
    if len(label) == 3 and label.isascii() and label.isdigit():
        return int(label)
    raise ShapeError(f"{quoted(label)} is no response code")


def place_row(series: Any) -> PlaceRow:
    """A row of the places query; raises as `count_row`."""
    resource = series.resource.labels
    return PlaceRow(
        target=resource["backend_target_name"],
        scope=resource["backend_scope"],
        place=series.metric.labels["proxy_continent"],
        ends=_ends(series),
        values=_numbers(series),
    )


def latency_row(series: Any, distributions: Distributions) -> LatencyRow:
    """A row of the latency query; None for each distribution that cannot be true.

    Raises:
        ShapeError: a value is no distribution, the times of a point make no sense, or there are too many buckets.
    """
    resource = series.resource.labels
    return LatencyRow(
        target=resource["backend_target_name"],
        name=resource["backend_name"],
        scope=resource["backend_scope"],
        ends=_ends(series),
        values=tuple([distributions.read(_distribution(point.value)) for point in series.points]),
    )


def _distribution(value: Any) -> Any:
    """The distribution that a point holds; one without buckets may be none at all."""
    found = value.distribution_value
    if not found.bucket_counts and value.WhichOneof("value") != "distribution_value":
        raise ShapeError("a value is no distribution")
    return found


def _numbers(series: Any) -> tuple[float, ...]:
    """The values of a numeric series.

    Which of the two fields is set depends on the value type of the series, so that the first point tells it for all. A field
    that is not set reads as 0.
    """
    points = series.points
    if not points:
        return ()
    kind = points[0].value.WhichOneof("value")
    if kind == "int64_value":
        values = tuple([float(point.value.int64_value) for point in points])
    elif kind == "double_value":
        values = tuple([point.value.double_value for point in points])
    else:
        raise ShapeError("a value is no number")
    for point, value in zip(points, values, strict=True) if not all(values) else ():
        if not value and point.value.WhichOneof("value") != kind:
            raise ShapeError("a value is not of the type of the others")
    return values


def _ends(series: Any) -> tuple[float, ...]:
    """UTC seconds at which the interval of each point ended."""
    if len(series.points) > POINTS_MAX:
        raise ShapeError(f"a series has more than {POINTS_MAX:,} points, the most that Spillway reads")
    ends = []
    for point in series.points:
        interval = point.interval
        end = interval.end_time.seconds
        if interval.start_time.seconds > end:
            raise ShapeError("a point ends before it starts")
        ends.append(end + interval.end_time.nanos / 1e9)
    return tuple(ends)


def _bounds(options: Any) -> tuple[float, ...] | None:
    """Bucket bounds in seconds of any of the three layouts (google/api/distribution.proto); None where there are too many or none."""
    layout = options.WhichOneof("options")
    if layout == "exponential_buckets":
        e = options.exponential_buckets
        return _exponential(e.num_finite_buckets, e.growth_factor, e.scale) if _few(e) else None
    if layout == "linear_buckets":
        line = options.linear_buckets
        return _linear(line.num_finite_buckets, line.width, line.offset) if _few(line) else None
    explicit = options.explicit_buckets.bounds
    return _explicit(tuple(explicit)) if 0 < len(explicit) < BUCKETS_MAX else None


def _few(layout: Any) -> bool:
    """Tell if a layout has a number of buckets that is read; the underflow and the overflow bucket come on top of the finite ones."""
    return bool(0 < layout.num_finite_buckets <= BUCKETS_MAX - 2)


@lru_cache(maxsize=_LAYOUTS_MAX)
def _exponential(finite: int, growth: float, scale: float) -> tuple[float, ...] | None:
    try:
        return _seconds(exponential_bounds(finite=finite, growth=growth, scale=scale))
    except OverflowError:
        return None


@lru_cache(maxsize=_LAYOUTS_MAX)
def _linear(finite: int, width: float, offset: float) -> tuple[float, ...]:
    return _seconds(linear_bounds(finite=finite, width=width, offset=offset))


@lru_cache(maxsize=_LAYOUTS_MAX)
def _explicit(bounds: tuple[float, ...]) -> tuple[float, ...]:
    return _seconds(bounds)


def _seconds(bounds: tuple[float, ...]) -> tuple[float, ...]:
    return tuple([bound * _MS for bound in bounds])

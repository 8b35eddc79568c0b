"""Where the served values come from: raw series as the agents of the load balancer would have written them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


class NotFoundError(Exception):
    """A metric or a descriptor that does not exist."""


class Invalid(ValueError):
    """A request that the real API would answer with INVALID_ARGUMENT; the message names what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """One distribution value, in the unit of its metric; all histograms of one metric share their bounds."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    """By bucket, one more than bounds. A metric fault may make them nonsense."""
    count: int
    mean: float
    squares: float = 0.0
    """Sum of squared deviations from the mean."""


Value = int | float | Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSeries:
    """One time series before any aggregation."""

    resource: Mapping[str, str]
    """Labels of the monitored resource."""
    metric: Mapping[str, str]
    """Labels of the metric; integers as their digits."""
    points: tuple[tuple[float, Value], ...]
    """(end of the minute in UTC seconds, value), newest last."""


class Source(Protocol):
    """What the server asks; already limited to what is visible by `now`, metric faults applied."""

    def series(self, metric_type: str, start: float, end: float, now: float) -> Iterable[RawSeries]:
        """Raw series of one metric with points whose minute ended in (start, end]."""
        ...

    def errors(self, now: float) -> tuple[str, ...]:
        """Why answers given at `now` are incomplete; they travel as `execution_errors`."""
        ...

    def has_project(self, project: str) -> bool:
        """Whether there is anything in a project."""
        ...

    def exhausted(self, now: float) -> bool:
        """True while a fault makes the query quota look used up."""
        ...


class WorldClock(Protocol):
    """The world's time."""

    def now(self) -> float:
        """UTC seconds since 1970."""
        ...

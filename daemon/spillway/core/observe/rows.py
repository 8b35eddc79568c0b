"""Aligned rows as every reader hands them to `core.observe.snapshot`: from Cloud Monitoring, the sandbox or the simulator.

A row is one series after server-side reduction. Free of any SDK: the backtest builds rows without a network.

Rows of an answer that came back incomplete are not used (`usable`), and each read that failed is told in a sentence (`read_errors`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from math import isfinite
from typing import Generic, TypeVar

from spillway.core.values.histogram import Distribution
from spillway.core.values.snapshot import Absence, Missing, ObservedPolicy
from spillway.core.values.topology import GroupKey, Preference

T = TypeVar("T")

BUCKETS_MAX = 200
"""Buckets of one distribution, underflow and overflow included: the most that Cloud Monitoring takes of a custom metric."""
_LONGEST = 2_147_483_647.0
"""Seconds: the largest time-out of a backend service. No mean latency is longer."""
_MEAN_TOLERANCE = 0.05
"""Share by which a mean may lie outside what its buckets allow: bounds are rounded on the way."""


@dataclass(frozen=True, slots=True)
class CountRow:
    """Answers of one group with one response code, as two columns: the ends of minutes, and the answers in each."""

    target: str
    """Name of the backend service in Google Cloud (label `backend_target_name`)."""
    name: str
    """Name of the group (label `backend_name`), or a special value such as `INVALID_BACKEND`."""
    scope: str
    """Zone or region of the group (label `backend_scope`)."""
    code: int
    """HTTP status, 0 for none (label `response_code`)."""
    ends: tuple[float, ...]
    """UTC seconds, in any order; most rows of an answer have the same."""
    values: tuple[float, ...]
    """As many as `ends`."""

    @property
    def labels(self) -> tuple[str, str, str, int]:
        """What tells it from other rows of its answer."""
        return self.target, self.name, self.scope, self.code

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """The columns as pairs of an end and its value."""
        return tuple(zip(self.ends, self.values, strict=True))


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """Latencies of one group's class-200 answers; None where the distribution sent cannot be true."""

    target: str
    name: str
    scope: str
    ends: tuple[float, ...]
    values: tuple[Distribution | None, ...]

    @property
    def labels(self) -> tuple[str, str, str]:
        """What tells it from other rows of its answer."""
        return self.target, self.name, self.scope

    @property
    def points(self) -> tuple[tuple[float, Distribution | None], ...]:
        """The columns as pairs of an end and its distribution."""
        return tuple(zip(self.ends, self.values, strict=True))


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """Requests from one client continent that one zone served; columns as in `CountRow`."""

    target: str
    scope: str
    place: str
    """Label `proxy_continent`: `America`, `Europe` or `Asia`."""
    ends: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def labels(self) -> tuple[str, str, str]:
        """What tells it from other rows of its answer."""
        return self.target, self.scope, self.place

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """The columns as pairs of an end and its value."""
        return tuple(zip(self.ends, self.values, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """What one query brought."""

    asked: float
    """UTC seconds at which it was sent: only samples that were surely visible then are trusted."""
    rows: tuple[T, ...]
    errors: tuple[str, ...] = ()
    """Execution errors: with any, rows may be incomplete."""
    notes: tuple[str, ...] = ()
    """Sentences about single values that were left out; the rows are complete otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """The three traffic queries of one pass; each an answer, or the reason why there is none."""

    counts: Answer[CountRow] | Missing
    latencies: Answer[LatencyRow] | Missing
    places: Answer[PlaceRow] | Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedGroup:
    """One group attached to a backend service."""

    key: GroupKey
    url: str
    """As Compute gives it; `getHealth` wants it back letter by letter."""
    scaler: float
    """As read, which may be what no backend can have; NaN for what is no number."""
    preference: Preference = Preference.DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedService:
    """One backend service as Compute lists it."""

    resource: str
    groups: tuple[ListedGroup, ...]
    policy: str = ""
    """Name of its service LB policy; empty where it has none."""
    fingerprint: str = ""
    """Differs after every edit; empty where the reader knows none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All backend services of the project, by resource name."""

    at: float
    """UTC seconds of the read."""
    services: Mapping[str, ListedService]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """All service LB policies of the project, by name."""

    at: float
    policies: Mapping[str, ObservedPolicy]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupHealth:
    """Members of one group, endpoints counted once; a total of 0 means not probed."""

    healthy: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReads:
    """Health by (resource, group); a group that could not be read is Missing, one not asked is absent."""

    at: float
    groups: Mapping[tuple[str, GroupKey], GroupHealth | Missing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How late samples are seen, in seconds; the defaults are those of MET for `https/*`."""

    sample_period: float = 60.0
    ingest_delay: float = 210.0
    """From the end of a sample until it is readable for sure."""

    @property
    def total(self) -> float:
        """From a request to the moment at which it is visible for sure, wherever in its sample it fell."""
        return self.sample_period + self.ingest_delay


def histogram(
    bounds: tuple[float, ...], counts: tuple[float, ...], *, count: float, mean: float
) -> Distribution | None:
    """A checked distribution, or None where its parts do not add up and so cannot be true.

    Args:
        bounds: rising bucket bounds in seconds, fewer than `BUCKETS_MAX`.
        counts: samples by bucket, one more than bounds; a shorter tuple ends in zeros
            (google/api/distribution.proto).
        count: samples that the sender says there are.
        mean: seconds; it must lie between the least and the most that the buckets allow.
    """
    if not _plausible(bounds) or not 0.0 <= mean <= _LONGEST:
        return None
    counts = counts + (0.0,) * (len(bounds) + 1 - len(counts))
    total = sum(counts)
    if not isfinite(total) or abs(total - count) > 0.001 * max(1.0, total):
        return None
    if len(counts) != len(bounds) + 1 or min(counts) < 0:
        return None
    try:
        spread = Distribution(bounds=bounds, counts=counts, mean=mean)
    except ValueError:
        return None
    return spread if total <= 0 or _mean_fits(spread) else None


def _plausible(bounds: tuple[float, ...]) -> bool:
    """Tell if rising bounds can be those of a latency: some, not too many, none negative or without end."""
    return 0 < len(bounds) < BUCKETS_MAX and bounds[0] >= 0.0 and isfinite(bounds[-1])


def _mean_fits(spread: Distribution) -> bool:
    """Tell if the mean lies between all samples at their bucket's lower and all at their upper bound."""
    low, high = spread.edges
    mean, total = spread.mean, spread.count
    if mean < low / total * (1.0 - _MEAN_TOLERANCE) - 0.001:
        return False
    # the overflow bucket has no upper bound
    return spread.counts[-1] > 0 or mean <= high / total * (1.0 + _MEAN_TOLERANCE) + 0.001


def exponential_bounds(*, finite: int, growth: float, scale: float) -> tuple[float, ...]:
    """Bounds of an exponential layout: scale x growth^i for i in 0..finite (google/api/distribution.proto)."""
    return tuple(scale * growth**i for i in range(finite + 1))


def linear_bounds(*, finite: int, width: float, offset: float) -> tuple[float, ...]:
    """Bounds of a linear layout: offset + width x i for i in 0..finite (google/api/distribution.proto)."""
    return tuple(accumulate([width] * finite, initial=offset))


Row = TypeVar("Row")


def read_errors(
    readings: Readings,
    listing: Listing | Missing,
    policies: Policies | Missing,
    health: HealthReads | Missing,
) -> list[str]:
    """One sentence for each read that failed or came back incomplete; none for what was not asked."""
    reads = {
        "request counts": readings.counts,
        "latencies": readings.latencies,
        "demand by continent": readings.places,
        "backend services": listing,
        "service LB policies": policies,
        "health": health,
    }
    sentences: list[str] = []
    for name, read in reads.items():
        if isinstance(read, Missing):
            if read.absence is not Absence.NOT_ASKED:
                sentences.append(f"{name} could not be read: {read.detail or read.absence.value}")
        elif isinstance(read, HealthReads):
            sentences += _failed_groups(read)
        elif isinstance(read, Answer):
            if read.errors:
                sentences.append(f"{name} may be incomplete: {'; '.join(read.errors)}")
            sentences += [f"{name}: {note}" for note in read.notes]
    return sentences


def _failed_groups(health: HealthReads) -> list[str]:
    """One sentence for all groups whose health could not be read, with the reason of the first."""
    failed = [
        read.detail
        for read in health.groups.values()
        if isinstance(read, Missing) and read.absence is Absence.QUERY_FAILED
    ]
    if not failed:
        return []
    return [f"health of {len(failed)} of {len(health.groups)} groups could not be read: {failed[0]}"]


def usable(answer: Answer[Row] | Missing) -> Answer[Row] | Missing:
    """`answer`, or why none of its rows can be used: with errors, rows may be missing."""
    if isinstance(answer, Missing) or not answer.errors:
        return answer
    return Missing(absence=Absence.PARTIAL, detail="; ".join(answer.errors))

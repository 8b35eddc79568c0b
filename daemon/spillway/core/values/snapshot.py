"""What was observed, and when. Every signal is a value with its age and evidence, or a reason why it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from math import inf
from typing import Generic, NamedTuple, TypeVar

from spillway.core.values.histogram import Distribution
from spillway.core.values.topology import Preference, RegionName, ServiceName

T = TypeVar("T")

FEW = 30.0
"""Answers a minute under which chance alone explains large differences."""

SAMPLES_APART_FACTOR = 2.0
"""Factor between latency samples and 2xx answers from which a minute is false: both are sampled estimates of the same answers."""


class Absence(StrEnum):
    """Why a signal has no value. None of these is zero, healthy or dead."""

    NO_SERIES = "no-series"
    """The query succeeded and had nothing for this backend: idle, drained, new, or not reported."""
    QUERY_FAILED = "query-failed"
    """The call failed or ran into its deadline."""
    PARTIAL = "partial"
    """The answer carried execution errors: what is here may be incomplete."""
    STALE = "stale"
    """There are points, all older than the policy trusts."""
    NOT_MEMBER = "not-member"
    """The backend is not attached, so nobody measures it."""
    NOT_BUILT = "not-built"
    """Its backend service does not exist: not built yet, or deleted by somebody."""
    NOT_PROBED = "not-probed"
    """getHealth answered with an empty list: no members, or not yet probed."""
    NOT_ASKED = "not-asked"
    """This pass does not read it: the fast pass reads listing and health alone."""
    GARBAGE = "garbage"
    """Values that cannot be true: negative counts, a distribution whose parts do not add up, a scaler of 0.05."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(Generic[T]):
    """A value, how old it is, and on how much it rests."""

    value: T
    age: float
    """Seconds between the end of the newest sample and the snapshot."""
    evidence: int
    """Requests, probes or points behind the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """No value, and why."""

    absence: Absence
    detail: str = ""


class HealthCount(NamedTuple):
    """Members of a backend's groups, as the balancer's health checks see them; endpoints counted once."""

    healthy: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Minute:
    """One aligned sample of one backend. Counts come from sampled traffic: they are estimates."""

    end: float
    """UTC seconds at which the sample period ended."""
    ok: float
    """Answers of class 200 (and 300)."""
    client_error: float
    """Answers of class 400 without 429."""
    too_many: float
    """429 answers: quota, not ill health."""
    server_error: float
    """Answers of class 500, and those without a class (0)."""
    latency: Distribution | None
    """Seconds from first byte sent to last byte received of class-200 answers; None where none was reported."""

    @cached_property
    def total(self) -> float:
        """All answers of this minute."""
        return self.ok + self.client_error + self.too_many + self.server_error

    @cached_property
    def contradiction(self) -> str | None:
        """Why this minute cannot be true, by its own parts; None where it can."""
        ok, spread = self.ok, self.latency
        if not (
            0 <= ok < inf
            and 0 <= self.client_error < inf
            and 0 <= self.too_many < inf
            and 0 <= self.server_error < inf
        ):
            return "a count is negative or no number"
        if spread is None or ok < FEW:
            return None
        samples = spread.count
        if samples < FEW:
            return None
        if max(samples, ok) > SAMPLES_APART_FACTOR * min(samples, ok):
            return f"{samples:.0f} latency samples for {ok:.0f} answers"
        if not 0 <= spread.mean < inf or not _mean_fits(spread):
            return "the mean latency lies outside its own buckets"
        return None


def _mean_fits(spread: Distribution) -> bool:
    """Tell whether the mean can come from the buckets; the overflow bucket has no upper end."""
    lowest, highest = spread.edges
    if spread.mean < lowest / spread.count * 0.98 - 1e-6:
        return False
    return spread.counts[-1] > 0 or spread.mean <= highest / spread.count * 1.02 + 1e-6


class MinuteColumns(NamedTuple):
    """The minutes of one backend, oldest first, as one column for each field of `Minute`."""

    end: tuple[float, ...]
    ok: tuple[float, ...]
    client_error: tuple[float, ...]
    too_many: tuple[float, ...]
    server_error: tuple[float, ...]
    latency: tuple[Distribution | None, ...]


class ObservedBackend(NamedTuple):
    """What Compute says about a backend right now; `member` is False where no group of it is attached."""

    member: bool
    scaler: float
    """The mean over its groups; `mixed` tells if they differ."""
    mixed: bool
    preference: Preference


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendView:
    """All that is known about one backend at one moment."""

    region: RegionName
    observed: Seen[ObservedBackend] | Missing
    health: Seen[HealthCount] | Missing
    traffic: Seen[tuple[Minute, ...]] | Missing
    """Trustworthy minutes, oldest first: younger than the window, older than the visibility lag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPolicy:
    """The service LB policy as it stands."""

    failover_threshold: int
    """Percent."""
    auto_drain: bool


class PlaceDemand(NamedTuple):
    """Demand of one client continent served by one region, averaged over the trusted minutes; requests/s."""

    place: str
    """`America`, `Europe` or `Asia` (label `proxy_continent`)."""
    region: RegionName
    """The serving region; empty where the balancer chose none."""
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """All that is known about one service at one moment."""

    service: ServiceName
    backends: tuple[BackendView, ...]
    """One for each backend of the service, sorted by region."""
    policy: Seen[ObservedPolicy] | Missing
    places: Seen[tuple[PlaceDemand, ...]] | Missing
    unassigned: Seen[tuple[Minute, ...]] | Missing
    """Answers that no backend gave: INVALID_BACKEND and its like. A rise is an alarm of the first class."""
    fingerprint: str = ""
    """Of the backend service as listed; it differs after every edit. Empty where it was not read."""

    def backend(self, region: RegionName) -> BackendView:
        """The view of `region`.

        Raises:
            KeyError: the service has no backend there.
        """
        for view in self.backends:
            if view.region == region:
                return view
        raise KeyError(region)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything observed in one pass; sorted, equal by value."""

    at: float
    """UTC seconds of the observation."""
    lag: float
    """Seconds after which a sample is visible for sure, read from the metric descriptors."""
    services: tuple[ServiceView, ...]
    problems: tuple[str, ...] = ()
    """Sentences about what could not be read."""
    columns: Mapping[tuple[ServiceName, RegionName], MinuteColumns] = field(
        default_factory=dict, compare=False, repr=False
    )
    """What `traffic` was made of, for the next pass to compare with; region '' for what no backend answered. Nothing where a
    minute was left out."""

    def service(self, name: ServiceName) -> ServiceView:
        """The view of service `name`.

        Raises:
            KeyError: there is none.
        """
        for view in self.services:
            if view.service == name:
                return view
        raise KeyError(name)

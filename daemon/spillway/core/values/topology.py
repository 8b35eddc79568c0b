"""The fleet as the core sees it: names, the scalers that Google takes, services, and the backends of each, one for a region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import isnan
from typing import NamedTuple

RegionName = str
ServiceName = str


SCALER_FLOOR = 0.1
"""Smallest scaler that is not zero (google.cloud.compute_v1.types.Backend.capacity_scaler)."""

SCALER_STEP = 0.01
"""Scalers are written in hundredths: differences below are no change (reference: no-op suppression)."""


def is_legal_scaler(value: float) -> bool:
    """Tell whether the API takes this scaler: exactly 0, or 0.1 to 1.0 (py:Backend.capacity_scaler)."""
    return value == 0.0 or SCALER_FLOOR <= value <= 1.0


def is_in_hundredths(value: float) -> bool:
    """Tell whether this is a scaler as people write and read them: one that the API takes, with two digits at most."""
    return is_legal_scaler(value) and round(value, 2) == value


def legal_scaler(value: float) -> float:
    """Return the legal scaler nearest to `value`, in hundredths; under 0.05 is 0, 0.05 to 0.1 is 0.1.

    Raises:
        ValueError: `value` is not a number (NaN).
    """
    if isnan(value):
        raise ValueError("a capacity scaler cannot be NaN")
    if value < SCALER_FLOOR / 2:
        return 0.0
    return min(1.0, max(SCALER_FLOOR, round(value, 2)))


class BalancingMode(StrEnum):
    """How Google measures the load of a backend against its target (reference: BS)."""

    RATE = "RATE"
    UTILIZATION = "UTILIZATION"
    IN_FLIGHT = "IN_FLIGHT"
    CUSTOM_METRICS = "CUSTOM_METRICS"


class Preference(StrEnum):
    """PREFERRED backends fill to their target before the others get anything (reference: SLP)."""

    PREFERRED = "PREFERRED"
    DEFAULT = "DEFAULT"


class GroupKey(NamedTuple):
    """One zonal group as Cloud Monitoring names it: names may repeat across zones, the pair may not."""

    name: str
    """Name of the instance group or network endpoint group (label `backend_name`)."""
    scope: str
    """Its zone, or its region for a regional group (label `backend_scope`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What Google is told that a backend may take at scaler 1. Exactly as configured; see `BalancingMode`."""

    mode: BalancingMode
    per_endpoint: float | None = None
    """Requests/s (RATE, UTILIZATION, CUSTOM_METRICS) or requests in flight (IN_FLIGHT) for one endpoint or instance."""
    per_group: float | None = None
    """The same for a whole zonal group."""
    max_utilization: float | None = None
    """Ratio at which the group counts as full (UTILIZATION, CUSTOM_METRICS)."""

    def rate(self, endpoints: int, groups: int) -> float | None:
        """Requests/s of target for `endpoints` members (healthy or not) in `groups` groups, or None if it is no rate.

        Google computes targets from all members, healthy or not (reference: BS).
        """
        if self.mode is BalancingMode.IN_FLIGHT:
            return None
        if self.per_endpoint is not None:
            return self.per_endpoint * endpoints
        if self.per_group is not None:
            return self.per_group * groups
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One region behind one service: its zonal groups share one scaler, one preference, one membership."""

    service: ServiceName
    region: RegionName
    groups: tuple[GroupKey, ...]
    target: Target
    preference: Preference = Preference.DEFAULT
    cost: float = 1.0
    """Relative price of one request here; only ratios between regions matter."""
    standby: bool = False
    """Joined by the daemon when needed, not a member before."""
    movable: bool = True
    """False where no lever reaches it."""
    has_scaler: bool = True
    """False for serverless, internet and Private Service Connect groups. They have no target and no health checks either (BS), so the
    lever is membership: such a backend is attached (1) or detached (0)."""
    weight: float | None = None
    """Weight in the URL map at a scaler of 1, of a backend service that stands for this region in a steered split; None elsewhere.
    Its scaler is the part of that weight which is written."""
    least_scaler: float = 0.0
    """Smallest scaler that the configuration allows; 0 where the region may be closed."""
    resource: str | None = None
    """Name of its own backend service in Google Cloud, where it is not that of the service."""
    latitude: float | None = None
    longitude: float | None = None

    @property
    def graded(self) -> bool:
        """True if its lever has values between closed and open: a scaler, or a weight in the URL map."""
        return self.has_scaler or self.weight is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One backend service, or the services of a steered split together, of which each stands for a region.

    `home` is set for a pinned regional service, whose other backends are failover regions.
    """

    name: ServiceName
    resource: str
    """Name of the backend service in Google Cloud (label `backend_target_name`); of a split, that of the URL map and the path matcher."""
    policy: str
    backends: tuple[Backend, ...]
    """Sorted by region."""
    home: RegionName | None = None
    has_policy: bool = True
    """False where Google takes no service LB policy: serverless, internet, Private Service Connect and regional instance groups (SLP)."""

    @property
    def resources(self) -> tuple[str, ...]:
        """Names of the backend services in Google Cloud that carry its traffic: one, or those of a split."""
        own = [backend.resource for backend in self.backends if backend.resource is not None]
        return tuple(own) or (self.resource,)

    @property
    def shared_out(self) -> bool:
        """True for a steered split: the URL map shares requests out by weight, wherever they come from."""
        return any(backend.weight is not None for backend in self.backends)

    def backend(self, region: RegionName) -> Backend:
        """The backend in `region`.

        Raises:
            KeyError: this service has no backend there.
        """
        for backend in self.backends:
            if backend.region == region:
                return backend
        raise KeyError(region)


class Peer(NamedTuple):
    """Another service's backend that stands on some of the same groups."""

    service: ServiceName
    region: RegionName
    share: float
    """Share of its groups that are ours too, above 0 to 1. The balancer fills the groups of a region in proportion
    (SLP), so this share of its requests comes here; the groups count alike, as nobody says how large each is."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """All services behind one load balancer, sorted by name."""

    services: tuple[Service, ...]

    @cached_property
    def peers(self) -> Mapping[tuple[ServiceName, RegionName], tuple[Peer, ...]]:
        """By (service, region): the backends of other services that share at least one group with it; none are left out."""
        users: dict[GroupKey, list[Backend]] = {}
        for service in self.services:
            for backend in service.backends:
                for group in backend.groups:
                    users.setdefault(group, []).append(backend)
        found: dict[tuple[ServiceName, RegionName], tuple[Peer, ...]] = {}
        for service in self.services:
            for backend in service.backends:
                others = {
                    (other.service, other.region): other
                    for group in backend.groups
                    for other in users[group]
                    if other.service != backend.service
                }
                if others:
                    found[backend.service, backend.region] = tuple(
                        _peer(others[pair], backend) for pair in sorted(others)
                    )
        return found

    def service(self, name: ServiceName) -> Service:
        """The service called `name`.

        Raises:
            KeyError: there is none.
        """
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)


def _peer(other: Backend, ours: Backend) -> Peer:
    common = len(set(other.groups) & set(ours.groups))
    return Peer(service=other.service, region=other.region, share=common / len(set(other.groups)))

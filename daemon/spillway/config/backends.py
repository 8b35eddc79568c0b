"""What a service really gets in each region: the region's settings with the service's own on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from spillway.config.balancing import BalancingConfig
from spillway.config.groups import GroupConfig
from spillway.config.names import parse_group_url
from spillway.config.services import ServiceConfig
from spillway.config.topology import RegionConfig
from spillway.core.values.geography import REGION_PLACES
from spillway.core.values.topology import Preference


class GroupKind(StrEnum):
    """The kinds of groups that stand behind an Application Load Balancer; the value is the key in a group."""

    NEG = "neg"
    HYBRID_NEG = "hybrid_neg"
    INSTANCE_GROUP = "instance_group"
    SERVERLESS_NEG = "serverless_neg"
    INTERNET_NEG = "internet_neg"
    PSC_NEG = "psc_neg"
    REGIONAL_INSTANCE_GROUP = "regional_instance_group"


PREFERABLE = frozenset({GroupKind.NEG, GroupKind.HYBRID_NEG, GroupKind.INSTANCE_GROUP})
"""Kinds that take a preference, and whose services take a service LB policy: regional instance groups do not (SLP)."""
STEERABLE = PREFERABLE | {GroupKind.REGIONAL_INSTANCE_GROUP}
"""Kinds with balancing mode, target and scaler (BS)."""
INSTANCE_GROUPS = frozenset({GroupKind.INSTANCE_GROUP, GroupKind.REGIONAL_INSTANCE_GROUP})
UNPROBED = frozenset({GroupKind.SERVERLESS_NEG, GroupKind.INTERNET_NEG, GroupKind.PSC_NEG})
"""Kinds whose services must not have a health check (py:BackendService.health_checks)."""

GOOGLES_PORT_NAME = "http"
"""The named port of instance groups that Google takes where a service names none."""
GOOGLES_TIMEOUT = 30
"""Seconds of a service for which nobody gives a timeout, and all that Google takes for serverless groups: what they
run has a timeout of its own. (`Timeout sec is not supported for a backend service with Serverless network endpoint
groups`, terraform-google-modules/terraform-google-lb-http#358)"""


def group_kind(group: GroupConfig) -> GroupKind | None:
    """The kind of a group, or None where the configuration does not say one; a zonal NEG's URL counts as NEG, a regional one's as serverless."""
    if group.url is not None:
        parts = parse_group_url(group.url)
        if parts is None:
            return None
        if parts.is_instance_group:
            return GroupKind.INSTANCE_GROUP if parts.zone else GroupKind.REGIONAL_INSTANCE_GROUP
        if parts.zone:
            return GroupKind.NEG
        return GroupKind.SERVERLESS_NEG if parts.region else GroupKind.INTERNET_NEG
    named = [kind for kind in _NAMED if getattr(group, kind.value) is not None]
    return named[0] if len(named) == 1 else None


_NAMED = (
    GroupKind.NEG,
    GroupKind.HYBRID_NEG,
    GroupKind.INSTANCE_GROUP,
    GroupKind.REGIONAL_INSTANCE_GROUP,
    GroupKind.SERVERLESS_NEG,
    GroupKind.INTERNET_NEG,
    GroupKind.PSC_NEG,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One region behind one service."""

    region: str
    groups: tuple[GroupConfig, ...]
    has_own_groups: bool
    """True if the service brings them; else they are the region's."""
    balancing: BalancingConfig | None
    scaler: float
    """Capacity scaler at the first start."""
    preference: Preference
    standby: bool
    cost: float
    latitude: float | None
    longitude: float | None

    @property
    def kinds(self) -> frozenset[GroupKind]:
        """Kinds of its groups, as far as they are known."""
        return frozenset(kind for kind in map(group_kind, self.groups) if kind is not None)

    @property
    def steerable(self) -> bool:
        """True if its groups have a target and a scaler."""
        return self.balancing is not None and self.kinds <= STEERABLE

    @property
    def attachable(self) -> bool:
        """True if its groups have no scaler, and membership is the lever."""
        return self.balancing is None and bool(self.kinds) and self.kinds <= UNPROBED

    @property
    def preferable(self) -> bool:
        """True if Google takes a preference for its groups, and a service LB policy for their service."""
        return self.steerable and self.kinds <= PREFERABLE


def takes_policy(members: Iterable[Member]) -> bool:
    """True if Google takes a service LB policy: some group has a balancing mode, and none is regional (SLP)."""
    known = tuple(members)
    return any(member.balancing is not None for member in known) and not any(
        GroupKind.REGIONAL_INSTANCE_GROUP in member.kinds for member in known
    )


def region_names(service: ServiceConfig, regions: Mapping[str, RegionConfig]) -> tuple[str, ...]:
    """The regions of a service, known or not, in the order of the configuration."""
    if service.home is not None:
        return tuple(dict.fromkeys((service.home, *service.failover)))
    if service.regions == "all":
        return tuple(regions)
    return tuple(dict.fromkeys(service.regions or ()))


def members(service: ServiceConfig, regions: Mapping[str, RegionConfig]) -> tuple[Member, ...]:
    """The backends of a service, sorted by region; regions that `regions` does not hold are left out."""
    return tuple(
        _member(service, name, regions[name])
        for name in sorted(region_names(service, regions))
        if name in regions
    )


def _member(service: ServiceConfig, name: str, region: RegionConfig) -> Member:
    """The region's settings with the service's own on top.

    What the region says of its groups holds for a service's own groups too, unless these have no balancing mode.
    """
    own = service.backends.get(name)
    groups = own.groups if own is not None and own.groups else region.groups
    unprobed = any(group_kind(group) in UNPROBED for group in groups)
    shared = region if groups is region.groups or not unprobed else RegionConfig(groups=groups)
    preference: str = shared.preference
    if service.home is not None:
        preference = "PREFERRED" if name == service.home and service.failover else "DEFAULT"
    if own is not None and own.preference is not None:
        preference = own.preference
    scaler = own.scaler if own is not None and own.scaler is not None else shared.scaler
    place = REGION_PLACES.get(name, (None, None))
    return Member(
        region=name,
        groups=groups,
        has_own_groups=groups is not region.groups,
        balancing=own.balancing if own is not None and own.balancing is not None else shared.balancing,
        scaler=1.0 if scaler is None else scaler,
        preference=Preference(preference),
        standby=own.standby if own is not None and own.standby is not None else shared.standby,
        cost=region.cost,
        latitude=place[0] if region.latitude is None else region.latitude,
        longitude=place[1] if region.longitude is None else region.longitude,
    )

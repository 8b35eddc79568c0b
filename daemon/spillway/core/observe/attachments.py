"""Whose row is it: group names and scopes of Cloud Monitoring, sorted to the backends of a fleet.

What Compute says about one backend: membership, scaler, health; and the policy of its service.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

from spillway.core.observe.rows import GroupHealth, HealthReads, ListedGroup, ListedService, Listing, Policies
from spillway.core.values.snapshot import Absence, HealthCount, Missing, ObservedBackend, ObservedPolicy, Seen
from spillway.core.values.topology import Backend, Fleet, GroupKey, Preference, Service
from spillway.core.values.units import RegionName

SPECIAL_NAMES = frozenset(
    {"", "INVALID_BACKEND", "FRONTEND_5XX", "NO_BACKEND_SELECTED", "MULTIPLE_BACKENDS", "UNKNOWN"}
)
"""What stands in the labels instead of a group or a scope (reference: LOGMON, RES)."""


class Whose(Enum):
    """Rows that belong to no backend."""

    UNASSIGNED = "unassigned"
    """The balancer found no backend, or does not say which."""
    FOREIGN = "foreign"
    """A group that is not in the configuration answers for one of our services."""
    NOT_OURS = "not-ours"
    """Another load balancer's backend service."""


@lru_cache(maxsize=4096)
def region_of(scope: str) -> RegionName:
    """The region of a zone (its name without the last `-x`) or of a region; empty for special values."""
    if scope in SPECIAL_NAMES:
        return ""
    head, dash, tail = scope.rpartition("-")
    return head if dash and len(tail) == 1 and tail.isalpha() else scope


@dataclass(slots=True, kw_only=True)
class Directory:
    """Places of all backends of a fleet: (index of the service, region)."""

    targets: dict[str, int] = field(default_factory=dict)
    """Index of the service by resource name."""
    exact: dict[tuple[str, str, str], tuple[int, RegionName]] = field(default_factory=dict)
    by_name: dict[tuple[str, str], tuple[int, RegionName] | None] = field(default_factory=dict)
    """By (resource, group name) where that name stands for one region; None where it stands for several."""

    def find(self, target: str, name: str, scope: str) -> tuple[int, RegionName] | Whose:
        """The backend behind three labels, or why there is none.

        The scope is empty when the group sent no response (LOGMON); the name alone decides then, where
        it means one region.
        """
        place = self.exact.get((target, name, scope))
        if place is not None:
            return place
        if target not in self.targets:
            return Whose.NOT_OURS
        if name in SPECIAL_NAMES:
            return Whose.UNASSIGNED
        if scope in SPECIAL_NAMES:
            return self.by_name.get((target, name)) or Whose.UNASSIGNED
        return Whose.FOREIGN


def directory(fleet: Fleet) -> Directory:
    """The directory of `fleet`."""
    result = Directory()
    for index, service in enumerate(fleet.services):
        result.targets[service.resource] = index
        for backend in service.backends:
            place = (index, backend.region)
            for group in backend.groups:
                result.exact[service.resource, group.name, group.scope] = place
                name = (service.resource, group.name)
                result.by_name[name] = place if result.by_name.get(name, place) == place else None
    return result


_NOT_MEMBER = Missing(absence=Absence.NOT_MEMBER)
DEFAULT_POLICY = ObservedPolicy(failover_threshold=70, auto_drain=False)
"""What holds for a service without a policy, or for what a policy leaves out (reference: SLP)."""


@dataclass(frozen=True, slots=True)
class Attached:
    """What the listing says about one backend."""

    groups: tuple[tuple[str, GroupKey], ...]
    """(resource, group) of each attached group, in the order of the backend's groups."""
    value: ObservedBackend
    says: tuple[bool, float, bool, bool, int]
    """All of `value` in plain parts, and how many groups are attached: quick to compare."""
    sentence: str | None = None
    """What is wrong with it, if it is attached in part only."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What the listing says about one service: worked out once for as long as it says the same."""

    listed: ListedService | None
    """None where the service does not exist."""
    backends: tuple[Attached | None, ...]
    """In the order of the service's backends; None for each where the service does not exist."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Signals of one pass by what they say: thousands of backends say one of a few things, and equal ones are one object."""

    listing_age: float
    """Seconds since the listing was read; 0 where it could not be."""
    health_age: float
    """The same of the health reads."""
    observed: dict[tuple[bool, float, bool, bool, int], Seen[ObservedBackend]] = field(default_factory=dict)
    health: dict[tuple[tuple[int, int], ...], Seen[HealthCount] | Missing] = field(default_factory=dict)


def listed_service(service: Service, listing: Listing, before: Listed | None) -> Listed:
    """What `listing` says about `service`; `before` is what the pass before was given back for it."""
    listed = listing.services.get(service.resource)
    if before is not None and (listed is before.listed or listed == before.listed):
        return before
    if listed is None:  # that says nothing of its backends: to call them detached would be to tell of an edit
        return Listed(listed, (None,) * len(service.backends))
    by_key = {group.key: group for group in listed.groups}
    return Listed(
        listed,
        tuple(
            _attached(
                backend, tuple(by_key[key] for key in backend.groups if key in by_key), service.resource
            )
            for backend in service.backends
        ),
    )


def _attached(backend: Backend, groups: tuple[ListedGroup, ...], resource: str) -> Attached:
    """Membership, scaler and preference of one backend, and a sentence if only part of it is attached."""
    if not groups:
        absent = ObservedBackend(member=False, scaler=0.0, mixed=False, preference=backend.preference)
        return _attachment(resource, groups, absent)
    scalers = [group.scaler for group in groups]
    part = len(groups) < len(backend.groups)
    seen = ObservedBackend(
        member=True,
        scaler=sum(scalers) / len(scalers),
        mixed=part or max(scalers) - min(scalers) > 1e-9,
        preference=_preference(groups),
    )
    if not part:
        return _attachment(resource, groups, seen)
    attached = {group.key for group in groups}
    gone = ", ".join(f"{key.name} in {key.scope}" for key in backend.groups if key not in attached)
    return _attachment(
        resource,
        groups,
        seen,
        f"{backend.service} in {backend.region} is attached in part only: {gone} is missing; "
        "somebody edited it, and the next write puts it right",
    )


def _attachment(
    resource: str, groups: tuple[ListedGroup, ...], value: ObservedBackend, sentence: str | None = None
) -> Attached:
    keys = tuple((resource, group.key) for group in groups)
    preferred = value.preference is Preference.PREFERRED
    return Attached(keys, value, (value.member, value.scaler, value.mixed, preferred, len(groups)), sentence)


def _preference(groups: tuple[ListedGroup, ...]) -> Preference:
    """PREFERRED only if all groups are: one DEFAULT group already takes part in the common waterfall."""
    preferred = all(group.preference is Preference.PREFERRED for group in groups)
    return Preference.PREFERRED if preferred else Preference.DEFAULT


def observed_backend(attached: Attached, shared: Shared) -> Seen[ObservedBackend]:
    """Membership, scaler and preference; as many groups as are attached stand behind it."""
    seen = shared.observed.get(attached.says)
    if seen is None:
        seen = shared.observed[attached.says] = Seen(
            value=attached.value, age=shared.listing_age, evidence=len(attached.groups)
        )
    return seen


def observed_health(
    attached: Attached, health: HealthReads | Missing, shared: Shared
) -> Seen[HealthCount] | Missing:
    """Healthy and all members of the attached groups together.

    One group that could not be read makes the whole backend unknown: half a count would look like half
    a region.
    """
    if not attached.groups:
        return _NOT_MEMBER
    if isinstance(health, Missing):
        return health
    reads = health.groups
    counts: list[tuple[int, int]] = []
    for place in attached.groups:
        read = reads.get(place)
        if isinstance(read, GroupHealth):
            counts.append((read.healthy, read.total))
        elif read is None:
            key = place[1]
            return Missing(absence=Absence.QUERY_FAILED, detail=f"{key.name} in {key.scope} was not asked")
        elif read.absence is Absence.NOT_PROBED:
            counts.append((0, 0))
        else:
            return read
    by_group = tuple(counts)
    seen = shared.health.get(by_group)
    if seen is None:
        seen = shared.health[by_group] = _health(by_group, shared.health_age)
    return seen


def _health(by_group: tuple[tuple[int, int], ...], age: float) -> Seen[HealthCount] | Missing:
    """(healthy, all) of each group, added up."""
    total = sum(of for _, of in by_group)
    if total == 0:
        return Missing(absence=Absence.NOT_PROBED, detail="no members, or none probed yet")
    value = HealthCount(healthy=sum(ok for ok, _ in by_group), total=total, by_group=by_group)
    return Seen(value=value, age=age, evidence=total)


def observed_policy(
    service: Service, listing: Listing | Missing, policies: Policies | Missing, *, at: float
) -> Seen[ObservedPolicy] | Missing:
    """The service LB policy as it stands; Google's defaults where the service has none."""
    if isinstance(listing, Missing):
        return listing
    listed = listing.services.get(service.resource)
    if listed is None:
        return Missing(absence=Absence.NO_SERIES, detail="the backend service does not exist")
    if not listed.policy:
        return Seen(value=DEFAULT_POLICY, age=max(0.0, at - listing.at), evidence=1)
    if isinstance(policies, Missing):
        return policies
    policy = policies.policies.get(listed.policy)
    if policy is None:
        return Missing(absence=Absence.NO_SERIES, detail=f"policy {listed.policy} is attached but not listed")
    return Seen(value=policy, age=max(0.0, at - policies.at), evidence=1)

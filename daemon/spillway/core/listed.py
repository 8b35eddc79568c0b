"""What Compute says about one backend: membership, scaler, health; and the policy of its service."""

from __future__ import annotations

from collections.abc import Mapping

from spillway.core.series import GroupHealth, HealthReads, ListedGroup, Listing, Policies
from spillway.core.snapshot import Absence, HealthCount, Missing, ObservedBackend, ObservedPolicy, Seen
from spillway.core.topology import Backend, Preference, Service
from spillway.core.units import RegionName

DEFAULT_POLICY = ObservedPolicy(failover_threshold=70, auto_drain=False)
"""What holds for a service without a policy, or for what a policy leaves out (reference: SLP)."""


def attached_groups(service: Service, listing: Listing) -> Mapping[RegionName, tuple[ListedGroup, ...]]:
    """The groups attached to `service` by region, in the order of each backend's groups."""
    listed = listing.services.get(service.resource)
    if listed is None:
        return {}
    by_key = {group.key: group for group in listed.groups}
    return {
        backend.region: tuple(by_key[key] for key in backend.groups if key in by_key)
        for backend in service.backends
    }


def observed_backend(
    backend: Backend, groups: tuple[ListedGroup, ...], *, age: float
) -> tuple[Seen[ObservedBackend], str | None]:
    """Membership, scaler and preference of one backend, and a sentence if only part of it is attached."""
    if not groups:
        absent = ObservedBackend(member=False, scaler=0.0, mixed=False, preference=backend.preference)
        return Seen(value=absent, age=age, evidence=0), None
    scalers = [group.scaler for group in groups]
    part = len(groups) < len(backend.groups)
    seen = ObservedBackend(
        member=True,
        scaler=sum(scalers) / len(scalers),
        mixed=part or max(scalers) - min(scalers) > 1e-9,
        preference=_preference(groups),
    )
    sentence = None
    if part:
        attached = {group.key for group in groups}
        gone = ", ".join(f"{key.name} in {key.scope}" for key in backend.groups if key not in attached)
        sentence = (
            f"{backend.service} in {backend.region} is attached in part only: {gone} is missing; "
            "somebody edited it, and the next write puts it right"
        )
    return Seen(value=seen, age=age, evidence=len(groups)), sentence


def _preference(groups: tuple[ListedGroup, ...]) -> Preference:
    """PREFERRED only if all groups are: one DEFAULT group already takes part in the common waterfall."""
    preferred = all(group.preference is Preference.PREFERRED for group in groups)
    return Preference.PREFERRED if preferred else Preference.DEFAULT


def observed_health(
    service: Service, groups: tuple[ListedGroup, ...], health: HealthReads | Missing, *, at: float
) -> Seen[HealthCount] | Missing:
    """Healthy and all members of the attached groups together.

    One group that could not be read makes the whole backend unknown: half a count would look like half
    a region.
    """
    if not groups:
        return Missing(absence=Absence.NOT_MEMBER)
    if isinstance(health, Missing):
        return health
    counts: list[tuple[int, int]] = []
    for group in groups:
        read = health.groups.get((service.resource, group.key))
        if read is None:
            return Missing(
                absence=Absence.QUERY_FAILED, detail=f"{group.key.name} in {group.key.scope} was not asked"
            )
        if isinstance(read, GroupHealth):
            counts.append((read.healthy, read.total))
        elif read.absence is Absence.NOT_PROBED:
            counts.append((0, 0))
        else:
            return read
    total = sum(of for _, of in counts)
    if total == 0:
        return Missing(absence=Absence.NOT_PROBED, detail="no members, or none probed yet")
    value = HealthCount(healthy=sum(ok for ok, _ in counts), total=total, by_group=tuple(counts))
    return Seen(value=value, age=max(0.0, at - health.at), evidence=total)


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

"""What Compute says about one backend (membership, scaler, preference, health) and about the policy of its service."""

from __future__ import annotations

from typing import NamedTuple

from spillway.core.observe.rows import GroupHealth, HealthReads, ListedGroup, ListedService, Listing, Policies
from spillway.core.values.policy import GOOGLES_THRESHOLD
from spillway.core.values.snapshot import Absence, HealthCount, Missing, ObservedBackend, ObservedPolicy, Seen
from spillway.core.values.topology import Backend, Preference, Service, is_legal_scaler

DEFAULT_POLICY = ObservedPolicy(failover_threshold=GOOGLES_THRESHOLD, auto_drain=False)
"""What holds for a service without a policy, or for what a policy leaves out (reference: SLP)."""

_SAME_SCALER = 1e-9
"""Scalers of two groups that differ by less are the same."""
_NO_POLICY = Missing(absence=Absence.NOT_ASKED, detail="Google takes no failover policy for its groups")
_NOT_MEMBER = Missing(absence=Absence.NOT_MEMBER)
_UNPROBED = Missing(absence=Absence.NOT_PROBED, detail="serverless and internet groups have no health checks")


class Attachment(NamedTuple):
    """What the listing says about one backend."""

    resource: str
    """Name of the backend service in Google Cloud."""
    groups: tuple[ListedGroup, ...]
    """The attached groups, in the order of the backend's groups; empty where it is detached."""
    value: ObservedBackend | Missing
    """Missing where the listing says what no backend can have."""
    problem: str | None = None
    """A sentence about a backend that is attached in part only, or about a scaler that cannot be."""


def attachments(service: Service, listed: ListedService) -> tuple[Attachment, ...]:
    """What the listing says about each backend of `service`, in their order."""
    by_key = {group.key: group for group in listed.groups}
    return tuple(
        [
            _attachment(
                backend,
                service.resource,
                tuple([group for group in map(by_key.get, backend.groups) if group]),
            )
            for backend in service.backends
        ]
    )


def _attachment(backend: Backend, resource: str, groups: tuple[ListedGroup, ...]) -> Attachment:
    """Membership, scaler and preference of one backend, and a sentence if only some of its groups are attached."""
    if not groups:
        detached = ObservedBackend(member=False, scaler=0.0, mixed=False, preference=backend.preference)
        return Attachment(resource=resource, groups=groups, value=detached)
    for group in groups if backend.graded else ():
        if not is_legal_scaler(group.scaler):
            why = f"a capacity scaler of {group.scaler:g} is listed for {group.key.name} in {group.key.scope}, and Google has none"
            missing = Missing(absence=Absence.GARBAGE, detail=why)
            told = f"the listing of {backend.service} in {backend.region} cannot be true: {why}"
            return Attachment(resource=resource, groups=groups, value=missing, problem=told)
    scalers = [group.scaler for group in groups] if backend.graded else [1.0]
    partial = len(groups) < len(backend.groups)
    observed = ObservedBackend(
        member=True,
        scaler=sum(scalers) / len(scalers),
        mixed=partial or max(scalers) - min(scalers) > _SAME_SCALER,
        preference=_preference(groups),
    )
    problem = _problem(backend, groups) if partial else None
    return Attachment(resource=resource, groups=groups, value=observed, problem=problem)


def _preference(groups: tuple[ListedGroup, ...]) -> Preference:
    """PREFERRED only if all groups are: one DEFAULT group already takes part in the common waterfall."""
    mixed = Preference.DEFAULT in [group.preference for group in groups]
    return Preference.DEFAULT if mixed else Preference.PREFERRED


def _problem(backend: Backend, groups: tuple[ListedGroup, ...]) -> str:
    """Names the groups that are missing."""
    attached = {group.key for group in groups}
    gone = ", ".join(f"{key.name} in {key.scope}" for key in backend.groups if key not in attached)
    return (
        f"{backend.service} in {backend.region} is attached in part only: {gone} is missing; "
        "somebody edited it, and the next write puts it right"
    )


def observed_backend(attachment: Attachment, age: float) -> Seen[ObservedBackend] | Missing:
    """Membership, scaler and preference; the evidence is the number of attached groups. Missing where they cannot be true.

    Args:
        attachment: from `attachments`.
        age: seconds since the listing was read.
    """
    value = attachment.value
    return (
        value if isinstance(value, Missing) else Seen(value=value, age=age, evidence=len(attachment.groups))
    )


def observed_health(
    backend: Backend, attachment: Attachment, health: HealthReads | Missing, at: float
) -> Seen[HealthCount] | Missing:
    """Healthy and all members of the attached groups together.

    One group that could not be read makes the whole backend unknown: half a count would look like half
    a region.

    Args:
        backend: whose health.
        attachment: from `attachments`.
        health: getHealth of each attached group.
        at: UTC seconds of the snapshot.
    """
    if not attachment.groups:
        return _NOT_MEMBER
    if not backend.has_scaler:
        return _UNPROBED
    if isinstance(health, Missing):
        return health
    healthy = total = 0
    for group in attachment.groups:
        read = health.groups.get((attachment.resource, group.key))
        if isinstance(read, GroupHealth):
            healthy += read.healthy
            total += read.total
        elif read is None:
            key = group.key
            return Missing(absence=Absence.QUERY_FAILED, detail=f"{key.name} in {key.scope} was not asked")
        elif read.absence is not Absence.NOT_PROBED:  # what is not probed yet has no members to count
            return read
    if total == 0:
        return Missing(absence=Absence.NOT_PROBED, detail="no members, or none probed yet")
    return Seen(value=HealthCount(healthy=healthy, total=total), age=max(0.0, at - health.at), evidence=total)


def observed_policy(
    service: Service, listing: Listing | Missing, policies: Policies | Missing, at: float
) -> Seen[ObservedPolicy] | Missing:
    """The service LB policy as it stands; Google's defaults where the service has none. Not asked where it can have none.

    Args:
        service: whose policy.
        listing: tells which policy is attached.
        policies: the policies by name.
        at: UTC seconds of the snapshot.
    """
    if not service.has_policy or not any(b.movable and b.has_scaler for b in service.backends):
        return _NO_POLICY
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

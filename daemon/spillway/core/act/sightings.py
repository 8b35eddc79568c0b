"""What the listing shows otherwise than wanted, and whether it is believed.

One reading convinces nobody. A difference is believed when two readings, at least `LOOKS_APART` seconds apart, show the same
values under the same fingerprint; one is enough where a write of ours was refused for an edit by somebody else. It is not
believed, and nothing moves, while one of these holds:

    contradiction   the fingerprint is that of a listing in which all stood as wanted
    much at once    all regions are closed, or more than `evidence.panic_share` of the members (of the service, or of the
                    fleet) differ: until the closed ones are seen to answer nobody any more, and the open ones have been
                    listed so for a dead time under a new fingerprint
    still answers   a detached region answers more than what was on its way when it was detached

A detachment is believed once the traffic of the region has ended, which no single source can pretend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spillway.core.estimate.backend import IDLE
from spillway.core.explain.reasons import reason
from spillway.core.values.decision import Lever, Reason
from spillway.core.values.foreign import Difference, Sighting, words
from spillway.core.values.overlay import BackendSetting, ServiceSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Absence, Minute, Missing, ObservedBackend, Seen, ServiceView
from spillway.core.values.state import ServiceMemory
from spillway.core.values.units import SCALER_STEP, RegionName, legal_scaler

LOOKS_APART = 10.0
"""Seconds between two readings that may confirm each other: an answer that was kept somewhere is not read twice."""

SAME = SCALER_STEP / 2
"""Scalers nearer than this are equal."""

_NO_TRAFFIC = frozenset({Absence.NO_SERIES, Absence.NOT_MEMBER})
"""Why there are no minutes of a region that nobody is sent to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """How much of the whole fleet differs at once."""

    changed: int = 0
    """Members that are listed otherwise than wanted."""
    members: int = 0

    def exceeds(self, share: float) -> bool:
        """Tell whether more than `share` of the members differ; one alone is no crowd."""
        return self.members >= 2 and self.changed > share * self.members


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is made of the differences of one reading."""

    sighting: Sighting | None
    """What is remembered of them; None once they are believed, and where there are none."""
    believed: tuple[Difference, ...] = ()
    panic: Reason | None = None
    doubt: Reason | None = None


def listed(view: ServiceView) -> dict[RegionName, ObservedBackend]:
    """What the listing says, by region; without those of which it says nothing that can be true."""
    return {b.region: b.observed.value for b in view.backends if isinstance(b.observed, Seen)}


def differs(wanted: BackendSetting, seen: ObservedBackend) -> bool:
    """Whether a backend is listed otherwise than wanted."""
    if wanted.member != seen.member:
        return True
    return seen.member and abs(wanted.scaler - seen.scaler) > SAME


def in_write(memory: ServiceMemory, region: RegionName | None, policy: Policy, at: float) -> bool:
    """Whether a write of ours is so young that the listing may still show the old value. None asks for the posture."""
    return any(
        f.region == region
        and (region is not None or f.lever is Lever.POSTURE)
        and at - f.made_at < policy.timing.write_time
        for f in memory.flights
    )


def differences(
    setting: ServiceSetting,
    memory: ServiceMemory,
    seen: Mapping[RegionName, ObservedBackend],
    policy: Policy,
    at: float,
) -> tuple[Difference, ...]:
    """The backends that are listed otherwise than wanted, by region; those in a young write of ours are left out."""
    found = []
    for backend in setting.backends:
        now = seen.get(backend.region)
        if now is None or not differs(backend, now) or in_write(memory, backend.region, policy, at):
            continue
        scaler = legal_scaler(now.scaler) if now.member else 0.0
        found.append(Difference(region=backend.region, member=now.member, scaler=scaler))
    return tuple(sorted(found, key=lambda d: d.region))


def crowd_of(setting: ServiceSetting, found: Sequence[Difference]) -> Crowd:
    """How many of the wanted members differ."""
    members = {b.region for b in setting.backends if b.member}
    return Crowd(changed=sum(1 for d in found if d.region in members), members=len(members))


def judge(
    found: tuple[Difference, ...],
    setting: ServiceSetting,
    memory: ServiceMemory,
    view: ServiceView,
    policy: Policy,
    *,
    at: float,
    fleet: Crowd,
    edit_told: bool,
) -> Judged:
    """What is made of the differences that one reading shows; at least one.

    Args:
        found: The differences.
        setting: What is wanted.
        memory: With the sighting of the readings before.
        view: The reading.
        policy: How the service is steered.
        at: UTC seconds of the snapshot.
        fleet: How much of the whole fleet differs.
        edit_told: True if a write of ours was just refused because of an edit by somebody else.
    """
    seen_at, before = read_at(view, at), memory.sighting
    # 1. the same as at the first reading, or something new
    same = before is not None and (before.fingerprint, before.backends) == (view.fingerprint, found)
    first = before.at if before is not None and same else seen_at
    sighting = Sighting(at=first, fingerprint=view.fingerprint, backends=found)
    # 2. what cannot be so
    known = bool(view.fingerprint) and memory.listed_fingerprint != ""
    if known and view.fingerprint == memory.listed_fingerprint:
        return Judged(
            sighting=sighting,
            panic=reason(
                "listing-panic", why=f"{what(found)} is listed under the fingerprint of what was wanted"
            ),
        )
    shown = _shown(view)
    answering = [d.region for d in found if not d.member and _answers(d.region, shown, first, policy)]
    if answering:
        why = f"{answering[0]} is listed as detached and still answers"
        return Judged(sighting=sighting, panic=reason("listing-panic", why=why))
    settled = known and seen_at - first >= policy.timing.dead_time
    if _much(found, setting, view, policy, fleet) and not all(
        _ended(d.region, shown, first, policy) if d.closed else settled for d in found
    ):
        members = crowd_of(setting, found).members
        why = f"much is listed otherwise than wanted at once ({what(found)}; {members} were members)"
        return Judged(sighting=sighting, panic=reason("listing-panic", why=why))
    # 3. what only one reading shows, and a detached region whose traffic has not ended yet
    if not edit_told and (not same or seen_at - first < LOOKS_APART):
        return Judged(sighting=sighting, doubt=reason("unconfirmed", what=what(found)))
    for d in found:
        if not d.member and not (_idle(d.region, shown, memory) or _ended(d.region, shown, first, policy)):
            return Judged(sighting=sighting, doubt=reason("detachment-unproven", region=d.region))
    # 4. two readings agree
    return Judged(sighting=None, believed=found, doubt=reason("just-adopted", what=what(found)))


def read_at(view: ServiceView, at: float) -> float:
    """UTC seconds of the listing behind `view`; `at` is that of the snapshot."""
    return at - min([b.observed.age for b in view.backends if isinstance(b.observed, Seen)], default=0.0)


def what(found: Sequence[Difference]) -> str:
    """Differences as people write them."""
    return ", ".join(f"{d.region} at {words(member=d.member, scaler=d.scaler)}" for d in found)


def _much(
    found: Sequence[Difference], setting: ServiceSetting, view: ServiceView, policy: Policy, fleet: Crowd
) -> bool:
    """Whether so much differs at once that the listing is suspected before people are."""
    share = policy.evidence.panic_share
    if crowd_of(setting, found).exceeds(share) or fleet.exceeds(share):
        return True
    open_before = any(b.member and b.scaler > 0.0 for b in setting.backends)
    seen = listed(view)
    all_closed = len(seen) == len(view.backends) and not any(
        b.member and b.scaler > 0.0 for b in seen.values()
    )
    return open_before and all_closed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What Monitoring shows of the service."""

    traffic: Mapping[RegionName, Seen[tuple[Minute, ...]] | Missing]
    newest: float
    """UTC end of the newest minute of anything, answered or not: so far Monitoring is seen to reach."""


def _shown(view: ServiceView) -> _Shown:
    signals = [view.unassigned, *[b.traffic for b in view.backends]]
    ends = [s.value[-1].end for s in signals if isinstance(s, Seen) and s.value]
    return _Shown(traffic={b.region: b.traffic for b in view.backends}, newest=max(ends, default=0.0))


def _carries(traffic: Seen[tuple[Minute, ...]], since: float, policy: Policy) -> bool:
    """Whether a minute that began at `since` or later has answers worth the name."""
    period = policy.timing.sample_period
    return any(m.end - period >= since and m.total > IDLE * period for m in traffic.value)


def _answers(region: RegionName, shown: _Shown, since: float, policy: Policy) -> bool:
    """Whether a region that is said to be detached since `since` answers more than what was on its way then."""
    traffic = shown.traffic[region]
    late = since + policy.timing.effect + policy.membership.drain_wait
    return isinstance(traffic, Seen) and _carries(traffic, late, policy)


def _idle(region: RegionName, shown: _Shown, memory: ServiceMemory) -> bool:
    """Whether nobody was sent there lately, so that a detachment changes nothing that could be seen."""
    traffic = shown.traffic[region]
    silent = isinstance(traffic, Missing) and traffic.absence in _NO_TRAFFIC
    return silent and memory.backend(region).estimate.served <= IDLE


def _ended(region: RegionName, shown: _Shown, since: float, policy: Policy) -> bool:
    """Whether the traffic of a region that is said to be closed since `since` is seen to have ended.

    Monitoring shows no series of a region without traffic, so the newest minute of the others tells how far it is seen.
    """
    traffic = shown.traffic[region]
    if isinstance(traffic, Missing) and traffic.absence not in _NO_TRAFFIC:
        return False
    after = since + policy.timing.effect
    if shown.newest - policy.timing.sample_period < after:
        return False
    return isinstance(traffic, Missing) or not _carries(traffic, after, policy)

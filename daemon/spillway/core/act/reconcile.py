"""What others did, and what became of writes of ours: the setting that the loop goes on with.

Observed settings that differ from the wanted ones are a write that was carried out after all, or an edit by somebody else. A
person's edit is taken over as the new starting point once it is believed (`core.act.sightings`), and pinned: `Policy.drift`
says for how long it is left alone, or that it is put back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from spillway.core.act.account import account
from spillway.core.act.posture_edits import reconcile_posture
from spillway.core.act.sightings import (
    SAME,
    Crowd,
    Judged,
    differences,
    differs,
    in_write,
    judge,
    listed,
    what,
)
from spillway.core.estimate.belief import posture_set
from spillway.core.explain.alarms import edit_alarm
from spillway.core.explain.reasons import as_alarm, reason
from spillway.core.values.alarms import Alarm
from spillway.core.values.decision import Reason
from spillway.core.values.foreign import Difference, ForeignPin, words
from spillway.core.values.limits import Trust
from spillway.core.values.orders import Orders
from spillway.core.values.overlay import BackendSetting, Posture, ServiceSetting
from spillway.core.values.policy import Drift, DriftAnswer, Policy
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    Missing,
    ObservedBackend,
    ObservedPolicy,
    Seen,
    ServiceView,
)
from spillway.core.values.state import BackendMemory, Flight, ServiceMemory
from spillway.core.values.topology import Service, ServiceName, legal_scaler

LATE = 900.0
"""Seconds for which a write without an answer may still be carried out: the longest that Google was seen to take over one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is known of one reading besides its values."""

    at: float
    """UTC seconds of the snapshot."""
    fleet: Crowd = Crowd()  # noqa: RUF009 - a frozen value
    edit_told: bool = False
    """True if a write of ours was just refused because of an edit by somebody else."""
    orders: Orders = Orders()  # noqa: RUF009 - a frozen value
    """Those in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """The setting that the loop goes on with, and what was found."""

    setting: ServiceSetting
    memory: ServiceMemory
    alarms: tuple[Alarm, ...]
    notes: tuple[tuple[str, Reason], ...]
    """(region, note)."""
    trust: Trust
    news: bool
    """Whether something was found that the reading before did not show, or was taken over."""


def reconcile(
    setting: ServiceSetting, memory: ServiceMemory, view: ServiceView, policy: Policy, reading: Reading
) -> Reconciled:
    """Take over what was observed: writes of ours without an answer at once, edits by others once they are believed."""
    at, before = reading.at, memory
    # 1. what has ended: pins by time or by an operator's word
    memory = _without_ended_pins(accounted(setting, memory, at), setting, reading)
    seen = listed(view)
    # 2. writes whose outcome nobody told
    setting, memory, notes = resolve_unknown(setting, memory, view, policy, at)
    # 3. scalers and membership
    found = differences(setting, memory, seen, policy, at)
    judged = Judged(sighting=None)
    if len(seen) < len(view.backends):
        judged = _unreadable(memory, view, found)
    elif found:
        judged = judge(
            found,
            setting,
            memory,
            view,
            policy,
            at=at,
            fleet=reading.fleet,
            edit_told=reading.edit_told,
        )
    memory = replace(memory, sighting=judged.sighting)
    alarms: list[Alarm] = []
    if judged.panic is not None:
        alarms.append(as_alarm("listing-panic-alarm", judged.panic, service=setting.service))
    setting, memory, told = adopt(judged.believed, setting, memory, policy, at)
    notes.extend((region, note) for region, note, _ in told)
    alarms.extend(edited for _, _, edited in told)
    as_wanted = not found and len(seen) == len(view.backends) and not _writing(setting, memory, policy, at)
    if as_wanted or judged.believed:
        memory = replace(memory, listed_fingerprint=view.fingerprint)
    # 4. the failover policy
    setting, memory, doubt, posture_alarms = reconcile_posture(
        setting, memory, view, policy, at=at, edit_told=reading.edit_told
    )
    alarms.extend(posture_alarms)
    trust = Trust(
        panic=judged.panic,
        doubt=judged.doubt or doubt,
        doubted=frozenset(d.region for d in found),
        unread=_unread(view, policy),
    )
    news = (memory.sighting, memory.posture_sighting) != (before.sighting, before.posture_sighting)
    return Reconciled(
        setting=setting,
        memory=memory,
        alarms=tuple(alarms),
        notes=tuple(notes),
        trust=trust,
        news=news or bool(judged.believed) or bool(posture_alarms),
    )


def accounted(setting: ServiceSetting, memory: ServiceMemory, at: float) -> ServiceMemory:
    """The memory with every backend of the setting accounted for."""
    memories = {m.region: m for m in memory.backends}
    for backend in setting.backends:
        ours = memories.get(backend.region) or BackendMemory(region=backend.region)
        if ours.member is None:
            ours = account(ours, member=backend.member, scaler=backend.scaler, at=at, backoff=None)
            memory = memory.with_backend(ours)
    return memory


def _without_ended_pins(memory: ServiceMemory, setting: ServiceSetting, reading: Reading) -> ServiceMemory:
    """The memory without pins whose time is over, or of which an operator's order speaks."""
    at, orders = reading.at, reading.orders
    for ours in memory.backends:
        pin = ours.pin
        if pin is None:
            continue
        over = pin.until is not None and at >= pin.until
        if over or _ordered(orders, setting.service, ours.region):
            memory = memory.with_backend(replace(ours, pin=None))
    return memory


def _ordered(orders: Orders, service: ServiceName, region: str) -> bool:
    """Whether an operator's order names this very region."""
    return any(o.region == region and o.covers(service, region) for o in orders.items)


def resolve_unknown(
    setting: ServiceSetting, memory: ServiceMemory, view: ServiceView, policy: Policy, at: float
) -> tuple[ServiceSetting, ServiceMemory, list[tuple[str, Reason]]]:
    """What became of writes without an answer: what is listed as they were to leave it was carried out."""
    notes: list[tuple[str, Reason]] = []
    if not memory.unknown and not memory.late:
        return setting, memory, notes
    seen = listed(view)
    late = tuple(f for f in memory.late if at - f.made_at < LATE)
    came_late = tuple(f for f in late if _changes(setting, f) and _matches(f, seen, view.policy, policy))
    carried_out = (*came_late, *[f for f in memory.unknown if _matches(f, seen, view.policy, policy)])
    left = tuple(f for f in memory.unknown if _unseen(f, seen, view.policy))
    not_yet = (f for f in (*late, *memory.unknown) if f not in carried_out and f not in left)
    memory = replace(memory, unknown=left, late=tuple(not_yet), flights=(*memory.flights, *carried_out))
    for flight in carried_out:
        if flight.region is None:
            setting = replace(setting, posture=Posture(flight.move.after))
            memory = replace(memory, posture_at=flight.made_at, posture_wanted=None, posture_pin=None)
            continue
        was, now = setting.backend(flight.region), seen[flight.region]
        taken = replace(was, member=now.member, scaler=legal_scaler(now.scaler) if now.member else 0.0)
        setting = setting.with_backend(taken)
        ours = account(
            memory.backend(flight.region),
            member=taken.member,
            scaler=taken.scaler,
            at=at,
            backoff=flight.backoff,
            leaving=flight.leaving,
        )
        memory = memory.with_backend(ours)
        if differs(was, now):
            notes.append((flight.region, _adopted(was, taken)))
    return setting, memory, notes


def _changes(setting: ServiceSetting, flight: Flight) -> bool:
    """Whether a flight, carried out, would leave something else than is wanted now."""
    if flight.region is None:
        return setting.posture is not Posture(flight.move.after)
    now = setting.backend(flight.region)
    return (now.member, now.scaler) != (flight.member, flight.after if flight.member else 0.0)


def _adopted(was: BackendSetting, taken: BackendSetting) -> Reason:
    return reason(
        "adopted",
        region=taken.region,
        observed=words(member=taken.member, scaler=taken.scaler),
        wanted=words(member=was.member, scaler=was.scaler),
    )


def adopt(
    believed: tuple[Difference, ...],
    setting: ServiceSetting,
    memory: ServiceMemory,
    policy: Policy,
    at: float,
) -> tuple[ServiceSetting, ServiceMemory, list[tuple[str, Reason, Alarm]]]:
    """Take over what somebody else has set, and pin it; (region, note, alarm) of each."""
    told = []
    for found in believed:
        was = setting.backend(found.region)
        taken = replace(was, member=found.member, scaler=found.scaler)
        setting = setting.with_backend(taken)
        ours = memory.backend(found.region)
        pin = pin_of(was, ours.pin, found, policy.drift, at)
        ours = account(ours, member=taken.member, scaler=taken.scaler, at=at, backoff=None)
        memory = memory.with_backend(replace(ours, pin=pin))
        edited = edit_alarm(
            setting.service,
            found.region,
            policy.drift,
            value=words(member=taken.member, scaler=taken.scaler),
            wanted=words(member=was.member, scaler=was.scaler),
        )
        told.append((found.region, _adopted(was, taken), edited))
    return setting, memory, told


def pin_of(
    was: BackendSetting, before: ForeignPin | None, found: Difference, drift: Drift, at: float
) -> ForeignPin | None:
    """The pin of what somebody else has set; None where what was wanted before is put back.

    A detachment ends by a person alone: nothing attaches a region that a person has taken out, unless the policy says so.

    Args:
        was: What was wanted until now.
        before: The pin of an earlier edit that stood until now.
        found: What is listed.
        drift: What the policy says of such edits.
        at: UTC seconds of the adoption.
    """
    member, scaler = was.member, was.scaler
    if before is not None:
        member, scaler = before.wanted_member, before.wanted_scaler
        if (found.member, found.scaler) == (member, scaler):
            return None
    ends = drift.levers is DriftAnswer.RESPECT and found.member
    return ForeignPin(
        since=at,
        until=at + drift.pin_for if ends else None,
        member=found.member,
        scaler=found.scaler,
        wanted_member=member,
        wanted_scaler=scaler,
    )


def _writing(setting: ServiceSetting, memory: ServiceMemory, policy: Policy, at: float) -> bool:
    """Whether some backend is in a write that is so young that its listing may be old."""
    return any(in_write(memory, b.region, policy, at) for b in setting.backends)


def _unreadable(memory: ServiceMemory, view: ServiceView, found: tuple[Difference, ...]) -> Judged:
    """What is made of a listing that says nothing, or what cannot be, of some backend: what was seen before stays seen."""
    garbage = [
        b.observed.detail
        for b in view.backends
        if isinstance(b.observed, Missing) and b.observed.absence is Absence.GARBAGE
    ]
    sighting = memory.sighting
    if garbage:
        return Judged(sighting=sighting, panic=reason("listing-panic", why=garbage[0]))
    seen = found or (sighting.backends if sighting is not None else ())
    return Judged(sighting=sighting, doubt=reason("unconfirmed", what=what(seen)) if seen else None)


def _unread(view: ServiceView, policy: Policy) -> tuple[tuple[str, Reason], ...]:
    """Regions whose membership may not change now, and what could not be read."""
    failed: str | None = None
    if any(isinstance(b.observed, Missing) for b in view.backends):
        failed = "the listing"
    elif isinstance(view.policy, Missing) and view.policy.absence is not Absence.NOT_ASKED:
        failed = "the failover policy"
    if failed is not None:
        return tuple((b.region, reason("unread", what=failed, region=b.region)) for b in view.backends)
    health = {
        b.region: _health_read(b, policy)
        for b in view.backends
        if isinstance(b.observed, Seen) and b.observed.value.member
    }
    if all(health.values()):
        return ()  # the usual case
    blind = not any(health.values())
    return tuple(
        (b.region, reason("unread", what="health", region=b.region))
        for b in view.backends
        if not health.get(b.region, not blind)
    )


def _health_read(view: BackendView, policy: Policy) -> bool:
    """Whether the health of an attached backend was read just now; an empty answer is an answer."""
    health = view.health
    if isinstance(health, Missing):
        return health.absence is Absence.NOT_PROBED
    return health.age <= policy.evidence.health_max_age


def _matches(
    flight: Flight,
    listed: dict[str, ObservedBackend],
    observed: Seen[ObservedPolicy] | Missing,
    policy: Policy,
) -> bool:
    """Whether what is observed is what a write of unknown outcome was to do."""
    if flight.region is None:
        if isinstance(observed, Missing):
            return False
        meant = posture_set(policy, Posture(flight.move.after))
        return (observed.value.failover_threshold, observed.value.auto_drain) == (
            meant.failover_threshold,
            meant.auto_drain,
        )
    seen = listed.get(flight.region)
    if seen is None:
        return False
    if flight.move.after == "detached":
        return not seen.member
    return seen.member and abs(seen.scaler - flight.after) <= SAME


def _unseen(
    flight: Flight, listed: dict[str, ObservedBackend], observed: Seen[ObservedPolicy] | Missing
) -> bool:
    """Whether nothing tells yet what became of a write."""
    return isinstance(observed, Missing) if flight.region is None else flight.region not in listed


def without_departed(memory: ServiceMemory, service: Service) -> ServiceMemory:
    """The memory without moves in flight of regions that the configuration no longer has."""
    names = {b.region for b in service.backends}
    flights = tuple(f for f in memory.flights if f.region is None or f.region in names)
    return memory if flights == memory.flights else replace(memory, flights=flights)

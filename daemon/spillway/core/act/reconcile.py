"""What a changed setting means for the memory of a backend: its state, its dwell, its timers.

Observed settings that differ from the wanted ones: a write that was carried out after all, or an edit by somebody else.

A person's edit is taken over as the new starting point and left alone for one dwell; it is not fought.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from spillway.core.estimate.belief import BackendBelief, posture_set
from spillway.core.explain.reasons import reason
from spillway.core.values.decision import BackendState, Lever, Reason
from spillway.core.values.lifecycle import Event, event_of, next_phase
from spillway.core.values.orders import OrderKind, Orders
from spillway.core.values.overlay import BackendSetting, Posture, ServiceSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Missing, ObservedBackend, ObservedPolicy, Seen, ServiceView
from spillway.core.values.state import BackendMemory, Flight, ServiceMemory
from spillway.core.values.topology import SCALER_STEP, Service, ServiceName, legal_scaler


def first_sight(memory: BackendMemory, *, member: bool, scaler: float, at: float) -> BackendMemory:
    """The memory of a backend that is seen for the first time: its state follows from its setting."""
    now = BackendState.STANDBY
    if member:
        now = (
            BackendState.SERVING
            if scaler >= 1.0
            else BackendState.DRAINED
            if scaler == 0.0
            else BackendState.RECOVERING
        )
    return replace(
        memory,
        state=now,
        since=at,
        member=member,
        scaler=scaler,
        empty_since=None if member and scaler > 0.0 else at,
    )


def happened(memory: BackendMemory, event: Event, at: float) -> BackendMemory:
    """The memory after `event`.

    Raises:
        IllegalEvent: the state table does not allow it.
    """
    now = next_phase(memory.state, event)
    return memory if now is memory.state else replace(memory, state=now, since=at)


def account(
    memory: BackendMemory,
    *,
    member: bool,
    scaler: float,
    at: float,
    hold: float | None,
    leaving: bool = False,
) -> BackendMemory:
    """The memory after the setting of its backend became (member, scaler).

    Args:
        memory: Before.
        member: Membership now.
        scaler: Scaler now.
        at: UTC seconds.
        hold: For a move of our own, its backoff from now on; None for somebody else's edit.
        leaving: True if a scaler of 0 is the first half of a leave.
    """
    if memory.member is None or memory.scaler is None:
        return first_sight(memory, member=member, scaler=scaler, at=at)
    was = memory.scaler
    before = was if memory.member else 0.0
    event = event_of(was_member=memory.member, was=was, member=member, scaler=scaler, leaving=leaving)
    if event is None:
        return memory
    if memory.state is BackendState.HELD and event is not Event.DETACH:
        memory = happened(memory, Event.RELEASE, at)
        if event in {Event.RAISE, Event.RESTORE}:
            event = None
    if event is not None:
        memory = happened(memory, event, at)
    if hold is not None and scaler != before:
        direction = -1 if scaler < before else 1
        memory = replace(
            memory,
            moved_at=at,
            direction=direction,
            moved_by=scaler - before,
            backoff=hold,
            backoff_at=at,
            before_edit=None,
        )
    closed = not member or scaler == 0.0
    return replace(
        memory,
        member=member,
        scaler=scaler,
        empty_since=(memory.empty_since if memory.empty_since is not None else at) if closed else None,
        joined_at=at if event is Event.JOIN else memory.joined_at,
        leaving=leaving or (memory.leaving and closed),
        well_since=None if event is Event.JOIN else memory.well_since,
    )


def settle(memory: BackendMemory, *, held: bool, empty_for: float, at: float) -> BackendMemory:
    """The memory with what time alone brings: a hold that begins or ends, a drain that is done.

    Args:
        memory: Before.
        held: True while an operator or an outside edit keeps hands off.
        empty_for: Seconds of scaler 0 after which nothing is in flight any more.
        at: UTC seconds.
    """
    states = BackendState
    if not held and memory.state is states.SERVING:
        return memory  # the usual case
    if held and memory.state not in {states.HELD, states.STANDBY}:
        return happened(memory, Event.HOLD, at)
    if not held and memory.state is states.HELD:
        memory = happened(memory, Event.RELEASE, at)
        if memory.scaler == 0.0:
            return happened(memory, Event.LEAVE if memory.leaving else Event.DRAIN, at)
        return happened(memory, Event.SHED, at) if (memory.scaler or 1.0) < 1.0 else memory
    empty = memory.empty_since
    if memory.state is states.DRAINING and empty is not None and at - empty >= empty_for:
        return happened(memory, Event.EMPTIED, at)
    return memory


SAME = SCALER_STEP / 2
"""Scalers nearer than this are equal."""


EDITED = "outside-edit-alarm"
"""Code of the alarm about an edit by somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The setting that the loop goes on with, and what was found."""

    setting: ServiceSetting
    memory: ServiceMemory
    alarms: tuple[Reason, ...]
    notes: tuple[tuple[str, Reason], ...]
    """(region, note)."""


def reconcile(
    setting: ServiceSetting, memory: ServiceMemory, view: ServiceView, policy: Policy, at: float
) -> Drift:
    """Take over what was observed, write by write."""
    alarms: list[Reason] = []
    notes: list[tuple[str, Reason]] = []
    listed = {b.region: b.observed.value for b in view.backends if isinstance(b.observed, Seen)}
    carried_out: tuple[Flight, ...] = ()
    if memory.unknown:
        carried_out = tuple(f for f in memory.unknown if _matches(f, listed, view.policy, policy))
        left = tuple(f for f in memory.unknown if _unseen(f, listed, view.policy))
        memory = replace(memory, unknown=left, flights=(*memory.flights, *carried_out))
    for flight in carried_out:
        if flight.lever is Lever.POSTURE:
            setting = replace(setting, posture=Posture(flight.move.after))
            memory = replace(memory, posture_at=flight.made_at, posture_wanted=None)
    done = {f.region: f for f in carried_out}
    memories = {m.region: m for m in memory.backends}
    for backend in setting.backends:
        seen = listed.get(backend.region)
        ours = memories.get(backend.region) or BackendMemory(region=backend.region)
        if ours.member is None:
            ours = account(ours, member=backend.member, scaler=backend.scaler, at=at, hold=None)
            memory = memory.with_backend(ours)
            known = False
        else:
            known = True
        if seen is None or not _differs(backend, seen) or _in_write(memory, backend.region, policy, at):
            continue
        taken = _taken(backend, seen)
        setting = setting.with_backend(taken)
        by_us = done.get(backend.region)
        ours = account(
            ours,
            member=taken.member,
            scaler=taken.scaler,
            at=at,
            hold=by_us.backoff if by_us else None,
            leaving=by_us.leaving if by_us else False,
        )
        note = reason("adopted", region=backend.region, observed=_words(taken), wanted=_words(backend))
        notes.append((backend.region, note))
        if known and by_us is None:
            was = backend.scaler if backend.member and taken.member else None
            ours = replace(ours, edit_grace_until=at + policy.rhythm.dwell, before_edit=was)
            alarms.append(
                reason(
                    EDITED,
                    region=backend.region,
                    observed=_words(taken),
                    wanted=_words(backend),
                )
            )
        memory = memory.with_backend(ours)
    return Drift(setting=setting, memory=memory, alarms=tuple(alarms), notes=tuple(notes))


def _differs(wanted: BackendSetting, seen: ObservedBackend) -> bool:
    if wanted.member != seen.member:
        return True
    return seen.member and abs(wanted.scaler - seen.scaler) > SAME


def _taken(wanted: BackendSetting, seen: ObservedBackend) -> BackendSetting:
    return replace(wanted, member=seen.member, scaler=legal_scaler(seen.scaler) if seen.member else 0.0)


def _words(setting: BackendSetting) -> str:
    return f"{setting.scaler:.2f}" if setting.member else "detached"


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


def _in_write(memory: ServiceMemory, region: str, policy: Policy, at: float) -> bool:
    """Whether a write of ours is so young that the listing may still show the old value."""
    return any(f.region == region and at - f.made_at < policy.timing.write_time for f in memory.flights)


def without_departed(memory: ServiceMemory, service: Service) -> ServiceMemory:
    """The memory without moves in flight of regions that the configuration no longer has."""
    names = {b.region for b in service.backends}
    flights = tuple(f for f in memory.flights if f.region is None or f.region in names)
    return memory if flights == memory.flights else replace(memory, flights=flights)


def with_lifecycle(
    facts: tuple[BackendBelief, ...], service: ServiceName, orders: Orders, policy: Policy, at: float
) -> tuple[BackendBelief, ...]:
    """The belief with what time and orders alone bring to the state of each backend."""
    found = []
    for f in facts:
        ordered = bool(orders.items) and (
            orders.find(service, f.region, OrderKind.HOLD, OrderKind.PIN, OrderKind.DRAIN) is not None
        )
        held = at < f.memory.edit_grace_until or ordered
        after = settle(f.memory, held=held, empty_for=policy.membership.drain_wait, at=at)
        found.append(f if after is f.memory else f._replace(memory=after))
    return tuple(found)

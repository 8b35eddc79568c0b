"""Observed settings that differ from the wanted ones: a write that was carried out after all, or somebody else's hand.

A person's edit is taken over as the new starting point and left alone for one dwell; it is not fought.
"""

from __future__ import annotations

from dataclasses import dataclass

from spillway.core.altered import altered
from spillway.core.bookkeeping import account
from spillway.core.memory import BackendMemory, Flight, ServiceMemory
from spillway.core.overlay import BackendSetting, Posture, ServiceSetting
from spillway.core.picture import posture_set
from spillway.core.policy import Policy
from spillway.core.reasons import reason
from spillway.core.result import Lever, Reason
from spillway.core.snapshot import Missing, ObservedBackend, ObservedPolicy, Seen, ServiceView
from spillway.core.units import SCALER_STEP, legal_scaler

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


def resolve(
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
        memory = altered(memory, unknown=left, flights=(*memory.flights, *carried_out))
    for flight in carried_out:
        if flight.lever is Lever.POSTURE:
            setting = altered(setting, posture=Posture(flight.move.after))
            memory = altered(memory, posture_at=flight.made_at, posture_wanted=None)
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
            hold=by_us.hold if by_us else None,
            leaving=by_us.leaving if by_us else False,
        )
        note = reason("adopted", region=backend.region, observed=_words(taken), wanted=_words(backend))
        notes.append((backend.region, note))
        if known and by_us is None:
            was = backend.scaler if backend.member and taken.member else None
            ours = altered(ours, held_until=at + policy.rhythm.dwell, before_edit=was)
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
    return altered(wanted, member=seen.member, scaler=legal_scaler(seen.scaler) if seen.member else 0.0)


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

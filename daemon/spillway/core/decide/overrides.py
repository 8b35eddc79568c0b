"""Changes that need no search: dead regions, edits that the policy reverts, moves that disappointed, and the failover posture.

Which limits each may pass is in `values.limits.PASSES`; the joint constraints hold for all of them.

The posture follows the headroom: plenty of it spills early, scarce headroom avoids cascades.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from spillway.core.decide.proposals import Accepted, Context, Proposal, each
from spillway.core.estimate.belief import (
    BackendBelief,
    auto_drained,
    ceiling_factor,
    failover_settings,
    posture_set,
)
from spillway.core.estimate.sample import Window
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import capped
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import GRADED, Change, Lever, Purpose, Reason
from spillway.core.values.foreign import ForeignPin
from spillway.core.values.lifecycle import current_backoff
from spillway.core.values.overlay import Posture
from spillway.core.values.policy import DriftAnswer
from spillway.core.values.state import Flight, ServiceMemory
from spillway.core.values.topology import SCALER_STEP

DEAD_READS = 2
"""Health reads in a row that must agree before a region counts as dead."""

DEAD_LOAD = 0.005
"""Share of the forecast that a dead region must still be getting for a drain to be worth a write."""

LEAST_BACK = 0.01
"""Smallest way back that is a move at all (reference: no-op suppression)."""


def dead_drains(context: Context, _: Accepted) -> Iterable[Proposal]:
    """Drains of dead regions that would still get traffic: Google's auto-drain is off, or holds its half already."""
    model = context.model
    if not any(f.dead for f in model.beliefs):
        return ()
    settings = failover_settings(model.service, model.policy, model.posture)
    drained = auto_drained(model.beliefs, settings)
    alive = any(f.serving and not f.dead for f in model.beliefs)
    found = []
    for belief, load in zip(model.beliefs, model.traffic.base.flow.loads, strict=True):
        # 1. it must be dead by several reads, and somebody else must be alive
        if not (belief.dead and belief.serving and alive) or belief.health is None:
            continue
        if belief.memory.dead_seen < DEAD_READS or belief.region in drained:
            continue
        # 2. it must still get traffic that Google does not take away by itself
        open_still = ceiling_factor(belief, settings, drained=False) > 0.0
        if (load > DEAD_LOAD * model.traffic.forecast and open_still) or not settings.auto_drain:
            health = belief.health
            why = reason("drain-dead", region=belief.region, healthy=health.healthy, total=health.total)
            found.append(scaler_change(model, belief.region, 0.0, Purpose.DRAIN_DEAD, why))
    return each(found)


def edit_reverts(context: Context, _: Accepted) -> Iterable[Proposal]:
    """The way back of what somebody else has set, where the policy says so (`drift.levers: revert`).

    The edit was taken over in an earlier pass, on two readings: nothing is written on what the same pass took over. A region
    that was attached by somebody else leaves as any other does, its scaler first.
    """
    model = context.model
    if model.policy.drift.levers is not DriftAnswer.REVERT:
        return ()
    found = [
        _put_back(model, f, pin)
        for f in model.beliefs
        if (pin := f.memory.pin) is not None and not (f.dead and pin.wanted_scaler > 0.0)
    ]
    posture = model.memory.posture_pin
    if posture is not None and posture.wanted is not model.posture:
        why = reason("revert-posture", found=model.posture, wanted=posture.wanted)
        found.append(posture_change(model, posture.wanted, Purpose.REVERT_EDIT, why))
    return each(found)


def _put_back(model: ServiceModel, belief: BackendBelief, pin: ForeignPin) -> Change:
    """The way back of one backend to what was wanted before the edit."""
    setting = belief.setting
    member_moves = setting.member != pin.wanted_member
    why = reason("revert-edit", region=belief.region, found=pin.shown, wanted=pin.wanted)
    return Change(
        service=model.service.name,
        region=belief.region,
        lever=Lever.MEMBERSHIP if member_moves else Lever.SCALER,
        purpose=Purpose.REVERT_EDIT,
        before=setting.scaler if setting.member else 0.0,
        after=pin.wanted_scaler if pin.wanted_member else 0.0,
        reason=why,
        member=True,
        was_member=setting.member,
        leaving=not pin.wanted_member,
    )


def undos(context: Context, _: Accepted) -> Iterable[Proposal]:
    """The way back of each raise that disappointed, where the model, wiser by now, agrees that it is better."""
    found = [_undo(context.model, j.flight, j.observed) for j in context.verdicts.judgements if not j.better]
    return each([change for change in found if change is not None])


def _undo(model: ServiceModel, flight: Flight, observed: float) -> Change | None:
    """The way back of one move; an undo is not undone.

    What has turned out smaller since is opened only to what it can take, unless all of it does less harm. A cut is not put
    back: what its receivers cannot take is known by now, and the search weighs it with all the rest.
    """
    raised = flight.after > flight.before
    if not raised or flight.undoes or flight.lever not in GRADED or flight.region is None:
        return None
    traffic = model.traffic
    i = traffic.index(flight.region)
    region = traffic.regions[i]
    if region.scaler != flight.after or not region.movable:
        return None
    values = (flight.before, min(flight.after, max(flight.before, capped(region))))
    bad, back = min((traffic.predict_with(i, value).bad, value) for value in values)
    if abs(back - flight.after) < SCALER_STEP or bad >= traffic.base.bad * (1.0 - model.policy.rhythm.margin):
        return None
    why = reason(
        "undo",
        region=flight.region,
        ago=model.at - flight.made_at,
        predicted=flight.predicted,
        observed=observed,
    )
    return scaler_change(model, flight.region, back, Purpose.UNDO, why)


def scaler_change(model: ServiceModel, region: str, after: float, purpose: Purpose, why: Reason) -> Change:
    """The change of one scaler from where it stands."""
    before = model.traffic.regions[model.traffic.index(region)].scaler
    return Change(
        service=model.service.name,
        region=region,
        lever=Lever.SCALER,
        purpose=purpose,
        before=before,
        after=after,
        reason=why,
    )


def posture_change(model: ServiceModel, posture: Posture, purpose: Purpose, why: Reason) -> Change:
    """The change of the failover posture from the one that stands."""
    return Change(
        service=model.service.name,
        region=None,
        lever=Lever.POSTURE,
        purpose=purpose,
        before=0.0,
        after=0.0,
        reason=why,
        posture=posture,
        was_posture=model.posture,
    )


RETURN_BAND = 0.1
"""Headroom beyond a threshold that is needed to go back to the easier posture."""

STEADY_SECONDS = 240.0
"""Seconds for which another posture must be called for before it is wanted: one sample is noise."""

FLAPPING = 2.0
"""Backoff of a backend from which the posture is at least guarded."""

HARM = 0.002
"""Share of the demand that a change of posture may be expected to make bad."""

_ORDER = (Posture.NORMAL, Posture.GUARDED, Posture.SCARCE)


def called_for(model: ServiceModel) -> tuple[Posture, float] | None:
    """(posture, headroom) for the present headroom, or None where too little is known or there is no posture to set."""
    if not model.service.has_policy:
        return None
    traffic, policy = model.traffic, model.policy.postures
    known = [f for f in model.beliefs if isinstance(f.window, Window)]
    serving = [f for f in model.beliefs if f.serving and not f.dead]
    if traffic.forecast <= 0.0 or len(known) * 2 < len(serving):
        return None
    headroom = traffic.potential / traffic.forecast - 1.0
    rank = 2 if headroom < policy.scarce_below else 1 if headroom < policy.guarded_below else 0
    now = _ORDER.index(model.posture)
    if rank < now:
        eased = 2 if headroom < policy.scarce_below + RETURN_BAND else 1
        eased = eased if headroom < policy.guarded_below + RETURN_BAND else 0
        rank = min(now, eased)
    if rank == 0 and any(
        current_backoff(f.memory, model.policy.rhythm, model.at) > FLAPPING
        for f in model.beliefs
        if f.memory.backoff > FLAPPING
    ):
        rank = 1
    return _ORDER[rank], headroom


def _harms(model: ServiceModel, posture: Posture) -> bool:
    """Whether more requests would go bad: a lower threshold sends load back to a region that has lost endpoints."""
    old, new = posture_set(model.policy, model.posture), posture_set(model.policy, posture)
    traffic, drained = model.traffic, auto_drained(model.beliefs, new)
    regions = []
    for region, belief in zip(traffic.regions, model.beliefs, strict=True):
        was = ceiling_factor(belief, old, drained=False)
        factor = ceiling_factor(belief, new, drained=belief.region in drained)
        regions.append(
            region._replace(ceiling=region.ceiling * factor / was) if factor != was > 0.0 else region
        )
    after = replace(traffic, regions=tuple(regions)).base
    return after.bad > traffic.base.bad + HARM * traffic.forecast


def with_posture_timer(model: ServiceModel, *, suspected: bool) -> ServiceMemory:
    """The memory with the posture that is called for, and since when.

    A suspected measurement calls for none, and neither does a service that can have no failover policy.
    """
    memory = model.memory
    if suspected or not model.service.has_policy:
        return memory if memory.posture_wanted is None else replace(memory, posture_wanted=None)
    found = called_for(model)
    if found is None:
        return memory
    posture, _ = found
    if posture is model.posture:
        return memory if memory.posture_wanted is None else replace(memory, posture_wanted=None)
    if memory.posture_wanted is posture:
        return memory
    return replace(memory, posture_wanted=posture, posture_since=model.at)


def postures(context: Context, _: Accepted) -> Iterable[Proposal]:
    """Another posture, once it has been called for long enough and by prediction harms nobody."""
    model = context.model
    memory, at = model.memory, model.at
    if memory.posture_wanted is None:
        return ()
    found = called_for(model)
    if found is None or found[0] is model.posture:
        return ()
    posture, headroom = found
    if at - memory.posture_since < STEADY_SECONDS:
        return ()
    if memory.posture_at and at - memory.posture_at < model.policy.postures.dwell:
        return ()
    if _harms(model, posture):
        return ()
    why = reason("posture", headroom=headroom)
    return each([posture_change(model, posture, Purpose.POSTURE, why)])

"""Proposals that pass limits: operators' orders, dead regions, edits that the policy reverts, and moves that disappointed.

Which limits each may pass is in `values.limits.PASSES`; the joint constraints hold for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from spillway.core.decide.proposals import Accepted, Context, Proposal, each
from spillway.core.estimate.backend import BackendBelief
from spillway.core.estimate.failover import auto_drained, ceiling_factor, posture_set
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import capped
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Change, Lever, Purpose, Reason
from spillway.core.values.foreign import ForeignPin
from spillway.core.values.orders import OrderKind
from spillway.core.values.policy import DriftAnswer
from spillway.core.values.state import Flight

DEAD_READS = 2
"""Health reads in a row that must agree before a region counts as dead."""

DEAD_LOAD = 0.005
"""Share of the forecast that a dead region must still be getting for a drain to be worth a write."""

LEAST_BACK = 0.01
"""Smallest way back that is a move at all (reference: no-op suppression)."""


def operator_orders(context: Context, _: Accepted) -> Iterable[Proposal]:
    """One change for each pinned or drained region that does not stand where its operator wants it."""
    if not context.orders.items:
        return ()
    model, found = context.model, []
    for facts in model.facts:
        order = context.orders.find(model.service.name, facts.region, OrderKind.PIN, OrderKind.DRAIN)
        if order is None or not facts.setting.member:
            continue
        pin = order.kind is OrderKind.PIN and order.scaler is not None
        after = order.scaler if pin and order.scaler is not None else 0.0
        if after == facts.setting.scaler:
            continue
        if pin:
            why = reason("operator-pin", region=facts.region, scaler=after, why=order.reason)
        else:
            why = reason("operator-drain", region=facts.region, why=order.reason)
        found.append(scaler_change(model, facts.region, after, Purpose.OPERATOR, why))
    return each(found)


def dead_drains(context: Context, _: Accepted) -> Iterable[Proposal]:
    """Drains of dead regions that would still get traffic: Google's auto-drain is off, or holds its half already."""
    model = context.model
    if not any(f.dead for f in model.facts):
        return ()
    settings = posture_set(model.policy, model.posture)
    drained = auto_drained(model.facts, settings)
    alive = any(f.serving and not f.dead for f in model.facts)
    found = []
    for facts, load in zip(model.facts, model.traffic.base.flow.loads, strict=True):
        # 1. it must be dead by several reads, and somebody else must be alive
        if not (facts.dead and facts.serving and alive) or facts.health is None:
            continue
        if facts.memory.dead_seen < DEAD_READS or facts.region in drained:
            continue
        # 2. it must still get traffic that Google does not take away by itself
        open_still = ceiling_factor(facts, settings, drained=False) > 0.0
        if (load > DEAD_LOAD * model.traffic.forecast and open_still) or not settings.auto_drain:
            health = facts.health
            why = reason("drain-dead", region=facts.region, healthy=health.healthy, total=health.total)
            found.append(scaler_change(model, facts.region, 0.0, Purpose.DRAIN_DEAD, why))
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
        for f in model.facts
        if (pin := f.memory.pin) is not None and not (f.dead and pin.wanted_scaler > 0.0)
    ]
    posture = model.memory.posture_pin
    if posture is not None and posture.wanted is not model.posture:
        why = reason("revert-posture", found=model.posture, wanted=posture.wanted)
        found.append(
            Change(
                service=model.service.name,
                region=None,
                lever=Lever.POSTURE,
                purpose=Purpose.REVERT_EDIT,
                before=0.0,
                after=0.0,
                reason=why,
                posture=posture.wanted,
                was_posture=model.posture,
            )
        )
    return each(found)


def _put_back(model: ServiceModel, facts: BackendBelief, pin: ForeignPin) -> Change:
    """The way back of one backend to what was wanted before the edit."""
    setting = facts.setting
    member_moves = setting.member != pin.wanted_member
    why = reason("revert-edit", region=facts.region, found=pin.shown, wanted=pin.wanted)
    return Change(
        service=model.service.name,
        region=facts.region,
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
    if not raised or flight.undoes or flight.lever is not Lever.SCALER or flight.region is None:
        return None
    traffic = model.traffic
    i = traffic.index(flight.region)
    region = traffic.regions[i]
    if region.scaler != flight.after or not region.movable:
        return None
    values = (flight.before, min(flight.after, max(flight.before, capped(region))))
    bad, back = min((traffic.outcome_with(i, value).bad, value) for value in values)
    if abs(back - flight.after) < LEAST_BACK or bad >= traffic.base.bad * (1.0 - model.policy.rhythm.margin):
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

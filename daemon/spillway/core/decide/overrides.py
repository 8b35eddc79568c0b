"""Proposals that pass limits: operators' orders, dead regions, edits that hurt, and moves that disappointed.

Which limits each may pass is in `values.limits.PASSES`; the joint constraints hold for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from spillway.core.decide.proposals import Accepted, Context, Proposal, each
from spillway.core.estimate.failover import auto_drained, ceiling_factor, posture_set
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import capped
from spillway.core.model.service import Picture
from spillway.core.values.decision import Change, Lever, Purpose, Reason
from spillway.core.values.orders import HoldKind
from spillway.core.values.state import Flight

DEAD_READS = 2
"""Health reads in a row that must agree before a region counts as dead."""

DEAD_LOAD = 0.005
"""Share of the forecast that a dead region must still be getting for a drain to be worth a write."""

HURTS = 0.02
"""Share of the demand that an edit must be expected to make bad, beyond what was, to be put back. Below it a person's
will is left alone for a dwell."""

LEAST_BACK = 0.01
"""Smallest way back that is a move at all (reference: no-op suppression)."""


def operator_orders(context: Context, _: Accepted) -> Iterable[Proposal]:
    """One change for each pinned or drained region that does not stand where its operator wants it."""
    if not context.orders.items:
        return ()
    picture, found = context.model, []
    for facts in picture.facts:
        order = context.orders.find(picture.service.name, facts.region, HoldKind.PIN, HoldKind.DRAIN)
        if order is None or not facts.setting.member:
            continue
        pin = order.kind is HoldKind.PIN and order.scaler is not None
        after = order.scaler if pin and order.scaler is not None else 0.0
        if after == facts.setting.scaler:
            continue
        if pin:
            why = reason("operator-pin", region=facts.region, scaler=after, why=order.reason)
        else:
            why = reason("operator-drain", region=facts.region, why=order.reason)
        found.append(scaler_change(picture, facts.region, after, Purpose.OPERATOR, why))
    return each(found)


def dead_drains(context: Context, _: Accepted) -> Iterable[Proposal]:
    """Drains of dead regions that would still get traffic: Google's auto-drain is off, or holds its half already."""
    picture = context.model
    if not any(f.dead for f in picture.facts):
        return ()
    settings = posture_set(picture.policy, picture.posture)
    drained = auto_drained(picture.facts, settings)
    alive = any(f.serving and not f.dead for f in picture.facts)
    found = []
    for facts, load in zip(picture.facts, picture.model.base.flow.loads, strict=True):
        # 1. it must be dead by several reads, and somebody else must be alive
        if not (facts.dead and facts.serving and alive) or facts.health is None:
            continue
        if facts.memory.dead_seen < DEAD_READS or facts.region in drained:
            continue
        # 2. it must still get traffic that Google does not take away by itself
        open_still = ceiling_factor(facts, settings, drained=False) > 0.0
        if (load > DEAD_LOAD * picture.model.forecast and open_still) or not settings.auto_drain:
            health = facts.health
            why = reason("drain-dead", region=facts.region, healthy=health.healthy, total=health.total)
            found.append(scaler_change(picture, facts.region, 0.0, Purpose.DRAIN_DEAD, why))
    return each(found)


def edit_reverts(context: Context, _: Accepted) -> Iterable[Proposal]:
    """The way back to the scaler before an outside edit that by prediction makes many more requests bad."""
    picture, model = context.model, context.model.model
    if model.forecast <= 0.0:
        return ()
    found = []
    for i, (facts, region) in enumerate(zip(picture.facts, model.regions, strict=True)):
        before = facts.memory.before_edit
        if before is None or before <= region.scaler or picture.at >= facts.memory.edit_grace_until:
            continue
        if facts.dead or not region.movable:
            continue
        bad, then = model.base.bad, model.outcome_with(i, before).bad
        if bad - then < HURTS * model.forecast:
            continue
        shares = {"bad_before": bad / model.forecast, "bad_after": then / model.forecast}
        why = reason("revert-edit", region=region.name, **shares)
        found.append(scaler_change(picture, region.name, before, Purpose.REVERT_EDIT, why))
    return each(found)


def undos(context: Context, _: Accepted) -> Iterable[Proposal]:
    """The way back of each raise that disappointed, where the model, wiser by now, agrees that it is better."""
    found = [_undo(context.model, j.flight, j.observed) for j in context.verdicts.judgements if not j.better]
    return each([change for change in found if change is not None])


def _undo(picture: Picture, flight: Flight, observed: float) -> Change | None:
    """The way back of one move; an undo is not undone.

    What has turned out smaller since is opened only to what it can take, unless all of it does less harm. A cut is not put
    back: what its receivers cannot take is known by now, and the search weighs it with all the rest.
    """
    raised = flight.after > flight.before
    if not raised or flight.undoes or flight.lever is not Lever.SCALER or flight.region is None:
        return None
    model = picture.model
    i = model.index(flight.region)
    region = model.regions[i]
    if region.scaler != flight.after or not region.movable:
        return None
    values = (flight.before, min(flight.after, max(flight.before, capped(region))))
    bad, back = min((model.outcome_with(i, value).bad, value) for value in values)
    if abs(back - flight.after) < LEAST_BACK or bad >= model.base.bad * (1.0 - picture.policy.rhythm.margin):
        return None
    why = reason(
        "undo",
        region=flight.region,
        ago=picture.at - flight.made_at,
        predicted=flight.predicted,
        observed=observed,
    )
    return scaler_change(picture, flight.region, back, Purpose.UNDO, why)


def scaler_change(picture: Picture, region: str, after: float, purpose: Purpose, why: Reason) -> Change:
    """The change of one scaler from where it stands."""
    before = picture.model.regions[picture.model.index(region)].scaler
    return Change(
        service=picture.service.name,
        region=region,
        lever=Lever.SCALER,
        purpose=purpose,
        before=before,
        after=after,
        reason=why,
    )

"""Proposals that pass limits: dead regions, edits that hurt, and moves that disappointed.

Which limits each may pass is in `values.limits.PASSES`; the joint constraints hold for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from spillway.core.decide.proposals import Accepted, Context, Proposal, each
from spillway.core.estimate.failover import auto_drained, ceiling_factor, posture_set
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import capped
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Change, Lever, Purpose, Reason
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
    """The way back to the scaler before an outside edit that by prediction makes many more requests bad."""
    model, traffic = context.model, context.model.traffic
    if traffic.forecast <= 0.0:
        return ()
    found = []
    for i, (facts, region) in enumerate(zip(model.facts, traffic.regions, strict=True)):
        before = facts.memory.before_edit
        if before is None or before <= region.scaler or model.at >= facts.memory.edit_grace_until:
            continue
        if facts.dead or not region.movable:
            continue
        bad, then = traffic.base.bad, traffic.outcome_with(i, before).bad
        if bad - then < HURTS * traffic.forecast:
            continue
        shares = {"bad_before": bad / traffic.forecast, "bad_after": then / traffic.forecast}
        why = reason("revert-edit", region=region.name, **shares)
        found.append(scaler_change(model, region.name, before, Purpose.REVERT_EDIT, why))
    return each(found)


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

"""Room for a region that fails, has no scaler, and may not leave: a standby joins first.

A region with a scaler can give up a part of its load, and the search finds how much. One without is attached or detached, so a floor
keeps it whole: the last region never leaves, and `floors.min_serving_regions` stay. Where a standby would keep that floor, it joins.
The search detaches the region that fails once the standby can be sent load.
"""

from __future__ import annotations

from collections.abc import Iterable

from spillway.core.decide.membership import called
from spillway.core.decide.proposals import Accepted, Context, Proposal, each
from spillway.core.decide.vacate import Prospect, prospect, told
from spillway.core.estimate.belief import BackendBelief
from spillway.core.explain.reasons import reason
from spillway.core.model.predict import Region
from spillway.core.values.decision import Change, Purpose
from spillway.core.values.limits import LimitKind


def relief_joins(context: Context, accepted: Accepted) -> Iterable[Proposal]:
    """The joins of standby regions for the worst region that should leave and may not."""
    model = context.model
    if not any(f.waiting and not f.backend.graded for f in model.beliefs):
        return ()  # the usual case
    ill = [
        (region.bad, region.name, belief)
        for region, belief in zip(accepted.traffic.regions, model.beliefs, strict=True)
        if region.name not in accepted.regions and _should_leave(context, region, belief)
    ]
    for bad, name, belief in sorted(ill, key=lambda found: (-found[0], found[1])):
        outlook = prospect(context.limits, accepted.scalers, name, 0.0)
        if not outlook.way.reached:
            return each(_joins(context, outlook, belief, bad))
    return ()


def _should_leave(context: Context, region: Region, belief: BackendBelief) -> bool:
    """Whether it is bad at any load by plenty of fresh answers, and no limit but being the only one keeps it."""
    if region.graded or not belief.serving or not region.fresh:
        return False
    if region.bad < context.model.policy.triggers.drain_error_ratio:
        return False
    bound = context.limits.of(region.name).active(0.0, Purpose.RELIEVE)
    return bound is None or bound.kind is LimitKind.ALONE


def _joins(context: Context, outlook: Prospect, belief: BackendBelief, bad: float) -> list[Change]:
    """The joins without which it cannot leave; none where they are on their way, or would not be enough."""
    if outlook.help is None or not outlook.help.enough or outlook.way.lacking is None:
        return []
    model, guard = context.model, told(outlook.way.lacking).sentence
    return [
        called(
            model,
            model.beliefs[i],
            reason("join-for-ill", region=model.beliefs[i].region, other=belief.region, bad=bad, guard=guard),
            after=scaler,
        )
        for i, scaler in outlook.help.joins
    ]

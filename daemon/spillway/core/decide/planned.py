"""Planned work: its region is emptied before it begins, and room is made for that well before.

Times before `start` of a window, with the dead time D:

- from D + `drain_wait` on the region is drained, as far as the floors allow, and nothing opens it until `end`;
- from `LEAD_DEAD_TIMES` dead times earlier on, standby regions join where the others have too little room;
- in all that time it is told if the region will not be empty, and from the last dead time on if it is not.

A drain that is whole is the first half of a leave: its region is detached when it is empty, and `memberships` brings it back.
"""

from __future__ import annotations

from collections.abc import Iterable

from spillway.core.decide.limits import drain_lead
from spillway.core.decide.overrides import scaler_change
from spillway.core.decide.proposals import Accepted, Context, Proposal
from spillway.core.decide.vacate import make_way, prospect, standby_joins, told
from spillway.core.estimate.belief import BackendBelief
from spillway.core.explain.reasons import alarm, reason
from spillway.core.model.service import ServiceModel
from spillway.core.values.alarms import Alarm
from spillway.core.values.decision import Change, Lever, Purpose, span
from spillway.core.values.policy import CalendarWindow

LEAD_DEAD_TIMES = 3.0
"""Dead times before the drain at which room is made: one for the joining, and people have two to act if there is none."""


def planned_drains(context: Context, accepted: Accepted) -> Iterable[Proposal]:
    """The drain of each region in which work is about to begin, and the joins that make room for it."""
    model, found = context.model, []
    for belief, window, due in _coming(model):
        outlook = prospect(context.limits, accepted.scalers, belief.region, 0.0)
        if due:
            part = reason("drain-planned-part", region=belief.region, why=window.reason)
            found += make_way(
                context.limits,
                outlook,
                _drain(model, belief, window),
                scaler_change(model, belief.region, belief.setting.scaler, Purpose.CALENDAR, part),
            )
        elif outlook.help is not None:
            joins = standby_joins(model, outlook.help, belief.region)
            found += [Proposal(changes=(join,)) for join in joins]
    return found


def planned_alarms(context: Context, accepted: Accepted) -> list[Alarm]:
    """What is told of planned work whose region will not be empty when it begins."""
    model, found = context.model, []
    for belief, window, _ in _coming(model):
        if any(c.region == belief.region and c.after == 0.0 for c in accepted.changes):
            continue
        ahead = window.start - model.at
        outlook = prospect(context.limits, accepted.scalers, belief.region, 0.0)
        bound = context.limits.of(belief.region).active(0.0, Purpose.CALENDAR)
        if outlook.possible and ahead >= model.dead_time:
            continue
        if outlook.way.lacking is not None:
            why = told(outlook.way.lacking).sentence
        else:
            why = bound.reason.sentence if bound is not None else "it is still being emptied"
        when = f"begins in {span(ahead)}" if ahead > 0.0 else f"began {span(-ahead)} ago"
        scaler = belief.setting.scaler
        found.append(
            alarm(
                "planned-late",
                service=model.service.name,
                region=belief.region,
                why=window.reason,
                when=when,
                scaler=scaler,
                guard=why,
            )
        )
    return found


def _coming(model: ServiceModel) -> list[tuple[BackendBelief, CalendarWindow, bool]]:
    """(region, window, whether the drain is due) of each open region in which work is about to begin, or has begun."""
    if not model.policy.planned:
        return []
    lead, found = drain_lead(model), []
    for belief in model.beliefs:
        if not belief.serving:
            continue
        window = model.policy.planned_in(belief.region, model.at, lead + LEAD_DEAD_TIMES * model.dead_time)
        if window is not None:
            found.append((belief, window, model.at >= window.start - lead))
    return found


def _drain(model: ServiceModel, belief: BackendBelief, window: CalendarWindow) -> Change:
    """The whole drain: the first half of a leave."""
    lead = max(0.0, window.start - model.at)
    return Change(
        service=model.service.name,
        region=belief.region,
        lever=Lever.MEMBERSHIP,
        purpose=Purpose.CALENDAR,
        before=belief.setting.scaler,
        after=0.0,
        reason=reason("drain-planned", region=belief.region, why=window.reason, lead=lead),
        leaving=True,
    )

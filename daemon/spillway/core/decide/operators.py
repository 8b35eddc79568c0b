"""Operators' orders: what is proposed for them, what is told of them, and whether a new one may be accepted.

People outrank the loop. A pin or a drain passes every limit that is about evidence and rhythm, and nothing of the loop moves a
region that an order covers, up or down. What an order may break is settled when it comes: `check_order` refuses what breaks a
floor with the name of that guard, and `force` passes the floors. Nobody passes legal scalers, a hold, the last open region, or a
backend that has no scaler.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from spillway.core.decide.overrides import scaler_change
from spillway.core.decide.proposals import Accepted, Context, Proposal
from spillway.core.decide.vacate import Prospect, make_way, outcome_of, prospect, told
from spillway.core.estimate.belief import BackendBelief
from spillway.core.estimate.sample import Window
from spillway.core.explain.reasons import alarm, reason
from spillway.core.model.predict import TROUBLE_SHARE, bounded
from spillway.core.model.service import ServiceModel
from spillway.core.values.alarms import Alarm
from spillway.core.values.decision import Change, Purpose, Reason
from spillway.core.values.limits import LimitKind
from spillway.core.values.orders import Order, OrderKind
from spillway.core.values.policy import Mode

LASTING = frozenset(
    {
        LimitKind.OPERATOR_HOLD,
        LimitKind.NOT_MOVABLE,
        LimitKind.NO_SCALER,
        LimitKind.LEAST_SHARE,
        LimitKind.ALONE,
    }
)
"""Limits that refuse an order when it comes, also by force. All others end by themselves, and the order waits."""


MOST_TOLD = 6
"""Receivers that are named at most in the answer to an order; the rest are counted."""

LEAST_TOLD = 0.1
"""Requests/s that a receiver gets more, from which it is named."""

VALUES = frozenset({LimitKind.NO_SCALER, LimitKind.LEAST_SHARE})
"""Those of them that only keep some values from a lever."""

LEVERLESS = frozenset({LimitKind.NOT_MOVABLE, LimitKind.ALONE})
"""Those of them that say that a service has no lever there."""


def operator_orders(context: Context, accepted: Accepted) -> Iterable[Proposal]:
    """What each pin or drain needs whose region does not stand where its operator wants it; raises first."""
    if not context.orders.items:
        return ()
    raises: list[Proposal] = []
    cuts: list[Proposal] = []
    for belief, order, goal in _waiting(context):
        change = _change(context, belief, order, goal)
        if goal > belief.setting.scaler:
            raises.append(Proposal(changes=(change,)))
        elif order.kind is OrderKind.PIN and not order.force:
            found = prospect(context.limits, accepted.scalers, belief.region, goal)
            # a pin is one value: it is reached, or it is refused whole
            room = make_way(context.limits, found, change, change) if found.possible else None
            cuts += room if room is not None else [Proposal(changes=(change,))]
        else:
            found = prospect(context.limits, accepted.scalers, belief.region, goal)
            forced = replace(change, forced=order.force and not found.way.reached)
            cuts += make_way(context.limits, found, forced, _part(context, belief, order))
    return [*raises, *cuts]


def _waiting(context: Context) -> list[tuple[BackendBelief, Order, float]]:
    """(region, order, scaler wanted) of each member, or closed region without a scaler, that does not stand where an order wants it."""
    found = []
    for belief in context.model.beliefs:
        order = context.orders.find(context.model.service.name, belief.region, OrderKind.PIN, OrderKind.DRAIN)
        if order is None or order.goal is None or not (belief.setting.member or belief.closed):
            continue
        if order.goal != belief.setting.scaler:
            found.append((belief, order, order.goal))
    return found


def _change(context: Context, belief: BackendBelief, order: Order, goal: float) -> Change:
    if order.kind is OrderKind.PIN:
        why = reason("operator-pin", region=belief.region, scaler=goal, why=order.reason)
    else:
        why = reason("operator-drain", region=belief.region, why=order.reason)
    return scaler_change(context.model, belief.region, goal, Purpose.OPERATOR, why)


def _part(context: Context, belief: BackendBelief, order: Order) -> Change:
    """The part of a drain for which there is room; how far it goes is filled in later."""
    why = reason("operator-drain-part", region=belief.region, why=order.reason)
    return scaler_change(context.model, belief.region, belief.setting.scaler, Purpose.OPERATOR, why)


# --- alarms


def order_alarms(context: Context, accepted: Accepted) -> list[Alarm]:
    """What people should know of their orders: those that cannot be carried out, and those that stand in the way."""
    if not context.orders.items:
        return []
    done = {c.region for c in accepted.changes if c.purpose is Purpose.OPERATOR}
    waiting = [w for w in _waiting(context) if w[0].region not in done]
    found = [_late(context, accepted, *w) for w in waiting]
    found += [_in_the_way(context, f) for f in context.model.beliefs]
    return [raised for raised in found if raised is not None]


def _late(
    context: Context, accepted: Accepted, belief: BackendBelief, order: Order, goal: float
) -> Alarm | None:
    """The alarm about an order that waits: at once where nothing in sight helps, else when it has waited too long."""
    model = context.model
    bound = context.limits.of(belief.region).active(goal, Purpose.OPERATOR)
    if bound is not None and bound.kind in LEVERLESS and order.service is None:
        return None  # meant for the other services
    why = None if bound is None else bound.reason
    if why is None and goal < belief.setting.scaler:
        found = prospect(context.limits, accepted.scalers, belief.region, goal)
        if not found.possible and found.way.lacking is not None:
            return _waits(model, order, belief, told(found.way.lacking))
        why = None if found.way.lacking is None else told(found.way.lacking)
    if why is None or model.at - order.at < model.dead_time + model.policy.timing.effect:
        return None
    return _waits(model, order, belief, why)


def _waits(model: ServiceModel, order: Order, belief: BackendBelief, why: Reason) -> Alarm:
    return alarm(
        "order-waits",
        service=model.service.name,
        kind=order.kind.value,
        region=belief.region,
        by=order.by or "an operator",
        scaler=belief.setting.scaler,
        guard=why.sentence,
    )


def _in_the_way(context: Context, belief: BackendBelief) -> Alarm | None:
    """The alarm about a pin that keeps the loop from what it would do: the region fails, or it is needed."""
    model = context.model
    order = context.orders.find(model.service.name, belief.region, OrderKind.PIN, OrderKind.DRAIN)
    if order is None or order.kind is not OrderKind.PIN or not belief.serving:
        return None
    traffic, window = model.traffic, belief.window
    if belief.dead and belief.health is not None:
        why = f"{belief.health.healthy} of its {belief.health.total} endpoints are healthy"
    elif isinstance(window, Window) and window.bad >= model.policy.triggers.drain_error_ratio:
        why = f"{window.bad:.1%} of its answers are bad"
    elif belief.setting.scaler < 1.0 and traffic.base.bad > TROUBLE_SHARE * traffic.forecast:
        why = f"{traffic.base.share(traffic.forecast):.1%} of all requests are expected to be bad"
    else:
        return None
    return alarm(
        "pin-in-the-way",
        service=model.service.name,
        region=belief.region,
        by=order.by or "an operator",
        scaler=belief.setting.scaler,
        why=why,
    )


# --- a new order


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCheck:
    """What a new order means for one service, by what is believed now."""

    service: str
    refused: Reason | None
    """The limit or constraint that refuses it; None where it is accepted."""
    forceable: bool = False
    """Whether `force` would pass that."""
    leverless: bool = False
    """Whether it is refused because the service has no lever there: an order for all services passes it by."""
    notes: tuple[str, ...] = ()
    """What will happen, in sentences."""


def check_order(context: Context, order: Order) -> OrderCheck:
    """Whether a pin or a drain may be accepted for this service, which has its region; holds and modes always may."""
    service, goal = context.model.service.name, order.goal
    if order.region is None or goal is None:
        return OrderCheck(service=service, refused=None)
    belief = context.model.belief(order.region)
    now = belief.setting.scaler
    if not (belief.setting.member or belief.closed):
        if order.kind is OrderKind.PIN:
            return OrderCheck(
                service=service, refused=reason("no-member", region=belief.region), leverless=True
            )
        return OrderCheck(service=service, refused=None, notes=(f"{belief.region} is detached and stays so",))
    # 1. what nobody passes
    held = context.orders.find(service, belief.region, OrderKind.HOLD)
    lasting = [
        b
        for b in context.limits.of(belief.region).bounds
        if b.kind in LASTING and not (b.kind in VALUES and b.allowed.allows(goal))
    ]
    found = (
        prospect(context.limits, context.model.traffic.scalers, belief.region, goal) if goal < now else None
    )
    helped = found is not None and found.possible and not found.way.reached and held is None
    if helped:
        lasting = [b for b in lasting if b.kind is not LimitKind.ALONE]
    if lasting:
        first = lasting[0]
        return OrderCheck(service=service, refused=first.reason, leverless=first.kind in LEVERLESS)
    # 2. the floors, unless room can be made
    if found is not None and not found.possible and found.way.lacking is not None:
        why = told(found.way.lacking)
        forceable = found.way.lacking.code != "last-backend"
        if not (forceable and order.force):
            return OrderCheck(service=service, refused=why, forceable=forceable)
        return OrderCheck(service=service, refused=None, notes=_outlook(context, belief, goal, found, why))
    return OrderCheck(service=service, refused=None, notes=_outlook(context, belief, goal, found, None))


def _outlook(
    context: Context, belief: BackendBelief, goal: float, found: Prospect | None, forced: Reason | None
) -> tuple[str, ...]:
    """What will happen and when, in sentences."""
    model, region, now = context.model, belief.region, belief.setting.scaler
    mode = model.policy.mode
    if goal == now:
        return (f"{region} stands at {goal:.2f} already and stays there",)
    notes = []
    if forced is not None:
        notes.append(f"by force: {forced.sentence}")
    if found is not None and found.soon:
        notes.append("it waits until those who have just joined can be sent load")
    if found is not None and found.help is not None:
        names = ", ".join(model.beliefs[i].region for i, _ in found.help.joins)
        if names:
            notes.append(f"standby {names} joins first")
    if found is not None and found.way.reached:
        others = [
            f"{r.name} {before:.2f} -> {after:.2f}"
            for i, (r, before, after) in enumerate(
                zip(found.task.traffic.regions, found.task.scalers, found.way.scalers, strict=True)
            )
            if i != found.task.index and before != after
        ]
        if others:
            notes.append(f"room is made in the same write: {', '.join(others)}")
    bound = context.limits.of(region).active(goal, Purpose.OPERATOR)
    if bound is not None and bound.kind not in LASTING:
        notes.append(f"it waits while {bound.reason.sentence}")
    minutes = model.policy.timing.effect / 60.0
    if mode is Mode.ACT:
        notes.append(
            f"{region} goes from {now:.2f} to {goal:.2f}; traffic follows about {minutes:.0f} min after the write"
        )
    else:
        notes.append(
            f"the mode of {model.service.name} is {mode}: nothing is written before `spillway mode act`"
        )
    if found is not None:
        notes.append(_receivers(context, found))
    return tuple(notes)


def _receivers(context: Context, found: Prospect) -> str:
    """Who takes the load by the model, and how full they become: the load over what ceiling and capacity let a region take."""
    traffic, then = outcome_of(context.limits, found)
    gains = []
    for i, (region, before, load) in enumerate(
        zip(traffic.regions, context.model.traffic.base.flow.loads, then.flow.loads, strict=True)
    ):
        if i != found.task.index and load - before >= LEAST_TOLD:
            takes = bounded(min(region.capacity_expected, region.lets_in(then.scalers[i])))
            full = f", {load / takes:.0%} full" if takes else ""
            gains.append((before - load, f"{region.name} {before:.1f} -> {load:.1f} requests/s{full}"))
    told_of = [text for _, text in sorted(gains)]
    if len(told_of) > MOST_TOLD:
        told_of = [*told_of[:MOST_TOLD], f"and {len(told_of) - MOST_TOLD} more"]
    parts = "; ".join(told_of) or "no other region is sent more"
    if then.flow.unserved > 0.0:
        parts += f"; {then.flow.unserved:.1f} requests/s find no open region"
    return f"by the model then: {parts}"

"""The last proposer: the set of ceilings that makes the fewest requests bad, within the limits and the constraints.

1. Nothing is searched where too little can be saved.
2. The search stays inside the limits, and starts from what was accepted before.
3. A set is proposed where it saves the margin that the situation demands.
4. Where nothing is proposed, the search runs once more without the limits that time or people set. The refusals name the moves
   that it would make then, each with the limit that forbids it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spillway.core.decide.limits import LEAST_STEP, Limits
from spillway.core.decide.overrides import scaler_change
from spillway.core.decide.proposals import (
    Accepted,
    Context,
    Proposal,
    by_its_lever,
    cutting,
    may_reopen,
    refusal,
)
from spillway.core.decide.search import Found, Space, Start, search
from spillway.core.estimate.sample import Window
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import Requirements, capped
from spillway.core.model.predict import TrafficModel
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Candidate, Change, Lever, Purpose, Reason, Refusal
from spillway.core.values.limits import EVERYTHING, Allowed, LimitKind
from spillway.core.values.policy import Shortage

LEAST_GAIN = 0.003
"""Smallest share of the demand that a set must save; less is noise."""

TIGHT_MARGIN = 0.1
"""Share of the bad requests that a set must save where the regions together are about short. There, errors of some percent in the
capacities decide which region is overloaded, so moves for less only change which one it is."""

SHORT_MARGIN = 0.3
"""The same while the cuts of a shortage are on their way: the choice of the shed region is not changed before its effect is seen."""

UNSTEADY_SECONDS = 900.0
"""Seconds after a change of a healthy share in which no region is shed: the shortage may end before the region is open again."""

SHOWN_PERIODS = 3
"""Samples after the dead time until a raise shows its effect in full: queues must drain first."""

AT_QUOTA_SHARE = 0.97
"""Load over a quota that was met from which the quota is the reason of a cut: the served rate of a minute is good to some percent."""

TOLD_BAD_SHARE = 0.01
"""Share of errors, or of late answers, from which it is the reason of a cut; below it the load is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One service for the search, with the changes that were accepted before."""

    context: Context
    accepted: Accepted
    traffic: TrafficModel
    short: float
    """Requests/s of the forecast that all regions together cannot carry; 0 where they can."""

    @property
    def model(self) -> ServiceModel:
        """The service."""
        return self.context.model


def optimum(context: Context, accepted: Accepted) -> Iterable[Proposal]:
    """The best set of ceilings if it saves enough; else the limits that forbid a better one."""
    traffic = accepted.traffic
    if traffic.forecast <= 0.0:
        return ()
    task = task_of(context, accepted)
    if task.short > 0.0 and context.model.policy.shortage is Shortage.SHARE:
        return [Proposal(changes=_even_overload(task))]
    if not _could_gain(traffic):
        return ()
    requirements, space = context.model.constraints.against(traffic.base), space_of(task, lifted=False)
    found = search(traffic, requirements, space)
    candidate = _candidate(task, found)
    if _saves_enough(task, found):
        return [Proposal(changes=_changes(task, found), candidate=candidate)]
    return [Proposal(changes=(), candidate=candidate, refusals=_refusals(task, requirements, space))]


def task_of(context: Context, accepted: Accepted) -> Task:
    """What is left for the search after the other proposers."""
    traffic = accepted.traffic
    short = max(0.0, min(traffic.forecast, traffic.demand) - traffic.potential)
    return Task(context=context, accepted=accepted, traffic=traffic, short=short)


def _could_gain(traffic: TrafficModel) -> bool:
    """Whether a search could save enough: no set does better than all requests in the best region."""
    best = min((r.bad for r in traffic.regions if r.member and not r.dead), default=0.0)
    return traffic.base.bad - best * traffic.forecast >= LEAST_GAIN * traffic.forecast


def _saves_enough(task: Task, found: Found) -> bool:
    """Whether a set saves the share of the bad requests that is worth writing it."""
    margin = task.model.policy.rhythm.margin
    if task.short > 0.0 and cutting(task.model):
        margin = SHORT_MARGIN
    elif task.model.constraints.tight:
        margin = TIGHT_MARGIN
    gain = found.base.bad - found.best.bad
    return gain >= max(margin * found.base.bad, LEAST_GAIN * task.traffic.forecast)


def space_of(task: Task, *, lifted: bool) -> Space:
    """What the search may do: it moves fresh or idle, movable backends of services that have more than one.

    Args:
        task: The service.
        lifted: True to leave out the limits that time or people set.
    """
    model, limits = task.model, task.context.limits
    ranges, movable = [], []
    members = sum(1 for r in task.traffic.regions if r.member)
    for i, (region, belief) in enumerate(zip(task.traffic.regions, model.beliefs, strict=True)):
        ranges.append(lifted_range(limits, i) if lifted else search_range(limits, i))
        # a closed region is opened only when it may be probed: no sample shows how it carries load
        known = region.fresh or belief.silent
        ready = known if region.scaler > 0.0 else may_reopen(model, region, belief)
        fixed = region.name in task.accepted.regions or region.dead or not region.movable
        movable.append(members > 1 and not fixed and (ready or (lifted and region.scaler > 0.0)))
    saturated = any(f.estimate.saturation.rate is not None for f in model.beliefs)
    return Space(
        ranges=tuple(ranges),
        movable=tuple(movable),
        shed=saturated and _shortage_lasts(model),
        short=task.short > 0.0,
        receivers=not (task.short > 0.0 or model.constraints.tight),
    )


def _shortage_lasts(model: ServiceModel) -> bool:
    """Whether a shortage lasts, so that a region may be shed for hours.

    It may end soon where endpoints came or went lately, or where a region was raised or joined and the effect is not seen yet.
    """
    shown = model.dead_time + SHOWN_PERIODS * model.policy.timing.sample_period
    if any(f.after > f.before and model.at - f.made_at < shown for f in model.memory.flights):
        return False
    changes = [
        f.estimate.health.changes[-1][0]
        for f in model.beliefs
        if f.serving and not f.dead and f.estimate.health.changes[1:]
    ]
    return model.at - max(changes, default=0.0) >= UNSTEADY_SECONDS


def _refusals(task: Task, requirements: Requirements, narrow: Space) -> tuple[Refusal, ...]:
    """The moves that the search would make without the limits that time or people set, each with the limit that forbids it."""
    wide = space_of(task, lifted=True)
    if (narrow.ranges, narrow.movable) == (wide.ranges, wide.movable):
        return ()
    found = search(task.traffic, requirements, wide)
    if not _saves_enough(task, found):
        return ()
    refusals = []
    for change in (by_its_lever(task.model, c) for c in _changes(task, found)):
        bound = task.context.limits.of(change.region or "").active(change.after, change.purpose)
        if bound is not None:
            refusals.append(refusal(change.move(), bound.reason))
    return tuple(refusals)


def _changes(task: Task, found: Found) -> tuple[Change, ...]:
    """The set as changes: cuts and the raises that belong to them."""
    changes = []
    for i, (region, after) in enumerate(zip(task.traffic.regions, found.best.scalers, strict=True)):
        if after == region.scaler:
            continue
        purpose = Purpose.MAKE_ROOM if after > region.scaler else Purpose.RELIEVE
        changes.append(
            Change(
                service=task.model.service.name,
                region=region.name,
                lever=Lever.SCALER,
                purpose=purpose,
                before=region.scaler,
                after=after,
                reason=_why(task, found, i),
                ahead=after * region.ceiling > found.base.flow.loads[i],
            )
        )
    return tuple(changes)


def _why(task: Task, found: Found, i: int) -> Reason:
    """The reason of one change: what is wrong with its region."""
    region, belief = task.traffic.regions[i], task.model.beliefs[i]
    total, load = task.traffic.forecast, found.base.flow.loads[i]
    numbers: dict[str, object] = {
        "region": region.name,
        "lever": region.lever_word,
        "bad_before": found.base.share(total),
        "bad_after": found.best.share(total),
        "alternative": _alternative(found, total),
    }
    if found.best.scalers[i] > region.scaler:
        return reason("make-room" if region.graded else "attach-for-room", **numbers)
    if not region.graded:
        return _why_whole(task, i, numbers)
    room = found.best.scalers[i] * region.ceiling
    if load <= room:
        return reason("cap-receiver", room=room, capacity=region.capacity, **numbers)
    if task.short > 0.0 and found.start.sheds is not None:
        return reason("sacrifice", short=task.short, sacrificed=found.start.sheds, **numbers)
    window, estimate = belief.window, belief.estimate
    if estimate.quota.rate is not None and load > estimate.quota.rate * AT_QUOTA_SHARE:
        refused = window.too_many_ratio if isinstance(window, Window) else 0.0
        return reason("cap-quota", refused=refused, accepted=estimate.quota.rate, **numbers)
    if estimate.failures.errors > max(estimate.failures.slow, TOLD_BAD_SHARE):
        return reason("shed-errors", errors=estimate.failures.errors, **numbers)
    if estimate.failures.slow > TOLD_BAD_SHARE and estimate.saturation.rate is None:
        return reason("shed-slow", slow=estimate.failures.slow, slo=task.model.policy.slo.latency, **numbers)
    return reason(
        "shed-overload", load=load, capacity=region.capacity, to=found.best.flow.loads[i], **numbers
    )


def _why_whole(task: Task, i: int, numbers: dict[str, object]) -> Reason:
    """The reason to detach a region: what makes most of its answers bad at any load."""
    region, failures = task.traffic.regions[i], task.model.beliefs[i].estimate.failures
    if failures.slow > failures.errors:
        return reason("shed-slow", slow=failures.slow, slo=task.model.policy.slo.latency, **numbers)
    return reason("shed-errors", errors=max(failures.errors, region.bad), **numbers)


def _alternative(found: Found, total: float) -> str:
    if found.second in {None, found.start} or total <= 0:
        return ""
    return f"; next best: {_label(found.second)}, {found.second_bad / total:.1%}"


def _label(start: Start | None) -> str:
    return "none" if start is None else start.label


def _candidate(task: Task, found: Found) -> Candidate:
    total = task.traffic.forecast
    return Candidate(
        service=task.model.service.name,
        bad_now=found.base.share(total),
        bad_best=found.best.share(total),
        name=found.start.label,
        second=_label(found.second),
        second_bad=found.second_bad / total,
        least=found.least / total,
    )


def _even_overload(task: Task) -> tuple[Change, ...]:
    """Ceilings in proportion to what each region can carry, so that overfill is even; as far as the limits allow."""
    space, changes = space_of(task, lifted=False), []
    for region, can in zip(task.traffic.regions, space.movable, strict=True):
        allowed = task.context.limits.of(region.name).allowed(Purpose.SHARE)
        after = min(allowed.high, max(allowed.low, capped(region, 1.0)))
        if can and allowed.allows(after) and abs(after - region.scaler) >= LEAST_STEP:
            why = reason("share-shortage", short=task.short)
            changes.append(scaler_change(task.model, region.name, after, Purpose.SHARE, why))
    return tuple(changes)


def search_range(limits: Limits, i: int) -> Allowed:
    """What the search may do with one region: a cut goes by `RELIEVE`, a raise by `MAKE_ROOM`."""
    bounds = limits.scalers[i]
    down, up = bounds.allowed(Purpose.RELIEVE), bounds.allowed(Purpose.MAKE_ROOM)
    low = min(down.low, bounds.now) if down.low <= down.high else bounds.now
    high = max(up.high, bounds.now) if up.low <= up.high else bounds.now
    return Allowed(closed=down.closed, low=low, high=high)


LASTING = frozenset(
    {
        LimitKind.NOT_MOVABLE,
        LimitKind.NO_SCALER,
        LimitKind.ALONE,
        LimitKind.LEAST_SHARE,
        LimitKind.KEEPS_CAPACITY,
    }
)
"""Limits that neither time nor people lift."""


def lifted_range(limits: Limits, i: int) -> Allowed:
    """What the search might do with one region if the limits that time or people set were lifted."""
    found = EVERYTHING
    for bound in limits.scalers[i].bounds:
        if bound.kind in LASTING:
            found = found.both(bound.allowed)
    return found if found.low <= found.high else search_range(limits, i)

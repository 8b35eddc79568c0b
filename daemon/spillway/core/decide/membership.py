"""Region membership: standby and failover regions join before a shortage and leave after it, and so do regions after planned work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from spillway.core.decide.limits import drain_lead
from spillway.core.decide.proposals import Accepted, Context, Proposal, each
from spillway.core.estimate.belief import IDLE, BackendBelief
from spillway.core.estimate.demand import expected, onset_demand, trend_known
from spillway.core.estimate.sample import Window
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import hundredths
from spillway.core.model.predict import Region, bounded, least_bad
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Change, Lever, Purpose, Reason
from spillway.core.values.state import ServiceMemory

LOOK_AHEAD = 900.0
"""Seconds beyond the dead time over which a standby is judged: joining and ramping take that long."""

URGENT = 0.15
"""Forecast headroom with a joined standby at its first scaler under which it joins fully: a ceiling sends nobody there who
fits elsewhere, and a ramp would be climbed in the middle of the shortage."""

SURGING = 1.15
"""Forecast demand over the present one from which it rises as fast as can be: how far is not known yet."""

HOME_BAD = 0.5
"""Share of bad answers at which the home of a pinned service counts as lost."""


STUCK = 0.02
"""Share of bad requests that no set of ceilings gets below from which a standby region is called (`least_bad`)."""


def memberships(context: Context, accepted: Accepted) -> Iterable[Proposal]:
    """The end of planned work, detachments, and one join or else one leave."""
    model = context.model
    changes = [*_planned_ends(model), *_detach(model)]
    touched = {c.region for c in changes}
    coming = any(c.purpose is Purpose.JOIN and not c.was_member for c in accepted.changes)
    for change in () if coming else (_join(model), _leave(model)):
        if change is not None and change.region not in touched:
            changes.append(change)
            break
    return each(changes)


def forecast_far(model: ServiceModel) -> float:
    """Requests/s expected when a region that joins now carries load."""
    seconds = model.dead_time + LOOK_AHEAD
    memory = model.memory
    return max(model.traffic.forecast, sum(expected(memory, memory.origins, seconds, model.dead_time)))


def _leap(model: ServiceModel) -> float:
    """Requests/s to which a surge may grow that only its first minute shows: a standby that comes in vain does no harm."""
    if not trend_known(model.memory, model.dead_time):
        return 0.0
    return onset_demand(model.memory.origins, model.dead_time + LOOK_AHEAD)


def _join(model: ServiceModel) -> Change | None:
    """The standby whose joining helps most, if headroom falls short."""
    traffic, policy = model.traffic, model.policy
    if not any(f.backend.standby for f in model.beliefs):
        return None  # the usual case, which should not cost a look ahead
    if traffic.forecast <= 0.0 or not any(isinstance(f.window, Window) for f in model.beliefs):
        return None
    expected = max(forecast_far(model), _leap(model))
    potential = traffic.room(raised=True)
    home = _home_lost(model)
    headroom = potential / expected - 1.0
    stuck = least_bad(traffic) > STUCK * traffic.forecast and not _relief_coming(model)
    if headroom >= policy.membership.join_below and home is None and not stuck:
        return None
    ramped = hundredths(policy.membership.join_scaler)
    candidates = []
    for i, (region, belief) in enumerate(zip(traffic.regions, model.beliefs, strict=True)):
        movable = belief.waiting and belief.backend.movable
        if movable and policy.planned_in(region.name, model.at) is None:
            room = potential + ramped * region.ceiling
            enough = room >= expected * (1.0 + URGENT) and expected < SURGING * traffic.demand
            scaler = ramped if enough and region.graded else 1.0
            candidates.append((traffic.predict_with(i, scaler).score, region.name, scaler, belief))
    if not candidates:
        return None
    _, name, scaler, belief = min(candidates, key=lambda c: c[:2])
    why: Reason
    if home is not None:
        why = reason("join-home", home=model.service.home, why=home, region=name)
    elif bounded(potential) is None:
        why = reason("join-stuck", bad=least_bad(traffic) / traffic.forecast, region=name)
    else:
        why = reason("join-forecast", headroom=headroom, forecast=expected, capacity=potential, region=name)
    return _membership(model, belief, Purpose.JOIN, why, after=scaler)


def _relief_coming(model: ServiceModel) -> bool:
    """Whether a region without a scaler has joined so lately that nobody has seen how it does: it may be all that is needed."""
    return any(
        not f.backend.graded
        and f.memory.joined_at is not None
        and model.at - f.memory.joined_at < model.dead_time
        for f in model.beliefs
    )


def _home_lost(model: ServiceModel) -> str | None:
    """Why the home of a pinned service cannot carry its load, or None."""
    home = model.service.home
    if home is None:
        return None
    others = [f for f in model.beliefs if f.region != home and f.serving and not f.memory.leaving]
    if others:
        return None
    belief = model.belief(home)
    if belief.dead and belief.memory.dead_seen >= 2 and belief.health is not None:
        return f"{belief.health.healthy} of {belief.health.total} endpoints healthy"
    if isinstance(belief.window, Window) and belief.window.bad >= HOME_BAD:
        return f"{belief.window.bad:.0%} of its answers are bad"
    return None


def with_room_timers(model: ServiceModel) -> ServiceMemory:
    """The memory with the time since which headroom without each joined standby has been ample."""
    traffic, memory = model.traffic, model.memory
    if not any(f.backend.standby for f in model.beliefs) and not memory.roomy_since:
        return memory
    timers = dict(memory.roomy_since)
    kept: dict[str, float] = {}
    expected = forecast_far(model)
    for region, belief in zip(traffic.regions, model.beliefs, strict=True):
        if not belief.backend.standby or not belief.serving or belief.memory.leaving:
            continue
        # what cannot be seen neither starts nor ends a timer
        if traffic.forecast <= 0.0 or not _others_known(model, belief):
            if region.name in timers:
                kept[region.name] = timers[region.name]
            continue
        if _roomy_without(model, region, expected):
            kept[region.name] = timers.get(region.name, model.at)
    roomy = tuple(sorted(kept.items()))
    return memory if roomy == memory.roomy_since else replace(memory, roomy_since=roomy)


def _roomy_without(model: ServiceModel, region: Region, expected: float) -> bool:
    """Whether the others have ample headroom without `region`, and the home of a pinned service is well."""
    without = [0.0 if r is region else r.scaler for r in model.traffic.regions]
    if not region.graded and model.constraints.serving(without) < model.policy.floors.min_serving_regions:
        return False  # it stands in for a region that is detached
    rest = model.traffic.room(raised=True) - min(region.capacity, region.ceiling) * (1.0 - region.bad)
    return rest / expected - 1.0 >= model.policy.membership.leave_above and _home_well(model)


def _leave(model: ServiceModel) -> Change | None:
    """The first joined standby without which headroom has been ample for long enough; the others must be seen now."""
    policy, at = model.policy.membership, model.at
    for name, since in model.memory.roomy_since:
        belief = model.belief(name)
        if at - since < policy.leave_after or model.traffic.forecast <= 0.0:
            continue
        if not _others_known(model, belief):
            continue
        if belief.backend.graded:
            why = reason("leave-idle", region=name, above=policy.leave_above, since=at - since)
        else:
            why = reason("leave-unneeded", region=name, since=at - since)
        return _membership(model, belief, Purpose.LEAVE, why, after=0.0)
    return None


def _others_known(model: ServiceModel, leaving: BackendBelief) -> bool:
    """Whether all others are seen, or are seen to be idle: healthy, and nobody would be sent there now."""
    loads = model.traffic.base.flow.loads
    return all(
        isinstance(f.window, Window)
        or (load < IDLE and f.share >= model.policy.triggers.return_healthy_share)
        for f, load in zip(model.beliefs, loads, strict=True)
        if f.serving and f.region != leaving.region
    )


def _home_well(model: ServiceModel) -> bool:
    home = model.service.home
    return home is None or model.belief(home).memory.well_since is not None


def _detach(model: ServiceModel) -> list[Change]:
    """The second half of a leave: what has been empty for long enough is detached."""
    wait = model.policy.membership.drain_wait
    found = []
    for belief in model.beliefs:
        memory = belief.memory
        if not belief.setting.member or belief.setting.scaler > 0.0 or not memory.leaving:
            continue
        if memory.empty_since is not None and model.at - memory.empty_since >= wait:
            why = reason("leave-detach", region=belief.region, empty=model.at - memory.empty_since)
            found.append(_membership(model, belief, Purpose.DETACH, why, after=0.0))
    return found


def _planned_ends(model: ServiceModel) -> list[Change]:
    """Joins after planned work; `decide.planned` has the drains before it."""
    lead = drain_lead(model)
    found = []
    for belief in model.beliefs:
        if not belief.memory.leaving or belief.backend.standby or belief.serving:
            continue
        if model.policy.planned_in(belief.region, model.at, lead) is None:
            why = reason("join-planned-end", region=belief.region)
            ramped = hundredths(model.policy.membership.join_scaler)
            scaler = ramped if belief.backend.graded else 1.0
            found.append(_membership(model, belief, Purpose.CALENDAR, why, after=scaler))
    return found


def called(model: ServiceModel, belief: BackendBelief, why: Reason, *, after: float) -> Change:
    """The join of a standby region at the scaler `after`."""
    return _membership(model, belief, Purpose.JOIN, why, after=after)


def _membership(
    model: ServiceModel, belief: BackendBelief, purpose: Purpose, why: Reason, *, after: float
) -> Change:
    """The change of one membership; a leave sets the scaler to 0 first."""
    member = belief.setting.member
    return Change(
        service=model.service.name,
        region=belief.region,
        lever=Lever.MEMBERSHIP,
        purpose=purpose,
        before=belief.setting.scaler if member else 0.0,
        after=after,
        reason=why,
        member=purpose is not Purpose.DETACH,
        was_member=member,
        leaving=after == 0.0 and purpose is not Purpose.DETACH,
    )

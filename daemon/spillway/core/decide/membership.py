"""Region membership: standby and failover regions join before a shortage and leave after it; planned work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from spillway.core.decide.proposals import Accepted, Context, Proposal, each
from spillway.core.estimate.backend import IDLE, Facts
from spillway.core.estimate.demand import expected, onset_demand
from spillway.core.estimate.sample import Window
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import hundredths
from spillway.core.model.predict import Region, least_bad
from spillway.core.model.service import Picture
from spillway.core.values.decision import Change, Lever, Purpose, Reason
from spillway.core.values.policy import CalendarWindow
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


def memberships(context: Context, _: Accepted) -> Iterable[Proposal]:
    """Planned drains and their end, detachments, and one join or else one leave."""
    picture = context.model
    changes = [*_planned(picture), *_detach(picture)]
    touched = {c.region for c in changes}
    for change in (_join(picture), _leave(picture)):
        if change is not None and change.region not in touched:
            changes.append(change)
            break
    return each(changes)


def forecast_far(picture: Picture) -> float:
    """Requests/s expected when a region that joins now carries load."""
    seconds = picture.dead_time + LOOK_AHEAD
    return max(picture.model.forecast, sum(expected(picture.memory, picture.memory.origins, seconds)))


def _leap(picture: Picture) -> float:
    """Requests/s to which a surge may grow that only its first minute shows: a standby that comes in vain does no harm."""
    return onset_demand(picture.memory.origins, picture.dead_time + LOOK_AHEAD)


def _join(picture: Picture) -> Change | None:
    """The standby whose joining helps most, if headroom falls short."""
    model, policy = picture.model, picture.policy
    if not any(f.backend.standby for f in picture.facts):
        return None  # the usual case, which should not cost a look ahead
    if model.forecast <= 0.0 or not any(isinstance(f.window, Window) for f in picture.facts):
        return None
    expected = max(forecast_far(picture), _leap(picture))
    potential = model.room(raised=True)
    home = _home_lost(picture)
    headroom = potential / expected - 1.0
    stuck = least_bad(model) > STUCK * model.forecast
    if headroom >= policy.membership.join_below and home is None and not stuck:
        return None
    ramped = hundredths(policy.membership.join_scaler)
    candidates = []
    for i, (region, facts) in enumerate(zip(model.regions, picture.facts, strict=True)):
        waiting = facts.backend.standby and (not region.member or facts.memory.leaving)
        if waiting and facts.backend.movable and not _planned_now(picture, region.name, 0.0):
            room = potential + ramped * region.ceiling
            enough = room >= expected * (1.0 + URGENT) and expected < SURGING * model.demand
            scaler = ramped if enough else 1.0
            candidates.append((model.outcome_with(i, scaler).score, region.name, scaler, facts))
    if not candidates:
        return None
    _, name, scaler, facts = min(candidates, key=lambda c: c[:2])
    why: Reason
    if home is not None:
        why = reason("join-home", home=picture.service.home, why=home, region=name)
    else:
        why = reason("join-forecast", headroom=headroom, forecast=expected, capacity=potential, region=name)
    return _membership(picture, facts, Purpose.JOIN, why, after=scaler)


def _home_lost(picture: Picture) -> str | None:
    """Why the home of a pinned service cannot carry its load, or None."""
    home = picture.service.home
    if home is None:
        return None
    others = [f for f in picture.facts if f.region != home and f.serving and not f.memory.leaving]
    if others:
        return None
    facts = picture.fact(home)
    if facts.dead and facts.memory.dead_seen >= 2 and facts.health is not None:
        return f"{facts.health.healthy} of {facts.health.total} endpoints healthy"
    if isinstance(facts.window, Window) and facts.window.bad >= HOME_BAD:
        return f"{facts.window.bad:.0%} of its answers are bad"
    return None


def with_room_timers(picture: Picture) -> ServiceMemory:
    """The memory with the time since which headroom without each joined standby has been ample."""
    model, memory = picture.model, picture.memory
    if not any(f.backend.standby for f in picture.facts) and not memory.roomy_since:
        return memory
    timers = dict(memory.roomy_since)
    kept: dict[str, float] = {}
    expected = forecast_far(picture)
    for region, facts in zip(model.regions, picture.facts, strict=True):
        if not facts.backend.standby or not facts.serving or facts.memory.leaving:
            continue
        # what cannot be seen neither starts nor ends a timer
        if model.forecast <= 0.0 or not _others_known(picture, facts):
            if region.name in timers:
                kept[region.name] = timers[region.name]
            continue
        if _roomy_without(picture, region, expected):
            kept[region.name] = timers.get(region.name, picture.at)
    roomy = tuple(sorted(kept.items()))
    return memory if roomy == memory.roomy_since else replace(memory, roomy_since=roomy)


def _roomy_without(picture: Picture, region: Region, expected: float) -> bool:
    """Whether the others have ample headroom without `region`, and the home of a pinned service is well."""
    rest = picture.model.room(raised=True) - min(region.capacity, region.ceiling) * (1.0 - region.bad)
    return rest / expected - 1.0 >= picture.policy.membership.leave_above and _home_well(picture)


def _leave(picture: Picture) -> Change | None:
    """The first joined standby without which headroom has been ample for long enough; the others must be seen now."""
    policy, at = picture.policy.membership, picture.at
    for name, since in picture.memory.roomy_since:
        facts = picture.fact(name)
        if at - since < policy.leave_after or picture.model.forecast <= 0.0:
            continue
        if not _others_known(picture, facts):
            continue
        why = reason("leave-idle", region=name, above=policy.leave_above, since=at - since)
        return _membership(picture, facts, Purpose.LEAVE, why, after=0.0)
    return None


def _others_known(picture: Picture, leaving: Facts) -> bool:
    """Whether all others are seen, or are seen to be idle: healthy, and nobody would be sent there now."""
    loads = picture.model.base.flow.loads
    return all(
        isinstance(f.window, Window)
        or (load < IDLE and f.share >= picture.policy.triggers.return_healthy_share)
        for f, load in zip(picture.facts, loads, strict=True)
        if f.serving and f.region != leaving.region
    )


def _home_well(picture: Picture) -> bool:
    home = picture.service.home
    return home is None or picture.fact(home).memory.well_since is not None


def _detach(picture: Picture) -> list[Change]:
    """The second half of a leave: what has been empty for long enough is detached."""
    wait = picture.policy.membership.drain_wait
    found = []
    for facts in picture.facts:
        memory = facts.memory
        if not facts.setting.member or facts.setting.scaler > 0.0 or not memory.leaving:
            continue
        if memory.empty_since is not None and picture.at - memory.empty_since >= wait:
            why = reason("leave-detach", region=facts.region, empty=picture.at - memory.empty_since)
            found.append(_membership(picture, facts, Purpose.DETACH, why, after=0.0))
    return found


def _planned_now(picture: Picture, region: str, lead: float) -> CalendarWindow | None:
    for span in picture.policy.planned:
        if span.region == region and span.start - lead <= picture.at < span.end:
            return span
    return None


def _planned(picture: Picture) -> list[Change]:
    """Drains before planned work, and joins after it."""
    lead = picture.dead_time + picture.policy.membership.drain_wait
    found = []
    if not picture.policy.planned and not any(f.memory.leaving for f in picture.facts):
        return []
    for facts in picture.facts:
        span = _planned_now(picture, facts.region, lead)
        if span is not None and facts.serving:
            why = reason(
                "drain-planned", region=facts.region, why=span.reason, lead=max(0.0, span.start - picture.at)
            )
            found.append(_membership(picture, facts, Purpose.CALENDAR, why, after=0.0))
        elif span is None and facts.memory.leaving and not facts.backend.standby and not facts.serving:
            why = reason("join-planned-end", region=facts.region)
            scaler = hundredths(picture.policy.membership.join_scaler)
            found.append(_membership(picture, facts, Purpose.CALENDAR, why, after=scaler))
    return found


def _membership(picture: Picture, facts: Facts, purpose: Purpose, why: Reason, *, after: float) -> Change:
    """The change of one membership; a leave and a planned drain set the scaler to 0 first."""
    member = facts.setting.member
    return Change(
        service=picture.service.name,
        region=facts.region,
        lever=Lever.MEMBERSHIP,
        purpose=purpose,
        before=facts.setting.scaler if member else 0.0,
        after=after,
        reason=why,
        member=purpose is not Purpose.DETACH,
        was_member=member,
        leaving=after == 0.0 and purpose is not Purpose.DETACH,
    )

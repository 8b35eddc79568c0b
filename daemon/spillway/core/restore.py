"""The way back: one step up for what has been well, and a tenth for what was closed and may be well again."""

from __future__ import annotations

from spillway.core.belief import doubt_left
from spillway.core.bounds import capped, hundredths
from spillway.core.facts import Facts
from spillway.core.picture import Picture
from spillway.core.predict import Region
from spillway.core.reasons import reason
from spillway.core.rest import hold_at, rested
from spillway.core.result import Lever
from spillway.core.units import SCALER_FLOOR
from spillway.core.wishes import Change

RESTORE_COST = 0.0005
"""Share of the demand that may become bad by opening a ceiling again: the model's own grain."""

PROBE_HOPE = 0.75
"""Chance that a region closed for being bad is well again from which a tenth is let in: two half-lives of the doubt."""

NEEDED_HOPE = 0.5
"""The same where the others are short without it."""

NEEDED_ROOM = 0.75
"""Share of what all others can take from which they count as short."""

SWING = 1.06
"""Demand over its forecast with which a region is opened: an error in the total lands on the one region at the margin."""

RESTORE_HOPE = 0.92
"""Chance that lost machines are back, or a quota is lifted, from which a ceiling goes past what was proven without need."""

LEAST_STEP = 0.05
"""Smallest rise worth a write, unless it opens the ceiling fully."""


def may_move(picture: Picture, facts: Facts, direction: int) -> bool:
    """Whether its rest is over: what the guards would refuse anyway is not planned with. -1 down, 1 up, 0 up as far as proven."""
    policy = picture.policy
    return picture.at >= facts.memory.held_until and rested(
        facts.memory, policy.rhythm, policy.timing, picture.at, direction, picture.dead_time
    )


def restores(picture: Picture) -> tuple[Change, ...]:
    """One step up for each lowered region that has been well, where the model sees no harm; lowest first."""
    model, rhythm = picture.model, picture.policy.rhythm
    ready = sorted(
        (r.scaler, r.name, i)
        for i, (r, f) in enumerate(zip(model.regions, picture.facts, strict=True))
        if 0.0 < r.scaler < 1.0 and r.movable and _rested(picture, f)
    )
    if not ready:
        return ()  # the usual case, which should not cost a look at a busier world
    scalers = list(model.scalers)
    busy = model.busier(SWING)
    allowed = busy.base().bad + RESTORE_COST * busy.forecast
    changes = []
    for now, name, i in ready:
        region, since = model.regions[i], picture.facts[i].memory.well_since
        for size in (rhythm.up_step, rhythm.up_step / 2):
            after = hundredths(now + size)
            if region.doubted(RESTORE_HOPE):
                after = min(after, max(now, capped(region)))
            if after - now < min(LEAST_STEP, 1.0 - now) - 1e-9:
                continue
            scalers[i] = after
            outcome = busy.outcome(scalers)
            if outcome.bad <= allowed:
                changes.append(
                    Change(
                        service=picture.service.name,
                        region=name,
                        lever=Lever.SCALER,
                        before=now,
                        after=after,
                        reason=reason(
                            "restore",
                            region=name,
                            well=picture.at - (since if since is not None else picture.at),
                            bad_after=outcome.share(busy.forecast),
                        ),
                    )
                )
                break
            scalers[i] = now
    return tuple(changes)


def _rested(picture: Picture, facts: Facts) -> bool:
    """Whether the region has been well for long enough to be given more; the guards look again."""
    since = facts.memory.well_since
    if since is None or picture.at - since < picture.policy.rhythm.up_wait:
        return False
    return may_move(picture, facts, 1)


def probes(picture: Picture) -> tuple[Change, ...]:
    """A tenth for each region that was closed by a scaler of 0 and whose health checks pass."""
    changes = []
    for region, facts in zip(picture.model.regions, picture.facts, strict=True):
        memory = facts.memory
        if not region.member or region.scaler > 0.0 or not region.movable or memory.leaving:
            continue
        if memory.empty_since is None or not _rested(picture, facts) or not _hopeful(picture, region, facts):
            continue
        changes.append(
            Change(
                service=picture.service.name,
                region=region.name,
                lever=Lever.SCALER,
                before=0.0,
                after=SCALER_FLOOR,
                reason=reason("probe", region=region.name, empty=picture.at - memory.empty_since),
            )
        )
    return tuple(changes)


def _hopeful(picture: Picture, region: Region, facts: Facts) -> bool:
    """Whether a closed region is likely enough to be well: what health checks cannot show is only seen with load."""
    since = facts.memory.empty_since
    if since is None or region.bad < picture.policy.triggers.drain_error_ratio:
        return True
    model = picture.model
    parts = [min(r.scaler * r.ceiling, r.likely) * (1.0 - r.bad) for r in model.regions if r.scaler > 0.0]
    needed = NEEDED_HOPE if model.forecast > NEEDED_ROOM * sum(parts) else PROBE_HOPE
    hope = 1.0 - doubt_left(since, picture.at, hold_at(facts.memory, picture.policy.rhythm, picture.at))
    return hope >= needed

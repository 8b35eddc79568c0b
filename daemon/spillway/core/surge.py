"""Raises that a surge will need: what opens in steps with rests between them must begin before the others are full."""

from __future__ import annotations

from spillway.core.facts import Facts
from spillway.core.membership import SURGING, forecast_far
from spillway.core.picture import Picture
from spillway.core.predict import Region
from spillway.core.reasons import reason
from spillway.core.restore import NEEDED_HOPE, likely_well, may_move, may_reopen, short_soon
from spillway.core.result import Lever
from spillway.core.wishes import Change


def raises(picture: Picture) -> tuple[Change, ...]:
    """A whole step up for each lowered or closed region that is as likely well as not, while a surge fills the others.

    How far demand will rise is not known, so no ceiling is fitted to it. What is opened in vain costs a part of what goes
    there until it is seen; what is opened too late costs all of what queues everywhere.
    """
    model, step = picture.model, picture.policy.rhythm.up_step
    rising = [
        region
        for region, facts in zip(model.regions, picture.facts, strict=True)
        if region.scaler < 1.0 and _may_rise(picture, region, facts)
    ]
    if not rising:
        return ()  # the usual case, which should not cost a look ahead
    expected = forecast_far(picture)
    if expected < SURGING * model.demand or not short_soon(picture):
        return ()
    return tuple(
        Change(
            service=picture.service.name,
            region=region.name,
            lever=Lever.SCALER,
            before=region.scaler,
            after=min(1.0, round(region.scaler + step, 2)),
            reason=reason("foresee", region=region.name, demand=model.demand, expected=expected),
        )
        for region in rising
    )


def _may_rise(picture: Picture, region: Region, facts: Facts) -> bool:
    """Whether a region has rested, and is as likely well as not."""
    if region.scaler == 0.0:
        return may_reopen(picture, region, facts) and likely_well(picture, region, facts, NEEDED_HOPE)
    well = not region.doubted or region.hope >= NEEDED_HOPE
    return well and region.movable and region.fresh and not region.dead and may_move(picture, facts, 1)

"""What no plan may break: open regions, and effective capacity against demand."""

from __future__ import annotations

from collections.abc import Sequence

from spillway.core.bounds import SLIVER, edge_of
from spillway.core.overlay import ServiceSetting
from spillway.core.picture import Picture
from spillway.core.waterfall import pour

UNPROVEN_ROOM = 1.1
"""Capacity that a region may have over its target: operators choose it with room to spare."""

SWING = 1.03
"""Demand now over its smoothed, minutes-old estimate: a floor must hold for what is really there at the write."""


def effective_of(picture: Picture, scalers: Sequence[float]) -> float:
    """Requests/s that all open regions together carry well under `scalers`, in the order of the model's regions.

    A ceiling a little under the capacity takes nothing away: nobody plans with that sliver.
    Where demand exceeds all ceilings, Google overfills them in proportion, so what a region carries is its share.
    """
    model = picture.model
    opened = [s * r.ceiling for r, s in zip(model.regions, scalers, strict=True)]
    if sum(opened) < model.forecast:
        opened = list(pour(model.origins, opened).loads)
    return sum(
        (r.likely if o >= SLIVER * r.likely else o) * (1.0 - r.bad)
        for r, o in zip(model.regions, opened, strict=True)
        if not r.dead
    )


def sure_of(picture: Picture, scalers: Sequence[float]) -> float:
    """Requests/s that all open regions together are known to carry well under `scalers` (`edge_of`)."""
    total = 0.0
    for region, scaler in zip(picture.model.regions, scalers, strict=True):
        if not region.dead:
            opened = scaler * region.ceiling
            total += (region.likely if opened >= edge_of(region) else opened) * (1.0 - region.bad)
    return total


def nominal_of(picture: Picture, scalers: Sequence[float]) -> float:
    """Requests/s of target x scaler x healthy share over all members: effective capacity as Google's own terms have it."""
    return sum(s * (f.target or 0.0) * f.share for f, s in zip(picture.facts, scalers, strict=True))


def scalers_of(picture: Picture, setting: ServiceSetting) -> tuple[float, ...]:
    """The scalers of a setting in the order of the model's regions; 0 for what is no member."""
    by_region = {b.region: b.scaler if b.member else 0.0 for b in setting.backends}
    return tuple(by_region[r.name] for r in picture.model.regions)


def serving_of(picture: Picture, scalers: Sequence[float]) -> int:
    """Regions that are open and not dead under `scalers`."""
    return sum(1 for r, s in zip(picture.model.regions, scalers, strict=True) if s > 0.0 and not r.dead)


def floor_of(picture: Picture) -> float:
    """Requests/s of effective capacity that must stay: the largest of demand, forecast and usual demand, x (1 + reserve).

    The last, as holes in the metrics and answers that fail to come look like less demand: clients do not leave by the half
    within a minute, and what cannot be seen is not gone.
    """
    demand = max(picture.model.demand, picture.model.forecast, picture.memory.usual)
    return SWING * demand * (1.0 + picture.policy.floors.reserve)


def tight(picture: Picture) -> bool:
    """Whether all member regions together cannot carry what a floor demands, ceilings opened and all."""
    return picture.model.potential() < floor_of(picture)


def nominal_floor(picture: Picture) -> float:
    """Requests/s of ceilings that must stay: `floor_of`, or 0 in a shortage, where no setting could keep it.

    Google then overfills all in proportion to their ceilings, whose sum limits nothing: what must not fall is what the
    regions carry. A shortage of what is believed is none yet: the floor goes only where it could not be kept if all that is
    in doubt were well, standby regions included.
    """
    floor = floor_of(picture)
    able = 0.0
    for region, facts in zip(picture.model.regions, picture.facts, strict=True):
        if not region.dead:
            able += max(region.capacity, region.high) * (1.0 if region.proven else UNPROVEN_ROOM)
            able += 0.0 if region.member else (facts.target or 0.0)
    least = min(picture.model.demand, picture.model.forecast) * (1.0 + picture.policy.floors.reserve)
    return 0.0 if able < least else floor

"""What the search for ceilings may do, and the ceilings that follow from what a region takes.

What no plan may break: open regions, and effective capacity against demand.

What the guards would say to a set of ceilings, as the search needs to know it: priced, and with the ways round it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from spillway.core.model.predict import Model, Outcome, Region
from spillway.core.model.service import Picture
from spillway.core.model.waterfall import pour
from spillway.core.values.overlay import ServiceSetting
from spillway.core.values.units import SCALER_FLOOR

SLIVER = 0.85
"""Share of its capacity from which a ceiling counts as all of it for the floor of what is carried."""

KEEP = 0.9
"""Share of its capacity that a capped region keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the search may do."""

    movable: tuple[bool, ...]
    lowest: tuple[float, ...]
    """Smallest scaler for each region: 0 where it may be closed."""
    highest: tuple[float, ...]
    """Largest scaler for each region."""
    receiver_limit: float
    nominal: tuple[float, ...]
    """Target x healthy share of each region, requests/s: what a floor counts for an open ceiling."""
    floor: float
    """Sum of nominal x scaler that must stay, requests/s."""
    sure: float
    """Requests/s that must be known to be carried well where that sum is less."""
    carries: float
    """Requests/s that all open regions together must be able to carry well."""
    measured: bool
    """True if some region is seen to be saturated: a shortage of targets alone is no shortage of machines."""
    tight: bool
    """True if all regions together cannot carry what a floor demands: then receivers are filled past their limit if need be."""
    short: bool
    """True if all regions together cannot carry the forecast."""


def hundredths(value: float) -> float:
    """The scaler at or below `value` in hundredths, never between 0 and the smallest legal one."""
    return min(1.0, max(SCALER_FLOOR, floor(value * 100.0 + 1e-6) / 100.0))


def capped(region: Region, keep: float = KEEP) -> float:
    """The scaler at which `region` is full at `keep` of what it can take."""
    return scaler_for(region, keep * region.takes)


def scaler_for(region: Region, rate: float) -> float:
    """The scaler at which `region` is full at `rate` requests/s."""
    if region.ceiling <= 0.0:
        return 1.0
    return hundredths(rate / region.ceiling)


def edge_of(region: Region) -> float:
    """Requests/s of ceiling from which all that `region` can take is known to be open.

    A ceiling beyond what a region was found to take is no capacity, and lowering it takes none away, nor does the sliver
    below. Where nothing was found, its target counts to the last request.
    """
    return SLIVER * region.likely if region.proven else region.likely


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
    demand = max(picture.model.demand, picture.model.forecast, picture.memory.slow_average)
    return SWING * demand * (1.0 + picture.policy.floors.reserve)


def tight(picture: Picture) -> bool:
    """Whether all member regions together cannot carry what a floor demands, ceilings opened and all."""
    return picture.model.potential < floor_of(picture)


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


PUSHED_PRICE = 5.0
"""Bad requests/s that one request/s past a receiver's limit is worth in the search: the guard would refuse it."""

FLOOR_PRICE = 1000.0
"""Bad requests/s that one request/s below the capacity floor is worth in the search: the guard would refuse it."""

GRAIN = 1.005
"""Loads that grow by less than this factor do not grow."""


class Foresight:
    """The capacity guards over one search (`guards.capacity`), each number looked up once."""

    def __init__(self, model: Model, bounds: Bounds, base: Outcome) -> None:
        self._model, self._bounds, self._base = model, bounds, base
        self.limits = [r.receives(bounds.receiver_limit) for r in model.regions]
        """Load of each region beyond which it counts as pushed."""
        self._rows = [
            (
                r.ceiling,
                r.likely,
                SLIVER * r.likely,
                edge_of(r),
                0.0 if r.dead else 1.0 - r.bad,
                nominal,
                limit,
                load * GRAIN,
            )
            for r, nominal, limit, load in zip(
                model.regions, bounds.nominal, self.limits, base.flow.loads, strict=True
            )
        ]
        """What `price` asks of each region, looked up once; a dead one carries nothing."""

    def price(self, outcome: Outcome) -> float:
        """The score, with what pushes receivers past their limit."""
        below, sure, short, pushed = self._bounds.floor, self._bounds.sure, self._bounds.carries, 0.0
        overfilled = outcome.flow.overfilled
        for scaler, load, (ceiling, likely, sliver, edge, well, nominal, limit, before) in zip(
            outcome.scalers, outcome.flow.loads, self._rows, strict=True
        ):
            opened = scaler * ceiling
            below -= scaler * nominal
            sure -= (likely if opened >= edge else opened) * well
            if overfilled:
                opened = load
            short -= (likely if opened >= sliver else opened) * well
            if load > limit and load > before:
                pushed += load - limit
        score = outcome.score
        if below > 0.0 and sure > 0.0:  # as the guard has it: `floors.nominal_of` and `floors.sure_of`
            score += FLOOR_PRICE * min(below, sure)
        if short > 0.0:  # `floors.effective_of`
            score += FLOOR_PRICE * short
        return score if self._bounds.tight else score + PUSHED_PRICE * pushed

    def floored(self, scalers: list[float]) -> list[float]:
        """The scalers with as much of the cuts taken back as the floor of ceilings wants.

        The deepest cut comes first, but before those of regions that were found to take less.
        """
        bounds = self._bounds
        nominal = bounds.nominal
        lacking = bounds.floor - sum([s * n for s, n in zip(scalers, nominal, strict=True)])
        if lacking > 0.0:
            lacking = min(lacking, bounds.sure - self._sure(scalers))
        if lacking <= 0.0:
            return scalers
        scalers = list(scalers)
        cuts = [
            (not region.proven, (now - scalers[i]) * nominal[i], i)
            for i, (region, now) in enumerate(zip(self._model.regions, self._model.scalers, strict=True))
            if now > scalers[i] and nominal[i] > 0.0
        ]
        for _, cut, i in sorted(cuts, reverse=True):
            back = min(cut, lacking)
            scalers[i] = min(1.0, ceil((scalers[i] + back / nominal[i]) * 100.0 - 1e-6) / 100.0)
            lacking -= back
            if lacking <= 0.0:
                break
        return scalers

    def _sure(self, scalers: list[float]) -> float:
        """What is known to be carried, as `floors.sure_of` has it."""
        return sum(
            [
                (likely if scaler * ceiling >= edge else scaler * ceiling) * well
                for scaler, (ceiling, likely, _, edge, well, *_) in zip(scalers, self._rows, strict=True)
            ]
        )

    def capped(self, outcome: Outcome) -> list[float] | None:
        """The scalers with a cap on each receiver that is pushed past its limit; None where none is."""
        scalers = list(outcome.scalers)
        changed = False
        regions, bounds = self._model.regions, self._bounds
        for i, (load, before, limit) in enumerate(
            zip(outcome.flow.loads, self._base.flow.loads, self.limits, strict=True)
        ):
            if load > limit and load > before * GRAIN and bounds.movable[i] and regions[i].ceiling > 0.0:
                cap = max(bounds.lowest[i], hundredths(limit / regions[i].ceiling))
                if cap < scalers[i]:
                    scalers[i], changed = cap, True
        return scalers if changed else None

"""What the guards would say to a set of ceilings, as the search needs to know it: priced, and with the ways round it."""

from __future__ import annotations

from math import ceil

from spillway.core.bounds import SLIVER, Bounds, edge_of, hundredths
from spillway.core.predict import Model, Outcome

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

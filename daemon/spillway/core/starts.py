"""Whole answers that the search for ceilings starts from: what one region at a time never leads to."""

from __future__ import annotations

from spillway.core.bounds import hundredths
from spillway.core.predict import Model

SPARED = 0.87
"""Share of its capacity at which a region is kept whole by a sacrifice: all are overfilled then, so what demand is
underestimated by comes to every one of them."""


SACRIFICES = 6
"""Regions tried as the one that is given up, worst first."""


SHRUNK = 0.35
"""Share of the wanted loads down to which ceilings are lowered to give up a region."""


def sacrifices(model: Model) -> list[int]:
    """Regions that could be given up: those that are least worth saving come first."""
    worth = sorted(
        (r.capacity * (1.0 - r.bad), r.name, i)
        for i, r in enumerate(model.regions)
        if r.movable and r.ceiling > 0.0 and not r.dead
    )
    return [i for _, _, i in worth[:SACRIFICES]]


def give_up(model: Model, lost: int) -> list[float] | None:
    """Ceilings that keep all regions but one at what they can carry, and send the rest to that one.

    Past the sum of ceilings Google overfills all in proportion, so only their ratios matter then: they are chosen as
    the wanted loads. None where the lost one is so small that all others would have to be lowered far below what they take:
    it takes long to bring them back, and the shortage may be over by then.
    """
    wanted = [0.0 if r.dead or not r.member else SPARED * r.capacity for r in model.regions]
    wanted[lost] = max(0.0, model.forecast - sum(wanted) + wanted[lost])
    ratios = [r.ceiling / w for w, r in zip(wanted, model.regions, strict=True) if w > 0.0]
    shrink = min(1.0, min(ratios, default=1.0))
    if shrink < SHRUNK:
        return None
    return [
        hundredths(w * shrink / r.ceiling) if w > 0.0 and r.ceiling > 0.0 else s
        for w, r, s in zip(wanted, model.regions, model.scalers, strict=True)
    ]

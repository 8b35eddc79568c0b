"""How near the search for ceilings comes to the best there is: every set on a grid tried, and the proven least beside it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from statistics import mean, median
from typing import Any

from tests.core.pictures import area, picture_of, requirements, space

from spillway.core.decide.search import Found, search
from spillway.core.model.service import ServiceModel
from spillway.core.values.limits import Allowed

NEAR = 0.01
"""Share of the demand by which an answer may be worse and count as the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """One fleet, in shares of its demand."""

    missed: float
    """Score of the answer over that of the best set on the grid; below 0 where the grid is too coarse for the answer."""
    unproven: float
    """Bad requests of the better of the two over the proven least."""


def fleet(seed: int) -> ServiceModel:
    """Three regions with about any trouble, and a demand that leaves room or does not."""
    draw = random.Random(seed)
    regions = []
    for name in "abc":
        fields: dict[str, Any] = {"scaler": draw.choice((1.0, 1.0, 0.5, 0.3))}
        if draw.random() < 0.4:
            fields["capacity"] = draw.uniform(20.0, 130.0)
            if draw.random() < 0.4:
                fields |= {
                    "capacity_nominal": fields["capacity"] + draw.uniform(10.0, 80.0),
                    "p_recovered": draw.uniform(0.1, 0.9),
                }
        if draw.random() < 0.3:
            fields["bad"] = draw.uniform(0.02, 0.9)
        if draw.random() < 0.2:
            fields["quota"] = draw.uniform(20.0, 90.0)
        regions.append(area(name, **fields))
    demand, weights = draw.uniform(80.0, 260.0), [draw.random() for _ in regions]
    return picture_of(
        tuple(regions), {n: demand * w / sum(weights) for n, w in zip("abc", weights, strict=True)}
    )


def freely(picture: ServiceModel) -> Found:
    """The search's answer where all is allowed: what is measured is the search, without limits and floors."""
    free = space(
        picture,
        ranges=(Allowed(closed=False),) * 3, movable=(True,) * 3, shed=True, short=True,
    )  # fmt: skip
    return search(
        picture.traffic, requirements(picture, ceilings_least=0.0, surely_least=0.0, carried_least=0.0), free
    )


def distance(picture: ServiceModel, step: float) -> Distance:
    """Of the search's answer, against all sets of ceilings in steps of `step`."""
    found = freely(picture)
    grid = [round(0.1 + step * i, 2) for i in range(round(0.9 / step) + 1)]
    best = min((picture.traffic.predict(s) for s in product(grid, repeat=3)), key=lambda o: o.score)
    demand = picture.traffic.forecast
    return Distance(
        missed=(found.best.score - best.score) / demand,
        unproven=(min(found.best.bad, best.bad) - found.least) / demand,
    )


def distances(count: int = 300, step: float = 0.05) -> str:
    """The row of `make bench`."""
    found = [distance(fleet(seed), step) for seed in range(count)]
    missed = [max(0.0, d.missed) for d in found]
    near = sum(m <= NEAR for m in missed) / count
    return (
        f"mean {mean(missed):.2%}, {near:.0%} within {NEAR:.0%}, worst {max(missed):.1%}; "
        f"the best over the proven least: median {median(d.unproven for d in found):.1%}"
    )

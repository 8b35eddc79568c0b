"""The least that any set of ceilings could leave bad: a proof of how near to the best an answer is.

It pours the forecast into the regions best first, as if clients had no distance and each region could be given any load: the
fractional knapsack (Dantzig 1957), exact for parts whose worth only falls with the load. Real ceilings can do no better, for
whatever they lead to is one such pouring.
"""

from __future__ import annotations

from spillway.core.predict import HORIZON, Model, Region

Part = tuple[float, float]
"""(Good answers for each request, requests/s up to which that lasts)."""


def least_bad(model: Model) -> float:
    """Bad requests/s of the forecast that remain under every set of ceilings, guards or none.

    Only what the model says of the regions goes in; membership and posture stay as they are.
    """
    parts = [p for r in model.regions if r.member and not r.dead and r.ceiling > 0.0 for p in parts_of(r)]
    left, good = model.forecast, 0.0
    for worth, width in sorted(parts, reverse=True):
        taken = min(left, width)
        good += worth * taken
        left -= taken
    return max(0.0, model.forecast - good)


def parts_of(region: Region) -> list[Part]:
    """What the region answers well, at most, as parts of falling worth; past the last one more load answers no more.

    Nothing is late up to `full`: there the backlog of a whole `HORIZON` is as long as the slack, and past it the answers in time
    become fewer with every request more, whether the capacity is proven or not (`Region._late`).
    """
    room = 1.0 + max(0.0, region.slack) / HORIZON
    full = room * region.capacity
    well = 1.0 - region.bad
    parts = [(well, full)]
    if region.hope > 0.0 and region.high > region.capacity:
        parts.append((well * region.hope, room * region.high - full))
    if region.quota is None:
        return parts
    return _below(parts, region.quota, region.quota_hope)


def _below(parts: list[Part], quota: float, hope: float) -> list[Part]:
    """The parts where what exceeds `quota` is refused, but for the chance that it is lifted."""
    cut = []
    for worth, width in parts:
        under = min(width, max(0.0, quota))
        quota -= under
        cut += [(worth, under), (worth * hope, width - under)]
    return cut

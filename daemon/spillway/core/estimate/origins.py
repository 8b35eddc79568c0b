"""From what each place sent where to the remembered origins of demand.

`update_origins` takes one and the same minute for all regions, the newest that any of them shows:

1. requests/s that reached each region, answers and what became more inside (`_rates`);
2. the split of each by place, as seen now or as remembered (`_by_place`);
3. whose demand it was, where a full region's clients were sent on (`demand.attribute`);
4. the smoothed origins, their slow average and the hours of their day.

While an open region shows no newest minute, the slow average does not fall: what cannot be seen may still be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spillway.core.estimate.belief import (
    AUTO_DRAIN_BELOW,
    BackendBelief,
    auto_drained,
    ceiling_factor,
    layout_of,
)
from spillway.core.estimate.daytime import follow_days
from spillway.core.estimate.demand import ONE_PLACE, attribute, follow, slow_average
from spillway.core.estimate.failures import lowest_share
from spillway.core.estimate.sample import Window
from spillway.core.values.decision import Lever
from spillway.core.values.geography import Layout, routes_through
from spillway.core.values.policy import Evidence, Policy, PostureSet, Timing
from spillway.core.values.snapshot import Missing, PlaceDemand, Seen
from spillway.core.values.state import Flight, OriginMemory, ServiceMemory
from spillway.core.values.topology import SCALER_STEP

BINDING = 0.93
"""Load over ceiling from which a region counts as full: Google balances by its own, smoothed view of the rate."""


READ_LATE = 60.0
"""Seconds by which health is read late at most: one tick."""


def update_origins(
    memory: ServiceMemory,
    beliefs: tuple[BackendBelief, ...],
    places: Seen[tuple[PlaceDemand, ...]] | Missing,
    settings: PostureSet,
    policy: Policy,
) -> ServiceMemory:
    """The memory with the origins of demand as this snapshot shows them; unchanged where there is no newer minute."""
    newest = max([f.window.end for f in beliefs if isinstance(f.window, Window)], default=0.0)
    if newest <= memory.origins_at:
        return memory
    # 1. What reached the regions, and which of them sent some of theirs on.
    shared = any(f.backend.weight is not None for f in beliefs)
    full = (
        frozenset[str]()
        if shared
        else _full(beliefs, settings, memory.flights, (newest - policy.timing.sample_period, newest))
    )
    layout = layout_of(beliefs) if full else ()
    rates = _rates(beliefs, newest, policy.timing)
    if not rates:
        return memory
    # 2. From which places it came.
    seen = _by_place(rates, memory.origins, places, policy.evidence)
    if shared:  # by weight nobody has a home: what moves from region to region is the same demand
        seen = {place: {beliefs[0].region: sum(row.values())} for place, row in seen.items()}

    def next_of(place: str, home: str) -> tuple[str, ...]:
        return _names(place, home, layout)

    # 3. Where it would have gone first.
    found = attribute(memory.origins, seen, full, next_of)
    hidden = _unseen(beliefs, newest, policy.timing)
    # 4. What is remembered after this minute.
    elapsed = newest - memory.origins_at if memory.origins_at else 0.0
    origins = follow(memory.origins, found, elapsed)
    return replace(
        memory,
        origins=origins,
        origins_at=newest,
        demand_since=memory.demand_since if memory.origins else newest,
        slow_average=slow_average(memory.slow_average, origins, elapsed, may_fall=not hidden),
        days=follow_days(memory.days, origins, newest),
    )


def _unseen(beliefs: Sequence[BackendBelief], newest: float, timing: Timing) -> bool:
    """Whether some open region shows nothing of the newest minute: what seems to be gone may be there."""
    return any(
        not (isinstance(f.window, Window) and f.window.end >= newest)
        and f.serving
        and not (f.dead or f.idle or _empty(f, newest, timing))
        for f in beliefs
    )


def _empty(belief: BackendBelief, newest: float, timing: Timing) -> bool:
    """Whether nobody was sent there in the newest minute: it was drained then, or closed, and is back since."""
    if (
        lowest_share(belief.estimate.health, newest - timing.sample_period, newest + READ_LATE)
        < AUTO_DRAIN_BELOW
    ):
        return True
    moved, before = belief.memory.moved_at, belief.setting.scaler - belief.memory.moved_by
    return moved is not None and before < SCALER_STEP / 2 and newest <= moved + timing.effect


def _names(place: str, home: str, layout: Layout) -> tuple[str, ...]:
    return tuple([layout[i][0] for i in routes_through(layout).route(place, home)[0]])


def _full(
    beliefs: Sequence[BackendBelief],
    settings: PostureSet,
    flights: tuple[Flight, ...],
    minute: tuple[float, float],
) -> frozenset[str]:
    """Regions at their ceiling, closed or lost. With a move in flight the lower ceiling counts.

    Args:
        beliefs: Of all regions.
        settings: Of the posture.
        flights: Moves in flight.
        minute: UTC begin and end of the newest minute. A region that shows nothing of it may have been lost then, and be back since.
    """
    capped = {f.region: min(f.before, f.after) for f in flights if f.lever is not Lever.POSTURE and f.region}
    drained = auto_drained(beliefs, settings)
    full = set()
    for f in beliefs:
        scaler = f.setting.scaler if f.setting.member else 0.0
        if f.region in capped:
            scaler = min(scaler, capped[f.region])
        window = f.window
        # Google sees a fall up to a tick before it is read
        if isinstance(window, Window):
            lowest = lowest_share(f.estimate.health, window.start, window.end + READ_LATE)
        else:
            lowest = min(f.share, lowest_share(f.estimate.health, minute[0], minute[1] + READ_LATE))
        factor = ceiling_factor(f, settings, drained=f.region in drained, share=lowest)
        if (
            scaler == 0.0
            or factor == 0.0
            or f.dead
            or (
                f.target is not None
                and isinstance(window, Window)
                and window.rate >= BINDING * f.target * scaler * factor
            )
        ):
            full.add(f.region)
    return frozenset(full)


def _rates(beliefs: Sequence[BackendBelief], newest: float, timing: Timing) -> dict[str, float]:
    """Requests/s that reached each region in the newest minute of all: what it answered, and what became more inside.

    One and the same minute for all of them: traffic that has moved on must not be counted twice. A region that should
    have had traffic then and shows none counts with what was remembered of it.
    """
    rates = {}
    for f in beliefs:
        window = f.window
        if isinstance(window, Window) and window.end >= newest:
            rate = window.newest * (1.0 + f.estimate.arrivals.filling)
        elif f.serving and not (f.dead or _empty(f, newest, timing)) and f.estimate.last_minute < newest:
            rate = window.rate if isinstance(window, Window) else f.estimate.served
            if f.target is not None:
                rate = min(rate, f.setting.scaler * f.target)
        else:
            continue
        if rate > 0.0:
            rates[f.region] = rate
    return rates


def _by_place(
    rates: dict[str, float],
    origins: tuple[OriginMemory, ...],
    places: Seen[tuple[PlaceDemand, ...]] | Missing,
    evidence: Evidence,
) -> dict[str, dict[str, float]]:
    """Split each region's rate by place: as seen now, else as remembered, else not at all."""
    mix: dict[str, dict[str, float]] = {}
    if isinstance(places, Seen) and places.age <= evidence.max_age:
        for p in places.value:
            if p.region in rates and p.rate > 0.0:
                mix.setdefault(p.region, {})[p.place] = p.rate
    overall: dict[str, float] = {}
    for o in origins:
        overall[o.place] = overall.get(o.place, 0.0) + o.level
    seen: dict[str, dict[str, float]] = {}
    for region, rate in rates.items():
        shares = mix.get(region) or {o.place: o.level for o in origins if o.home == region and o.level > 0.0}
        shares = shares or {p: v for p, v in overall.items() if v > 0.0} or {ONE_PLACE: 1.0}
        total = sum(shares.values())
        for place, share in shares.items():
            row = seen.setdefault(place, {})
            row[region] = row.get(region, 0.0) + rate * share / total
    return seen

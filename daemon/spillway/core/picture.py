"""From facts to a model: one service's regions, and where its demand comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

from spillway.core.altered import altered
from spillway.core.belief import CALM, RISING_MINUTES, belief, doubt_left
from spillway.core.demand import ahead
from spillway.core.facts import Facts
from spillway.core.geography import REGION_PLACES
from spillway.core.maker import maker
from spillway.core.memory import Estimate, OriginMemory, ServiceMemory
from spillway.core.overlay import Posture
from spillway.core.policy import Policy, PostureSet
from spillway.core.predict import Model, Region
from spillway.core.rest import hold_at
from spillway.core.topology import Preference, Service
from spillway.core.travel import Point, clients_at, round_trip
from spillway.core.waterfall import Origins
from spillway.core.window import Window

QUEUE_SECONDS = 30.0
"""Waiting that time-outs leave at most in a region that is saturated for minutes."""

OVER_GRAIN = 0.1
"""Load over the capacity up to which it is no overload yet: targets are set with so much room."""

QUEUE_GROWTH = 6.0
"""Waiting in a saturated region when a write takes effect, over what its newest minute shows: five minutes later."""

PROVEN_BELOW = 0.95
"""Capacity over target from which it is the region's own: nearer than that it may be the noise of its latency."""

FAR_SECONDS = 0.1
"""Round trip assumed where a place is unknown."""

BAD_GRAIN = 0.006
"""Share of bad answers by which a region may differ from a typical one by chance: two thousand sampled answers of which one in
a hundred is late swing by a quarter of a percent in either direction, and what they seem to say has no lasting truth."""

UNPROVEN_ROOM = 1.5
"""Capacity assumed over the load seen, where neither a target nor a saturation tells."""

_model, _model_region, _model_origins = maker(Model), maker(Region), maker(Origins)

Layout = tuple[tuple[str, bool, bool, Point | None], ...]
"""(region, preferred, standby, place) of each region of a service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One service at one moment: facts, model and memory, ready to be assessed and decided."""

    service: Service
    policy: Policy
    posture: Posture
    facts: tuple[Facts, ...]
    model: Model
    memory: ServiceMemory
    at: float
    dead_time: float
    """Seconds from a decision to its visible effect, as configured or as measured, whichever is longer."""

    def fact(self, region: str) -> Facts:
        """The facts of `region`.

        Raises:
            KeyError: the service has no backend there.
        """
        for facts in self.facts:
            if facts.region == region:
                return facts
        raise KeyError(region)


_picture = maker(Picture)


def posture_set(policy: Policy, posture: Posture) -> PostureSet:
    """The settings behind a posture."""
    chosen: PostureSet = getattr(policy.postures, posture.value)
    return chosen


def layout_of(facts: Sequence[Facts]) -> Layout:
    """Regions with preference and place, in their order."""
    preferred = Preference.PREFERRED
    return tuple(
        [
            (
                f.region,
                f.setting.preference is preferred,
                f.backend.standby,
                REGION_PLACES.get(f.region)
                if f.backend.latitude is None or f.backend.longitude is None
                else (f.backend.latitude, f.backend.longitude),
            )
            for f in facts
        ]
    )


Route = tuple[tuple[int, ...], tuple[float, ...]]
"""(order in which the regions are tried, round trips in seconds)."""


class Routes:
    """The routes through one layout, each worked out once."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._found: dict[tuple[str, str], Route] = {}

    def route(self, place: str, home: str) -> Route:
        """The route of the clients of `place` at home in `home`, which is one of the regions."""
        key = place, home
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = _route(place, home, self._layout)
        return found


@lru_cache(maxsize=1024)
def routes_through(layout: Layout) -> Routes:
    """The routes through `layout`."""
    return Routes(layout)


def _route(place: str, home: str, layout: Layout) -> Route:
    """(order in which clients of `place` at home in `home` try the regions, round trips in seconds).

    Home is what they reached first among the regions that were open; only a standby may lie nearer.
    """
    points = {name: point for name, _, _, point in layout}
    clients = clients_at(place, points.get(home))
    trips = tuple(
        FAR_SECONDS if clients is None or point is None else round_trip(clients, point)
        for _, _, _, point in layout
    )
    at_home = next(
        (trip for (name, *_), trip in zip(layout, trips, strict=True) if name == home), FAR_SECONDS
    )

    def rank(i: int) -> tuple[bool, float, str]:
        name, preferred, standby, _ = layout[i]
        nearness = -1.0 if name == home else trips[i] - 2.0 if standby and trips[i] < at_home else trips[i]
        return not preferred, nearness, name

    return tuple(sorted(range(len(layout)), key=rank)), trips


def ceiling_factor(facts: Facts, settings: PostureSet, *, drained: bool, share: float | None = None) -> float:
    """What failover threshold and auto-drain leave of a ceiling (reference: SLP, gcp.md 2.3).

    Args:
        facts: Of the region.
        settings: Of the posture.
        drained: True if auto-drain keeps it empty.
        share: Healthy share, if another than the present one is meant.
    """
    if drained:
        return 0.0
    threshold = settings.failover_threshold / 100.0
    if share is None:
        share = facts.share
    return 1.0 if share >= threshold else share / threshold


def auto_drained(facts: Sequence[Facts], settings: PostureSet) -> frozenset[str]:
    """Regions that Google's auto-drain keeps empty: never half of them or more, worst first."""
    if not settings.auto_drain or not any(f.dead for f in facts):
        return frozenset()
    members = [f for f in facts if f.setting.member]
    closed = sum(1 for f in members if f.setting.scaler == 0.0)
    dead = sorted((f.share, f.region) for f in members if f.dead and f.setting.scaler > 0.0)
    most = (len(members) - 1) // 2 if not closed else max(0, (len(members) - 1) // 2 - closed)
    return frozenset(region for _, region in dead[:most])


def _region(
    facts: Facts,
    policy: Policy,
    settings: PostureSet,
    usual: tuple[float | None, float],
    at: float,
    *,
    drained: bool,
) -> Region:
    """One region of the model; `usual` is (target of a typical region, share that is bad everywhere)."""
    estimate, window = facts.estimate, facts.window
    typical, everywhere = usual
    fresh = is_fresh(facts, policy)
    bad = shown_bad(facts)
    seen = window.rate if isinstance(window, Window) else estimate.served
    target = facts.target if facts.target is not None else typical
    prior = target if target is not None else UNPROVEN_ROOM * seen
    hold = hold_at(facts.memory, policy.rhythm, at)
    ahead = max(0.0, at - estimate.last_minute) + policy.timing.effect
    reopens = _reopens(facts, at, hold)
    believed = belief(estimate, facts.target, facts.share, at, hold, ahead, reopens)
    low, high = (prior, prior) if believed is None else (believed.low, believed.high)
    service_time = estimate.service_time if estimate.service_time is not None else 0.0
    backlog = 0.0
    if estimate.saturated_rate is not None:
        backlog = min(QUEUE_SECONDS, QUEUE_GROWTH * estimate.waiting)
    return _model_region(
        name=facts.region,
        scaler=facts.setting.scaler if facts.setting.member else 0.0,
        ceiling=prior * ceiling_factor(facts, settings, drained=drained),
        capacity=_own(low, seen, facts.elsewhere),
        slack=policy.slo.latency - service_time,
        bad=(everywhere if abs(bad - everywhere) <= BAD_GRAIN else bad) * (1.0 - reopens),
        reopens=reopens,
        quota=estimate.quota,
        cost=facts.backend.cost,
        movable=facts.backend.movable and facts.setting.member and target is not None,
        fresh=fresh,
        dead=facts.dead,
        member=facts.setting.member,
        proven=proven(facts),
        high=_own(high, seen, facts.elsewhere),
        hope=0.0 if believed is None else believed.hope,
        quota_hope=0.0 if estimate.quota is None else 1.0 - doubt_left(estimate.quota_at, at, hold),
        shown=window.rates[-1][1] if fresh and isinstance(window, Window) and _at_ease(estimate) else 0.0,
        backlog=backlog,
    )


def _own(capacity: float, served: float, elsewhere: float) -> float:
    """This service's part of a capacity that it shares: what the others leave, and no less than its part of the load.

    If all are too much together, each gives way by its part: the trouble is not the smallest one's alone.
    """
    if elsewhere <= 0.0:
        return capacity
    return max(capacity - elsewhere, capacity * served / (served + elsewhere))


def _at_ease(estimate: Estimate) -> bool:
    """Whether its newest minute was as fast as usual: no queue, no doubt, nothing on the rise."""
    if estimate.saturated_rate is not None or estimate.doubt is not None or not estimate.baseline:
        return False
    return (
        estimate.mean <= (1.0 + CALM) * estimate.baseline
        and estimate.crowded <= 1.0 + CALM
        and estimate.rising < RISING_MINUTES
    )


def is_fresh(facts: Facts, policy: Policy) -> bool:
    """Whether its own samples are fresh and plentiful enough to judge it."""
    window = facts.window
    return isinstance(window, Window) and window.answers >= policy.evidence.min_requests


def _usual_bad(facts: Sequence[Facts], policy: Policy) -> float:
    """Share that is bad in a typical region: the tail of a service that no region can help."""
    return median([shown_bad(f) for f in facts if f.serving and not f.dead and is_fresh(f, policy)] or [0.0])


def _reopens(facts: Facts, at: float, hold: float) -> float:
    """Chance that what a closed region was closed for is over: nothing shows it before load comes."""
    since = facts.memory.empty_since
    if since is None or not facts.setting.member or facts.setting.scaler > 0.0:
        return 0.0
    return 1.0 - doubt_left(since, at, hold)


def proven(facts: Facts) -> bool:
    """Whether the capacity was learned from the region itself and lies below its target, or endpoints are missing."""
    if facts.estimate.saturated_rate is not None or facts.share < PROVEN_BELOW:
        return True
    return facts.capacity is not None and (
        facts.target is None or facts.capacity < PROVEN_BELOW * facts.target * facts.share
    )


def shown_bad(facts: Facts) -> float:
    """Share that is bad at any load: what was learned, as far as the newest minutes still show it."""
    estimate, window = facts.estimate, facts.window
    slow, errors, refusing = estimate.slow, estimate.errors, estimate.refusing
    if isinstance(window, Window) and window.answers > 0 and estimate.saturated_rate is None:
        slow, errors = min(slow, window.slow), min(errors, window.newest_errors)
    return 1.0 - (1.0 - slow) * (1.0 - errors) * (1.0 - refusing)


def build(
    service: Service,
    facts: tuple[Facts, ...],
    memory: ServiceMemory,
    policy: Policy,
    posture: Posture,
    at: float,
) -> Picture:
    """The model of one service from its facts and what is remembered of its demand."""
    settings = posture_set(policy, posture)
    drained = auto_drained(facts, settings)
    known = [f.target for f in facts if f.target is not None]
    typical = median(known) if known else None
    layout = layout_of(facts)
    usual = _usual_bad(facts, policy)
    regions = [_region(f, policy, settings, (typical, usual), at, drained=f.region in drained) for f in facts]
    ages = [f.window.age for f in facts if isinstance(f.window, Window)]
    effect = policy.timing.effect
    origins, level = _origins(memory.origins, layout, min(ages, default=0.0) + effect)
    model = _model(regions=tuple(regions), origins=origins, demand=level, forecast=origins.total)
    newest = max([f.made_at for f in memory.flights], default=at)
    model = _with_queues(model, effect, max(0.0, at - newest - effect))
    return _picture(
        service=service,
        policy=policy,
        posture=posture,
        facts=facts,
        model=model,
        memory=memory,
        at=at,
        dead_time=dead_time(policy, memory),
    )


def _with_queues(model: Model, seconds: float, since: float) -> Model:
    """The model with the queues as they are when a write takes effect.

    Where more is expected than a region can take one grows; where moves in flight have brought less, one drains.

    Args:
        model: With the queues as they were last seen.
        seconds: From now until a write takes effect.
        since: Seconds since the newest move in flight took effect.
    """
    grown = []
    for region, load in zip(model.regions, model.base().flow.loads, strict=True):
        over = load / region.capacity - 1.0 if region.capacity > 0.0 else 0.0
        queue = min(QUEUE_SECONDS, max(0.0, over - OVER_GRAIN) * seconds)
        queue = max(queue, region.backlog - max(0.0, -over) * (seconds + since))
        grown.append(
            altered(region, backlog=queue) if queue != region.backlog and not region.dead else region
        )
    regions = tuple(grown)
    return model if regions == model.regions else altered(model, regions=regions)


def dead_time(policy: Policy, memory: ServiceMemory) -> float:
    """Seconds from a decision to its visible effect, with the settling time measured from own moves."""
    timing = policy.timing
    settle = max(timing.effect, memory.settle or 0.0)
    return timing.sample_period + timing.visibility_delay + settle


def _origins(origins: tuple[OriginMemory, ...], layout: Layout, seconds: float) -> tuple[Origins, float]:
    names = {name for name, *_ in layout}
    kept = [o for o in origins if o.home in names]
    through = routes_through(layout)
    routes = [through.route(o.place, o.home) for o in kept]
    return (
        _model_origins(
            rates=tuple([ahead(o, seconds) for o in kept]),
            orders=tuple([order for order, _ in routes]),
            round_trips=tuple([trips for _, trips in routes]),
        ),
        sum([o.level for o in kept]),
    )

"""From beliefs to the model of one service: its regions, where its demand comes from, and the floor.

`region_of` makes one region of the model from the belief about its backend. `build` puts the regions and the demand together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median

from spillway.core.estimate.belief import (
    BackendBelief,
    auto_drained,
    ceiling_factor,
    failover_settings,
    layout_of,
)
from spillway.core.estimate.capacity import (
    NEARLY_ALL,
    UNPROVEN_ROOM,
    believed_capacity,
    p_degraded,
    persistence,
)
from spillway.core.estimate.demand import expected
from spillway.core.estimate.sample import Window
from spillway.core.model.constraints import DEMAND_SWING_FACTOR, Constraints
from spillway.core.model.predict import UNBOUNDED, Region, TrafficModel
from spillway.core.model.waterfall import Origins
from spillway.core.values.geography import Layout, routes_through
from spillway.core.values.lifecycle import current_backoff
from spillway.core.values.overlay import Posture
from spillway.core.values.policy import Policy, PostureSet
from spillway.core.values.state import ServiceMemory
from spillway.core.values.topology import Service

QUEUE_SECONDS = 30.0
"""Waiting that time-outs leave at most in a region that is saturated for minutes."""


TARGET_ROOM = 0.1
"""Share by which a load may exceed a target before it is an overload: operators choose targets with so much room."""

QUEUE_GROWTH = 6.0
"""Waiting in a saturated region when a write takes effect, over what its newest minute shows: five minutes later."""


FADED = 0.05
"""Chance that a capacity which was found still holds, below which nobody counts with it: more than four half-lives."""


AS_LIKELY_AS_NOT = 0.5
"""Chance that a quota or another finding still holds, from which it is the capacity of a backend without a target."""


BAD_SHARE_NOISE = 0.006
"""Share of bad answers by which a region may differ from a typical one by chance: two thousand sampled answers of which one in
a hundred is late swing by a quarter of a percent in either direction, and what they seem to say has no lasting truth."""


def region_of(
    belief: BackendBelief,
    shown: Shown,
    policy: Policy,
    settings: PostureSet,
    usual: tuple[float | None, float],
    *,
    at: float,
    drained: bool,
) -> Region:
    """One region of the model; `usual` is (target of a typical region, share that is bad everywhere)."""
    if belief.backend.weight is not None:
        return weighed_region(belief, shown, policy, usual[1], at=at)
    if not belief.backend.has_scaler:
        return whole_region(belief, shown, policy, usual[1], at=at)
    estimate, window, setting = belief.estimate, belief.window, belief.setting
    typical, everywhere = usual
    bad, fresh = shown
    scaler = setting.scaler if setting.member else 0.0
    seen = window.rate if isinstance(window, Window) else estimate.served
    target = belief.target if belief.target is not None else typical
    prior = target if target is not None else UNPROVEN_ROOM * seen
    backoff = current_backoff(belief.memory, policy.rhythm, at)
    ahead = max(0.0, at - estimate.last_minute) + policy.timing.effect
    p_reopened = _reopens(belief, at, backoff)
    believed = believed_capacity(
        estimate, belief.target, belief.share, at, backoff, ahead=ahead, p_recovered=p_reopened
    )
    low, high = (prior, prior) if believed is None else (believed.capacity_proven, believed.capacity_nominal)
    if belief.load_from_peers > 0.0:
        low, high = _own(low, seen, belief.load_from_peers), _own(high, seen, belief.load_from_peers)
    service_time = estimate.latency.service_time if estimate.latency.service_time is not None else 0.0
    backlog = 0.0
    if estimate.saturation.rate is not None:
        backlog = min(QUEUE_SECONDS, QUEUE_GROWTH * estimate.saturation.waiting)
    return Region(
        name=belief.region,
        scaler=scaler,
        ceiling=prior * ceiling_factor(belief, settings, drained=drained),
        capacity=low,
        slack=policy.slo.latency - service_time,
        bad=_expected_bad(bad, everywhere, fresh=fresh) * (1.0 - p_reopened),
        p_reopened=p_reopened,
        quota=estimate.quota.rate,
        cost=belief.backend.cost,
        movable=belief.backend.movable and setting.member and target is not None,
        fresh=fresh,
        dead=belief.dead,
        member=setting.member,
        idle=belief.idle,
        proven=proven(belief),
        capacity_nominal=high,
        p_recovered=0.0 if believed is None else believed.p_recovered,
        p_quota_lifted=0.0
        if estimate.quota.rate is None
        else 1.0 - p_degraded(estimate.quota.met_at, at, backoff),
        backlog=backlog,
        only_seen=seen if belief.target is None else None,
    )


def whole_region(
    belief: BackendBelief, shown: Shown, policy: Policy, everywhere: float, *, at: float
) -> Region:
    """One region without scaler and target: it is attached or detached, and takes what arrives.

    No target is made up for it. How much it takes is known only where it met a quota, or was late at far more load than it ever
    carried: that holds until it is as likely over as not. Load follows distance alone.
    """
    estimate, saturation = belief.estimate, belief.estimate.saturation
    bad, fresh = shown
    backoff = current_backoff(belief.memory, policy.rhythm, at)
    p_reopened = _reopens(belief, at, backoff)
    quota, full = estimate.quota.rate, saturation.rate
    if quota is not None and p_degraded(estimate.quota.met_at, at, backoff) < AS_LIKELY_AS_NOT:
        quota = None
    if full is None and saturation.last_at and saturation.last_rate > 0.0:
        half = p_degraded(saturation.last_at, at, backoff * persistence(saturation)) >= AS_LIKELY_AS_NOT
        full = saturation.last_rate if half else None
    capacity = min([c for c in (quota, full) if c is not None], default=UNBOUNDED)
    backlog = min(QUEUE_SECONDS, QUEUE_GROWTH * saturation.waiting) if saturation.rate is not None else 0.0
    service_time = estimate.latency.service_time if estimate.latency.service_time is not None else 0.0
    member = belief.setting.member or belief.closed
    return Region(
        name=belief.region,
        scaler=belief.setting.scaler if belief.setting.member else 0.0,
        ceiling=UNBOUNDED,
        capacity=capacity,
        capacity_nominal=capacity,
        slack=policy.slo.latency - service_time,
        bad=_expected_bad(bad, everywhere, fresh=fresh) * (1.0 - p_reopened),
        p_reopened=p_reopened,
        quota=quota,
        cost=belief.backend.cost,
        movable=belief.backend.movable and member,
        fresh=fresh,
        dead=False,
        member=member,
        idle=belief.idle,
        proven=full is not None,
        backlog=backlog,
        graded=False,
    )


def weighed_region(
    belief: BackendBelief, shown: Shown, policy: Policy, everywhere: float, *, at: float
) -> Region:
    """One region without a target that gets its share by weight: a part of it can be tried, so what was found of it fades by its chance.

    What it is known to take at all is the most that it was seen to carry at its usual latency; nobody needs a figure while nothing was found.
    """
    estimate, saturation = belief.estimate, belief.estimate.saturation
    bad, fresh = shown
    backoff = current_backoff(belief.memory, policy.rhythm, at)
    p_reopened = _reopens(belief, at, backoff)
    quota, full, held = estimate.quota.rate, saturation.rate, 1.0
    if full is None and saturation.last_at and saturation.last_rate > 0.0:
        full = saturation.last_rate
        held = p_degraded(saturation.last_at, at, backoff * persistence(saturation))
    limit, baseline = estimate.concurrency.limit, estimate.latency.baseline
    carried = limit / baseline if limit is not None and baseline else estimate.served
    if held < FADED:
        full = None
    if quota is not None and p_degraded(estimate.quota.met_at, at, backoff) < FADED:
        quota = None
    nominal = UNBOUNDED if quota is None and full is None else max(carried, quota or 0.0, full or 0.0)
    service_time = estimate.latency.service_time if estimate.latency.service_time is not None else 0.0
    return Region(
        name=belief.region,
        scaler=belief.setting.scaler if belief.setting.member else 0.0,
        ceiling=UNBOUNDED,
        capacity=nominal if full is None else full,
        capacity_nominal=nominal,
        p_recovered=0.0 if full is None else 1.0 - held,
        slack=policy.slo.latency - service_time,
        bad=_expected_bad(bad, everywhere, fresh=fresh) * (1.0 - p_reopened),
        p_reopened=p_reopened,
        quota=quota,
        p_quota_lifted=0.0 if quota is None else 1.0 - p_degraded(estimate.quota.met_at, at, backoff),
        cost=belief.backend.cost,
        movable=belief.backend.movable and belief.setting.member,
        fresh=fresh,
        dead=False,
        member=belief.setting.member,
        idle=belief.idle,
        proven=saturation.rate is not None,
        backlog=min(QUEUE_SECONDS, QUEUE_GROWTH * saturation.waiting) if saturation.rate is not None else 0.0,
        graded=True,
    )


def _expected_bad(bad: float, everywhere: float, *, fresh: bool) -> float:
    """Share that is to be expected, where `bad` was shown: a region that was not seen lately is no better than a typical one."""
    usual = abs(bad - everywhere) <= BAD_SHARE_NOISE or (bad < everywhere and not fresh)
    return everywhere if usual else bad


def _own(capacity: float, served: float, load_from_peers: float) -> float:
    """This service's part of a capacity that it shares: what the others leave, and no less than its part of the load.

    If all are too much together, each gives way by its part: the trouble is not the smallest one's alone.
    """
    return max(capacity - load_from_peers, capacity * served / (served + load_from_peers))


Shown = tuple[float, bool]
"""(share that is bad at any load, whether its own samples are fresh and plentiful enough to judge a region)."""


def shown_of(belief: BackendBelief, least: int) -> Shown:
    """What the minutes of a region show of it; `least` is the number of answers to judge it by."""
    window = belief.window
    return shown_bad(belief), isinstance(window, Window) and window.answers >= least


def usual_bad(beliefs: Sequence[BackendBelief], shown: Sequence[Shown]) -> float:
    """Share that is bad in a typical region: the tail of a service that no region can help."""
    open_ones = [
        bad for f, (bad, fresh) in zip(beliefs, shown, strict=True) if fresh and f.serving and not f.dead
    ]
    return median(open_ones or [0.0])


def _reopens(belief: BackendBelief, at: float, backoff: float) -> float:
    """Chance that what a closed region was closed for is over: nothing shows it before load comes."""
    since = belief.memory.empty_since
    if since is None or not (belief.setting.member or belief.closed) or belief.setting.scaler > 0.0:
        return 0.0
    if belief.load_from_peers > 0.0:
        # what it was closed for shows in what the other services send there, as long as it lasts
        since = max(since, belief.estimate.last_minute)
    return 1.0 - p_degraded(since, at, backoff)


def proven(belief: BackendBelief) -> bool:
    """Whether the capacity was learned from the region itself and lies below its target, or endpoints are missing."""
    if belief.estimate.saturation.rate is not None or belief.share < NEARLY_ALL:
        return True
    return belief.capacity is not None and (
        belief.target is None or belief.capacity < NEARLY_ALL * belief.target * belief.share
    )


def shown_bad(belief: BackendBelief) -> float:
    """Share that is bad at any load: what was learned, as far as the newest minutes still show it."""
    estimate, window = belief.estimate, belief.window
    slow, errors, refusing = estimate.failures.slow, estimate.failures.errors, estimate.quota.refused_share
    if isinstance(window, Window) and window.answers > 0 and estimate.saturation.rate is None:
        slow, errors = min(slow, window.slow), min(errors, window.newest_errors)
    return 1.0 - (1.0 - slow) * (1.0 - errors) * (1.0 - refusing)


@dataclass(frozen=True, kw_only=True)
class ServiceModel:
    """One service at one moment: beliefs, traffic model and memory, ready to be assessed and decided."""

    service: Service
    policy: Policy
    posture: Posture
    beliefs: tuple[BackendBelief, ...]
    traffic: TrafficModel
    memory: ServiceMemory
    at: float
    dead_time: float
    """Seconds from a decision to its visible effect, as configured or as measured, whichever is longer."""

    @cached_property
    def constraints(self) -> Constraints:
        """What a set of ceilings may not break at this moment."""
        floors, traffic = self.policy.floors, self.traffic
        return Constraints(
            traffic=traffic,
            floor=self._floor,
            ceilings_floor=self._ceilings_floor,
            nominal=tuple(0.0 if f.dead else (f.target or 0.0) * f.share for f in self.beliefs),
            min_serving=floors.min_serving_regions,
            receiver_limit=floors.receiver_limit,
            margin=self.policy.rhythm.margin,
        )

    @property
    def _floor(self) -> float:
        """Requests/s that must be carried well: the largest of demand, forecast and slow average, x DEMAND_SWING_FACTOR x (1 + reserve).

        The slow average counts, as holes in the metrics and answers that fail to come look like less demand: clients do not
        leave by the half within a minute, and what cannot be seen is not gone.
        """
        demand = max(self.traffic.demand, self.traffic.forecast, self.memory.slow_average)
        return DEMAND_SWING_FACTOR * demand * (1.0 + self.policy.floors.reserve)

    @property
    def _ceilings_floor(self) -> float:
        """Requests/s of ceilings that must stay: the floor, or 0 in a shortage, where no setting could keep it.

        Google then overfills all in proportion to their ceilings, whose sum limits nothing: what must not fall is what the
        regions carry. A shortage of what is believed is none yet: the floor goes only where it could not be kept if all that
        is in doubt were well, standby regions included.
        """
        able = 0.0
        for region, belief in zip(self.traffic.regions, self.beliefs, strict=True):
            if not region.dead:
                able += max(region.capacity, region.capacity_nominal) * (
                    1.0 if region.proven else 1.0 + TARGET_ROOM
                )
                able += 0.0 if region.member else (belief.target or 0.0)
        least = min(self.traffic.demand, self.traffic.forecast) * (1.0 + self.policy.floors.reserve)
        return 0.0 if able < least else self._floor

    def belief(self, region: str) -> BackendBelief:
        """What is believed of `region`.

        Raises:
            KeyError: the service has no backend there.
        """
        for belief in self.beliefs:
            if belief.region == region:
                return belief
        raise KeyError(region)


def build(
    service: Service,
    beliefs: tuple[BackendBelief, ...],
    memory: ServiceMemory,
    policy: Policy,
    posture: Posture,
    *,
    at: float,
) -> ServiceModel:
    """The model of one service, from what is believed of its backends and remembered of its demand."""
    settings = failover_settings(service, policy, posture)
    drained = auto_drained(beliefs, settings)
    known = [f.target for f in beliefs if f.target is not None]
    typical = median(known) if known else None
    layout = layout_of(beliefs)
    shown = [shown_of(f, policy.evidence.min_requests) for f in beliefs]
    usual = typical, usual_bad(beliefs, shown)
    regions = [
        region_of(f, s, policy, settings, usual, at=at, drained=f.region in drained)
        for f, s in zip(beliefs, shown, strict=True)
    ]
    ages = [f.window.age for f in beliefs if isinstance(f.window, Window)]
    effect = policy.timing.effect
    dead = dead_time(policy, memory)
    origins, level = _origins(memory, layout, min(ages, default=0.0) + effect, dead)
    if service.shared_out:
        regions = _by_weight(regions, beliefs, origins.total)
    traffic = TrafficModel(regions=tuple(regions), origins=origins, demand=level, forecast=origins.total)
    newest = max([f.made_at for f in memory.flights], default=at)
    traffic = _with_queues(traffic, effect, max(0.0, at - newest - effect))
    return ServiceModel(
        service=service,
        policy=policy,
        posture=posture,
        beliefs=beliefs,
        traffic=traffic,
        memory=memory,
        at=at,
        dead_time=dead,
    )


def _by_weight(regions: list[Region], beliefs: Sequence[BackendBelief], total: float) -> list[Region]:
    """The regions with their shares: each would have its weight's part of `total` requests/s, the others as they stand."""
    weights = [f.backend.weight or 0.0 for f in beliefs]
    whole = sum([w * r.scaler for w, r in zip(weights, regions, strict=True)]) or sum(weights)
    unit = (total if total > 0.0 else 1.0) / whole if whole > 0.0 else 0.0
    return [r._replace(shared=True, ceiling=w * unit) for w, r in zip(weights, regions, strict=True)]


def _with_queues(traffic: TrafficModel, seconds: float, since: float) -> TrafficModel:
    """The model with the queues as they are when a write takes effect.

    Where more is expected than a region can take one grows; where moves in flight have brought less, one drains.

    Args:
        traffic: With the queues as they were last seen.
        seconds: From now until a write takes effect.
        since: Seconds since the newest move in flight took effect.
    """
    grown = []
    for region, load in zip(traffic.regions, traffic.base.flow.loads, strict=True):
        over = load / region.capacity - 1.0 if region.capacity > 0.0 else 0.0
        if region.backlog <= 0.0 and over <= TARGET_ROOM:
            grown.append(region)
            continue
        queue = min(QUEUE_SECONDS, max(0.0, over - TARGET_ROOM) * seconds)
        queue = max(queue, region.backlog - max(0.0, -over) * (seconds + since))
        grown.append(
            region._replace(backlog=queue) if queue != region.backlog and not region.dead else region
        )
    regions = tuple(grown)
    return traffic if regions == traffic.regions else replace(traffic, regions=regions)


def dead_time(policy: Policy, memory: ServiceMemory) -> float:
    """Seconds from a decision to its visible effect, with the settling time measured from own moves."""
    timing = policy.timing
    settle = max(timing.effect, memory.settle or 0.0)
    return timing.sample_period + timing.visibility_delay + settle


def _origins(memory: ServiceMemory, layout: Layout, seconds: float, dead: float) -> tuple[Origins, float]:
    names = {name for name, *_ in layout}
    kept = [o for o in memory.origins if o.home in names]
    through = routes_through(layout)
    routes = [through.route(o.place, o.home) for o in kept]
    return (
        Origins(
            rates=tuple(expected(memory, kept, seconds, dead)),
            orders=tuple([order for order, _ in routes]),
            round_trips=tuple([trips for _, trips in routes]),
        ),
        sum([o.level for o in kept]),
    )

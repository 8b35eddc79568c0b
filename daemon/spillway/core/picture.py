"""From facts to a model: one service's regions, and where its demand comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from spillway.core.altered import altered
from spillway.core.daytime import expected
from spillway.core.facts import Facts
from spillway.core.maker import maker
from spillway.core.memory import ServiceMemory
from spillway.core.overlay import Posture
from spillway.core.policy import Policy, PostureSet
from spillway.core.predict import Model
from spillway.core.regions import QUEUE_SECONDS, region_of, shown_of, usual_bad
from spillway.core.routes import Layout, layout_of, routes_through
from spillway.core.topology import Service
from spillway.core.waterfall import Origins
from spillway.core.window import Window

OVER_GRAIN = 0.1
"""Load over the capacity up to which it is no overload yet: targets are set with so much room."""


_model, _model_origins = maker(Model), maker(Origins)


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


def auto_drained(facts: Sequence[Facts], settings: PostureSet) -> frozenset[str]:
    """Regions that Google's auto-drain keeps empty: never half of them or more, worst first."""
    if not settings.auto_drain or not any(f.dead for f in facts):
        return frozenset()
    members = [f for f in facts if f.setting.member]
    closed = sum(1 for f in members if f.setting.scaler == 0.0)
    dead = sorted((f.share, f.region) for f in members if f.dead and f.setting.scaler > 0.0)
    most = (len(members) - 1) // 2 if not closed else max(0, (len(members) - 1) // 2 - closed)
    return frozenset(region for _, region in dead[:most])


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
    shown = [shown_of(f, policy.evidence.min_requests) for f in facts]
    usual = typical, usual_bad(facts, shown)
    regions = [
        region_of(f, s, policy, settings, usual, at, drained=f.region in drained)
        for f, s in zip(facts, shown, strict=True)
    ]
    ages = [f.window.age for f in facts if isinstance(f.window, Window)]
    effect = policy.timing.effect
    origins, level = _origins(memory, layout, min(ages, default=0.0) + effect)
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
        if region.backlog <= 0.0 and over <= OVER_GRAIN:
            grown.append(region)
            continue
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


def _origins(memory: ServiceMemory, layout: Layout, seconds: float) -> tuple[Origins, float]:
    names = {name for name, *_ in layout}
    kept = [o for o in memory.origins if o.home in names]
    through = routes_through(layout)
    routes = [through.route(o.place, o.home) for o in kept]
    return (
        _model_origins(
            rates=tuple(expected(memory, kept, seconds)),
            orders=tuple([order for order, _ in routes]),
            round_trips=tuple([trips for _, trips in routes]),
        ),
        sum([o.level for o in kept]),
    )

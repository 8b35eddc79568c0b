"""Predicted against observed, one dead time after a move: what came of it, what it teaches, whether to put it back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from spillway.core.estimate.belief import BackendBelief, bad_share
from spillway.core.estimate.demand import JUMP
from spillway.core.estimate.sample import Window
from spillway.core.model.predict import TROUBLE_SHARE
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Lever
from spillway.core.values.lifecycle import penalised
from spillway.core.values.state import Flight, ServiceMemory

PATIENCE = 4.0
"""Dead times after which a move without a visible effect is given up waiting for."""

ERROR_WEIGHT = 0.2
"""Weight of the newest verdict in the model's mean error."""

SHOWS = 1.15
"""Load over the new ceiling above which a cut has plainly not arrived yet."""


STILL_OVERLOADED = 0.85
"""Requests/s that a region takes over those that it was cut for from which the cut is far from enough: readings are good to a tenth."""


class Finding(StrEnum):
    """What became of a move. All but `DISAPPOINTED` count as good: then nothing is put back, and no dwell grows."""

    AS_EXPECTED = "as-expected"
    NO_WORSE = "no-worse"
    """More requests are bad than expected, and not more than before the move."""
    DEMAND_GREW = "demand-grew"
    """More requests are bad than expected, and demand has grown by more than `JUMP` since the move."""
    ELSEWHERE = "elsewhere"
    """More requests are bad than expected, and not where the move sent load."""
    DISAPPOINTED = "disappointed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What became of one move: promised against seen, one dead time later."""

    flight: Flight
    observed: float
    """Share of bad requests of the service."""
    demand: float
    """Requests/s of the service at that time."""
    finding: Finding

    @property
    def better(self) -> bool:
        """Whether the move kept its promise, or something else is to blame."""
        return self.finding is not Finding.DISAPPOINTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What became of the moves in flight."""

    memory: ServiceMemory
    judgements: tuple[Judgement, ...] = ()


def arrived(flight: Flight, model: ServiceModel) -> bool:
    """Whether the newest minutes can show the effect of `flight`, as far as its region's load tells."""
    if flight.region is None or flight.lever is Lever.POSTURE or flight.after >= flight.before:
        return True
    belief = model.belief(flight.region)
    if belief.target is None or not isinstance(belief.window, Window):
        return True
    overfill = max(1.0, model.traffic.demand / max(1e-6, _open_ceilings(model)))
    return belief.window.newest <= SHOWS * overfill * flight.after * belief.target + 1.0


def still_overloaded(model: ServiceModel, belief: BackendBelief) -> bool:
    """Whether a region takes far less than its only cut in flight was made for, so that it may be cut again at once.

    The first minute of trouble is a healthy one in part, and promises too much. Only minutes count that are older than the
    effect of that cut.
    """
    cuts = [f for f in model.memory.flights if f.region == belief.region and f.after < f.before]
    if len(cuts) != 1 or not isinstance(belief.window, Window):
        return False
    region = model.traffic.regions[model.traffic.index(belief.region)]
    old = belief.window.end <= cuts[0].made_at + model.policy.timing.effect
    return old and region.proven and region.capacity_confirmed < STILL_OVERLOADED * cuts[0].takes


def _open_ceilings(model: ServiceModel) -> float:
    return sum(r.scaler * r.ceiling for r in model.traffic.regions)


def measure(model: ServiceModel) -> ServiceMemory:
    """The memory with the settling time as the newest cut shows it: from its write to the first minute that obeys."""
    memory, timing = model.memory, model.policy.timing
    configured = timing.effect
    settle = memory.settle
    for flight in memory.flights:
        if flight.region is None or flight.after >= flight.before or flight.lever is Lever.POSTURE:
            continue
        belief = model.belief(flight.region)
        window = belief.window
        if belief.target is None or not isinstance(window, Window) or window.before is None:
            continue
        limit = SHOWS * flight.after * belief.target
        if window.before > limit >= window.newest and window.end > flight.made_at:
            found = min(PATIENCE * configured, max(0.5 * configured, window.end - flight.made_at))
            settle = found if settle is None else settle + 0.5 * (found - settle)
    return memory if settle == memory.settle else replace(memory, settle=settle)


def review(model: ServiceModel) -> Review:
    """Judge every flight whose effect can be seen by now."""
    if not model.memory.flights:
        return Review(memory=model.memory)
    memory = measure(model)
    observed = bad_share(model.beliefs)
    kept: list[Flight] = []
    judgements: list[Judgement] = []
    for flight in memory.flights:
        age = model.at - flight.made_at
        given_up = age >= PATIENCE * model.dead_time
        ready = age >= model.dead_time + model.policy.timing.sample_period and arrived(flight, model)
        if not ready and not given_up:
            kept.append(flight)
            continue
        if observed is None or given_up:
            continue
        found = Judgement(
            flight=flight,
            observed=observed,
            demand=model.traffic.demand,
            finding=_finding(flight, observed, model),
        )
        judgements.append(found)
        error = abs(observed - flight.predicted)
        memory = replace(memory, model_error=memory.model_error + ERROR_WEIGHT * (error - memory.model_error))
        if not found.better and flight.region is not None and flight.after > flight.before:
            ours = penalised(memory.backend(flight.region), model.policy.rhythm, model.at)
            memory = memory.with_backend(ours)
    memory = replace(memory, flights=tuple(kept))
    return Review(memory=memory, judgements=tuple(judgements))


def _finding(flight: Flight, observed: float, model: ServiceModel) -> Finding:
    """What became of a move, within what is noise; the first that holds."""
    if observed <= flight.predicted + TROUBLE_SHARE:
        return Finding.AS_EXPECTED
    if model.traffic.demand > (1.0 + JUMP) * flight.demand:
        return Finding.DEMAND_GREW
    if observed <= flight.seen + TROUBLE_SHARE:
        return Finding.NO_WORSE
    return Finding.DISAPPOINTED if _to_blame(flight, model) else Finding.ELSEWHERE


def _to_blame(flight: Flight, model: ServiceModel) -> bool:
    """Whether the disappointment lies where the move sent load: in the raised region, or in one that a cut filled.

    A neighbour that failed meanwhile by itself is nobody's fault.
    """
    if flight.region is None:
        return False
    belief = model.belief(flight.region)
    if flight.after > flight.before:
        return isinstance(belief.window, Window) and belief.window.bad > flight.predicted + TROUBLE_SHARE
    return any(
        f.region != flight.region and f.serving and not f.dead and f.estimate.saturation.rate is not None
        for f in model.beliefs
    )

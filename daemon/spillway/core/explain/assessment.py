"""What the core believes of a service and its backends, and one sentence about the step.

All of it is put into the words of `core.values.decision`.
"""

from __future__ import annotations

from spillway.core.estimate.belief import BackendBelief, is_blind, is_known, looks_bad
from spillway.core.estimate.sample import Window
from spillway.core.explain.alarms import expected_in_silence, service_alarms, survival, unseen
from spillway.core.explain.health import health_of
from spillway.core.explain.reasons import ending, reason
from spillway.core.explain.slo import failing
from spillway.core.model.predict import Region, bounded
from spillway.core.model.service import ServiceModel
from spillway.core.model.verify import Judgement
from spillway.core.values.alarms import Alarm
from spillway.core.values.decision import (
    BackendAssessment,
    Candidate,
    Health,
    Lever,
    Move,
    PinnedLever,
    Plan,
    Reason,
    Refusal,
    ServiceAssessment,
    Verdict,
)
from spillway.core.values.snapshot import Missing, ObservedBackend, Seen, ServiceView
from spillway.core.values.state import ServiceMemory

PLENTY = 10.0
"""Answers over `evidence.min_requests` from which more answers add no confidence."""

BELIEVE_SECONDS = 240.0
"""Seconds after which a panic with fresh samples is believed to be real: people were told, and the loop moves again."""


def assess(
    model: ServiceModel,
    view: ServiceView,
    notes: tuple[tuple[str, Reason], ...],
    alarms: tuple[Alarm, ...],
    *,
    before: ServiceMemory,
    may_join: bool,
) -> ServiceAssessment:
    """The assessment of one service.

    Args:
        model: The service.
        view: What was observed of it.
        notes: (region, note).
        alarms: What the step itself has found.
        before: What was remembered of it before this step.
        may_join: Whether Spillway may join standby regions at present.
    """
    traffic = model.traffic
    observed = {b.region: b.observed for b in view.backends}
    plenty = PLENTY * model.policy.evidence.min_requests
    backends = tuple(
        [
            _backend(
                f,
                r,
                observed[f.region],
                (*notes, *_pin_notes(f, model.at)),
                home=home,
                plenty=plenty,
                health=health_of(f, model.policy, demand_known=bool(model.memory.origins)),
            )
            for f, r, home in zip(model.beliefs, traffic.regions, traffic.at_home(), strict=True)
        ]
    )
    known = traffic.forecast > 0.0
    potential = traffic.potential
    survives, loss = survival(model)
    short = known and potential < traffic.forecast
    pins = foreign_pins(model)
    silent = expected_in_silence(model, view, before)
    found = service_alarms(model, view, pins, may_join=may_join, loss=loss, silent=silent)
    seen = {a.key: a for a in (*alarms, *found)}
    return ServiceAssessment(
        service=model.service.name,
        posture=model.posture,
        demand=traffic.demand if known else None,
        forecast=traffic.forecast if known else None,
        capacity=bounded(potential) if known else None,
        headroom=potential / traffic.forecast - 1.0 if known and bounded(potential) is not None else None,
        survives_loss=survives,
        shortage=short,
        backends=backends,
        alarms=tuple(seen.values()),
        foreign_pins=pins,
        silent=silent is not None,
    )


def foreign_pins(model: ServiceModel) -> tuple[PinnedLever, ...]:
    """What somebody else has set and is left alone at this moment."""
    found = [
        PinnedLever(
            region=f.region,
            lever=_lever(f) if pin.member and pin.wanted_member else Lever.MEMBERSHIP,
            value=pin.shown,
            wanted=pin.wanted,
            since=pin.since,
            until=pin.until,
        )
        for f in model.beliefs
        if (pin := f.memory.pin) is not None
    ]
    posture = model.memory.posture_pin
    if posture is not None and posture.holds(model.at):
        found.append(
            PinnedLever(
                region=None,
                lever=Lever.POSTURE,
                value=posture.shown,
                wanted=str(posture.wanted),
                since=posture.since,
                until=posture.until,
            )
        )
    return tuple(found)


def _lever(belief: BackendBelief) -> Lever:
    """The graded lever of a backend."""
    return Lever.SCALER if belief.backend.weight is None else Lever.WEIGHT


def _backend(
    belief: BackendBelief,
    region: Region,
    observed: Seen[ObservedBackend] | Missing,
    notes: tuple[tuple[str, Reason], ...],
    *,
    home: float,
    plenty: float,
    health: Health,
) -> BackendAssessment:
    window = belief.window
    own = [note for name, note in notes if name == belief.region] if notes else ()
    seen = window if isinstance(window, Window) else None
    served = seen.rate if seen is not None else None
    carries = bounded(min(region.lets_in(region.scaler), region.capacity))
    return BackendAssessment(
        region=belief.region,
        state=belief.memory.state,
        member=belief.setting.member,
        scaler_observed=observed.value.scaler
        if isinstance(observed, Seen) and observed.value.member
        else None,
        scaler_wanted=belief.setting.scaler,
        demand=home,
        served=served,
        target=belief.target,
        capacity=belief.capacity,
        headroom=(carries - served) / served if served and carries is not None else None,
        latency=seen.percentile if seen is not None else None,
        error_ratio=seen.error_ratio if seen is not None else None,
        too_many_ratio=seen.too_many_ratio if seen is not None else None,
        healthy_share=belief.share if belief.health is not None else None,
        confidence=confidence(belief, plenty),
        age=window.age,
        notes=(*own, *_notes(belief, region)),
        health=health,
        weight=None
        if belief.backend.weight is None
        else float(round(belief.backend.weight * belief.setting.scaler)),
    )


def _pin_notes(belief: BackendBelief, at: float) -> tuple[tuple[str, Reason], ...]:
    """The note of a region that somebody else has set."""
    pin = belief.memory.pin
    if pin is None:
        return ()
    ends = ending(pin.until, at)
    note = reason("foreign-pinned", region=belief.region, value=pin.shown, wanted=pin.wanted, ends=ends)
    return ((belief.region, note),)


def confidence(belief: BackendBelief, plenty: float) -> float:
    """0 nothing known, 1 fresh and plentiful: half of it health, half of it traffic, which needs `plenty` answers for all of its half.

    Where nobody probes health, traffic alone counts.
    """
    seen = min(1.0, belief.window.answers / plenty) if isinstance(belief.window, Window) else 0.0
    if not belief.backend.has_scaler:
        return seen
    return (0.5 if belief.health is not None else 0.0) + 0.5 * seen


def _notes(belief: BackendBelief, region: Region) -> list[Reason]:
    notes = []
    saturated = belief.estimate.saturation.rate
    if saturated is not None:
        notes.append(reason("saturated", region=belief.region, rate=saturated * belief.share))
    blind = unseen(belief)
    if blind is not None and belief.serving:
        notes.append(reason("missing", signal="traffic", region=belief.region, why=blind.why))
    if not belief.health_known and belief.setting.member:
        notes.append(reason("missing", signal="health", region=belief.region, why="not read or stale"))
    if belief.dead and region.ceiling == 0.0 and belief.serving and belief.health is not None:
        notes.append(
            reason(
                "auto-drained",
                region=belief.region,
                healthy=belief.health.healthy,
                total=belief.health.total,
            )
        )
    return notes


def panic_of(model: ServiceModel, *, only_dead: bool) -> tuple[Reason | None, float | None]:
    """(why everything is held, since when too much looks bad). A panic of regions that look bad ends by time, one of blind regions does not."""
    members = [f for f in model.beliefs if f.setting.member]
    blind = 0 if only_dead else sum(1 for f in members if is_blind(f))
    bad = blind + sum(1 for f in members if (f.dead if only_dead else looks_bad(f)))
    count = len(members)
    share = model.policy.evidence.panic_share
    if count < 2 or bad <= share * count:
        return None, None
    since = model.memory.panic_since
    since = model.at if since is None else since
    if blind <= share * count and model.at - since >= BELIEVE_SECONDS:
        return None, since
    return reason("panic", bad=bad, count=count), since


def verdict_of(judgement: Judgement) -> Verdict:
    """What became of a move, in words."""
    flight = judgement.flight
    what = f"{flight.lever} {flight.move.before} -> {flight.move.after} in {flight.region or 'all regions'}"
    code = "verified" if judgement.better else "disappointed"
    why = reason(code, what=what, predicted=flight.predicted, observed=judgement.observed)
    return Verdict(
        move=flight.move,
        made_at=flight.made_at,
        predicted=flight.predicted,
        observed=judgement.observed,
        better=judgement.better,
        sentence=why.sentence,
    )


def tell(plan: Plan, advice: tuple[Move, ...], refusals: tuple[Refusal, ...], quiet: str, mode: str) -> str:
    """One sentence: what is done and why, or why nothing is."""
    if plan.moves:
        return "; ".join(line(m) for m in plan.moves)
    if advice:
        return f"nothing done, because the mode is {mode}; advice: " + "; ".join(line(m) for m in advice)
    unordered = [r for r in refusals if not r.ordered]
    if unordered:
        others = len(unordered) - 1
        more = f" (and {others} more {'refusal' if others == 1 else 'refusals'})" if others else ""
        first = unordered[0]
        move = first.move
        return f"nothing done, because {first.sentence}{more}; wanted: {_where(move)} {move.lever} {move.before} -> {move.after}"
    return f"nothing done, because {quiet}"


def line(move: Move) -> str:
    """One move and its reason."""
    return f"{_where(move)} {move.lever} {move.before} -> {move.after}: {move.reason.sentence}"


def _where(move: Move) -> str:
    return f"{move.service}/{move.region}" if move.region else move.service


def quiet_reason(model: ServiceModel, candidate: Candidate | None) -> str:
    """Why nothing is proposed for a service."""
    traffic = model.traffic
    if traffic.forecast <= 0.0:
        return reason("no-data").sentence
    if candidate is not None:
        numbers: dict[str, object] = {
            "levers": "weights" if traffic.shared else "ceilings",
            "bad": candidate.bad_now,
            "best": candidate.bad_best,
            "least": candidate.least,
        }
        return reason("no-better", **numbers).sentence
    if model.memory.flights:
        count = len(model.memory.flights)
        return reason("in-flight", moves="1 move is" if count == 1 else f"{count} moves are").sentence
    room = bounded(traffic.potential)
    headroom = "unknown" if room is None else f"{room / traffic.forecast - 1.0:.0%}"
    members = sum(r.member for r in traffic.regions)
    missed = failing(model.beliefs, model.policy.slo)
    if missed is not None:
        return missed.sentence
    well = sum(is_known(f) and f.serving and not f.dead for f in model.beliefs)
    if not well:
        return reason("no-data").sentence
    which = f"all {members}" if well == members else f"{well} of {members}"
    who = "its one region is" if members == 1 else f"{which} regions are"
    return reason("all-well", regions=who, headroom=headroom).sentence

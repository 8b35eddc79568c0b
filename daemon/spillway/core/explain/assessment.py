"""What the core believes of a service and its backends, whether the SLO is kept, and one sentence about the step.

All of it is put into the words of `core.values.decision`.
"""

from __future__ import annotations

from collections.abc import Sequence

from spillway.core.estimate.belief import BackendBelief, is_blind, is_known, looks_bad
from spillway.core.estimate.sample import Blind, Window
from spillway.core.explain.reasons import ending, reason
from spillway.core.model.predict import Region, bounded
from spillway.core.model.service import ServiceModel
from spillway.core.model.verify import Judgement
from spillway.core.values.decision import (
    BackendAssessment,
    Candidate,
    Lever,
    Move,
    PinnedLever,
    Plan,
    Reason,
    Refusal,
    ServiceAssessment,
    Verdict,
)
from spillway.core.values.policy import DriftAnswer, Policy, Slo
from spillway.core.values.snapshot import Absence, Minute, Missing, ObservedBackend, Seen, ServiceView

BURN_RATE = 14.4
"""Burn rate of the error budget from which failures are told: at this rate the budget of a month is gone in two days (Google, The Site
Reliability Workbook, chapter 5, table 5-8). Lower rates come and go with every deployment."""


def may_be_late(slo: Slo) -> float:
    """Share of the answers that may take longer than the SLO's latency."""
    return 1.0 - slo.percentile / 100.0


def may_fail(slo: Slo) -> float:
    """Share of the answers that may fail in the judged minutes before it is told."""
    return min(1.0, BURN_RATE * (1.0 - slo.availability))


def failing(beliefs: Sequence[BackendBelief], slo: Slo) -> Reason | None:
    """The reason for the worst open region that misses the SLO; None where no region that was seen misses it."""
    worst: tuple[float, str, Window] | None = None
    for f in beliefs:
        window = f.window
        if not isinstance(window, Window) or not f.serving:
            continue
        breaks = window.slow > may_be_late(slo) or window.error_ratio > may_fail(slo)
        if breaks and (worst is None or window.bad > worst[0]):
            worst = window.bad, f.region, window
    if worst is None:
        return None
    _, region, window = worst
    return reason("no-relief", region=region, late=window.slow, failed=window.error_ratio)


def broken(beliefs: Sequence[BackendBelief], policy: Policy) -> Reason | None:
    """The alarm that a service as a whole misses the SLO; None where it keeps it, or where too few answers were seen."""
    answers = late = failed = 0.0
    for f in beliefs:
        window = f.window
        if isinstance(window, Window):
            answers += window.answers
            failed += window.error_ratio * window.answers
            late += window.slow * (1.0 - window.error_ratio - window.too_many_ratio) * window.answers
    if answers < policy.evidence.min_requests:
        return None
    slo = policy.slo
    late, failed = late / answers, failed / answers
    if late <= may_be_late(slo) and failed <= may_fail(slo):
        return None
    return reason("slo-missed", late=late, latency=slo.latency, failed=failed)


PLENTY = 10.0
"""Answers over `evidence.min_requests` from which more answers add no confidence."""

UNASSIGNED_RATE = 0.1
"""Requests/s without a backend from which the alarm rises."""

BELIEVE_SECONDS = 240.0
"""Seconds after which a panic with fresh samples is believed to be real: people were told, and the loop moves again."""


SILENCE = 50.0
"""Requests expected in a sample from which none at all is an alarm: chance leaves so many out once in 10^21 samples."""


def assess(
    model: ServiceModel, view: ServiceView, notes: tuple[tuple[str, Reason], ...], alarms: tuple[Reason, ...]
) -> ServiceAssessment:
    """The assessment of one service."""
    traffic = model.traffic
    observed = {b.region: b.observed for b in view.backends}
    plenty = PLENTY * model.policy.evidence.min_requests
    backends = tuple(
        [
            _backend(f, r, observed[f.region], (*notes, *_pin_notes(f, model.at)), home=home, plenty=plenty)
            for f, r, home in zip(model.beliefs, traffic.regions, traffic.at_home(), strict=True)
        ]
    )
    known = traffic.forecast > 0.0
    potential = traffic.potential
    survives, loss = _survives(model)
    short = known and potential < traffic.forecast
    pins = foreign_pins(model)
    raised = [*alarms, *_alarms(model, view)]
    if model.policy.drift.levers is DriftAnswer.ALARM:
        raised += [
            reason("foreign-pin-alarm", what=p.region or "failover policy", value=p.value, wanted=p.wanted)
            for p in pins
        ]
    missed = _expected_in_silence(model, view)
    if missed is not None:
        raised.append(reason("silent-service", expected=missed))
    if short:
        raised.append(reason("shortage", demand=traffic.forecast, capacity=potential))
    elif survives is False and loss is not None:
        raised.append(loss)
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
        alarms=tuple(raised),
        foreign_pins=pins,
        silent=missed is not None,
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


def _expected_in_silence(model: ServiceModel, view: ServiceView) -> float | None:
    """Requests that the newest sample should have, where no backend has any; None where some has, or nobody knows.

    A sample is due half a sample period after the longest visibility delay: clocks and reads differ by seconds. What a query
    did not answer is not silence, and neither is a sample that the balancer itself or a region closed since has answered.
    """
    timing = model.policy.timing
    expected = model.traffic.demand * timing.sample_period
    if expected < SILENCE:
        return None
    due = model.at - timing.visibility_delay - 1.5 * timing.sample_period
    serving = {f.region for f in model.beliefs if f.serving}
    signals = [b.traffic for b in view.backends if b.region in serving]
    answered = (view.unassigned, *(b.traffic for b in view.backends if b.region not in serving))
    heard = any(isinstance(traffic, Seen) and not _is_silent(traffic, due) for traffic in answered)
    if not signals or heard:
        return None
    return expected if all(_is_silent(signal, due) for signal in signals) else None


def _is_silent(traffic: Seen[tuple[Minute, ...]] | Missing, due: float) -> bool:
    if isinstance(traffic, Missing):
        return traffic.absence in {Absence.NO_SERIES, Absence.STALE}
    return not traffic.value or traffic.value[-1].end < due


def _survives(model: ServiceModel) -> tuple[bool | None, Reason | None]:
    """N-1: whether demand still fits after the largest region is lost; None where nothing is known."""
    traffic = model.traffic
    if traffic.forecast <= 0.0:
        return None, None
    parts = [
        (min(r.capacity, r.lets_in(1.0)) * (1.0 - r.bad), r.name)
        for r in traffic.regions
        if r.member and not r.dead
    ]
    if not parts:
        return False, None
    largest, name = max(parts)
    left = sum(p for p, _ in parts) - largest
    if left >= traffic.forecast:
        return True, None
    return False, reason("no-survival", region=name, left=left, demand=traffic.forecast)


def _backend(
    belief: BackendBelief,
    region: Region,
    observed: Seen[ObservedBackend] | Missing,
    notes: tuple[tuple[str, Reason], ...],
    *,
    home: float,
    plenty: float,
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
    unseen = _unseen(belief)
    if unseen is not None and belief.serving:
        notes.append(reason("missing", signal="traffic", region=belief.region, why=unseen.why))
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


def _unseen(belief: BackendBelief) -> Blind | None:
    """Why its traffic cannot be judged; None where it can, or where it was not read, as in a health pass."""
    window = belief.window
    return window if isinstance(window, Blind) and window.absence is not Absence.NOT_ASKED else None


def _alarms(model: ServiceModel, view: ServiceView) -> list[Reason]:
    alarms = []
    # a region that was closed a moment ago still has the newest samples
    anybody = any(f.serving for f in model.beliefs)
    if anybody and all(_unseen(f) is not None for f in model.beliefs) and model.memory.origins:
        alarms.append(reason("blind", service=model.service.name))
    missed = broken(model.beliefs, model.policy)
    if missed is not None:
        alarms.append(missed)
    alarms.extend(
        reason("region-dead", region=f.region, healthy=f.health.healthy, total=f.health.total)
        for f in model.beliefs
        if f.setting.member and f.dead and f.health is not None
    )
    if not isinstance(view.unassigned, Missing) and view.unassigned.value:
        minutes = view.unassigned.value[-model.policy.evidence.minutes :]
        rate = sum(m.total for m in minutes) / (model.policy.timing.sample_period * len(minutes))
        if rate > UNASSIGNED_RATE:
            alarms.append(reason("unassigned", rate=rate))
    return alarms


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

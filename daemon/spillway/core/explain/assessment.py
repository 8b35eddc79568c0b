"""Whether what users were promised is kept: the SLO, by what the judged minutes show.

What the core believes of a service and its backends, put into the words of `core.values.decision`.
"""

from __future__ import annotations

from collections.abc import Sequence

from spillway.core.estimate.backend import BackendBelief, is_blind, looks_bad
from spillway.core.estimate.sample import Blind, Window
from spillway.core.explain.reasons import ending, reason
from spillway.core.model.predict import Region
from spillway.core.model.service import ServiceModel
from spillway.core.model.verify import Judgement
from spillway.core.values.decision import (
    BackendAssessment,
    Lever,
    PinnedLever,
    Reason,
    ServiceAssessment,
    Verdict,
)
from spillway.core.values.policy import DriftAnswer, Policy, Slo
from spillway.core.values.snapshot import Absence, Missing, ObservedBackend, Seen, ServiceView

BURN = 14.4
"""Failures over what the availability allows from which they are told: at that pace a month's budget is gone in two days (Google, The
Site Reliability Workbook, chapter 5, table 5-8). Fewer come and go with every deployment."""


def may_be_late(slo: Slo) -> float:
    """Share of the answers that may take longer than the SLO's latency."""
    return 1.0 - slo.percentile / 100.0


def may_fail(slo: Slo) -> float:
    """Share of the answers that may fail for some minutes before it is told."""
    return min(1.0, BURN * (1.0 - slo.availability))


def failing(facts: Sequence[BackendBelief], slo: Slo) -> Reason | None:
    """What is said of the worst open region that does not keep the promise; None where all do that were seen."""
    worst: tuple[float, str, Window] | None = None
    for f in facts:
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


def broken(facts: Sequence[BackendBelief], policy: Policy) -> Reason | None:
    """The alarm that a service as a whole does not keep its promise; None where it does, or too little was seen to tell."""
    answers = late = failed = 0.0
    for f in facts:
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
"""Times the least evidence at which evidence alone no longer lowers confidence."""

UNASSIGNED_RATE = 0.1
"""Requests/s without a backend from which the alarm rises."""

BELIEVE_SECONDS = 240.0
"""A panic that lasts this long with plentiful, fresh samples is no error of measurement: people were told, the loop goes on."""


def assess(
    model: ServiceModel, view: ServiceView, notes: tuple[tuple[str, Reason], ...], alarms: tuple[Reason, ...]
) -> ServiceAssessment:
    """The assessment of one service."""
    traffic = model.traffic
    observed = {b.region: b.observed for b in view.backends}
    backends = tuple(
        [
            _backend(f, r, observed[f.region], (*notes, *_pin_notes(f, model.at)), home)
            for f, r, home in zip(model.facts, traffic.regions, traffic.at_home(), strict=True)
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
    if short:
        raised.append(reason("shortage", demand=traffic.forecast, capacity=potential))
    elif survives is False and loss is not None:
        raised.append(loss)
    return ServiceAssessment(
        service=model.service.name,
        posture=model.posture,
        demand=traffic.demand if known else None,
        forecast=traffic.forecast if known else None,
        capacity=potential if known else None,
        headroom=potential / traffic.forecast - 1.0 if known else None,
        survives_loss=survives,
        shortage=short,
        backends=backends,
        alarms=tuple(raised),
        foreign_pins=pins,
    )


def foreign_pins(model: ServiceModel) -> tuple[PinnedLever, ...]:
    """What somebody else has set and is left alone at this moment."""
    found = [
        PinnedLever(
            region=f.region,
            lever=Lever.SCALER if pin.member and pin.wanted_member else Lever.MEMBERSHIP,
            value=pin.shown,
            wanted=pin.wanted,
            since=pin.since,
            until=pin.until,
        )
        for f in model.facts
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


def _survives(model: ServiceModel) -> tuple[bool | None, Reason | None]:
    """N-1: whether demand still fits after the largest region is lost; None where nothing is known."""
    traffic = model.traffic
    if traffic.forecast <= 0.0:
        return None, None
    parts = [
        (min(r.capacity, r.ceiling) * (1.0 - r.bad), r.name)
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
    facts: BackendBelief,
    region: Region,
    observed: Seen[ObservedBackend] | Missing,
    notes: tuple[tuple[str, Reason], ...],
    home: float,
) -> BackendAssessment:
    window = facts.window
    own = [note for name, note in notes if name == facts.region] if notes else ()
    seen = window if isinstance(window, Window) else None
    served = seen.rate if seen is not None else None
    carries = min(region.scaler * region.ceiling, region.capacity)
    return BackendAssessment(
        region=facts.region,
        state=facts.memory.state,
        member=facts.setting.member,
        scaler_observed=observed.value.scaler
        if isinstance(observed, Seen) and observed.value.member
        else None,
        scaler_wanted=facts.setting.scaler,
        demand=home,
        served=served,
        target=facts.target,
        capacity=facts.capacity,
        headroom=(carries - served) / served if served else None,
        latency=seen.percentile if seen is not None else None,
        error_ratio=seen.error_ratio if seen is not None else None,
        too_many_ratio=seen.too_many_ratio if seen is not None else None,
        healthy_share=facts.share if facts.health is not None else None,
        confidence=confidence(facts),
        age=window.age,
        notes=(*own, *_notes(facts, region)),
    )


def _pin_notes(facts: BackendBelief, at: float) -> tuple[tuple[str, Reason], ...]:
    """The note of a region that somebody else has set."""
    pin = facts.memory.pin
    if pin is None:
        return ()
    ends = ending(pin.until, at)
    note = reason("foreign-pinned", region=facts.region, value=pin.shown, wanted=pin.wanted, ends=ends)
    return ((facts.region, note),)


def confidence(facts: BackendBelief) -> float:
    """0 nothing known, 1 fresh and plentiful: half of it health, half of it traffic."""
    health = 0.5 if facts.health is not None else 0.0
    if not isinstance(facts.window, Window):
        return health
    plenty = min(1.0, facts.window.answers / (PLENTY * 50.0))
    return health + 0.5 * plenty


def _notes(facts: BackendBelief, region: Region) -> list[Reason]:
    notes = []
    saturated = facts.memory.estimate.saturation.rate
    if saturated is not None:
        notes.append(reason("saturated", region=facts.region, rate=saturated * facts.share))
    unseen = _unseen(facts)
    if unseen is not None and facts.serving:
        notes.append(reason("missing", signal="traffic", region=facts.region, why=unseen.why))
    if facts.health is None and facts.setting.member:
        notes.append(reason("missing", signal="health", region=facts.region, why="not read or stale"))
    if facts.dead and region.ceiling == 0.0 and facts.serving and facts.health is not None:
        notes.append(
            reason(
                "auto-drained",
                region=facts.region,
                healthy=facts.health.healthy,
                total=facts.health.total,
            )
        )
    return notes


def _unseen(facts: BackendBelief) -> Blind | None:
    """Why its traffic cannot be judged; None where it can, or where nobody asked for it, as in a health pass."""
    window = facts.window
    return window if isinstance(window, Blind) and window.absence is not Absence.NOT_ASKED else None


def _alarms(model: ServiceModel, view: ServiceView) -> list[Reason]:
    alarms = []
    serving = [f for f in model.facts if f.serving]
    if serving and all(_unseen(f) is not None for f in serving) and model.memory.origins:
        alarms.append(reason("blind", service=model.service.name))
    missed = broken(model.facts, model.policy)
    if missed is not None:
        alarms.append(missed)
    alarms.extend(
        reason("region-dead", region=f.region, healthy=f.health.healthy, total=f.health.total)
        for f in model.facts
        if f.setting.member and f.dead and f.health is not None
    )
    if not isinstance(view.unassigned, Missing) and view.unassigned.value:
        minutes = view.unassigned.value[-model.policy.evidence.minutes :]
        rate = sum(m.total for m in minutes) / (model.policy.timing.sample_period * len(minutes))
        if rate > UNASSIGNED_RATE:
            alarms.append(reason("unassigned", rate=rate))
    return alarms


def panic_of(model: ServiceModel, *, only_dead: bool) -> tuple[Reason | None, float | None]:
    """(why everything is held, since when too much looks bad); blindness never wears off, badness does."""
    members = [f for f in model.facts if f.setting.member]
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

"""Whether what users were promised is kept: the SLO, by what the judged minutes show.

What the core believes of a service and its backends, put into the words of `core.values.decision`.
"""

from __future__ import annotations

from collections.abc import Sequence

from spillway.core.estimate.backend import BackendBelief, is_blind, looks_bad
from spillway.core.estimate.sample import Blind, Window
from spillway.core.explain.reasons import reason
from spillway.core.model.predict import Region
from spillway.core.model.service import ServiceModel
from spillway.core.model.verify import Judgement
from spillway.core.values.decision import BackendAssessment, Reason, ServiceAssessment, Verdict
from spillway.core.values.policy import Policy, Slo
from spillway.core.values.snapshot import Absence, Minute, Missing, ObservedBackend, Seen, ServiceView

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


SILENCE = 50.0
"""Requests expected in a sample from which none at all is an alarm: chance leaves so many out once in 10^21 samples."""


def assess(
    model: ServiceModel, view: ServiceView, notes: tuple[tuple[str, Reason], ...], alarms: tuple[Reason, ...]
) -> ServiceAssessment:
    """The assessment of one service."""
    traffic = model.traffic
    observed = {b.region: b.observed for b in view.backends}
    backends = tuple(
        [
            _backend(f, r, observed[f.region], notes, home)
            for f, r, home in zip(model.facts, traffic.regions, traffic.at_home(), strict=True)
        ]
    )
    known = traffic.forecast > 0.0
    potential = traffic.potential
    survives, loss = _survives(model)
    short = known and potential < traffic.forecast
    raised = [*alarms, *_alarms(model, view)]
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
        capacity=potential if known else None,
        headroom=potential / traffic.forecast - 1.0 if known else None,
        survives_loss=survives,
        shortage=short,
        backends=backends,
        alarms=tuple(raised),
        silent=missed is not None,
    )


def _expected_in_silence(model: ServiceModel, view: ServiceView) -> float | None:
    """Requests that the newest sample should have, where no backend has any; None where some has, or nobody knows.

    A sample is due once its end is older than the longest visibility delay. What a query did not answer is not silence,
    and neither is a sample that only the balancer itself has answered.
    """
    timing = model.policy.timing
    expected = model.traffic.demand * timing.sample_period
    if expected < SILENCE:
        return None
    due = model.at - timing.visibility_delay - timing.sample_period
    serving = {f.region for f in model.facts if f.serving}
    signals = [b.traffic for b in view.backends if b.region in serving]
    heard = isinstance(view.unassigned, Seen) and not _is_silent(view.unassigned, due)
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

"""Learning what a backend can take, from what is visible only.

The one law used is Little's: requests in work = rate x mean latency. A region has `slots` = capacity x service time,
so at a known service time its capacity is slots / service time, whether it is slow, short of machines, or both.
A saturated region's answer rate is its capacity. Knowledge is forgotten slowly upward and fast downward.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp2

from spillway.core.altered import altered
from spillway.core.memory import Estimate
from spillway.core.policy import Evidence, Slo
from spillway.core.snapshot import Minute
from spillway.core.window import Judged, judged

SATURATED_LATENCY = 1.25
"""Mean latency over its baseline from which full slots mean saturation, and not merely a larger region."""

FULL = 0.95
"""Share of the slots in work from which a region counts as full."""

SLOW_MINUTES = 3
"""Minutes after saturation in which a region answers as slowly with room to spare: then it is slow, and its machines are
all there. A queue that only has to drain is gone by then, and with it the long latency: then machines are missing."""

SMOOTH = 0.6
"""Weight of the newest minute in service time and base shares: two minutes carry 84 %."""

PLAIN = 500.0
PLAIN_STEP = 0.2
"""A jump by this much (of the ratio, or of the baseline) over this many answers is no noise: it is believed at once."""

BASELINE_DOWN = 0.3
BASELINE_UP = 0.002
"""Baseline latency gives way to better minutes at once, to worse ones with a half-life of about six hours."""

FORGET_SECONDS = 9000.0
"""Half-life in which a lowered capacity drifts back to the configured one, multiplied by the backend's hold."""

QUOTA_MARGIN = 0.02
"""Share of 429 answers from which a quota is believed; less is single clients' own doing."""

QUOTA_TRUST = 7200.0
"""Seconds for which a quota is believed after it was last met, multiplied by the backend's hold."""

QUOTA_FORGET = 3600.0
"""Half-life in seconds of a quota's distance to the target after it was last met."""

UNPROVEN = 1.5
"""Room assumed above the load first seen, where no target in requests/s is configured."""

UNKNOWN_SLOW = 0.05
"""Slow share assumed of a region that was never seen unsaturated: full regions hide their service time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is known besides the minutes."""

    target: float | None
    """Requests/s at scaler 1 for all endpoints, the prior of the capacity."""
    hold: float
    """How much longer than usual to distrust, 1 or more."""
    slo: Slo
    evidence: Evidence
    period: float
    """Seconds of a sample."""


Changes = dict[str, float | None]
"""New values of an estimate by field."""


def learn(estimate: Estimate, minutes: tuple[Minute, ...], setting: Setting) -> Estimate:
    """The estimate after all minutes that are newer than the last one learned; garbage teaches nothing."""
    for minute in minutes:
        if minute.end > estimate.last_minute:
            told = judged(minute, setting.slo.latency)
            if told.flaw is None:
                estimate = altered(estimate, **_learn_minute(estimate, minute, told, setting))
    return estimate


def _learn_minute(old: Estimate, minute: Minute, told: Judged, setting: Setting) -> Changes:
    total = told.total
    rate = total / setting.period
    new: Changes = {"last_minute": minute.end, "served": old.served + SMOOTH * (rate - old.served)}
    if total * setting.evidence.minutes < setting.evidence.min_requests:
        return new
    new |= _learn_quota(old, minute, total, setting)
    spread = minute.latency
    if spread is None or told.samples <= 0:
        return new | _learn_errors(old, minute, total)
    return new | _learn_latency(old, minute, spread.mean, told, setting)


def share_in(estimate: Estimate, end: float, period: float) -> float | None:
    """Healthy share during the minute that ended at `end`, or None where it changed meanwhile (or about then)."""
    if end <= estimate.share_at - period:
        return estimate.share_before
    return estimate.healthy_share if end - period >= estimate.share_at else None


def _learn_errors(old: Estimate, minute: Minute, total: float) -> Changes:
    ratio = minute.server_error / total
    plain = total >= PLAIN and abs(ratio - old.errors) > PLAIN_STEP
    return {"errors": ratio if plain else old.errors + SMOOTH * (ratio - old.errors)}


def _learn_latency(old: Estimate, minute: Minute, mean: float, told: Judged, setting: Setting) -> Changes:
    baseline = mean if old.baseline is None else old.baseline
    slots = old.slots
    if slots is None and setting.target is not None:
        slots = setting.target * baseline
    share = share_in(old, minute.end, setting.period)
    if share is None or share <= 0.0:
        return {}
    answered = minute.ok / setting.period
    in_work = answered * mean
    if slots is None:
        slots = UNPROVEN * in_work / share
    if mean >= SATURATED_LATENCY * baseline and in_work >= FULL * slots * share:
        service = old.service_time if old.service_time is not None else baseline
        return {
            "baseline": baseline,
            "slots": slots,
            "service_time": service,
            "saturated_rate": answered / share,
            "waiting": max(0.0, mean - slots * share / max(answered, 1e-6)),
            "slow": old.slow if old.saturated_rate is not None else max(old.slow, UNKNOWN_SLOW),
        }
    doubt = old.doubt if old.saturated_rate is None else old.saturated_rate
    minutes = 0 if old.saturated_rate is not None else old.doubt_minutes
    if doubt is not None and mean < SATURATED_LATENCY * baseline:
        slots, doubt = min(slots, max(doubt * mean, in_work / share)), None
    elif doubt is not None:
        minutes += 1
        doubt = doubt if minutes < SLOW_MINUTES else None
    first = old.service_time is None
    plain = told.total >= PLAIN and abs(mean - (old.service_time or mean)) > PLAIN_STEP * baseline
    fresh_view = first or plain or old.saturated_rate is not None
    service = (
        mean
        if fresh_view or old.service_time is None
        else old.service_time + SMOOTH * (mean - old.service_time)
    )
    slots = max(_forget(slots, baseline, setting), in_work / share)
    step = BASELINE_DOWN if mean < baseline else BASELINE_UP
    return {
        "baseline": baseline + step * (mean - baseline),
        "slots": slots,
        "service_time": service,
        "saturated_rate": None,
        "doubt": doubt,
        "doubt_minutes": minutes,
        "waiting": 0.0,
        "slow": told.late if fresh_view else old.slow + SMOOTH * (told.late - old.slow),
        **_learn_errors(old, minute, told.total),
    }


def _forget(slots: float, baseline: float, setting: Setting) -> float:
    """Slots after one more period: a lowered number drifts back to the prior, a proven higher one stays."""
    if setting.target is None:
        return slots
    prior = setting.target * baseline
    if slots >= prior:
        return slots
    keep = exp2(-setting.period / (FORGET_SECONDS * setting.hold))
    return prior - (prior - slots) * keep


def _learn_quota(old: Estimate, minute: Minute, total: float, setting: Setting) -> Changes:
    """Tell a quota (429 only above a rate) from a backend that refuses a share of whatever comes."""
    rate = total / setting.period
    ratio = minute.too_many / total
    accepted = (total - minute.too_many) / setting.period
    if ratio > QUOTA_MARGIN:
        if old.quota is not None and rate < 0.9 * old.quota_met:
            return {"refusing": old.refusing + SMOOTH * (ratio - old.refusing)}
        quota = accepted if old.quota is None else min(accepted, old.quota)
        return {"quota": quota, "quota_met": quota, "quota_at": minute.end}
    new: Changes = {"refusing": old.refusing * (1 - SMOOTH) if old.refusing > 0.001 else 0.0}
    if old.quota is None:
        return new
    quota = max(old.quota, accepted)
    if minute.end - old.quota_at < QUOTA_TRUST * setting.hold:
        return {**new, "quota": quota}
    if setting.target is not None and quota < setting.target:
        quota = setting.target - (setting.target - quota) * exp2(
            -setting.period / (QUOTA_FORGET * setting.hold)
        )
        return {**new, "quota": quota if quota < 0.98 * setting.target else None}
    return {**new, "quota": None if setting.target is not None else quota}


def capacity(estimate: Estimate, target: float | None, share: float) -> float | None:
    """Requests/s that the region sustains with `share` of its endpoints healthy, or None where nothing tells."""
    if estimate.saturated_rate is not None:
        whole: float | None = estimate.saturated_rate
    elif estimate.slots is not None and estimate.service_time:
        whole = estimate.slots / estimate.service_time
    else:
        whole = target
    return None if whole is None else whole * share

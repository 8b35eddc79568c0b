"""What is believed of a region's capacity: what was proven last, what it is if all is well again, and the chance of that.

Machines that were missing may be back, and a quota may be lifted, without anything that shows it before load comes. So
what was lost is no number that creeps up again but a doubt, which halves with time.

What chance alone makes of the latency of a region that is nearly full, and what that tells of its size.

The pace of a region: its usual one, and how it changes from minute to minute.

What came into a region in a minute: what went out, and what has become more inside.

Learning a quota: what a region accepts before it refuses the rest with 429.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, exp2, log, sqrt
from statistics import NormalDist
from typing import Any

from spillway.core.values.snapshot import Minute
from spillway.core.values.state import Estimate

CALM = 0.15
"""A mean latency this near to the baseline is the baseline: mixes of requests and sampling move it by as much."""

RECOVERY_SECONDS = 1800.0
"""Half-life of the doubt: after so long without contrary evidence, lost machines or a quota are as likely gone as not.
Multiplied by the backend's hold, which doubles when a return failed."""

LASTING = 5
"""Doublings of the half-life at most: to sixteen hours."""

CERTAIN = 0.005
"""Chance below which a doubt is dropped: eight half-lives."""

RISING_MINUTES = 3
"""Minutes in a row from which a rise is believed: chance alone brings three such steps once in some hundred minutes."""

RISEN = 1.05
"""Mean latency over its baseline from which a rise is carried on: below it is the noise of quiet days."""

LEAKED = 1.5
"""Slowness up to which a rise is carried on; past it what is seen is bad enough to act on."""


def doubt_left(since: float, at: float, hold: float) -> float:
    """Chance that what was last seen at `since` still holds at UTC second `at`: 1 then, halving ever after."""
    return exp2(-max(0.0, at - since) / (RECOVERY_SECONDS * hold))


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What a region can take, in requests/s with what is healthy."""

    low: float
    """Proven last, or the prior where nothing is."""
    high: float
    """If all that was lost is back; never under `low`."""
    hope: float
    """Chance of that by now; 0 where nothing was lost."""


def belief(
    estimate: Estimate,
    target: float | None,
    share: float,
    at: float,
    hold: float,
    ahead: float = 0.0,
    reopens: float = 0.0,
) -> Belief | None:
    """What is believed of a region's capacity with `share` of its endpoints healthy, or None where nothing tells.

    Args:
        estimate: What was learned.
        target: Requests/s at scaler 1 for all endpoints, the prior.
        share: Healthy share.
        at: UTC seconds now.
        hold: How much longer than usual to distrust.
        ahead: Seconds from the newest minute to the moment for which it is asked.
        reopens: Chance that a closed region is its old self again, slowness and all.
    """
    low = capacity(estimate, target, share, ahead)
    if low is None:
        return None
    if estimate.share_drops > 1 and 0.0 < estimate.share_low < share:
        left = doubt_left(estimate.share_low_at, at, hold)
        if left > CERTAIN:
            return Belief(low=low * estimate.share_low / share, high=low, hope=1.0 - left)
    if target is None or estimate.saturated_rate is not None:
        return Belief(low=low, high=low, hope=0.0)
    high = target * share / (1.0 if reopens > 0.0 else slowness(estimate, ahead))
    if high <= low:
        return Belief(low=low, high=low, hope=0.0)
    if reopens > 0.0:
        return Belief(low=low, high=high, hope=reopens)
    return Belief(low=low, high=high, hope=1.0 - doubt_left(estimate.low_at, at, hold * lasting(estimate)))


def lasting(estimate: Estimate) -> float:
    """By how much longer than usual a low capacity is believed: it doubles with every return that found the same."""
    return 2.0 ** min(LASTING, max(0, estimate.low_count - 1))


def slowness(estimate: Estimate, ahead: float = 0.0) -> float:
    """Service time over its baseline, `ahead` seconds after the newest minute; what is within noise of it, or better, is 1."""
    if not estimate.service_time or not estimate.baseline:
        return 1.0
    ratio = estimate.service_time / estimate.baseline
    risen = estimate.rising >= RISING_MINUTES and estimate.mean >= RISEN * estimate.baseline
    if ahead > 0.0 and risen and ratio < LEAKED:
        return max(1.0, (estimate.mean + estimate.slope * ahead) / estimate.baseline)
    return ratio if ratio > 1.0 + CALM else 1.0


def capacity(estimate: Estimate, target: float | None, share: float, ahead: float = 0.0) -> float | None:
    """Requests/s that the region sustains with `share` of its endpoints healthy, or None where nothing tells."""
    if estimate.saturated_rate is not None:
        whole: float | None = estimate.saturated_rate
    elif estimate.doubt is not None:
        whole = estimate.doubt
    elif estimate.slots is not None and estimate.service_time:
        whole = estimate.slots / (slowness(estimate, ahead) * (estimate.baseline or estimate.service_time))
    else:
        whole = target
    return None if whole is None else whole * share


SCV = 0.35
"""Squared coefficient of variation of service times: log-normal with a p95 of two and a half times the median."""

TRACE = 1e-4
"""Share of the answers, or of the failures, below which it is none."""

_NORMAL, _SIGMA = NormalDist(), sqrt(log(1.0 + SCV))

CROWDED = 0.97
"""Share of the slots in use up to which waiting is put down to chance."""

NEARLY_FULL = 0.85
"""Share of the known slots in use from which the waiting that does not come proves that there are more."""

UNCROWDED = 0.025
"""Noise of the mean latency over `EASE_MINUTES`, as a share of the baseline: three standard deviations of a sampled mean."""

EASE = 0.3
"""Weight of the newest minute in the latency of a region that is nearly full."""

EASE_MINUTES = 4
"""Minutes nearly full before that latency proves anything."""

FULL = 0.92
"""Share of the known slots in use from which a longer latency is put down to want of slots, and not to slow ones."""

PRESSED = 0.08
"""Mean latency over what chance makes of it, as a share of the baseline, from which slots are wanting."""

RECOVERED = 1.15
"""Slots over those that were found when it was saturated, from which what was found is over: no reading is so far off."""

FULLEST = 0.995
"""Share of the slots in use at which a region can be seen at most, by the mean of a minute."""

HALVINGS = 10
"""Steps in which the number of slots behind a latency is narrowed down, to a thousandth."""


def crowding(used: float, slots: float) -> float:
    """Mean latency over the service time that chance alone makes of a region with this share of its slots in use.

    M/G/c by Sakasegawa's formula, Wq = (1 + scv) / 2 x S x rho^(sqrt(2 (c + 1)) - 1) / (c (1 - rho)) (H. Sakasegawa, Ann.
    Inst. Stat. Math. 29, 1977). A region with few slots waits long before it is full, and is neither slow nor short.
    """
    if slots <= 0.0:
        return 1.0
    return 1.0 + _waiting(min(used, CROWDED), slots)


def _waiting(rho: float, slots: float) -> float:
    """Mean wait over the service time."""
    chance: float = rho ** (sqrt(2.0 * (slots + 1.0)) - 1.0) / (slots * (1.0 - rho))
    return (1.0 + SCV) / 2.0 * chance


def shown_by(busy: float, crowded: float) -> float:
    """Slots that there are, where `busy` are in use and chance makes the mean latency `crowded` times the service time.

    The reverse of `crowding`: with fewer slots requests would wait longer than they do.
    """
    low, high = busy / FULLEST, 2.0 * busy
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        waits = _waiting(busy / middle, middle) > crowded - 1.0
        low, high = (middle, high) if waits else (low, middle)
    return low


def gives(answered: float, failed: float) -> float:
    """Requests/s that all slots together could answer, where a standing queue fails `failed` of them by their time-out.

    What has waited nearly up to its time-out holds a slot for what is left of it, y, and is answered if its service S is shorter:
    a share p = P(S <= y) of them. The work of all, (answered + failed) x E[min(S, y)], is what the slots give, so they could answer
    (answered + failed) x E[min(S, y)] / E[S]. With log-normal S of `SCV`, z = the normal quantile of p and s^2 = ln(1 + SCV) that
    is the sum times Phi(z - s) + (1 - p) exp(z s - s^2 / 2).
    """
    total = answered + failed
    if failed <= TRACE * total:
        return answered
    p = max(TRACE, answered / total)
    z = _NORMAL.inv_cdf(p)
    return total * (_NORMAL.cdf(z - _SIGMA) + (1.0 - p) * exp(z * _SIGMA - _SIGMA**2 / 2.0))


def ease(
    old: Estimate, new: Any, busy: float, slots: float, ratio: float, found: float, prior: float
) -> tuple[float, bool]:
    """Weigh a minute of a region that is not saturated.

    Args:
        old: What is known of it.
        new: The draft of what is known after this minute.
        busy: Slots in use, by Little's law at the usual pace.
        slots: That are known.
        ratio: Mean latency over the baseline.
        found: Slots when it was saturated last; 0 where it never was.
        prior: Slots by its target.

    Returns:
        Slots that there are, by how long requests had to wait; and whether they had to wait for want of slots, so that the
        latency is no service time.
    """
    if busy < NEARLY_FULL * slots:
        if old.crowded_minutes:
            new.crowded, new.crowded_minutes = 0.0, 0
        return slots, False
    minutes = min(EASE_MINUTES, old.crowded_minutes + 1)
    crowded = ratio if minutes == 1 else old.crowded + EASE * (ratio - old.crowded)
    new.crowded, new.crowded_minutes = crowded, minutes
    if busy >= FULL * slots and ratio > crowding(busy / slots, slots) + PRESSED:
        return min(slots, shown_by(busy, ratio)), True
    if minutes >= EASE_MINUTES:
        slots = max(slots, shown_by(busy, max(1.0, crowded) + UNCROWDED))
        if slots >= RECOVERED * found > 0.0:
            slots = max(slots, prior)
    return slots, False


SUDDEN = 1.3
"""Mean latency over its baseline, reached within a minute, that may be want of slots."""

RISE = 0.005
"""Least gain of the mean latency in a minute, over the baseline, that counts as rising."""

STEEPER = 5.0
"""Gain of a nearly full region's mean latency over its gains before from which it begins to queue: a leak is no faster than it was."""

SLOPE = 0.5
"""Weight of the newest minute in the slope."""

BASELINE_CALM, BASELINE_CALM_UP = 0.05, 0.02
BASELINE_DOWN, BASELINE_UP = 0.3, 0.002
"""Weight of a minute in the baseline: near it, below and above; well below it (it was not low load before) and well above
(half-life of about six hours: a region that stays slow for a day is no longer slow but so). Up is slower, as a service time that
leaks upward by a percent a minute must not take the baseline along."""


def sudden(old: Estimate, mean: float, baseline: float) -> bool:
    """Whether it became slow from one minute to the next: for want of slots, or because each request takes longer."""
    return 0.0 < old.mean <= (1.0 + CALM) * baseline and mean >= SUDDEN * baseline


def usual_pace(baseline: float, mean: float, *, crowded: bool) -> float:
    """The baseline after a minute; what had to wait for a slot tells nothing of the usual pace."""
    if crowded:
        return baseline
    near = abs(mean - baseline) <= CALM * baseline
    if mean < baseline:
        step = BASELINE_CALM if near else BASELINE_DOWN
    else:
        step = BASELINE_CALM_UP if near else BASELINE_UP
    return baseline + step * (mean - baseline)


def learn_slope(
    old: Estimate, new: Any, mean: float, usual: float, period: float, *, queued: bool, crowded: bool
) -> None:
    """A service time that rises from minute to minute; a queue that fills or drains is none. `new` is the draft."""
    gained = mean - old.mean
    queued = queued or (crowded and old.rising > 0 and gained > STEEPER * old.slope * period)
    new.mean = mean
    if not old.mean or queued or gained < RISE * usual or gained > CALM * usual:
        new.rising, new.slope = 0, 0.0
        return
    slope = gained / period
    new.rising = old.rising + 1
    new.slope = slope if old.rising == 0 else old.slope + SLOPE * (slope - old.slope)


CONNECTED = 180.0
"""Seconds between two minutes up to which what became more inside tells what came in between."""

MOST = 1.0
"""Arrivals of a minute over its answers, or answers over arrivals, beyond which a latency cannot be true: as much again."""

SETTLES = 45.0
"""Seconds of latency from which the newest minute counts for less in the arrivals behind what is inside. The two feed on each other,
which swings up where its weight is more than a minute over the latency."""


def learn_arrivals(old: Estimate, new: Any, minute: Minute, rate: float, mean: float) -> None:
    """Fill the draft `new` with what this minute tells of the arrivals: `rate` requests/s went out, with `mean` seconds of latency.

    Inside is what came in while the one that is answered now had to wait (first come, first served): arrivals times latency. Those
    of the minutes before stand for them, as what is answered in an overload came before its minute.
    """
    elapsed = minute.end - old.last_minute
    before = old.in_work if elapsed <= CONNECTED and rate > 0.0 else None
    usual = rate if before is None else old.arrived
    new.in_work = usual * mean
    if before is not None:
        new.filling = min(MOST, max(-MOST, (new.in_work - before) / elapsed / rate))
    weight = SETTLES / mean if mean > SETTLES else 1.0
    new.arrived = usual + weight * (rate * (1.0 + new.filling) - usual)


QUOTA_MARGIN = 0.02
"""Share of 429 answers from which a quota is believed; less is single clients' own doing."""

REFUSAL = 0.6
"""Weight of the newest minute in the share that is refused whatever comes: two minutes carry 84 %."""


def learn_quota(
    old: Estimate, new: Any, minute: Minute, total: float, target: float | None, period: float
) -> None:
    """Tell a quota (429 only above a rate) from a backend that refuses a share of whatever comes.

    Args:
        old: What is known of the backend.
        new: The draft of what is known after this minute.
        minute: What was seen.
        total: Its answers.
        target: Requests/s at scaler 1; a quota that is not under it is none.
        period: Seconds of a sample.
    """
    refused = minute.too_many
    ratio = refused / total
    if ratio > QUOTA_MARGIN:
        if old.quota is not None and total / period < 0.9 * old.quota_met:
            new.refusing = old.refusing + REFUSAL * (ratio - old.refusing)
            return
        accepted = (total - refused) / period
        new.quota = new.quota_met = accepted if old.quota is None else min(accepted, old.quota)
        new.quota_at = minute.end
        return
    new.refusing = old.refusing * (1 - REFUSAL) if old.refusing > 0.001 else 0.0
    if old.quota is not None:
        quota = max(old.quota, (total - refused) / period)
        new.quota = None if target is not None and quota >= target else quota

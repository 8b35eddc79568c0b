"""What is bad of a region whatever the load: endpoints that are not healthy, 5xx, slow answers, and refusals.

errors  <- errors + SMOOTH (ratio - errors)     or the ratio itself where it jumped beyond noise over plenty of answers
refused <- refused + SMOOTH (ratio - refused)  while 429 comes far below the quota that is known
quota    = what was accepted while more was refused; rises with whatever is accepted later
"""

from __future__ import annotations

from dataclasses import replace

from spillway.core.estimate.latency import JUMP_ANSWERS, JUMP_SHARE, SMOOTH
from spillway.core.estimate.sample import FEW_REFUSED
from spillway.core.values.snapshot import HealthCount, Minute
from spillway.core.values.state import FailureTrack, HealthTrack, QuotaTrack

BAD_MINUTE = 0.1
"""Share of bad answers that makes a minute a bad one."""

UNKNOWN_SLOW = 0.05
"""Slow share assumed of a region that was never seen unsaturated: full regions hide their service time."""

BELOW_QUOTA = 0.9
"""Load over the quota when last met under which refusals are not the quota's: the same share is refused whatever comes."""

REFUSES_NOTHING = 0.001
"""Refused share below which it is none any more."""


def next_errors(errors: float, minute: Minute, total: float) -> float:
    """5xx share that does not come from load, after a minute of `total` answers."""
    ratio = minute.server_error / total
    plain = total >= JUMP_ANSWERS and abs(ratio - errors) > JUMP_SHARE
    return ratio if plain else errors + SMOOTH * (ratio - errors)


def next_slow(slow: float, late: float, *, at_once: bool) -> float:
    """Slow share that does not come from load, after an unsaturated minute with the share `late` beyond the SLO latency."""
    return late if at_once else slow + SMOOTH * (late - slow)


def next_slow_saturated(slow: float, *, was_saturated: bool) -> float:
    """The same after a saturated minute: a queue hides the service time, so more than before is only guessed at its beginning."""
    return slow if was_saturated else max(slow, UNKNOWN_SLOW)


def learn_failures(old: FailureTrack, *, slow: float, errors: float, bad: float) -> FailureTrack:
    """The track after a minute in which the share `bad` of the answers was bad; `slow` and `errors` are those after it."""
    minutes = old.bad_minutes + 1 if bad >= BAD_MINUTE else 0
    if slow == old.slow and errors == old.errors and minutes == old.bad_minutes:
        return old  # the usual case
    return FailureTrack(slow=slow, errors=errors, bad_minutes=minutes)


def learn_quota(
    old: QuotaTrack, minute: Minute, total: float, target: float | None, period: float
) -> QuotaTrack:
    """Tell a quota (429 only above a rate) from a backend that refuses a share of whatever comes.

    Args:
        old: What is known of the backend.
        minute: What was seen.
        total: Its answers.
        target: Requests/s at scaler 1; a quota that is not under it is none.
        period: Seconds of a sample.
    """
    refused = minute.too_many
    ratio = refused / total
    if ratio > FEW_REFUSED:
        # 1. Refused far below the quota: it is no matter of load.
        if old.rate is not None and total / period < BELOW_QUOTA * old.met_rate:
            return replace(old, refused_share=old.refused_share + SMOOTH * (ratio - old.refused_share))
        # 2. Refused at load: what was accepted is the quota.
        accepted = (total - refused) / period
        quota = accepted if old.rate is None else min(accepted, old.rate)
        return replace(old, rate=quota, met_rate=quota, met_at=minute.end)
    # 3. Hardly anything refused: the share fades, and a quota is at least what was accepted.
    if old.rate is None and not old.refused_share:
        return old  # the usual case
    share = old.refused_share * (1 - SMOOTH) if old.refused_share > REFUSES_NOTHING else 0.0
    rate = old.rate
    if rate is not None:
        rate = max(rate, (total - refused) / period)
        if target is not None and rate >= target:
            rate = None
    return replace(old, rate=rate, refused_share=share)


SHARE_STEP = 0.05
"""Change of the healthy share that counts as a fall or a return."""

FLAP_SECONDS = 1800.0
"""A fall within this time of the last low is flapping."""
CHANGES_KEPT = 7
"""Changes of the healthy share that are remembered: a region that flaps every minute covers a dead time with them."""


def learn_health(old: HealthTrack, health: HealthCount | None, at: float) -> HealthTrack:
    """The track with the endpoints and the healthy share as they were read at UTC second `at`; unchanged where nothing was read."""
    if health is None or health.total <= 0:
        return old
    share = health.healthy / health.total
    if share == old.share and health.total == old.endpoints:
        return old  # the usual case
    changes = (*old.changes[-CHANGES_KEPT:], (at, share))
    new = replace(old, endpoints=health.total, share=share, changes=changes)
    # 1. No fall: with a return the low ends now.
    if share >= old.share - SHARE_STEP:
        returned = share > old.share and old.share <= old.lowest + SHARE_STEP
        return replace(new, lowest_at=at) if returned and old.drops else new
    # 2. A fall soon after the last low is flapping: the next one is to be expected. Any other begins anew.
    if old.drops > 0 and at - old.lowest_at < FLAP_SECONDS:
        return replace(new, drops=old.drops + 1, lowest=min(share, old.lowest), lowest_at=at)
    return replace(new, drops=1, lowest=share, lowest_at=at)


def share_in(health: HealthTrack, end: float, period: float) -> float | None:
    """Healthy share during the minute that ended at `end`, or None where it changed meanwhile (or about then)."""
    low, high = _shares_between(health, end - period, end + period)
    return low if low == high else None


def lowest_share(health: HealthTrack, start: float, end: float) -> float:
    """Lowest healthy share between `start` and `end`, UTC seconds."""
    return _shares_between(health, start, end)[0]


def fell_at(health: HealthTrack) -> float | None:
    """UTC seconds at which the healthy share last changed, if it fell then."""
    changes = health.changes
    if not changes:
        return None
    before = changes[-2][1] if len(changes) > 1 else 1.0
    return changes[-1][0] if changes[-1][1] < before else None


def _shares_between(health: HealthTrack, start: float, end: float) -> tuple[float, float]:
    """Lowest and highest healthy share between two moments; before the first change remembered all endpoints were healthy."""
    changes = health.changes
    if not changes or changes[-1][0] <= start:
        share = changes[-1][1] if changes else health.share
        return share, share  # it has not changed since: the usual case
    before = 1.0
    low, high = 2.0, -1.0
    for at, share in changes:
        # each change ends the time of the share before it
        if at > start:
            low, high = min(low, before), max(high, before)
        if at >= end:
            return low, high
        before = share
    return min(low, before), max(high, before)

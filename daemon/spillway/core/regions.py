"""From the facts of one region to what the model holds of it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from spillway.core.belief import belief, doubt_left
from spillway.core.facts import Facts
from spillway.core.maker import maker
from spillway.core.policy import Policy, PostureSet
from spillway.core.predict import Region
from spillway.core.rest import hold_at
from spillway.core.window import Window

_make = maker(Region)

QUEUE_SECONDS = 30.0
"""Waiting that time-outs leave at most in a region that is saturated for minutes."""


QUEUE_GROWTH = 6.0
"""Waiting in a saturated region when a write takes effect, over what its newest minute shows: five minutes later."""


PROVEN_BELOW = 0.95
"""Capacity over target from which it is the region's own: nearer than that it may be the noise of its latency."""


BAD_GRAIN = 0.006
"""Share of bad answers by which a region may differ from a typical one by chance: two thousand sampled answers of which one in
a hundred is late swing by a quarter of a percent in either direction, and what they seem to say has no lasting truth."""


UNPROVEN_ROOM = 1.5
"""Capacity assumed over the load seen, where neither a target nor a saturation tells."""


def ceiling_factor(facts: Facts, settings: PostureSet, *, drained: bool, share: float | None = None) -> float:
    """What failover threshold and auto-drain leave of a ceiling (reference: SLP, gcp.md 2.3).

    Args:
        facts: Of the region.
        settings: Of the posture.
        drained: True if auto-drain keeps it empty.
        share: Healthy share, if another than the present one is meant.
    """
    if drained:
        return 0.0
    threshold = settings.failover_threshold / 100.0
    if share is None:
        share = facts.share
    return 1.0 if share >= threshold else share / threshold


def region_of(
    facts: Facts,
    shown: Shown,
    policy: Policy,
    settings: PostureSet,
    usual: tuple[float | None, float],
    at: float,
    *,
    drained: bool,
) -> Region:
    """One region of the model; `usual` is (target of a typical region, share that is bad everywhere)."""
    estimate, window, setting = facts.memory.estimate, facts.window, facts.setting
    typical, everywhere = usual
    bad, fresh = shown
    scaler = setting.scaler if setting.member else 0.0
    seen = window.rate if isinstance(window, Window) else estimate.served
    target = facts.target if facts.target is not None else typical
    prior = target if target is not None else UNPROVEN_ROOM * seen
    hold = hold_at(facts.memory, policy.rhythm, at)
    ahead = max(0.0, at - estimate.last_minute) + policy.timing.effect
    reopens = _reopens(facts, at, hold)
    believed = belief(estimate, facts.target, facts.share, at, hold, ahead, reopens)
    low, high = (prior, prior) if believed is None else (believed.low, believed.high)
    if facts.elsewhere > 0.0:
        low, high = _own(low, seen, facts.elsewhere), _own(high, seen, facts.elsewhere)
    service_time = estimate.service_time if estimate.service_time is not None else 0.0
    backlog = 0.0
    if estimate.saturated_rate is not None:
        backlog = min(QUEUE_SECONDS, QUEUE_GROWTH * estimate.waiting)
    return _make(
        name=facts.region,
        scaler=scaler,
        ceiling=prior * ceiling_factor(facts, settings, drained=drained),
        capacity=low,
        slack=policy.slo.latency - service_time,
        bad=_expected_bad(bad, everywhere, fresh=fresh) * (1.0 - reopens),
        reopens=reopens,
        quota=estimate.quota,
        cost=facts.backend.cost,
        movable=facts.backend.movable and setting.member and target is not None,
        fresh=fresh,
        dead=facts.dead,
        member=setting.member,
        idle=facts.idle,
        proven=proven(facts),
        high=high,
        hope=0.0 if believed is None else believed.hope,
        quota_hope=0.0 if estimate.quota is None else 1.0 - doubt_left(estimate.quota_at, at, hold),
        backlog=backlog,
    )


def _expected_bad(bad: float, everywhere: float, *, fresh: bool) -> float:
    """Share that is to be expected, where `bad` was shown: a region that was not seen lately is no better than a typical one."""
    usual = abs(bad - everywhere) <= BAD_GRAIN or (bad < everywhere and not fresh)
    return everywhere if usual else bad


def _own(capacity: float, served: float, elsewhere: float) -> float:
    """This service's part of a capacity that it shares: what the others leave, and no less than its part of the load.

    If all are too much together, each gives way by its part: the trouble is not the smallest one's alone.
    """
    return max(capacity - elsewhere, capacity * served / (served + elsewhere))


Shown = tuple[float, bool]
"""(share that is bad at any load, whether its own samples are fresh and plentiful enough to judge a region)."""


def shown_of(facts: Facts, least: int) -> Shown:
    """What the minutes of a region show of it; `least` is the number of answers to judge it by."""
    window = facts.window
    return shown_bad(facts), isinstance(window, Window) and window.answers >= least


def usual_bad(facts: Sequence[Facts], shown: Sequence[Shown]) -> float:
    """Share that is bad in a typical region: the tail of a service that no region can help."""
    open_ones = [
        bad for f, (bad, fresh) in zip(facts, shown, strict=True) if fresh and f.serving and not f.dead
    ]
    return median(open_ones or [0.0])


def _reopens(facts: Facts, at: float, hold: float) -> float:
    """Chance that what a closed region was closed for is over: nothing shows it before load comes."""
    since = facts.memory.empty_since
    if since is None or not facts.setting.member or facts.setting.scaler > 0.0:
        return 0.0
    if facts.elsewhere > 0.0:
        # what it was closed for shows in what the other services send there, as long as it lasts
        since = max(since, facts.estimate.last_minute)
    return 1.0 - doubt_left(since, at, hold)


def proven(facts: Facts) -> bool:
    """Whether the capacity was learned from the region itself and lies below its target, or endpoints are missing."""
    if facts.memory.estimate.saturated_rate is not None or facts.share < PROVEN_BELOW:
        return True
    return facts.capacity is not None and (
        facts.target is None or facts.capacity < PROVEN_BELOW * facts.target * facts.share
    )


def shown_bad(facts: Facts) -> float:
    """Share that is bad at any load: what was learned, as far as the newest minutes still show it."""
    estimate, window = facts.memory.estimate, facts.window
    slow, errors, refusing = estimate.slow, estimate.errors, estimate.refusing
    if isinstance(window, Window) and window.answers > 0 and estimate.saturated_rate is None:
        slow, errors = min(slow, window.slow), min(errors, window.newest_errors)
    return 1.0 - (1.0 - slow) * (1.0 - errors) * (1.0 - refusing)

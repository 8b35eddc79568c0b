"""What a region is like, by evidence, whatever Spillway does to it.

The worst that the evidence shows wins:

    dead        a fresh health read shows less than a quarter of its endpoints healthy, as Google's auto-drain judges
    failing     more of the judged answers failed than the SLO allows                    `slo.may_fail`
    slow        more of them were late than the SLO allows                               `slo.may_be_late`
    saturated   it is found saturated, its load is at its capacity, or it refuses requests for want of quota
    ok          none of these
    idle        it is sent no requests, and nothing else is known of it
    unknown     it should have answers that can be judged, and has none
"""

from __future__ import annotations

from spillway.core.estimate.belief import BackendBelief
from spillway.core.estimate.sample import FEW_REFUSED, Window
from spillway.core.explain.slo import may_be_late, may_fail
from spillway.core.model.service import TARGET_ROOM, proven
from spillway.core.values.decision import Health
from spillway.core.values.policy import Policy


def health_of(belief: BackendBelief, policy: Policy, *, demand_known: bool) -> Health:
    """The health of one region.

    Args:
        belief: What is believed of it.
        policy: How its service is steered.
        demand_known: Whether requests of the service were ever seen: until then nobody knows whether the region is idle.
    """
    if belief.dead:
        return Health.DEAD
    window = belief.window
    if isinstance(window, Window) and window.answers >= policy.evidence.min_requests:
        return _judged(belief, window, policy)
    if not belief.serving or (belief.silent and demand_known):
        return Health.IDLE
    few = isinstance(window, Window) and belief.idle
    return Health.IDLE if few else Health.UNKNOWN


def _judged(belief: BackendBelief, window: Window, policy: Policy) -> Health:
    """The health that its answers show."""
    if window.error_ratio > may_fail(policy.slo):
        return Health.FAILING
    if window.slow > may_be_late(policy.slo):
        return Health.SLOW
    full = belief.estimate.saturation.rate is not None or window.too_many_ratio > FEW_REFUSED
    return Health.SATURATED if full or _is_full(belief, window) else Health.OK


def _is_full(belief: BackendBelief, window: Window) -> bool:
    """Whether it answers as much as it can. A target that nothing has disproved leaves some room above itself."""
    if belief.capacity is None:
        return False
    limit = belief.capacity if proven(belief) else belief.capacity * (1.0 + TARGET_ROOM)
    return window.rate >= limit


def after_health_pass(before: Health, fresh: Health) -> Health:
    """The health after a pass that has read health checks alone: only a death, and its end, can be seen there."""
    if fresh is Health.DEAD:
        return fresh
    return Health.UNKNOWN if before is Health.DEAD else before

"""How a backend looks: well, bad, blind. Thresholds for leaving and for returning differ."""

from __future__ import annotations

from spillway.core.altered import altered
from spillway.core.facts import Facts
from spillway.core.memory import BackendMemory
from spillway.core.policy import Policy
from spillway.core.shares import fell_at
from spillway.core.window import Blind, Window

AS_USUAL = 1.15
"""Mean latency over its baseline up to which a region counts as its usual self, whatever the SLO."""

REFUSES_LITTLE = 0.02
"""429 share under which a region may return."""

LOOKS_BAD = 0.2
"""Share of bad answers, not explained by load, from which a region counts for the fleet-wide panic."""


def looks_well(facts: Facts, policy: Policy) -> bool | None:
    """Whether every signal is good enough to give more load; None where too little is known."""
    if facts.health is None:
        return None
    if facts.share < policy.triggers.return_healthy_share:
        return False
    window = facts.window
    if isinstance(window, Blind):
        return True if facts.setting.scaler == 0.0 else None
    if window.answers < 1:
        return True
    return (
        window.error_ratio <= policy.triggers.return_error_ratio
        and window.too_many_ratio <= REFUSES_LITTLE
        and facts.memory.estimate.saturated_rate is None
        and _fast_enough(facts, window, policy)
    )


def _fast_enough(facts: Facts, window: Window, policy: Policy) -> bool:
    if window.percentile is None or window.mean is None:
        return True
    baseline = facts.memory.estimate.baseline
    if baseline is not None:
        return window.mean <= AS_USUAL * baseline
    return window.percentile <= policy.triggers.return_latency_ratio * policy.slo.latency


def looks_bad(facts: Facts) -> bool:
    """Whether a serving region looks broken in a way that its load does not explain."""
    if not facts.setting.member or facts.setting.scaler == 0.0:
        return False
    if facts.dead:
        return True
    window = facts.window
    if not isinstance(window, Window) or facts.estimate.saturated_rate is not None:
        return False
    return window.slow >= LOOKS_BAD or window.error_ratio >= LOOKS_BAD


def is_blind(facts: Facts) -> bool:
    """Whether a region that should have traffic shows none that can be judged."""
    return isinstance(facts.window, Blind) and facts.serving and not facts.dead and not facts.idle


def is_known(facts: Facts) -> bool:
    """Whether it is seen how it is: by its traffic, or by its health where nobody is sent there."""
    return isinstance(facts.window, Window) or (facts.idle and facts.health is not None)


def remember(facts: Facts, policy: Policy, at: float) -> BackendMemory:
    """The memory with `well_since`, `dead_seen` and `empty_since` brought up to date.

    Whatever its share, a region that has just lost endpoints begins to look well anew: so a flapping one never does.
    """
    memory = facts.memory
    well = looks_well(facts, policy)
    since = memory.well_since
    if well is True and since is None:
        since = at
    elif well is False:
        since = None
    if since is not None:
        fell = fell_at(memory.estimate)
        if fell is not None and fell > since:
            since = fell
    dead, read_at = memory.dead_seen, memory.dead_read_at
    if facts.health is not None and not facts.dead:
        dead = 0
    elif facts.dead and facts.health_at > read_at:
        dead, read_at = min(99, dead + 1), facts.health_at
    closed = not facts.setting.member or facts.setting.scaler == 0.0
    empty = (memory.empty_since if memory.empty_since is not None else at) if closed else None
    if since == memory.well_since and dead == memory.dead_seen and empty == memory.empty_since:
        return memory
    return altered(memory, well_since=since, dead_seen=dead, dead_read_at=read_at, empty_since=empty)

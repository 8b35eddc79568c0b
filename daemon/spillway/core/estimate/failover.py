"""What Google's own failover does: auto-drain, and the failover threshold of a posture (reference: SLP, gcp.md 2.3).

    auto-drain   groups with less than a quarter of their endpoints healthy get no requests, worst first, never half of the members or more
    threshold    ceiling x min(1, healthy share / failover threshold): below it the balancer spreads part of the load to other regions

Both are Google's rules and no estimate. They stand here because the estimate of demand and the model of a service need them alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from spillway.core.estimate.backend import BackendBelief
from spillway.core.values.overlay import Posture
from spillway.core.values.policy import Policy, PostureSet


def posture_set(policy: Policy, posture: Posture) -> PostureSet:
    """The settings behind a posture."""
    chosen: PostureSet = getattr(policy.postures, posture.value)
    return chosen


def auto_drained(facts: Sequence[BackendBelief], settings: PostureSet) -> frozenset[str]:
    """Regions that Google's auto-drain keeps empty: never half of them or more, worst first."""
    if not settings.auto_drain or not any(f.dead for f in facts):
        return frozenset()
    # Google keeps more than half of the members in use; those that are closed already count among the empty ones
    members = [f for f in facts if f.setting.member]
    closed = sum(1 for f in members if f.setting.scaler == 0.0)
    dead = sorted((f.share, f.region) for f in members if f.dead and f.setting.scaler > 0.0)
    most = (len(members) - 1) // 2 if not closed else max(0, (len(members) - 1) // 2 - closed)
    return frozenset(region for _, region in dead[:most])


def ceiling_factor(
    facts: BackendBelief, settings: PostureSet, *, drained: bool, share: float | None = None
) -> float:
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

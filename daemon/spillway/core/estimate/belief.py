"""What is believed of one backend at one moment, how it looks, and what Google's own failover makes of it.

`looks_well`, `looks_bad`, `is_blind` and `is_known` judge it. The thresholds for leaving and for returning differ.

Google's own failover (reference: SLP, gcp.md 2.3) is a rule and no estimate:

    auto-drain   groups with less than a quarter of their endpoints healthy get no requests, worst first; always fewer than half of the members
    threshold    ceiling x min(1, healthy share / failover threshold): the rest goes to other regions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from spillway.core.estimate.latency import NEAR_BASELINE
from spillway.core.estimate.sample import FEW_REFUSED, Blind, Window
from spillway.core.values.decision import BackendState
from spillway.core.values.geography import REGION_PLACES, Layout
from spillway.core.values.overlay import BackendSetting, Posture
from spillway.core.values.policy import Policy, PostureSet
from spillway.core.values.snapshot import Absence, HealthCount
from spillway.core.values.state import BackendMemory, Estimate
from spillway.core.values.topology import Backend, Preference, Service

AUTO_DRAIN_BELOW = 0.25
"""Healthy share below which Google's auto-drain empties a group (reference: SLP, gcp.md 2.3)."""

IDLE = 1.0
"""Requests/s up to which a region may have no series: Monitoring shows nothing of a backend without traffic."""


class BackendBelief(NamedTuple):
    """All that one step knows about one backend. Rates in requests/s, times in seconds."""

    backend: Backend
    setting: BackendSetting
    memory: BackendMemory
    estimate: Estimate
    """What has been learned of it, the minutes of this snapshot included."""
    window: Window | Blind
    health: HealthCount | None
    """None where the health read is missing or stale."""
    health_at: float
    """UTC seconds of that read; 0 where there is none."""
    share: float
    """Healthy share; the last one known where the read is missing."""
    target: float | None
    """Requests/s at scaler 1, for all members."""
    capacity: float | None
    """Requests/s at which the SLO holds, with what is healthy."""
    load_from_peers: float
    """Requests/s that other services send to the same groups."""
    region: str
    """Its region."""
    serving: bool
    """True if the balancer may send requests here."""
    dead: bool
    """True if a fresh health read says so; a missing one says nothing."""

    @property
    def idle(self) -> bool:
        """True if nobody was sent there lately: Monitoring shows no series of a backend without traffic."""
        return self.estimate.served <= IDLE

    @property
    def silent(self) -> bool:
        """True if it has no series because it is idle: the query did not fail, and its health is known."""
        window = self.window
        absent = isinstance(window, Blind) and window.absence is Absence.NO_SERIES
        return absent and self.idle and self.health_known

    @property
    def health_known(self) -> bool:
        """True if its health was read just now, or is read by nobody: what is not probed is not unhealthy."""
        return self.health is not None or not self.backend.has_scaler

    @property
    def closed(self) -> bool:
        """True if it was emptied and is to be opened again: a member with a scaler of 0, or a detached backend that has no scaler.

        What leaves is none, and neither is a standby that waits to be called.
        """
        if self.memory.leaving:
            return False
        if self.setting.member:
            return self.setting.scaler == 0.0
        if self.backend.has_scaler:
            return False
        return not self.backend.standby or self.memory.state in _EMPTIED

    @property
    def waiting(self) -> bool:
        """True for a standby that waits to be called."""
        called = self.setting.member and not self.memory.leaving
        return self.backend.standby and not called and not self.closed


_EMPTIED = frozenset({BackendState.DRAINING, BackendState.DRAINED})


LOOKS_BAD = 0.2
"""Share of late or failed answers of an unsaturated region from which it counts for the panic."""

LOADED = 0.75
"""Share of the requests/s that a region carries at its usual latency from which its load explains a queue. A region that is
full at less has lost machines, or its measurement is wrong."""


def looks_well(belief: BackendBelief, policy: Policy) -> bool | None:
    """Whether every signal is good enough for more load; None where too little is known."""
    if not belief.health_known:
        return None
    if belief.share < policy.triggers.return_healthy_share:
        return False
    window = belief.window
    if isinstance(window, Blind):
        return True if belief.setting.scaler == 0.0 else None
    if window.answers < 1:
        return True
    return (
        window.error_ratio <= policy.triggers.return_error_ratio
        and window.too_many_ratio <= FEW_REFUSED
        and belief.estimate.saturation.rate is None
        and _fast_enough(belief, window, policy)
    )


def _fast_enough(belief: BackendBelief, window: Window, policy: Policy) -> bool:
    if window.percentile is None or window.mean is None:
        return True
    baseline = belief.estimate.latency.baseline
    if baseline is not None:
        return window.mean <= (1.0 + NEAR_BASELINE) * baseline
    return window.percentile <= policy.triggers.return_latency_ratio * policy.slo.latency


def looks_bad(belief: BackendBelief) -> bool:
    """Whether a serving region looks broken in a way that its load does not explain."""
    if not belief.setting.member or belief.setting.scaler == 0.0:
        return False
    if belief.dead:
        return True
    window = belief.window
    if not isinstance(window, Window) or (
        belief.estimate.saturation.rate is not None and _is_loaded(belief, window)
    ):
        return False
    return window.slow >= LOOKS_BAD or window.error_ratio >= LOOKS_BAD


def _is_loaded(belief: BackendBelief, window: Window) -> bool:
    """Whether it answers so much that its load can explain a queue: little less than its slots carry at the usual latency."""
    limit, baseline = belief.estimate.concurrency.limit, belief.estimate.latency.baseline
    if limit is None or not baseline:
        return True
    return window.peak >= LOADED * limit / baseline * belief.share


def is_blind(belief: BackendBelief) -> bool:
    """Whether a region that should have traffic shows none that can be judged."""
    return isinstance(belief.window, Blind) and belief.serving and not belief.dead and not belief.idle


def is_known(belief: BackendBelief) -> bool:
    """Whether its state is known: by its traffic, or by its health where it gets no requests."""
    return isinstance(belief.window, Window) or (belief.idle and belief.health_known)


def bad_share(beliefs: Sequence[BackendBelief]) -> float | None:
    """Share of bad answers of the whole service in the judged minutes, or None where nothing is known."""
    windows = [b.window for b in beliefs if isinstance(b.window, Window)]
    answers = sum(w.answers for w in windows)
    return sum(w.bad * w.answers for w in windows) / answers if answers > 0 else None


def posture_set(policy: Policy, posture: Posture) -> PostureSet:
    """The settings behind a posture."""
    chosen: PostureSet = getattr(policy.postures, posture.value)
    return chosen


UNSET = PostureSet(failover_threshold=70, auto_drain=False, outlier_ejection=0)
"""What holds where a service has no failover policy of ours: Google's own defaults (reference: SLP)."""


def failover_settings(service: Service, policy: Policy, posture: Posture) -> PostureSet:
    """How Google fails over for a service in a posture."""
    return posture_set(policy, posture) if service.has_policy else UNSET


def auto_drained(beliefs: Sequence[BackendBelief], settings: PostureSet) -> frozenset[str]:
    """Regions that Google's auto-drain keeps empty: worst first, always fewer than half of the members."""
    if not settings.auto_drain or not any(b.dead for b in beliefs):
        return frozenset()
    # Google keeps more than half of the members in use; members with a scaler of 0 count as emptied
    members = [b for b in beliefs if b.setting.member]
    closed = sum(1 for b in members if b.setting.scaler == 0.0)
    dead = sorted((b.share, b.region) for b in members if b.dead and b.setting.scaler > 0.0)
    most = (len(members) - 1) // 2 if not closed else max(0, (len(members) - 1) // 2 - closed)
    return frozenset(region for _, region in dead[:most])


def ceiling_factor(
    belief: BackendBelief, settings: PostureSet, *, drained: bool, share: float | None = None
) -> float:
    """What failover threshold and auto-drain leave of a ceiling (reference: SLP, gcp.md 2.3).

    Args:
        belief: Of the region.
        settings: Of the posture.
        drained: True if auto-drain keeps it empty.
        share: Healthy share, if another than the present one is meant.
    """
    if drained:
        return 0.0
    threshold = settings.failover_threshold / 100.0
    if share is None:
        share = belief.share
    return 1.0 if share >= threshold else share / threshold


def layout_of(beliefs: Sequence[BackendBelief]) -> Layout:
    """Regions with preference and place, in their order."""
    preferred = Preference.PREFERRED
    return tuple(
        [
            (
                b.region,
                b.setting.preference is preferred,
                b.backend.standby,
                REGION_PLACES.get(b.region)
                if b.backend.latitude is None or b.backend.longitude is None
                else (b.backend.latitude, b.backend.longitude),
            )
            for b in beliefs
        ]
    )

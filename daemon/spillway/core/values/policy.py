"""Every tunable of the controller. `config.policy` explains each to the user and checks its range."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from spillway.core.values.units import RegionName


class Mode(StrEnum):
    """What becomes of a decision."""

    OBSERVE = "observe"
    """Decide and journal; write nothing. The default for a new policy."""
    RECOMMEND = "recommend"
    """The same, and say aloud what a person should do."""
    ACT = "act"


class Shortage(StrEnum):
    """What to do when all regions together are short."""

    LEAST_BAD = "least-bad"
    """Keep the overload where it makes the fewest requests bad."""
    SHARE = "share"
    """Spread it evenly, as Google does by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """What users were promised, as the client of the balancer sees it."""

    latency: float = 4.0
    """Seconds."""
    percentile: float = 95.0
    availability: float = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How late the eyes and the hands are. All in seconds."""

    sample_period: float = 60.0
    visibility_delay: float = 210.0
    write_time: float = 20.0
    propagation: float = 90.0

    @property
    def effect(self) -> float:
        """From a decision until traffic follows."""
        return self.write_time + self.propagation

    @property
    def dead_time(self) -> float:
        """From a decision to the first moment at which its effect can be seen."""
        return self.sample_period + self.visibility_delay + self.effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How fast to move. Down is fast, up is slow."""

    dwell: float = 420.0
    """Seconds that a backend rests after a move before it may be moved again; never under the dead time."""
    up_step: float = 0.45
    """Largest rise of a scaler in one move."""
    down_step: float = 1.0
    """Largest fall in one move; 1 lets a dead region be drained at once."""
    up_wait: float = 420.0
    """Seconds that a backend must look well before its scaler rises."""
    hold_growth: float = 2.0
    """Each reversal multiplies the rest by this."""
    hold_decay: float = 7200.0
    """Seconds in which a grown rest halves."""
    hold_max: float = 7200.0
    """Longest rest in seconds."""
    moves_per_hour: int = 12
    """Writes for one service in an hour; drains of dead regions are not counted."""
    margin: float = 0.05
    """A move must promise to save this share of the bad requests, or free this share of headroom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """What no decision may break."""

    min_serving_regions: int = 1
    """Regions with a scaler above 0 and healthy members."""
    reserve: float = 0.05
    """Effective capacity stays at least demand x (1 + reserve), unless it was less before."""
    receiver_limit: float = 0.9
    """No move may push a receiver past this share of its sustainable capacity, by prediction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What must be known before anything moves."""

    min_requests: int = 50
    """Answers in the judged minutes (twenty samples cannot tell p95 from p99; reference: DIST)."""
    max_age: float = 900.0
    """Seconds: older traffic signals are stale."""
    health_max_age: float = 60.0
    """Seconds: older health reads are stale."""
    minutes: int = 3
    """Newest trusted minutes that are judged together."""
    panic_share: float = 0.5
    """If more than this share of the backends looks bad at once, or misses its signals, suspect the measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggers:
    """When a backend counts as failing. Leaving and returning have thresholds of their own."""

    drain_error_ratio: float = 0.08
    """Share of answers that are bad at any load, failed or slow, at which a region may be emptied."""
    return_error_ratio: float = 0.05
    return_healthy_share: float = 0.35
    return_latency_ratio: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class PostureSet:
    """The settings behind one posture."""

    failover_threshold: int = 70
    """Percent of healthy members under which the balancer sends a group's traffic elsewhere (reference: SLP)."""
    auto_drain: bool = True
    outlier_ejection: int = 50
    """Largest percent of endpoints that outlier detection ejects; 0 turns it off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postures:
    """The three named sets and the headroom at which each takes over."""

    normal: PostureSet = field(default_factory=lambda: PostureSet(failover_threshold=70, outlier_ejection=50))
    guarded: PostureSet = field(
        default_factory=lambda: PostureSet(failover_threshold=50, outlier_ejection=30)
    )
    scarce: PostureSet = field(default_factory=lambda: PostureSet(failover_threshold=30, outlier_ejection=10))
    guarded_below: float = 0.3
    """Headroom (capacity / demand - 1) under which the posture is guarded."""
    scarce_below: float = 0.1
    dwell: float = 900.0
    """Seconds between changes of posture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """When standby regions join and leave."""

    join_below: float = 0.25
    """Forecast headroom under which a standby region joins."""
    leave_above: float = 0.6
    """Headroom without it above which a joined standby may leave."""
    leave_after: float = 1800.0
    """Seconds that `leave_above` must hold."""
    join_scaler: float = 0.5
    """Scaler at which a standby region starts; it is ramped from there."""
    drain_wait: float = 300.0
    """Seconds between scaler 0 and the removal of the groups: requests in flight must end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A span of UTC time that the policy names: planned work in a region, or a freeze of all moves."""

    start: float
    """UTC seconds."""
    end: float
    reason: str
    region: RegionName | None = None
    """The region that is to be empty by then; None for a freeze."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How one service is steered."""

    mode: Mode = Mode.OBSERVE
    slo: Slo = field(default_factory=Slo)
    timing: Timing = field(default_factory=Timing)
    rhythm: Rhythm = field(default_factory=Rhythm)
    floors: Floors = field(default_factory=Floors)
    evidence: Evidence = field(default_factory=Evidence)
    triggers: Triggers = field(default_factory=Triggers)
    postures: Postures = field(default_factory=Postures)
    membership: Membership = field(default_factory=Membership)
    shortage: Shortage = Shortage.LEAST_BAD
    planned: tuple[Window, ...] = ()
    freezes: tuple[Window, ...] = ()

    def away(self, at: float) -> frozenset[RegionName]:
        """Regions that planned work wants empty at UTC second `at`."""
        return frozenset(w.region for w in self.planned if w.region is not None and w.start <= at < w.end)

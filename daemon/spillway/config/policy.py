"""Policies as the user writes them. Names and defaults are those of `core.values.policy`; a test keeps them equal."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spillway.config.fields import Between, Duration, Model, Percent, Ratio, RegionName, Time
from spillway.core.values import policy as core

LONGEST_DRAIN_WAIT = "2h"
"""Longest time for which a drained region is kept before it is removed."""


class SloConfig(Model):
    """What users were promised."""

    latency: Annotated[Duration, Between("1ms", "1h")] = 4.0
    """Slowest answer that still counts as good, from the backend's first byte to its last."""
    percentile: Annotated[float, Field(ge=50, le=99.9)] = 95.0
    """Percentile of answers that must be good."""
    availability: Annotated[float, Field(gt=0, lt=1)] = 0.999
    """Share of requests that must not fail."""


class TimingConfig(Model):
    """How late the eyes and the hands are; together the dead time."""

    sample_period: Annotated[Duration, Between("10s", "10m")] = 60.0
    """Cloud Monitoring's sampling period."""
    visibility_delay: Annotated[Duration, Between("0s", "1h")] = 210.0
    """Longest delay until a sample is visible; read from the metric descriptors where they are longer."""
    write_time: Annotated[Duration, Between("0s", "1h")] = 20.0
    """Time that one adjustment takes in engine and API."""
    propagation: Annotated[Duration, Between("0s", "1h")] = 90.0
    """From a finished write to changed traffic. Google gives no figure: minutes. Measure yours."""


class RhythmConfig(Model):
    """How fast to move."""

    dwell: Annotated[Duration, Between("0s", "1d")] = 420.0
    """Rest of a backend after a move. Must not be shorter than the dead time, or the loop acts on what it cannot see and swings."""
    up_step: Annotated[float, Field(gt=0, le=1)] = 0.45
    """Largest rise of a scaler in one move."""
    down_step: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Largest fall of a scaler in one move; below 1 a dead region is drained in steps."""
    up_wait: Annotated[Duration, Between("0s", "1d")] = 420.0
    """How long a backend must look well before its scaler rises."""
    hold_growth: Annotated[float, Field(ge=1, le=10)] = 2.0
    """Each reversal multiplies the rest by this."""
    hold_decay: Annotated[Duration, Between("1s", "30d")] = 7200.0
    """Time in which a grown rest halves."""
    hold_max: Annotated[Duration, Between("0s", "30d")] = 7200.0
    """Longest rest."""
    moves_per_hour: Annotated[int, Field(ge=1, le=120)] = 12
    """Writes for one service in an hour; drains of dead regions do not count."""
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """What a move must promise to be worth it, as a share."""


class FloorsConfig(Model):
    """What no decision may break."""

    min_serving_regions: Annotated[int, Field(ge=1)] = 1
    """Regions that must stay open with healthy members."""
    reserve: Annotated[float, Field(ge=0, le=2)] = 0.05
    """Share of demand that effective capacity must exceed demand by."""
    receiver_limit: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of its sustainable capacity past which no region may be pushed."""


class EvidenceConfig(Model):
    """What must be known before anything moves."""

    min_requests: Annotated[int, Field(ge=20)] = 50
    """Answers in the judged minutes; with fewer than 20 p95 means nothing."""
    max_age: Annotated[Duration, Between("1s", "1d")] = 900.0
    """Age past which traffic signals are stale. Must exceed visibility delay plus two samples."""
    health_max_age: Annotated[Duration, Between("1s", "1h")] = 60.0
    """Age past which health reads are stale."""
    minutes: Annotated[int, Field(ge=1, le=10)] = 3
    """Newest trusted minutes judged together; more is calmer and later."""
    panic_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """If more than this share of backends looks bad or blind at once, suspect the measurement and hold."""


class TriggersConfig(Model):
    """When a backend counts as failing, and when as well again."""

    drain_error_ratio: Ratio = 0.08
    """Share of answers that are bad at any load, failed or slow, at which a region may be emptied."""
    return_error_ratio: Ratio = 0.05
    """5xx share under which it may return."""
    return_healthy_share: Ratio = 0.35
    """Healthy share at which it may return; Google drains under 0.25 by itself."""
    return_latency_ratio: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Percentile latency over the SLO's under which the ceiling may rise while the region's usual latency is not known yet."""


class PostureSetConfig(Model):
    """The settings of one failover posture."""

    failover_threshold: Percent = 70
    """Percent of healthy members under which the balancer moves a group's traffic elsewhere. Higher spills sooner, lower holds longer."""
    auto_drain: bool = True
    """Google's auto capacity drain: a group under 25 % healthy gets nothing."""
    outlier_ejection: Annotated[int, Field(ge=0, le=100)] = 50
    """Largest percent of endpoints ejected for errors; 0 turns outlier detection off."""


class PosturesConfig(Model):
    """Three sets and the headroom at which each takes over."""

    normal: PostureSetConfig = PostureSetConfig(failover_threshold=70, outlier_ejection=50)
    guarded: PostureSetConfig = PostureSetConfig(failover_threshold=50, outlier_ejection=30)
    scarce: PostureSetConfig = PostureSetConfig(failover_threshold=30, outlier_ejection=10)
    guarded_below: Annotated[float, Field(ge=0)] = 0.3
    """Headroom (capacity / demand - 1) under which the posture is guarded."""
    scarce_below: Annotated[float, Field(ge=0)] = 0.1
    """Headroom under which it is scarce."""
    dwell: Annotated[Duration, Between("0s", "1d")] = 900.0
    """Time between changes of posture."""


class MembershipConfig(Model):
    """When standby and failover regions join and leave."""

    join_below: Annotated[float, Field(ge=0)] = 0.25
    """Forecast headroom under which a standby region joins."""
    leave_above: Annotated[float, Field(ge=0)] = 0.6
    """Headroom without it above which a joined standby may leave. Must exceed `join_below`."""
    leave_after: Annotated[Duration, Between("0s", "7d")] = 1800.0
    """How long that must hold."""
    join_scaler: Annotated[float, Field(ge=0.1, le=1)] = 0.5
    """Scaler at which a standby region starts."""
    drain_wait: Annotated[Duration, Between("0s", LONGEST_DRAIN_WAIT)] = 300.0
    """Time between scaler 0 and the removal of the groups. Not shorter than the service's longest request."""


class WindowConfig(Model):
    """A span of time in UTC."""

    start: Time
    """First moment, as 2026-12-01T06:00:00Z."""
    end: Time
    """Moment at which it is over."""
    reason: Annotated[str, Field(min_length=3)]
    """Why, for the journal and whoever is on call."""
    region: RegionName | None = None
    """Region that is to be empty in this window (`planned`)."""


class PolicyConfig(Model):
    """How a service is steered."""

    mode: Literal["observe", "recommend", "act"] = "observe"
    """`observe` decides and journals, `recommend` also logs each advice as a warning when it is new, `act` writes."""
    slo: SloConfig = SloConfig()
    timing: TimingConfig = TimingConfig()
    rhythm: RhythmConfig = RhythmConfig()
    floors: FloorsConfig = FloorsConfig()
    evidence: EvidenceConfig = EvidenceConfig()
    triggers: TriggersConfig = TriggersConfig()
    postures: PosturesConfig = PosturesConfig()
    membership: MembershipConfig = MembershipConfig()
    shortage: Literal["least-bad", "share"] = "least-bad"
    """When all regions are short: keep the overload where it harms least, or spread it evenly."""
    planned: tuple[WindowConfig, ...] = ()
    """Planned work: the region is emptied before `start` and rejoined after `end`."""
    freezes: tuple[WindowConfig, ...] = ()
    """Times in which nothing moves but drains of dead regions."""

    def to_core(self) -> core.Policy:
        """The same as the core's plain values."""
        return core.Policy(
            mode=core.Mode(self.mode),
            slo=core.Slo(**self.slo.model_dump()),
            timing=core.Timing(**self.timing.model_dump()),
            rhythm=core.Rhythm(**self.rhythm.model_dump()),
            floors=core.Floors(**self.floors.model_dump()),
            evidence=core.Evidence(**self.evidence.model_dump()),
            triggers=core.Triggers(**self.triggers.model_dump()),
            postures=core.Postures(
                normal=core.PostureSet(**self.postures.normal.model_dump()),
                guarded=core.PostureSet(**self.postures.guarded.model_dump()),
                scarce=core.PostureSet(**self.postures.scarce.model_dump()),
                guarded_below=self.postures.guarded_below,
                scarce_below=self.postures.scarce_below,
                dwell=self.postures.dwell,
            ),
            membership=core.Membership(**self.membership.model_dump()),
            shortage=core.Shortage(self.shortage),
            planned=tuple(core.Window(**w.model_dump()) for w in self.planned),
            freezes=tuple(core.Window(**w.model_dump()) for w in self.freezes),
        )

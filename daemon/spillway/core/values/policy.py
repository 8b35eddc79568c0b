"""The policy: every setting of the controller, with its default, range and meaning. It is defined here and nowhere else.

`config.derived` makes what users see from it: validation, JSON Schema, reference page and messages. So the text of a
`Spec` and the first paragraph of a section's docstring are words for users. Notes for developers follow them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from typing import Annotated

from spillway.core.values.topology import RegionName

HOUR = 3600.0
"""Seconds."""


_MINUTE = 60.0
_DAY = 24 * HOUR

LONGEST_DRAIN_WAIT = 2 * HOUR
"""Longest time in seconds for which a drained region is kept before it is removed."""


class ValueKind(Enum):
    """What the value of a setting is; it decides how users write it."""

    PLAIN = auto()
    """A number, a word or a text, written as it is."""
    DURATION = auto()
    """Seconds here; users write a number and a unit, such as 90s."""
    TIME = auto()
    """UTC seconds since 1970 here; users write an ISO time with a zone."""
    REGION = auto()
    """The name of a region."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What is said about one setting beside its type and default: its meaning for users, and what it may be.

    Bounds are in the unit of the value here, durations in seconds. For a text, `least` is its number of characters.
    """

    meaning: str
    kind: ValueKind = ValueKind.PLAIN
    least: float | None = None
    """Smallest value that is allowed."""
    most: float | None = None
    """Largest value that is allowed."""
    above: float | None = None
    """Every allowed value is larger than this."""
    below: float | None = None
    """Every allowed value is smaller than this."""
    key: str | None = None
    """The key in the configuration, where it is not the name of the field."""


def seconds(meaning: str, least: float, most: float, *, key: str | None = None) -> Spec:
    """Return the specification of a duration from `least` to `most` seconds."""
    return Spec(meaning, ValueKind.DURATION, least=least, most=most, key=key)


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
    """What users were promised.

    Seen from the client of the balancer.
    """

    latency: Annotated[
        float,
        seconds(
            "Slowest answer that still counts as good, from the backend's first byte to its last.",
            0.001,
            HOUR,
        ),
    ] = 4.0
    percentile: Annotated[float, Spec("Percentile of answers that must be good.", least=50, most=99.9)] = 95.0
    availability: Annotated[float, Spec("Share of requests that must not fail.", above=0, below=1)] = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Delays of samples and of writes; together the dead time."""

    sample_period: Annotated[float, seconds("Cloud Monitoring's sampling period.", 10.0, 10 * _MINUTE)] = 60.0
    visibility_delay: Annotated[
        float,
        seconds(
            "Longest delay until a sample is visible; read from the metric descriptors where they are longer.",
            0.0,
            HOUR,
        ),
    ] = 210.0
    write_time: Annotated[float, seconds("Time that one adjustment takes in engine and API.", 0.0, HOUR)] = (
        20.0
    )
    propagation: Annotated[
        float,
        seconds(
            "From a finished write to changed traffic. Google gives no figure: minutes. Measure yours.",
            0.0,
            HOUR,
        ),
    ] = 90.0

    @property
    def effect(self) -> float:
        """Seconds from a decision until traffic follows."""
        return self.write_time + self.propagation

    @property
    def dead_time(self) -> float:
        """Seconds from a decision to the first moment at which its effect can be seen."""
        return self.sample_period + self.visibility_delay + self.effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How fast to move.

    Down is fast, up is slow.
    """

    dwell: Annotated[
        float,
        seconds(
            "Dwell of a backend after a move. Must not be shorter than the dead time, or the loop acts on what it cannot see and swings.",
            0.0,
            _DAY,
        ),
    ] = 420.0
    up_step: Annotated[float, Spec("Largest rise of a scaler in one move.", above=0, most=1)] = 0.45
    down_step: Annotated[
        float,
        Spec(
            "Largest fall of a scaler in one move; below 1 a bad region is closed in steps, and a dead one at once.",
            above=0,
            most=1,
        ),
    ] = 1.0
    up_wait: Annotated[
        float, seconds("How long a backend must look well before its scaler rises.", 0.0, _DAY)
    ] = 420.0
    backoff_growth: Annotated[
        float, Spec("Each reversal multiplies the dwell by this.", least=1, most=10, key="hold_growth")
    ] = 2.0
    backoff_decay: Annotated[
        float, seconds("Time in which a lengthened dwell halves.", 1.0, 30 * _DAY, key="hold_decay")
    ] = 7200.0
    backoff_max: Annotated[float, seconds("Longest dwell.", 0.0, 30 * _DAY, key="hold_max")] = 7200.0
    moves_per_hour: Annotated[
        int,
        Spec("Writes for one service in an hour; drains of dead regions do not count.", least=1, most=120),
    ] = 12
    margin: Annotated[
        float, Spec("What a move must promise to be worth it, as a share.", least=0, below=1)
    ] = 0.05
    """Share of the bad requests that the move saves, or of the headroom that it frees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """What no decision may break."""

    min_serving_regions: Annotated[
        int, Spec("Regions that must stay open with healthy members.", least=1)
    ] = 1
    """Open: the scaler is above 0."""
    reserve: Annotated[
        float,
        Spec("Share of demand that effective capacity must exceed demand by.", least=0, most=2),
    ] = 0.05
    """Effective capacity stays at least demand x (1 + reserve), unless it was less before the move."""
    receiver_limit: Annotated[
        float,
        Spec("Share of its sustainable capacity past which no region may be pushed.", above=0, most=1),
    ] = 0.9
    """Compared with the predicted load of the receiver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What must be known before anything moves."""

    min_requests: Annotated[
        int, Spec("Answers in the judged minutes; with fewer than 20 p95 means nothing.", least=20)
    ] = 50
    """Twenty samples cannot tell p95 from p99 (reference: DIST)."""
    max_age: Annotated[
        float,
        seconds(
            "Age past which traffic signals are stale. Must exceed visibility delay plus two samples.",
            1.0,
            _DAY,
        ),
    ] = 900.0
    health_max_age: Annotated[float, seconds("Age past which health reads are stale.", 1.0, HOUR)] = 60.0
    minutes: Annotated[
        int,
        Spec("Newest trusted minutes judged together; more is calmer and later.", least=1, most=10),
    ] = 3
    panic_share: Annotated[
        float,
        Spec(
            "If more than this share of backends looks bad or blind at once, suspect the measurement and hold.",
            above=0,
            most=1,
        ),
    ] = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggers:
    """When a backend counts as failing, and when as well again."""

    drain_error_ratio: Annotated[
        float,
        Spec(
            "Share of answers that are bad at any load, failed or slow, at which a region may be emptied.",
            least=0,
            most=1,
        ),
    ] = 0.08
    return_error_ratio: Annotated[float, Spec("5xx share under which it may return.", least=0, most=1)] = 0.05
    return_healthy_share: Annotated[
        float,
        Spec("Healthy share at which it may return; Google drains under 0.25 by itself.", least=0, most=1),
    ] = 0.35
    return_latency_ratio: Annotated[
        float,
        Spec(
            "Percentile latency over the SLO's under which the ceiling may rise while the region's usual latency is not known yet.",
            above=0,
            most=1,
        ),
    ] = 0.8


GOOGLES_THRESHOLD = 70
"""Percent of healthy members under which Google moves traffic where nobody says otherwise (SLP)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostureSet:
    """The settings of one failover posture."""

    failover_threshold: Annotated[
        int,
        Spec(
            "Percent of healthy members under which the balancer moves a group's traffic elsewhere. Higher spills sooner, lower holds longer.",
            least=1,
            most=99,
        ),
    ] = 70
    """Reference: SLP."""
    auto_drain: Annotated[
        bool, Spec("Google's auto capacity drain: a group under 25 % healthy gets nothing.")
    ] = True
    outlier_ejection: Annotated[
        int,
        Spec(
            "Largest percent of endpoints ejected for errors; 0 turns outlier detection off.",
            least=0,
            most=100,
        ),
    ] = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Postures:
    """Three sets and the headroom at which each takes over."""

    normal: PostureSet = field(default_factory=lambda: PostureSet(failover_threshold=70, outlier_ejection=50))
    guarded: PostureSet = field(
        default_factory=lambda: PostureSet(failover_threshold=50, outlier_ejection=30)
    )
    scarce: PostureSet = field(default_factory=lambda: PostureSet(failover_threshold=30, outlier_ejection=10))
    guarded_below: Annotated[
        float,
        Spec("Headroom (capacity / demand - 1) under which the posture is guarded.", least=0),
    ] = 0.3
    scarce_below: Annotated[float, Spec("Headroom under which it is scarce.", least=0)] = 0.1
    dwell: Annotated[float, seconds("Time between changes of posture.", 0.0, _DAY)] = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """When standby and failover regions join and leave."""

    join_below: Annotated[float, Spec("Forecast headroom under which a standby region joins.", least=0)] = (
        0.25
    )
    leave_above: Annotated[
        float,
        Spec(
            "Headroom without it above which a joined standby may leave. Must exceed `join_below`.", least=0
        ),
    ] = 0.6
    leave_after: Annotated[float, seconds("How long that must hold.", 0.0, 7 * _DAY)] = 1800.0
    join_scaler: Annotated[float, Spec("Scaler at which a standby region starts.", least=0.1, most=1)] = 0.5
    """The scaler is ramped from there."""
    drain_wait: Annotated[
        float,
        seconds(
            "Time between scaler 0 and the removal of the groups. Not shorter than the longest request: the longest `timeout` of the service and of the routes that lead to it.",
            0.0,
            LONGEST_DRAIN_WAIT,
        ),
    ] = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarWindow:
    """A span of time in UTC.

    It is planned work in a region, or a freeze of all moves.
    """

    start: Annotated[float, Spec("First moment, as 2026-12-01T06:00:00Z.", ValueKind.TIME)]
    end: Annotated[float, Spec("Moment at which it is over.", ValueKind.TIME)]
    reason: Annotated[str, Spec("Why, for the journal and whoever is on call.", least=3)]
    region: Annotated[
        RegionName | None, Spec("Region that is to be empty in this window (`planned`).", ValueKind.REGION)
    ] = None
    """None for a freeze."""


class DriftAnswer(StrEnum):
    """What becomes of a setting that somebody else has changed."""

    RESPECT = "respect"
    """Keep it, and show it."""
    ALARM = "alarm"
    """Keep it, and alarm until a person decides."""
    REVERT = "revert"
    """Write back what the configuration says, after two looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What becomes of changes that somebody else has made to what the configuration speaks of."""

    levers: Annotated[
        DriftAnswer,
        Spec(
            "Scalers, weights of steered splits, membership and failover posture. `respect` pins what was found until `pin_for` is over, `alarm` pins it until a person decides, `revert` writes back what was wanted."
        ),
    ] = DriftAnswer.RESPECT
    pin_for: Annotated[
        float,
        seconds(
            "How long a lever that somebody else has set stays as it is (`levers: respect`).",
            _MINUTE,
            30 * _DAY,
        ),
    ] = 2 * HOUR
    settings: Annotated[
        DriftAnswer,
        Spec(
            "All other settings of the service. `alarm` keeps what was found and alarms until a person decides, `respect` keeps it and shows it, `revert` writes back what the configuration says."
        ),
    ] = DriftAnswer.ALARM


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a service is steered."""

    mode: Annotated[
        Mode,
        Spec(
            "`observe` decides and journals, `recommend` also logs each advice as a warning when it is new, `act` writes."
        ),
    ] = Mode.OBSERVE
    slo: Slo = field(default_factory=Slo)
    timing: Timing = field(default_factory=Timing)
    rhythm: Rhythm = field(default_factory=Rhythm)
    floors: Floors = field(default_factory=Floors)
    evidence: Evidence = field(default_factory=Evidence)
    triggers: Triggers = field(default_factory=Triggers)
    postures: Postures = field(default_factory=Postures)
    membership: Membership = field(default_factory=Membership)
    drift: Drift = field(default_factory=Drift)
    shortage: Annotated[
        Shortage,
        Spec("When all regions are short: keep the overload where it harms least, or spread it evenly."),
    ] = Shortage.LEAST_BAD
    planned: Annotated[
        tuple[CalendarWindow, ...],
        Spec("Planned work: the region is emptied before `start` and rejoined after `end`."),
    ] = ()
    freezes: Annotated[
        tuple[CalendarWindow, ...], Spec("Times in which nothing moves but drains of dead regions.")
    ] = ()

    def without_failover_policy(self) -> Policy:
        """The same for a service that can have no service LB policy: there Google's defaults hold in every posture (SLP)."""
        sets = {
            name: replace(
                getattr(self.postures, name), failover_threshold=GOOGLES_THRESHOLD, auto_drain=False
            )
            for name in ("normal", "guarded", "scarce")
        }
        return replace(self, postures=replace(self.postures, **sets))

    def planned_in(self, region: RegionName, at: float, lead: float = 0.0) -> CalendarWindow | None:
        """The planned work that wants `region` empty at UTC second `at`, or within `lead` seconds from then."""
        for window in self.planned:
            if window.region == region and window.start - lead <= at < window.end:
                return window
        return None

    def away(self, at: float) -> frozenset[RegionName]:
        """Regions that planned work wants empty at UTC second `at`."""
        return frozenset(w.region for w in self.planned if w.region is not None and w.start <= at < w.end)

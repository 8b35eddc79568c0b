"""What the controller remembers from one step to the next: plain frozen values that survive a restart as JSON.

Nothing here decides. Losing it is safe: the estimates start again from the configured targets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from spillway.core.values.decision import BackendState, Lever, Move
from spillway.core.values.overlay import Posture
from spillway.core.values.units import RegionName, ServiceName


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What has been learned of one backend from the minutes seen so far. None means: never seen."""

    last_minute: float = 0.0
    """UTC end of the newest minute that was learned from; each is learned once."""
    endpoints: int | None = None
    """Members when last listed."""
    healthy_share: float = 1.0
    """When last read."""
    shares: tuple[tuple[float, float], ...] = ()
    """(UTC seconds at which it was read, healthy share) of its last changes, oldest first: older minutes belong to the
    share that there was before each."""
    share_low: float = 1.0
    """Lowest healthy share since it began to come and go."""
    share_low_at: float = 0.0
    """UTC seconds at which it was last read so low."""
    share_drops: int = 0
    """Falls of the healthy share, none long after the one before: from the second on it flaps."""
    baseline: float | None = None
    """Seconds: mean latency at low load, falling fast and rising slowly."""
    service_time: float | None = None
    """Seconds: mean latency while not saturated, now."""
    slots: float | None = None
    """Requests that the whole region can work on at a time (Little's law: capacity x service time)."""
    saturated_rate: float | None = None
    """Requests/s answered while saturated, for the whole region; None while not saturated."""
    low_rate: float = 0.0
    """Requests/s that it answered when it was last seen saturated."""
    low_count: int = 0
    """Times that it was found saturated at about the same rate: what is found again and again is no passing fault."""
    low_at: float = 0.0
    """UTC end of the last minute that showed it saturated: `slots` is what it had then."""
    doubt: float | None = None
    """Requests/s answered when it was last saturated, until it is known whether slowness or lost machines were the cause."""
    doubt_minutes: int = 0
    """Unsaturated minutes since then in which it stayed slow."""
    mean: float = 0.0
    """Seconds: mean latency of the newest unsaturated minute."""
    rising: int = 0
    """Minutes in a row in which it rose, beyond what is noise."""
    slope: float = 0.0
    """Seconds of service time gained in a second while it rises: a leak, a filling disk, a cache that empties."""
    bad_minutes: int = 0
    """Newest minutes in a row in which it looked bad."""
    crowded: float = 0.0
    """Mean latency over the baseline while it is nearly full, smoothed; 0 while it is not."""
    crowded_minutes: int = 0
    """Minutes behind that, counted up to what is needed."""
    waiting: float = 0.0
    """Seconds that requests wait before their service while saturated."""
    in_work: float | None = None
    """Requests that were inside, waiting ones included, in the newest minute; None where that is not known."""
    arrived: float = 0.0
    """Requests/s that came in; smoothed where requests wait long, and 0 before the first."""
    filling: float = 0.0
    """By how much they became more from the minute before to the newest, as a share of what was answered in it: arrivals that
    nothing has counted yet, or answers to what had arrived before."""
    slow: float = 0.0
    """Share of answers beyond the SLO latency that does not come from load."""
    errors: float = 0.0
    """5xx share that does not come from load."""
    refusing: float = 0.0
    """429 share that does not depend on load."""
    quota: float | None = None
    """Requests/s accepted while the rest got 429; None where no quota was met."""
    quota_met: float = 0.0
    """The quota as it was when last met; `quota` rises with what was accepted since."""
    quota_at: float = 0.0
    """UTC end of the minute in which the quota was last met."""
    served: float = 0.0
    """Requests/s answered in the newest learned minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendMemory:
    """One backend: its estimate, its state, and how lately and how often it was moved."""

    region: RegionName
    state: BackendState = BackendState.SERVING
    since: float = 0.0
    """UTC seconds of the last change of state."""
    member: bool | None = None
    """Setting last accounted for; None before the first step."""
    scaler: float | None = None
    estimate: Estimate = Estimate()
    well_since: float | None = None
    """UTC seconds since which all signals look well."""
    dead_seen: int = 0
    """Health reads in a row that showed it dead."""
    dead_read_at: float = 0.0
    """UTC seconds of the newest of them: one read is counted once, however often it is looked at."""
    moved_at: float | None = None
    direction: int = 0
    """-1 the last move lowered its ceiling, 1 raised it."""
    moved_by: float = 0.0
    """By how much the last move changed its scaler."""
    hold: float = 1.0
    """Multiplier on its rest, at `hold_at`; decays with time."""
    hold_at: float = 0.0
    held_until: float = 0.0
    """UTC seconds until which an outside edit is left alone."""
    before_edit: float | None = None
    """Scaler before the outside edit that is left alone until then; None where there is none."""
    empty_since: float | None = None
    joined_at: float | None = None
    leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginMemory:
    """Demand of one place that goes to `home` first where nothing is capped."""

    place: str
    home: RegionName
    level: float
    """Requests/s, smoothed."""
    trend: float = 0.0
    """Requests/s gained in a second."""
    leap: float = 0.0
    """The same in the newest window alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayMemory:
    """The hours of the day at one place, UTC."""

    place: str
    hour: int = -1
    """The running hour, counted since 1970."""
    rates: float = 0.0
    """Sum of the rates of its minutes so far, in requests/s."""
    minutes: int = 0
    before: float = 0.0
    """Mean rate of the hour before; 0 where it was not seen."""
    growth: tuple[float, ...] = ()
    """For each hour of the day, the logarithm of its mean over that of the hour before it; empty before the first."""
    swing: tuple[float, ...] = ()
    """Mean deviation of that from day to day."""
    seen: tuple[int, ...] = ()
    """Days on which it was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """A move that was written and whose effect is not verified yet."""

    move: Move
    lever: Lever
    region: RegionName | None
    before: float
    """Scaler before; 0 for a backend that was no member. Posture changes carry 0."""
    after: float
    made_at: float
    predicted: float
    """Share of bad requests expected with it."""
    otherwise: float
    """Share expected without it."""
    seen: float
    """Share of bad requests that was observed when it was decided."""
    demand: float
    """Requests/s at that time."""
    takes: float = 0.0
    """Requests/s that its region was believed to take then; 0 where there is none."""
    undoes: bool = False
    hold: float = 1.0
    """Multiplier on the region's rest once it is made."""
    member: bool = True
    """Membership after."""
    leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMemory:
    """One service: its backends, where its demand comes from, its moves in flight and its budgets."""

    service: ServiceName
    backends: tuple[BackendMemory, ...] = ()
    origins: tuple[OriginMemory, ...] = ()
    origins_at: float = 0.0
    """UTC end of the newest minute behind `origins`."""
    usual: float = 0.0
    """Requests/s of all origins together, smoothed over the last half hour or so."""
    days: tuple[DayMemory, ...] = ()
    """Sorted by place."""
    flights: tuple[Flight, ...] = ()
    ahead: tuple[tuple[RegionName, float], ...] = ()
    """Requests/s expected in each region once the moves in flight are seen; empty where there are none."""
    proposed: tuple[Flight, ...] = ()
    """Moves of the newest plan, until `confirm` says what became of them."""
    unknown: tuple[Flight, ...] = ()
    """Moves whose write had no answer; the next listing tells."""
    writes: tuple[float, ...] = ()
    """UTC seconds of the non-urgent writes of the last hour."""
    posture_at: float = 0.0
    posture_wanted: Posture | None = None
    posture_since: float = 0.0
    """Since when `posture_wanted` differs from the one in force."""
    roomy_since: tuple[tuple[RegionName, float], ...] = ()
    """Since when headroom without each joined standby has been ample."""
    panic_since: float | None = None
    settle: float | None = None
    """Seconds from a write to its effect, measured from own moves; None before the first."""
    model_error: float = 0.0
    """Mean distance between predicted and observed share of bad requests."""

    def backend(self, region: RegionName) -> BackendMemory:
        """The memory of `region`, fresh where there is none."""
        for memory in self.backends:
            if memory.region == region:
                return memory
        return BackendMemory(region=region)

    def with_backend(self, memory: BackendMemory) -> ServiceMemory:
        """This memory with one backend's part replaced or added; sorted by region."""
        others = [b for b in self.backends if b.region != memory.region]
        return replace(self, backends=tuple(sorted([*others, memory], key=lambda b: b.region)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerMemory:
    """Everything that survives a step, sorted by service."""

    version: int = 1
    services: tuple[ServiceMemory, ...] = ()

    def service(self, name: ServiceName) -> ServiceMemory:
        """The memory of `name`, fresh where there is none."""
        for memory in self.services:
            if memory.service == name:
                return memory
        return ServiceMemory(service=name)


def fresh() -> ControllerMemory:
    """The memory of a controller that has seen nothing."""
    return ControllerMemory()

"""What the controller remembers from one step to the next: plain frozen values that survive a restart as JSON.

Nothing here decides. Losing it is safe: the estimates start again from the configured targets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from spillway.core.values.decision import BackendState, Lever, Move
from spillway.core.values.foreign import ForeignPin, ForeignPosture, PostureSighting, Sighting
from spillway.core.values.overlay import Posture
from spillway.core.values.units import RegionName, ServiceName


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthTrack:
    """The healthy share of a backend's endpoints, and how it came and went."""

    endpoints: int | None = None
    """Members when last listed; None before the first health read."""
    share: float = 1.0
    """Healthy share when last read."""
    changes: tuple[tuple[float, float], ...] = ()
    """(UTC seconds of the read, healthy share) of its last changes, oldest first. A minute before a change has the share
    that held until then."""
    lowest: float = 1.0
    """Lowest healthy share since it began to come and go."""
    lowest_at: float = 0.0
    """UTC seconds at which it was last read so low."""
    drops: int = 0
    """Falls of the healthy share, none long after the one before: from the second on it flaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyTrack:
    """The service time of a backend: its usual one, its present one, and whether it rises. Seconds."""

    baseline: float | None = None
    """Mean latency at low load; falls fast and rises slowly. None before the first latency."""
    service_time: float | None = None
    """Mean latency while not saturated, smoothed. None before the first latency."""
    mean: float = 0.0
    """Mean latency of the newest unsaturated minute; 0 before the first."""
    rising: int = 0
    """Minutes in a row in which it rose by more than noise."""
    slope: float = 0.0
    """Seconds of service time gained in a second while it rises: a leak, a filling disk, a cache that empties."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyTrack:
    """How many requests a backend can work on at a time, and what the latency of a nearly full one shows of that."""

    limit: float | None = None
    """Requests that the whole region can work on at a time (Little's law: capacity x service time). None before the first latency."""
    delay: float = 0.0
    """Mean latency over the baseline while nearly full, smoothed; 0 while it is not."""
    minutes: int = 0
    """Minutes behind `delay`, counted up to what is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaturationTrack:
    """What saturation has shown of a backend. Rates in requests/s of the whole region."""

    rate: float | None = None
    """Answers while saturated; None while not saturated."""
    last_rate: float = 0.0
    """Answers when it was last seen saturated; 0 where it never was."""
    last_at: float = 0.0
    """UTC end of the last minute that showed it saturated."""
    findings: int = 0
    """Times that it was found saturated at about the same rate: what is found again and again is no passing fault."""
    undecided_rate: float | None = None
    """Answers when it was last saturated, until it is known whether slowness or lost machines were the cause; None else."""
    undecided_minutes: int = 0
    """Unsaturated minutes since then in which it stayed slow."""
    waiting: float = 0.0
    """Seconds that requests wait before their service while saturated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalTrack:
    """What came into a backend, where requests may wait inside for longer than a minute."""

    in_work: float | None = None
    """Requests that were inside in the newest minute, waiting ones included; None where that is not known."""
    rate: float = 0.0
    """Requests/s that came in; smoothed where requests wait long, and 0 before the first."""
    filling: float = 0.0
    """Growth of `in_work` from the minute before to the newest, as a share of what was answered in it: arrivals that
    nothing has counted yet, or (negative) answers to what had arrived before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaTrack:
    """What a backend refuses with 429: all above a rate, or a share of whatever comes."""

    rate: float | None = None
    """Requests/s accepted while the rest got 429; None where no quota was met. Rises with what was accepted since."""
    met_rate: float = 0.0
    """The same when it was last met."""
    met_at: float = 0.0
    """UTC end of the minute in which it was last met."""
    refused_share: float = 0.0
    """429 share that does not depend on load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureTrack:
    """What is bad whatever the load. Shares of the answers."""

    slow: float = 0.0
    """Answers beyond the SLO latency that do not come from load."""
    errors: float = 0.0
    """5xx that do not come from load."""
    bad_minutes: int = 0
    """Newest minutes in a row in which it looked bad, load or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What has been learned of one backend from the minutes and health reads seen so far."""

    last_minute: float = 0.0
    """UTC end of the newest minute that was learned from; each is learned once."""
    served: float = 0.0
    """Requests/s answered in the newest learned minutes."""
    health: HealthTrack = HealthTrack()
    latency: LatencyTrack = LatencyTrack()
    concurrency: ConcurrencyTrack = ConcurrencyTrack()
    saturation: SaturationTrack = SaturationTrack()
    arrivals: ArrivalTrack = ArrivalTrack()
    quota: QuotaTrack = QuotaTrack()
    failures: FailureTrack = FailureTrack()


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
    backoff: float = 1.0
    """Multiplier on its dwell, at `backoff_at`; decays with time."""
    backoff_at: float = 0.0
    """UTC seconds of the move for which `backoff` was set."""
    pin: ForeignPin | None = None
    """What somebody else has set here and is left alone; None where there is nothing of the kind."""
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
    onset: float = 0.0
    """The same in the newest window alone: where a surge first shows."""


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
    backoff: float = 1.0
    """Multiplier on the region's dwell once it is made."""
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
    demand_since: float = 0.0
    """UTC end of the first minute behind `origins`; 0 before it."""
    slow_average: float = 0.0
    """Requests/s of all origins together, smoothed over the last half hour or so."""
    days: tuple[DayMemory, ...] = ()
    """Sorted by place."""
    flights: tuple[Flight, ...] = ()
    expected_load: tuple[tuple[RegionName, float], ...] = ()
    """Requests/s expected in each region once the moves in flight are seen; empty where there are none."""
    proposed: tuple[Flight, ...] = ()
    """Moves of the newest plan, until `confirm` says what became of them."""
    unknown: tuple[Flight, ...] = ()
    """Moves whose write had no answer; the next listing tells."""
    late: tuple[Flight, ...] = ()
    """Moves whose write had no answer and was not listed then: it may still be carried out."""
    writes: tuple[float, ...] = ()
    """UTC seconds of the non-urgent writes of the last hour."""
    posture_at: float = 0.0
    posture_wanted: Posture | None = None
    posture_since: float = 0.0
    """Since when `posture_wanted` differs from the one in force."""
    posture_pin: ForeignPosture | None = None
    """The failover policy that somebody else has set; None where it is the wanted one."""
    sighting: Sighting | None = None
    """Backends that the newest readable listing showed otherwise than wanted, until that is believed."""
    posture_sighting: PostureSighting | None = None
    listed_fingerprint: str = ""
    """Of the newest listing in which all backends stood as wanted: the same one cannot show anything else."""
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

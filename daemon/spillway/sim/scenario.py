"""The scenario file, key by key (design.md section 7). What the keys mean together is checked in `sim.setup`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from spillway.config.fields import Duration, Model, Ratio, RegionName, parse_duration, parse_time
from spillway.sim.fault_models import FaultModel

DAY_ZERO = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
"""UTC seconds of the midnight at which scenarios without a date begin: a Monday, so that weeks start as weeks do."""

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Noise = Annotated[float, Field(ge=0, le=5)]


def parse_start(value: Any) -> float:
    """UTC seconds from `2026-12-01T06:00:00Z`, a time of day `06:00`, or a duration after midnight `6h`.

    Raises:
        ValueError: none of these.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1440:
        return DAY_ZERO + value * 60.0  # YAML 1.1 reads 13:00 as the base-60 number 780
    if isinstance(value, str):
        for form in ("%H:%M", "%H:%M:%S"):
            try:
                of_day = datetime.strptime(value.strip().removesuffix("Z"), form).replace(tzinfo=UTC)
            except ValueError:
                continue
            return DAY_ZERO + of_day.hour * 3600.0 + of_day.minute * 60.0 + of_day.second
        try:
            return DAY_ZERO + parse_duration(value)
        except ValueError:
            return parse_time(value)
    return parse_time(value)


Start = Annotated[
    float,
    BeforeValidator(parse_start),
    WithJsonSchema({"type": "string", "examples": ["06:00", "6h", "2026-12-01T06:00:00Z"]}),
]


class SteadyDemand(Model):
    """The same rate all the time."""

    shape: Literal["steady"]
    rps: NotNegative
    noise: Noise = 0.0
    """Standard deviation of one simulated minute's rate, as a share of the rate."""


class DailyDemand(Model):
    """A cosine over the day, never below zero."""

    shape: Literal["daily"]
    mean_rps: NotNegative
    peak_to_mean: Annotated[float, Field(ge=1, le=20)] = 1.5
    peak_hour_utc: Annotated[float, Field(ge=0, le=24)] = 12.0
    noise: Noise = 0.0


class StepDemand(Model):
    """One rate until `at`, another one after."""

    shape: Literal["step"]
    rps: NotNegative
    to_rps: NotNegative
    at: Duration
    noise: Noise = 0.0


class SurgeDemand(Model):
    """A rate that rises to `factor` times itself within `ramp`, stays until `at` + `for`, and falls as it rose."""

    shape: Literal["surge"]
    rps: NotNegative
    factor: NotNegative
    at: Duration
    lasts: Duration = Field(alias="for")
    ramp: Duration = 0.0
    noise: Noise = 0.0


class TraceDemand(Model):
    """Recorded arrivals, replayed as a rate."""

    shape: Literal["trace"]
    file: str
    """CSV with one row per request and its time in the first column; relative to the scenario file."""
    mean_rps: Positive
    offset: Duration = 0.0
    """The replay starts this far into the trace."""


DemandModel = Annotated[
    SteadyDemand | DailyDemand | StepDemand | SurgeDemand | TraceDemand, Field(discriminator="shape")
]


class Retry(Model):
    """How a client asks again. Each retry is a request of its own, counted and judged like any other."""

    attempts: Annotated[int, Field(ge=1, le=10)]
    """How often a request that failed, for whatever reason, is asked again at most."""
    backoff: Annotated[Duration, Field(le=3600)] = 1.0
    """Wait before each retry, rounded up to whole steps: a retry comes in the next step at the earliest."""


class Client(Model):
    """A place from which requests come."""

    name: Annotated[str, Field(min_length=1)]
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    origin: str | None = None
    """Row of the RTT matrix; the client's name where none is given."""
    host: str = "example.com"
    """Host header of its requests, for the sandbox's routing."""
    path: Annotated[str, Field(pattern="^/")] = "/"
    """Path of its requests, for routing."""
    retries: Retry | None = None
    """Clients give up after the first failure where none are given."""
    demand: DemandModel


class ServiceTimeModel(Model):
    """How long one request is served at low load: log-normal through two points, or a measured table."""

    p50: Duration | None = None
    p95: Duration | None = None
    file: str | None = None
    """CSV of measured times, relative to the scenario file."""
    column: str | None = None
    """Column of the CSV that holds milliseconds."""


class Region(Model):
    """One region: its endpoints, what Google is told of them, and the truth."""

    endpoints: Annotated[int, Field(ge=1, le=100_000)]
    target_rps: Positive | None = None
    """What Google is told that the region takes; required unless it is `serverless`."""
    capacity_rps: Positive
    """What it takes in truth, with ordinary service times; of a serverless region with all instances that it may have."""
    serverless: bool = False
    """One serverless group (Cloud Run): no target, no scaler and no health checks. It is attached or detached, and takes what arrives."""
    service_time: ServiceTimeModel
    timeout: Annotated[Duration, Field(gt=0)] = 30.0
    """Waiting and service together may take this long; then the request fails."""
    cost: NotNegative = 1.0
    standby: bool = False
    """Scaler 0 until a policy joins it."""
    zones: Annotated[int, Field(ge=1, le=8)] = 1
    """Zonal groups among which the endpoints are spread evenly."""
    latitude: Latitude | None = None
    longitude: Longitude | None = None


class Slo(Model):
    """When an answer counts as good, as the client sees it."""

    latency: Duration = 4.0
    percentile: Annotated[float, Field(ge=50, le=99.9)] = 95.0
    availability: Annotated[float, Field(gt=0, lt=1)] = 0.999


class Rtt(Model):
    """Where network times come from."""

    model: Literal["great-circle"] | None = None
    matrix: str | None = None
    """CSV with the columns origin, gcp_region, rtt_ms; relative to the scenario file."""


class Monitoring(Model):
    """What Cloud Monitoring shows, and when."""

    sample_period: Annotated[Duration, Field(gt=0)] = 60.0
    visibility_delay: Duration = 210.0


class Actuation(Model):
    """How long a write takes, and then the traffic to follow it."""

    write_time: Duration = 20.0
    propagation: Duration = 90.0


class ScenarioService(Model):
    """One backend service; a scenario without any has a single `pool` over all regions."""

    regions: Annotated[tuple[RegionName, ...], Field(min_length=1)] | None = None
    """Regions of a pool; all where none is given."""
    home: RegionName | None = None
    """Region of a pinned service, preferred over `failover`."""
    failover: tuple[RegionName, ...] = ()
    """Regions that a policy may join to a pinned service."""
    weights: dict[RegionName, Annotated[int, Field(ge=100, le=1000)]] = Field(default_factory=dict)
    """A split instead of a pool: each of these serverless regions has a backend service of its own, and the URL map shares all requests out by weight, wherever they come from."""
    paths: tuple[str, ...] = ()
    """Paths that lead here, such as /europe/*; the service without any takes the rest."""


class Scenario(Model):
    """A world and what happens in it."""

    scenario: Annotated[str, Field(min_length=1)]
    """Its name."""
    description: str = ""
    """One sentence on what a good controller does here."""
    seed: int = 1
    start: Start = DAY_ZERO
    """UTC of time zero."""
    duration: Annotated[Duration, Field(gt=0)]
    step: Annotated[Duration, Field(gt=0, le=60)] = 10.0
    slo: Slo = Slo()
    rtt: Rtt = Rtt(model="great-circle")
    monitoring: Monitoring = Monitoring()
    actuation: Actuation = Actuation()
    regions: Annotated[dict[RegionName, Region], Field(min_length=1)]
    services: dict[str, ScenarioService] = Field(default_factory=dict)
    clients: Annotated[tuple[Client, ...], Field(min_length=1)]
    faults: tuple[FaultModel, ...] = ()


__all__ = ["DAY_ZERO", "Client", "Ratio", "Region", "Scenario", "ScenarioService"]

"""Faults as a scenario file or the sandbox's fault API writes them. What they do is in `sim.faults`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from spillway.config.fields import Duration, Model, Ratio, RegionName, parse_duration

Factor = Annotated[float, Field(gt=0, le=1000)]


class _Timed(Model):
    """When a fault begins and how long it lasts."""

    at: Duration = 0.0
    lasts: Annotated[Duration, Field(gt=0)] | None = Field(default=None, alias="for")
    """To the end of the run where none is given."""


class _InRegion(_Timed):
    """A fault of one region, or of one zonal group in it."""

    region: RegionName
    zone: Annotated[int, Field(ge=0)] | None = None
    """Index of the zonal group; all of the region where none is given."""


class Outage(_InRegion):
    """Health checks fail and requests get 5xx at once."""

    kind: Literal["outage"]


class Slow(_InRegion):
    """Service times x factor at once, so capacity / factor."""

    kind: Literal["slow"]
    factor: Factor


class SlowLeak(_InRegion):
    """Service times that grow evenly to x factor over `for`, then are as before."""

    kind: Literal["slow-leak"]
    factor: Factor
    lasts: Annotated[Duration, Field(gt=0)] = Field(alias="for")


class Errors(_InRegion):
    """That share is answered 5xx after the usual time."""

    kind: Literal["errors"]
    ratio: Ratio


class FastFailures(_InRegion):
    """That share is answered `code` within 50 ms, taking no slot."""

    kind: Literal["fast-failures"]
    ratio: Ratio
    code: Literal[429, 503] = 503


class CapacityLoss(_InRegion):
    """That share of the endpoints is gone with health checks still passing."""

    kind: Literal["capacity-loss"]
    ratio: Ratio


class Gray(_InRegion):
    """That share of the endpoints is slow by factor with health checks passing."""

    kind: Literal["gray"]
    ratio: Ratio
    factor: Factor


class Flapping(_InRegion):
    """That share of the endpoints fails its checks in the first half of each period and passes in the second."""

    kind: Literal["flapping"]
    ratio: Ratio
    period: Annotated[Duration, Field(gt=0)] = 120.0


class Quota(_Timed):
    """What exceeds `rps` is answered 429."""

    kind: Literal["quota"]
    region: RegionName
    rps: Annotated[float, Field(ge=0)]


class _Metrics(_Timed):
    """A fault of monitoring, for one region or for all."""

    region: RegionName | None = None


class MetricsMissing(_Metrics):
    """No points."""

    kind: Literal["metrics-missing"]


class MetricsGarbage(_Metrics):
    """Counts x 0, 0.01 or 100, and nonsense in the latency buckets."""

    kind: Literal["metrics-garbage"]


class MetricsPartial(_Metrics):
    """That share of points left out at random."""

    kind: Literal["metrics-partial"]
    ratio: Ratio


class MetricsLate(_Metrics):
    """Points become visible later by `delay`."""

    kind: Literal["metrics-late"]
    delay: Duration


class WriteFault(_Timed):
    """Writes are refused, hang for ever, or are carried out and answered with a time-out."""

    kind: Literal["write-refused", "write-hung", "write-unknown"]


class WriteSlow(_Timed):
    """Writes take factor times as long."""

    kind: Literal["write-slow"]
    factor: Factor


def parse_shift(value: object) -> float:
    """Seconds from a duration, or from one with a minus sign: `-40m`.

    Raises:
        ValueError: neither.
    """
    if isinstance(value, str) and value.strip().startswith("-"):
        return -parse_duration(value.strip()[1:])
    return parse_duration(value)


class ClockStep(_Timed):
    """The controller's clock jumps by `by`, back where that is negative, and is put right at the end; the world goes on.

    Monitoring answers by the world's clock: a controller that is ahead asks for minutes that are not there yet.
    """

    kind: Literal["clock-step"]
    by: Annotated[
        float,
        BeforeValidator(parse_shift),
        WithJsonSchema({"type": "string", "examples": ["90s", "-40m"]}),
    ]


class OutsideEdit(Model):
    """Someone else sets the region's scaler at that moment."""

    kind: Literal["outside-edit"]
    at: Duration = 0.0
    region: RegionName
    scaler: Ratio
    service: str | None = None
    """All services that have the region where none is given."""


FaultModel = Annotated[
    Outage
    | Slow
    | SlowLeak
    | Errors
    | FastFailures
    | CapacityLoss
    | Gray
    | Flapping
    | Quota
    | MetricsMissing
    | MetricsGarbage
    | MetricsPartial
    | MetricsLate
    | WriteFault
    | WriteSlow
    | ClockStep
    | OutsideEdit,
    Field(discriminator="kind"),
]

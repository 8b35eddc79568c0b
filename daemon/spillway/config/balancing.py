"""How the load of a group is measured, and how much it may take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spillway.config.fields import Model, Shape

METRIC_NAME = Shape(
    "the name of a metric", r"[a-z]([a-z0-9._-]{0,62}[a-z0-9])?", "vllm.kv-cache", "64 characters at most"
)


class CustomMetricConfig(Model):
    """A load metric that endpoints report in their answers (ORCA)."""

    name: Annotated[str, METRIC_NAME]
    """Name under which endpoints report it, without the prefix `named_metrics.`."""
    max_utilization: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Value at which the group counts as full."""
    dry_run: bool = False
    """Report it to Cloud Monitoring, but balance nothing by it."""


class BalancingConfig(Model):
    """How load is measured, and the target at scaler 1."""

    mode: Literal["RATE", "UTILIZATION", "IN_FLIGHT", "CUSTOM_METRICS"]
    """`RATE` counts requests per second; `IN_FLIGHT` requests under way, right for answers that take longer than a second; `UTILIZATION` the CPU of instance groups; `CUSTOM_METRICS` what endpoints report."""
    max_rate: Annotated[float, Field(gt=0)] | None = None
    """Requests/s of each zonal group as a whole, a whole number; of the others below also fractions. Not for regional instance groups."""
    max_rate_per_instance: Annotated[float, Field(gt=0)] | None = None
    """Requests/s of each VM of an instance group."""
    max_rate_per_endpoint: Annotated[float, Field(gt=0)] | None = None
    """Requests/s of each endpoint of a NEG. Google multiplies by all endpoints, healthy or not."""
    max_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    """Mean CPU utilization at which an instance group is full, for UTILIZATION."""
    max_in_flight: Annotated[int, Field(gt=0)] | None = None
    """Requests in flight of each zonal group as a whole."""
    max_in_flight_per_instance: Annotated[int, Field(gt=0)] | None = None
    """Requests in flight of each VM of an instance group."""
    max_in_flight_per_endpoint: Annotated[int, Field(gt=0)] | None = None
    """Requests in flight of each endpoint of a NEG."""
    traffic_duration: Literal["SHORT", "LONG"] | None = None
    """Whether requests end within a second (SHORT) or not (LONG). Limits in flight are LONG, rates are SHORT; so it is set where none is given."""
    custom_metrics: tuple[CustomMetricConfig, ...] = ()
    """Metrics of mode CUSTOM_METRICS; the first that reaches its limit makes the group full."""

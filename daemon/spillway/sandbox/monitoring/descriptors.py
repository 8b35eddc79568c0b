"""The catalogue: metric and resource descriptors of the global external Application Load Balancer (reference: 4.1, 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spillway.sandbox.monitoring.source import NotFoundError

SAMPLE_PERIOD = 60.0
INGEST_DELAY = 210.0
"""Seconds after which a sample of `https/*` is visible at the latest (reference: MET)."""

RESOURCE_TYPE = "https_lb_rule"
PREFIX = "loadbalancing.googleapis.com/"

RESOURCE_LABELS: dict[str, str] = {
    "project_id": "The identifier of the Google Cloud project with the load balancer.",
    "region": "The region of the load balancer; `global` for a global one.",
    "url_map_name": "The name of the URL map.",
    "forwarding_rule_name": "The name of the forwarding rule.",
    "target_proxy_name": "The name of the target proxy.",
    "matched_url_path_rule": "The path rule of the URL map that the request matched.",
    "backend_target_name": "The name of the backend service or bucket.",
    "backend_target_type": "What the backend target is.",
    "backend_name": "The name of the group of endpoints, or a special value.",
    "backend_type": "The kind of the group, or a special value.",
    "backend_scope": "The zone or region of the group, or a special value.",
    "backend_scope_type": "What the scope is: ZONE, REGION or GLOBAL, or a special value.",
}

_RESPONSE = {
    "response_code": ("INT64", "The HTTP response code."),
    "response_code_class": ("INT64", "The class of the response code: 200, 300, 400, 500, or 0 for none."),
    "load_balancing_scheme": ("STRING", "EXTERNAL or EXTERNAL_MANAGED."),
    "proxy_continent": ("STRING", "The continent of the proxy that took the request: America, Europe, Asia."),
    "cache_result": ("STRING", "What the cache did: HIT, MISS, DISABLED, PARTIAL_HIT or UNKNOWN."),
}
_FRONT = {
    "protocol": ("STRING", "The protocol of the client."),
    **_RESPONSE,
    "client_country": ("STRING", "The country of the client."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric type; all here are DELTA and sampled every minute."""

    type: str
    value_type: str
    """INT64 or DISTRIBUTION."""
    unit: str
    labels: dict[str, tuple[str, str]]
    """Value type and sentence, by key."""
    display: str
    description: str


METRICS: dict[str, Metric] = {
    metric.type: metric
    for metric in (
        Metric(
            type=PREFIX + "https/backend_latencies",
            value_type="DISTRIBUTION",
            unit="ms",
            labels=_FRONT,
            display="Backend latency",
            description="Time from the first byte sent to the backend to the last byte of its answer.",
        ),
        Metric(
            type=PREFIX + "https/backend_request_count",
            value_type="INT64",
            unit="1",
            labels=_RESPONSE,
            display="Backend request count",
            description="Requests that backends answered.",
        ),
        Metric(
            type=PREFIX + "https/request_count",
            value_type="INT64",
            unit="1",
            labels=_FRONT,
            display="Request count",
            description="Requests that the load balancer answered.",
        ),
        Metric(
            type=PREFIX + "https/total_latencies",
            value_type="DISTRIBUTION",
            unit="ms",
            labels=_FRONT,
            display="Total latency",
            description="Time from the request's arrival at the proxy to the client's acknowledgement of the last byte.",
        ),
    )
}


def metric_of(metric_type: str) -> Metric:
    """The metric of that type.

    Raises:
        NotFoundError: there is none here.
    """
    metric = METRICS.get(metric_type)
    if metric is None:
        raise NotFoundError(
            f'Cannot find metric(s) that match type = "{metric_type}". '
            f"This sandbox has: {', '.join(sorted(METRICS))}."
        )
    return metric


def metric_message(metric: Metric, project: str) -> Any:
    """The metric as google.api.MetricDescriptor."""
    from google.api import label_pb2, metric_pb2
    from google.protobuf.duration_pb2 import Duration

    meta = metric_pb2.MetricDescriptor.MetricDescriptorMetadata(
        sample_period=Duration(seconds=int(SAMPLE_PERIOD)),
        ingest_delay=Duration(seconds=int(INGEST_DELAY)),
    )
    return metric_pb2.MetricDescriptor(
        name=f"projects/{project}/metricDescriptors/{metric.type}",
        type=metric.type,
        metric_kind=metric_pb2.MetricDescriptor.DELTA,
        value_type=metric_pb2.MetricDescriptor.ValueType.Value(metric.value_type),
        unit=metric.unit,
        display_name=metric.display,
        description=metric.description,
        metadata=meta,
        monitored_resource_types=[RESOURCE_TYPE],
        labels=[
            label_pb2.LabelDescriptor(
                key=key, value_type=label_pb2.LabelDescriptor.ValueType.Value(kind), description=sentence
            )
            for key, (kind, sentence) in metric.labels.items()
        ],
    )


def resource_message(project: str) -> Any:
    """The one resource as google.api.MonitoredResourceDescriptor."""
    from google.api import label_pb2, monitored_resource_pb2

    return monitored_resource_pb2.MonitoredResourceDescriptor(
        name=f"projects/{project}/monitoredResourceDescriptors/{RESOURCE_TYPE}",
        type=RESOURCE_TYPE,
        display_name="Application Load Balancer rule",
        description="A rule of an external Application Load Balancer.",
        labels=[
            label_pb2.LabelDescriptor(key=key, description=sentence)
            for key, sentence in RESOURCE_LABELS.items()
        ],
    )

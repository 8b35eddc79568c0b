"""The catalogue: every question that Spillway asks of Cloud Monitoring, a fixed number for any number of services.

The server reduces: what comes back, and is paid for (reference: 4.7), is one series for each group and code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RESOURCE_TYPE = "https_lb_rule"
PERIOD = 60
"""Seconds; the metrics' own sample period (reference: 4.1)."""
FILTER_MAX = 2000
"""Characters up to which services are named one by one; longer filters go by the names' common beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question."""

    name: str
    """For log lines and metrics."""
    metric: str
    aligner: str
    """ALIGN_SUM, not ALIGN_DELTA: the latter invents points for empty minutes (py:Aggregation.Aligner)."""
    reducer: str
    group_by: tuple[str, ...]
    where: str = ""
    """More conditions on labels."""

    def filter_for(self, resources: Sequence[str]) -> str:
        """The filter that selects this metric for the backend services called `resources`."""
        parts = [f'resource.type = "{RESOURCE_TYPE}"', f'metric.type = "{self.metric}"']
        if self.where:
            parts.append(self.where)
        narrowed = " AND ".join([*parts, *_only(resources)])
        if len(narrowed) <= FILTER_MAX:
            return narrowed
        prefix = _common_start(resources)
        if prefix:
            parts.append(f'resource.label.backend_target_name = starts_with("{prefix}")')
        return " AND ".join(parts)


def _only(resources: Sequence[str]) -> list[str]:
    """The condition that names services one by one; none for no services."""
    if not resources:
        return []
    names = ", ".join(f'"{name}"' for name in sorted(resources))
    return [f"resource.label.backend_target_name = one_of({names})"]


def _common_start(names: Sequence[str]) -> str:
    """The beginning that all names share: that of the first and the last in their order."""
    low, high = min(names), max(names)
    same = 0
    while same < min(len(low), len(high)) and low[same] == high[same]:
        same += 1
    return low[:same]


_TARGET = "resource.label.backend_target_name"
_NAME = "resource.label.backend_name"
_SCOPE = "resource.label.backend_scope"

COUNTS = Query(
    name="counts",
    metric="loadbalancing.googleapis.com/https/backend_request_count",
    aligner="ALIGN_SUM",
    reducer="REDUCE_SUM",
    group_by=(_TARGET, _NAME, _SCOPE, "metric.label.response_code"),
)
"""Answers by group and code."""

LATENCIES = Query(
    name="latencies",
    metric="loadbalancing.googleapis.com/https/backend_latencies",
    aligner="ALIGN_SUM",
    reducer="REDUCE_SUM",
    group_by=(_TARGET, _NAME, _SCOPE),
    where="metric.label.response_code_class = 200",
)
"""Latency distributions of successful answers by group, merged before any percentile is taken."""

PLACES = Query(
    name="places",
    metric="loadbalancing.googleapis.com/https/request_count",
    aligner="ALIGN_SUM",
    reducer="REDUCE_SUM",
    group_by=(_TARGET, _SCOPE, "metric.label.proxy_continent"),
)
"""Requests by zone and continent of the client."""

ALL = (COUNTS, LATENCIES, PLACES)

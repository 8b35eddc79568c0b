"""Service load-balancing policies (Network Services API v1 `serviceLbPolicies`): the failover posture's home."""

from __future__ import annotations

from spillway.sandbox.kinds.base import CRUD, Draft, Kind
from spillway.sandbox.refusals import required
from spillway.sandbox.schema import Choice, whole
from spillway.sandbox.shapes import published

DEFAULT_THRESHOLD = 70
"""Percent; the default for global balancers other than the classic one (gcp.md 2.3)."""

_ALGORITHMS = {
    0: "LOAD_BALANCING_ALGORITHM_UNSPECIFIED",
    3: "SPRAY_TO_WORLD",
    4: "SPRAY_TO_REGION",
    5: "WATERFALL_BY_REGION",
    6: "WATERFALL_BY_ZONE",
}
"""Protobuf numbers, which the Python client sends over REST (network_services_v1 ServiceLbPolicy.LoadBalancingAlgorithm)."""
_GRANULARITY = {0: "ISOLATION_GRANULARITY_UNSPECIFIED", 1: "REGION"}
_MODE = {0: "ISOLATION_MODE_UNSPECIFIED", 1: "NEAREST", 2: "STRICT"}


def check(draft: Draft) -> None:
    """A failover configuration has a threshold."""
    failover = draft.resource.get("failoverConfig")
    if failover is not None and "failoverHealthThreshold" not in failover:
        raise required("service_lb_policy.failover_config.failover_health_threshold")


SERVICE_LB_POLICIES = Kind(
    collection="serviceLbPolicies",
    singular="serviceLbPolicy",
    scopes=("locations",),
    verbs=CRUD | {"patch"},
    shape=published(
        "ServiceLbPolicy",
        {
            "loadBalancingAlgorithm": Choice(tuple(_ALGORITHMS.values()), _ALGORITHMS),
            "failoverConfig.failoverHealthThreshold": whole(1, 99),
            "isolationConfig.isolationGranularity": Choice(tuple(_GRANULARITY.values()), _GRANULARITY),
            "isolationConfig.isolationMode": Choice(tuple(_MODE.values()), _MODE),
        },
    ),
    outputs=frozenset({"createTime", "updateTime"}),
    check=check,
)

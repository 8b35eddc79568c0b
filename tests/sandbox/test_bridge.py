"""From resources to the world and back: targets in every mode, routes, propagation, outside edits."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.conftest import Cloud

from spillway.sandbox.balancing import service_control
from spillway.sandbox.kinds.backend_health import spread
from spillway.sandbox.plant import OutsideEdit
from spillway.sim.control import BackendControl, RouteControl

EU = "projects/p/zones/europe-west4-a/networkEndpointGroups/eu"
EU_B = "projects/p/zones/europe-west4-b/networkEndpointGroups/eu"
US = "projects/p/zones/us-east4-b/networkEndpointGroups/us"
SIZES = {EU: 4, EU_B: 2, US: 3}


def control_of(*backends: dict[str, Any], **service: Any) -> tuple[BackendControl, ...]:
    return service_control("s", {"backends": list(backends), **service}, None, SIZES.__getitem__).backends


@pytest.mark.parametrize(
    ("backend", "rate", "flight"),
    [
        ({"balancingMode": "RATE", "maxRate": 70}, 70.0, None),
        ({"balancingMode": "RATE", "maxRatePerEndpoint": 10}, 40.0, None),
        ({"balancingMode": "RATE", "maxRatePerInstance": 2.5}, 10.0, None),
        ({"balancingMode": "UTILIZATION", "maxUtilization": 0.8}, None, None),
        ({"balancingMode": "UTILIZATION", "maxUtilization": 0.8, "maxRate": 9}, 9.0, None),
        ({"balancingMode": "IN_FLIGHT", "maxInFlightRequests": 12}, None, 12.0),
        ({"balancingMode": "IN_FLIGHT", "maxInFlightRequestsPerEndpoint": 3}, None, 12.0),
        ({"balancingMode": "CUSTOM_METRICS", "customMetrics": []}, None, None),
        ({"balancingMode": "CUSTOM_METRICS", "customMetrics": [], "maxRate": 5}, 5.0, None),
    ],
)
def test_targets_of_every_mode(backend: dict[str, Any], rate: float | None, flight: float | None) -> None:
    (found,) = control_of({"group": EU, "capacityScaler": 0.5, **backend})
    assert found == BackendControl(
        region="europe-west4", scaler=0.5, target_rate=rate, target_in_flight=flight
    )


def test_groups_of_a_region_add_up_to_the_same_ceiling() -> None:
    (found,) = control_of(
        {"group": EU, "maxRate": 40, "capacityScaler": 1.0},
        {"group": EU_B, "maxRate": 20, "capacityScaler": 0.5},
    )
    assert found.scaler == 1.0
    assert found.target_rate == pytest.approx(50.0)
    (drained,) = control_of(
        {"group": EU, "maxRate": 40, "capacityScaler": 0.0},
        {"group": EU_B, "maxRate": 20, "capacityScaler": 0.0},
    )
    assert (drained.scaler, drained.target_rate) == (0.0, 60.0)
    (half,) = control_of(
        {"group": EU, "maxUtilization": 0.8, "capacityScaler": 0.1},
        {"group": EU_B, "maxUtilization": 0.8, "capacityScaler": 0.0},
    )
    assert half.scaler == 0.1  # the mean would be below the least legal scaler


def test_preference_policy_and_ejection() -> None:
    service = {
        "backends": [{"group": EU, "maxRate": 1, "preference": "PREFERRED"}, {"group": US, "maxRate": 1}],
        "outlierDetection": {"maxEjectionPercent": 30, "enforcingConsecutiveErrors": 100},
    }
    policy = {"failoverConfig": {"failoverHealthThreshold": 35}, "autoCapacityDrain": {"enable": True}}
    control = service_control("s", service, policy, SIZES.__getitem__)
    assert [(backend.region, backend.preferred) for backend in control.backends] == [
        ("europe-west4", True),
        ("us-east4", False),
    ]
    assert (control.failover_threshold, control.auto_drain, control.outlier_ejection) == (0.35, True, 0.3)
    bare = service_control("s", {"backends": []}, None, SIZES.__getitem__)
    assert (bare.failover_threshold, bare.auto_drain, bare.outlier_ejection) == (0.7, False, 0.0)


def test_health_is_spread_over_the_groups_of_a_region() -> None:
    assert spread([(1, 4), (2, 2)], [4, 2]) == [1, 2]
    assert spread([(3, 4)], [2, 2]) == [2, 1]
    assert spread([(0, 4)], [2, 2]) == [0, 0]
    assert spread([], [2]) == [0]


GROUP = {"api-europe-west4": "europe-west4-a", "api-us-east4": "us-east4-b"}


def backend(name: str, **more: Any) -> dict[str, Any]:
    return {
        "group": f"zones/{GROUP[name]}/networkEndpointGroups/{name}",
        "balancingMode": "RATE",
        "maxRatePerEndpoint": 10,
        **more,
    }


def build(cloud: Cloud) -> None:
    cloud.policy(
        "POST",
        "serviceLbPolicies",
        {"failoverConfig": {"failoverHealthThreshold": 50}},
        serviceLbPolicyId="pol",
    )
    cloud.call("POST", "global/healthChecks", {"name": "hc", "type": "HTTP"})
    common = {"healthChecks": ["global/healthChecks/hc"], "loadBalancingScheme": "EXTERNAL_MANAGED"}
    pool = {
        "backends": [backend("api-europe-west4"), backend("api-us-east4")],
        "serviceLbPolicy": "//networkservices.googleapis.com/projects/p/locations/global/serviceLbPolicies/pol",
    }
    cloud.call("POST", "global/backendServices", {"name": "pool", **common, **pool})
    cloud.call(
        "POST",
        "global/backendServices",
        {"name": "europe", **common, "backends": [backend("api-europe-west4")]},
    )
    rules = [{"paths": ["/europe/*"], "service": "global/backendServices/europe"}]
    matchers = [{"name": "m", "defaultService": "global/backendServices/pool", "pathRules": rules}]
    cloud.call(
        "POST",
        "global/urlMaps",
        {
            "name": "um",
            "defaultService": "global/backendServices/pool",
            "hostRules": [{"hosts": ["*"], "pathMatcher": "m"}],
            "pathMatchers": matchers,
        },
    )
    cloud.call("POST", "global/targetHttpProxies", {"name": "p", "urlMap": "global/urlMaps/um"})
    cloud.call(
        "POST",
        "global/forwardingRules",
        {
            "name": "r",
            "target": "global/targetHttpProxies/p",
            "portRange": "80",
            "loadBalancingScheme": "EXTERNAL_MANAGED",
        },
    )


def test_what_is_built_reaches_the_world_after_propagation(cloud: Cloud) -> None:
    assert cloud.plant.routed == []
    build(cloud)
    ((routes, _),) = cloud.plant.routed
    assert routes == (
        RouteControl(host="*", path="/europe/*", service="europe"),
        RouteControl(host="*", path="/*", service="pool"),
    )
    control, at = next((control, at) for control, at in cloud.plant.applied if control.service == "pool")
    assert [(b.region, b.scaler, b.target_rate) for b in control.backends] == [
        ("europe-west4", 1.0, 40.0),
        ("us-east4", 1.0, 30.0),
    ]
    assert control.failover_threshold == 0.5
    assert 90.0 <= at <= 90.0 + cloud.server.clock.world()
    told = len(cloud.plant.applied)
    cloud.policy(
        "PATCH",
        "serviceLbPolicies/pol",
        {"failoverConfig": {"failoverHealthThreshold": 30}},
        updateMask="failoverConfig",
    )
    assert [control.failover_threshold for control, _ in cloud.plant.applied[told:]] == [0.3]
    cloud.call("PATCH", "global/backendServices/pool", {"description": "nothing that the world cares for"})
    assert len(cloud.plant.applied) == told + 1
    cloud.call("DELETE", "global/forwardingRules/r")
    assert cloud.plant.routed[-1][0] == ()


def test_an_outside_edit_changes_the_fingerprint_and_the_world(cloud: Cloud) -> None:
    build(cloud)
    before = cloud.call("GET", "global/backendServices/pool")
    alone = cloud.call("GET", "global/backendServices/europe")
    with cloud.server.store.lock:
        at = cloud.server.clock.world()
        cloud.plant.edits.append(OutsideEdit(at=at + 0.01, region="europe-west4", scaler=0.0))
        told = len(cloud.plant.applied)
        assert cloud.server.bridge.carry_out_edits(at + 1) == 1
        assert cloud.server.bridge.carry_out_edits(at + 1) == 0
    after = cloud.call("GET", "global/backendServices/pool")
    assert [b["capacityScaler"] for b in after["backends"]] == [0.0, 1.0]
    assert after["fingerprint"] != before["fingerprint"]
    assert (
        cloud.call("GET", "global/backendServices/europe") == alone
    )  # scaler 0 is refused where there is one backend
    ((control, effective),) = cloud.plant.applied[told:]
    assert control.service == "pool"
    assert effective == pytest.approx(at + 0.01 + 90.0)
    cloud.call("PUT", "global/backendServices/pool", before, status=412)

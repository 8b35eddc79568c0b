"""Google's own Python clients, unmodified, against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.api_core.extended_operation import ExtendedOperation
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1, network_services_v1
from tests.sandbox.conftest import PROJECT, Cloud

GROUP = "https://www.googleapis.com/compute/v1/projects/p/zones/{}/networkEndpointGroups/{}"


@pytest.fixture
def services(cloud: Cloud) -> Iterator[Any]:
    """A backend service client whose operations are polled on the sandbox too (gcp.md 7, the trap)."""
    options = {"api_endpoint": cloud.server.url}
    operations = compute_v1.GlobalOperationsClient(credentials=AnonymousCredentials(), client_options=options)
    client = compute_v1.BackendServicesClient(credentials=AnonymousCredentials(), client_options=options)
    client._transport._extended_operations_services["global_operations"] = operations
    with client, operations:
        yield client


def insert_service(cloud: Cloud) -> None:
    cloud.call("POST", "global/healthChecks", {"name": "hc", "type": "HTTP"})
    groups = [("europe-west4-a", "api-europe-west4", 1), ("us-east4-b", "api-us-east4", 0.5)]
    backends = [
        {
            "group": GROUP.format(zone, name),
            "balancingMode": "RATE",
            "maxRatePerEndpoint": 10,
            "capacityScaler": scaler,
        }
        for zone, name, scaler in groups
    ]
    body = {
        "name": "api",
        "healthChecks": ["global/healthChecks/hc"],
        "loadBalancingScheme": "EXTERNAL_MANAGED",
        "backends": backends,
    }
    cloud.call("POST", "global/backendServices", body)


def test_a_scaler_is_patched_and_an_old_fingerprint_refused(cloud: Cloud, services: Any) -> None:
    insert_service(cloud)
    service = services.get(project=PROJECT, backend_service="api")
    stale = compute_v1.BackendService(fingerprint=service.fingerprint, backends=service.backends)
    service.backends[1].capacity_scaler = 0.0
    body = compute_v1.BackendService(fingerprint=service.fingerprint, backends=service.backends)
    operation = services.patch(project=PROJECT, backend_service="api", backend_service_resource=body)
    assert isinstance(operation, ExtendedOperation)
    operation.result(timeout=10)
    after = services.get(project=PROJECT, backend_service="api")
    assert [backend.capacity_scaler for backend in after.backends] == [1.0, 0.0]
    assert after.fingerprint != service.fingerprint
    with pytest.raises(exceptions.PreconditionFailed) as refusal:
        services.patch(project=PROJECT, backend_service="api", backend_service_resource=stale)
    assert refusal.value.errors[0]["reason"] == "conditionNotMet"
    assert "Invalid fingerprint." in refusal.value.message


def test_a_repeated_request_is_carried_out_once(cloud: Cloud, services: Any) -> None:
    insert_service(cloud)
    service = services.get(project=PROJECT, backend_service="api")
    body = compute_v1.BackendService(fingerprint=service.fingerprint, timeout_sec=77)
    request = compute_v1.PatchBackendServiceRequest(
        project=PROJECT,
        backend_service="api",
        backend_service_resource=body,
        request_id="6b4bb1f1-0d7c-4b1e-8f3a-0d0e6f2c9b11",
    )
    first = services.patch_unary(request)
    again = services.patch_unary(request)
    assert first.name == again.name
    assert services.get(project=PROJECT, backend_service="api").timeout_sec == 77


def test_health_is_the_worlds(cloud: Cloud, services: Any) -> None:
    insert_service(cloud)
    cloud.plant.zones["europe-west4"] = ((3, 4),)
    reference = compute_v1.ResourceGroupReference(group=GROUP.format("europe-west4-a", "api-europe-west4"))
    health = services.get_health(
        project=PROJECT, backend_service="api", resource_group_reference_resource=reference
    )
    assert [status.health_state for status in health.health_status] == [
        "HEALTHY",
        "HEALTHY",
        "HEALTHY",
        "UNHEALTHY",
    ]
    assert len({(status.ip_address, status.port, status.instance) for status in health.health_status}) == 4


def test_lists_page_and_filter(cloud: Cloud, services: Any) -> None:
    cloud.call("POST", "global/healthChecks", {"name": "hc", "type": "HTTP"})
    for number in range(5):
        cloud.call(
            "POST",
            "global/backendServices",
            {"name": f"s{number}", "healthChecks": ["global/healthChecks/hc"]},
        )
    pages = services.list(compute_v1.ListBackendServicesRequest(project=PROJECT, max_results=2))
    assert [service.name for service in pages] == ["s0", "s1", "s2", "s3", "s4"]
    found = services.list(compute_v1.ListBackendServicesRequest(project=PROJECT, filter='name = "s3"'))
    assert [service.name for service in found] == ["s3"]
    scopes = dict(services.aggregated_list(project=PROJECT))
    assert [service.name for service in scopes["global"].backend_services] == ["s0", "s1", "s2", "s3", "s4"]


def test_zonal_operations_are_found_in_their_zone(cloud: Cloud) -> None:
    options = {"api_endpoint": cloud.server.url}
    operations = compute_v1.ZoneOperationsClient(credentials=AnonymousCredentials(), client_options=options)
    client = compute_v1.NetworkEndpointGroupsClient(
        credentials=AnonymousCredentials(), client_options=options
    )
    client._transport._extended_operations_services["zone_operations"] = operations
    with client, operations:
        body = compute_v1.NetworkEndpointGroup(name="fresh", default_port=80)
        client.insert(project=PROJECT, zone="us-east4-b", network_endpoint_group_resource=body).result(
            timeout=10
        )
        endpoint = compute_v1.NetworkEndpoint(ip_address="10.0.0.9")
        attach = compute_v1.NetworkEndpointGroupsAttachEndpointsRequest(network_endpoints=[endpoint])
        client.attach_network_endpoints(
            project=PROJECT,
            zone="us-east4-b",
            network_endpoint_group="fresh",
            network_endpoint_groups_attach_endpoints_request_resource=attach,
        ).result(timeout=10)
        listed = client.list_network_endpoints(
            project=PROJECT,
            zone="us-east4-b",
            network_endpoint_group="fresh",
            network_endpoint_groups_list_endpoints_request_resource=compute_v1.NetworkEndpointGroupsListEndpointsRequest(
                health_status="SKIP"
            ),
        )
        assert [(item.network_endpoint.ip_address, item.network_endpoint.port) for item in listed] == [
            ("10.0.0.9", 80)
        ]
        assert client.get(project=PROJECT, zone="us-east4-b", network_endpoint_group="fresh").size == 1


def test_a_policy_lives_and_dies(cloud: Cloud) -> None:
    client = network_services_v1.NetworkServicesClient(
        transport="rest",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": cloud.server.url},
    )
    parent = f"projects/{PROJECT}/locations/global"
    policy = network_services_v1.ServiceLbPolicy(
        load_balancing_algorithm=network_services_v1.ServiceLbPolicy.LoadBalancingAlgorithm.SPRAY_TO_REGION,
        failover_config={"failover_health_threshold": 70},
    )
    made = client.create_service_lb_policy(
        parent=parent, service_lb_policy=policy, service_lb_policy_id="pol"
    ).result(timeout=10)
    assert made.name == f"{parent}/serviceLbPolicies/pol"
    assert made.load_balancing_algorithm.name == "SPRAY_TO_REGION"
    made.failover_config.failover_health_threshold = 30
    made.auto_capacity_drain = {"enable": True}
    updated = client.update_service_lb_policy(
        service_lb_policy=made, update_mask={"paths": ["failover_config"]}
    ).result(timeout=10)
    assert updated.failover_config.failover_health_threshold == 30
    assert not updated.auto_capacity_drain.enable
    assert [found.name for found in client.list_service_lb_policies(parent=parent)] == [made.name]
    client.delete_service_lb_policy(name=made.name).result(timeout=10)
    with pytest.raises(exceptions.NotFound):
        client.get_service_lb_policy(name=made.name)

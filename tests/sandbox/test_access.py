"""Roles in the sandbox: who lacks a permission is refused in Google's words, whatever the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import requests
from google.api_core.exceptions import PermissionDenied
from google.cloud.monitoring_v3.types import ListTimeSeriesRequest
from tests.monitoring.fake_source import FakeSource
from tests.sandbox.conftest import GROUPS, ToyPlant

from spillway.adapters.monitoring import connect
from spillway.sandbox.access import Access, of_method, of_references, token_of
from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.methods import METHODS, find_method
from spillway.sandbox.monitoring.server import serve
from spillway.sandbox.server import SandboxServer
from spillway.sandbox.writes import Timing

HELD = {
    "compute.healthChecks.create",
    "compute.healthChecks.get",
    "compute.backendServices.create",
    "compute.backendServices.get",
    "compute.networkEndpointGroups.use",
    "networkservices.serviceLbPolicies.get",
}
SOME = "some"
CHECK = {"name": "hc", "type": "HTTP", "httpHealthCheck": {}}


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    plant = ToyPlant()
    made = SandboxServer(
        plant,
        clock=ScaledClock(speed=1.0, epoch=plant.epoch),
        timing=Timing(write_time=0.0, propagation=90.0),
        groups=GROUPS,
        access=Access({"some": HELD, "none": ()}),
    )
    with made:
        yield made


def ask(
    server: SandboxServer, method: str, path: str, body: Any = None, *, token: str = SOME
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = requests.request(method, f"{server.url}/{path}", json=body, headers=headers, timeout=5)
    found: dict[str, Any] = answer.json()
    return answer.status_code, found


def test_compute_refuses_in_googles_words(server: SandboxServer) -> None:
    url = "compute/v1/projects/p/global/healthChecks"
    assert ask(server, "POST", url, CHECK)[0] == 200
    status, answer = ask(server, "DELETE", f"{url}/hc")
    assert status == 403
    message = "Required 'compute.healthChecks.delete' permission for 'projects/p/global/healthChecks/hc'"
    assert answer["error"]["message"] == message
    assert answer["error"]["errors"] == [{"message": message, "domain": "global", "reason": "forbidden"}]
    status, answer = ask(server, "GET", url)
    assert status == 403
    assert answer["error"]["message"] == "Required 'compute.healthChecks.list' permission for 'projects/p'"
    assert ask(server, "DELETE", f"{url}/hc", token="other")[0] == 200, "a token of no role may do everything"
    assert ask(server, "POST", url, CHECK, token="")[0] == 200


def test_what_a_body_refers_to_needs_a_permission_of_its_own(server: SandboxServer) -> None:
    assert ask(server, "POST", "compute/v1/projects/p/global/healthChecks", CHECK)[0] == 200
    group = "projects/p/zones/europe-west4-a/networkEndpointGroups/api-europe-west4"
    body = {
        "name": "s",
        "loadBalancingScheme": "EXTERNAL_MANAGED",
        "healthChecks": ["projects/p/global/healthChecks/hc"],
        "backends": [{"group": group, "balancingMode": "RATE", "maxRatePerEndpoint": 1}],
    }
    status, answer = ask(server, "POST", "compute/v1/projects/p/global/backendServices", body)
    assert status == 403
    assert "'compute.healthChecks.useReadOnly' permission for 'projects/p/global/healthChecks/hc'" in str(
        answer
    )
    assert ask(server, "GET", "compute/v1/projects/p/global/backendServices/s")[0] == 404, "nothing was made"
    found = set(of_references(body, "p"))
    assert found == {
        ("compute.healthChecks.useReadOnly", "projects/p/global/healthChecks/hc"),
        ("compute.networkEndpointGroups.use", group),
    }
    read_back = {
        **body,
        "selfLink": "https://www.googleapis.com/compute/v1/projects/p/global/backendServices/s",
    }
    assert set(of_references(read_back, "p")) == found


@pytest.mark.parametrize(
    ("http", "path", "expected"),
    [
        ("PATCH", "global/backendServices/s", {"compute.backendServices.get", "compute.backendServices.update"}),
        ("POST", "global/backendServices/s/getHealth", {"compute.backendServices.get"}),
        ("POST", "global/addresses/a/setLabels", {"compute.globalAddresses.setLabels"}),
        ("POST", "global/forwardingRules/r/setTarget", {"compute.globalForwardingRules.setTarget"}),
        ("POST", "targetHttpsProxies/x/setSslCertificates", {"compute.targetHttpsProxies.setSslCertificates"}),
        ("POST", "zones/us-east4-b/instanceGroups/g/setNamedPorts", {"compute.instanceGroups.update"}),
        ("GET", "regions/us-east4/networkEndpointGroups/g", {"compute.regionNetworkEndpointGroups.get"}),
        ("GET", "zones/us-east4-b/operations/o", {"compute.zoneOperations.get"}),
        ("GET", "global/operations/o", {"compute.globalOperations.get"}),
        ("GET", "aggregated/backendServices", {"compute.backendServices.list"}),
    ],
)  # fmt: skip
def test_methods_need_what_their_page_of_the_reference_says(http: str, path: str, expected: set[str]) -> None:
    found = find_method(http, f"projects/p/{path}")
    assert found is not None
    method, parts = found
    scope = (
        f"zones/{parts['zone']}"
        if "zone" in parts
        else f"regions/{parts['region']}"
        if "region" in parts
        else "global"
    )
    assert set(of_method(method, scope)) == expected


def test_every_method_needs_something() -> None:
    assert all(of_method(method, "global") for method in METHODS)


def test_network_services_refuses_too(server: SandboxServer) -> None:
    path = "v1/projects/p/locations/global/serviceLbPolicies"
    status, answer = ask(server, "POST", f"{path}?serviceLbPolicyId=x", {})
    assert status == 403
    assert answer["error"]["status"] == "PERMISSION_DENIED"
    assert "networkservices.serviceLbPolicies.create" in answer["error"]["message"]
    assert ask(server, "GET", f"{path}/x")[0] == 404, "may be read, and is not there"


def test_resource_manager_tells_what_is_granted(server: SandboxServer) -> None:
    path = "v1/projects/p:testIamPermissions"
    wanted = ["compute.healthChecks.get", "compute.healthChecks.delete"]
    assert ask(server, "POST", path, {"permissions": wanted}) == (200, {"permissions": wanted[:1]})
    assert ask(server, "POST", path, {"permissions": wanted}, token="none") == (200, {})
    assert ask(server, "POST", path, {"permissions": wanted}, token="") == (200, {"permissions": wanted})
    assert ask(server, "POST", path, {"permissions": ["compute.*"]})[0] == 400
    assert ask(server, "POST", path, {"permissions": wanted * 51})[0] == 400
    assert ask(server, "GET", path)[0] == 404
    assert not server.access.asked, "a question uses nothing"


def test_monitoring_refuses_too() -> None:
    access = Access({"some": {"monitoring.metricDescriptors.get"}})
    clock = ScaledClock(speed=1.0, epoch=1_767_225_600.0)
    server = serve(FakeSource({}), clock, "127.0.0.1:0", access=access)
    client = connect(f"127.0.0.1:{server.port}", "some")
    name = "projects/p/metricDescriptors/loadbalancing.googleapis.com/https/request_count"
    assert client.get_metric_descriptor(name=name, timeout=5).type
    with pytest.raises(PermissionDenied, match=r"monitoring\.timeSeries\.list"):
        client.list_time_series(ListTimeSeriesRequest(name="projects/p"), timeout=5)
    client.transport.close()
    everybody = connect(f"127.0.0.1:{server.port}")
    with pytest.raises(Exception, match=r"(?i)filter|interval") as raised:
        everybody.list_time_series(ListTimeSeriesRequest(name="projects/p"), timeout=5)
    assert raised.value.grpc_status_code is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]
    everybody.transport.close()
    server.stop(0)


@pytest.mark.parametrize(
    ("header", "token"), [("Bearer run", "run"), ("bearer  run ", "run"), ("Basic run", ""), ("", "")]
)
def test_the_token_in_a_header(header: str, token: str) -> None:
    assert token_of(header) == token

"""Security settings and the choice of IP addresses of backend services, as the published schema has them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.conftest import PROJECT, Cloud

from spillway.sandbox.seeds import SeedGroup

VENDOR = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/global/networkEndpointGroups/vendor"
SIGNATURE = {"accessKeyId": "AKIA", "accessKey": "secret", "originRegion": "us-east-1"}


@pytest.fixture
def vendor(cloud: Cloud) -> Cloud:
    cloud.server.store.seed_groups(
        [SeedGroup(project=PROJECT, zone="global", name="vendor", kind="internet_neg", endpoints=1)]
    )
    return cloud


def body(**more: Any) -> dict[str, Any]:
    return {
        "name": "api",
        "loadBalancingScheme": "EXTERNAL_MANAGED",
        "protocol": "HTTPS",
        "backends": [{"group": VENDOR}],
        **more,
    }


def refused(cloud: Cloud, given: dict[str, Any]) -> str:
    answer = cloud.call("POST", "global/backendServices", given, status=400)
    return str(answer["error"]["message"])


def test_the_choice_of_addresses_is_kept_and_shown(vendor: Cloud) -> None:
    vendor.call("POST", "global/backendServices", body(ipAddressSelectionPolicy="PREFER_IPV6"))
    assert vendor.call("GET", "global/backendServices/api")["ipAddressSelectionPolicy"] == "PREFER_IPV6"
    assert "ipAddressSelectionPolicy" in refused(vendor, body(name="b", ipAddressSelectionPolicy="IPV5"))
    classic = body(name="c", loadBalancingScheme="EXTERNAL", ipAddressSelectionPolicy="PREFER_IPV6")
    assert "load balancing scheme EXTERNAL" in refused(vendor, classic)


def test_a_signature_is_for_internet_groups_and_its_key_is_given_back_to_nobody(vendor: Cloud) -> None:
    settings = {"awsV4Authentication": SIGNATURE}
    vendor.call("POST", "global/backendServices", body(securitySettings=settings))
    found = vendor.call("GET", "global/backendServices/api")
    assert found["securitySettings"] == {
        "awsV4Authentication": {"accessKeyId": "AKIA", "originRegion": "us-east-1"}
    }
    patch = {"fingerprint": found["fingerprint"], "description": "vendor"}
    vendor.call("PATCH", "global/backendServices/api", patch)
    fingerprint = vendor.call("GET", "global/backendServices/api")["fingerprint"]
    changed = {"awsV4Authentication": {"accessKeyId": "OTHER", "originRegion": "us-east-1"}}
    answer = vendor.call(
        "PATCH",
        "global/backendServices/api",
        {"fingerprint": fingerprint, "securitySettings": changed},
        status=400,
    )
    assert "accessKey" in answer["error"]["message"], "another key needs its secret"
    assert "internet network endpoint group" in refused(
        vendor, body(name="b", backends=[], securitySettings=settings)
    )


@pytest.mark.parametrize("name", ["clientTlsPolicy", "subjectAltNames"])
def test_settings_of_a_service_mesh_are_refused(vendor: Cloud, name: str) -> None:
    value = (
        ["api.example.com"]
        if name == "subjectAltNames"
        else "projects/p/locations/global/clientTlsPolicies/c"
    )
    told = refused(vendor, body(securitySettings={name: value}))
    assert "INTERNAL_SELF_MANAGED" in told

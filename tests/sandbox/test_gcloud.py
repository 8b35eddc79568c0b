"""gcloud, unmodified, against the sandbox. Few tests: each command starts a Python of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.conftest import PROJECT, Cloud

GCLOUD = shutil.which("gcloud")
pytestmark = pytest.mark.skipif(
    GCLOUD is None,
    reason="SKIPPED LOUDLY: gcloud is not on PATH; install the Google Cloud CLI to run this test",
)
SECONDS = 60
ZONES = {"api-europe-west4": "europe-west4-a", "api-us-east4": "us-east4-b"}


@pytest.fixture
def gcloud(cloud: Cloud, tmp_path: Path) -> Callable[..., Any]:
    """Runs a command with the settings of gcp.md 7 and returns its JSON; a refusal comes back as its text."""
    token = tmp_path / "token"
    token.write_text("word", encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{cloud.server.url}/compute/v1/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_NETWORKSERVICES": f"{cloud.server.url}/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CERTIFICATEMANAGER": f"{cloud.server.url}/",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
        "CLOUDSDK_CORE_PROJECT": PROJECT,
        "CLOUDSDK_CONFIG": str(tmp_path / "config"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
    }

    def run(command: str) -> Any:
        done = subprocess.run(
            [str(GCLOUD), *command.split(), "--format=json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else done.stderr

    return run


def test_a_person_builds_looks_and_drains(cloud: Cloud, gcloud: Callable[..., Any]) -> None:
    gcloud("compute health-checks create http hc --global --request-path=/healthz --use-serving-port")
    gcloud(
        "compute backend-services create api --global --load-balancing-scheme=EXTERNAL_MANAGED --health-checks=hc --global-health-checks --protocol=HTTP"
    )
    member = "compute backend-services {} api --global --network-endpoint-group={} --network-endpoint-group-zone={}"
    for group, zone in ZONES.items():
        gcloud(
            member.format("add-backend", group, zone) + " --balancing-mode=RATE --max-rate-per-endpoint=10"
        )
    gcloud(member.format("update-backend", "api-us-east4", "us-east4-b") + " --capacity-scaler=0")
    shown = gcloud("compute backend-services describe api --global")
    assert [
        (backend["group"].rsplit("/", 1)[1], backend["capacityScaler"]) for backend in shown["backends"]
    ] == [("api-europe-west4", 1.0), ("api-us-east4", 0.0)]
    refusal = gcloud(
        member.format("update-backend", "api-us-east4", "us-east4-b") + " --capacity-scaler=0.05"
    )
    assert "Capacity scaler must be 0 or between 0.1 and 1.0." in refusal
    cloud.plant.zones |= {"europe-west4": ((1, 2),), "us-east4": ((3, 3),)}
    health = gcloud("compute backend-services get-health api --global")
    states = [status["healthState"] for group in health for status in group["status"]["healthStatus"]]
    assert sorted(states) == ["HEALTHY"] * 5 + ["UNHEALTHY"] * 2


def test_lists_and_their_filters(cloud: Cloud, gcloud: Callable[..., Any]) -> None:
    cloud.call("POST", "global/healthChecks", {"name": "hc", "type": "HTTP"})
    for name in ("api", "other"):
        cloud.call(
            "POST", "global/backendServices", {"name": name, "healthChecks": ["global/healthChecks/hc"]}
        )
    cloud.policy(
        "POST", "serviceLbPolicies", {"autoCapacityDrain": {"enable": True}}, serviceLbPolicyId="pol"
    )
    assert [service["name"] for service in gcloud("compute backend-services list")] == ["api", "other"]
    assert [
        service["name"] for service in gcloud("compute backend-services list --global --filter=name=other")
    ] == ["other"]
    assert [
        group["size"] for group in gcloud("compute network-endpoint-groups list --filter=name=api-us-east4")
    ] == [3]
    assert [
        policy["autoCapacityDrain"]
        for policy in gcloud("network-services service-lb-policies list --location=global")
    ] == [{"enable": True}]


def test_a_certificate_map(cloud: Cloud, gcloud: Callable[..., Any]) -> None:
    told = gcloud("certificate-manager certificates create org --domains=api.example.org")
    assert "Created certificate" in str(told) or isinstance(told, dict), told
    gcloud("certificate-manager maps create acme")
    gcloud(
        "certificate-manager maps entries create org --map=acme --hostname=api.example.org --certificates=org"
    )
    (entry,) = gcloud("certificate-manager maps entries list --map=acme")
    assert (entry["hostname"], entry["state"]) == ("api.example.org", "PENDING")
    shown = gcloud("certificate-manager certificates describe org")
    assert shown["managed"]["state"] == "PROVISIONING"
    assert shown["managed"]["authorizationAttemptInfo"] == [
        {"domain": "api.example.org", "state": "AUTHORIZING"}
    ]
    cloud.call("POST", "global/healthChecks", {"name": "hc", "type": "HTTP"})
    service = {"name": "api", "healthChecks": ["global/healthChecks/hc"]}
    cloud.call("POST", "global/backendServices", {**service, "loadBalancingScheme": "EXTERNAL_MANAGED"})
    cloud.call("POST", "global/urlMaps", {"name": "map", "defaultService": "global/backendServices/api"})
    gcloud("compute target-https-proxies create edge --url-map=map --certificate-map=acme")
    proxy = gcloud("compute target-https-proxies describe edge")
    assert proxy["certificateMap"].endswith("certificateMaps/acme")


def test_two_are_deleted_in_one_command(cloud: Cloud, gcloud: Callable[..., Any]) -> None:
    for name in ("a", "b"):
        gcloud(f"compute health-checks create http {name} --global")
    gcloud("compute health-checks delete a b --global --quiet")
    assert gcloud("compute health-checks list --global") == []


def test_what_was_exported_can_be_imported(cloud: Cloud, gcloud: Callable[..., Any], tmp_path: Path) -> None:
    gcloud("compute health-checks create http hc --global")
    gcloud(
        "compute backend-services create api --global --load-balancing-scheme=EXTERNAL_MANAGED --health-checks=hc --global-health-checks"
    )
    file = tmp_path / "api.yaml"
    gcloud(f"compute backend-services export api --global --destination={file}")
    file.write_text(
        file.read_text(encoding="utf-8").replace("timeoutSec: 30", "timeoutSec: 45"), encoding="utf-8"
    )
    gcloud(f"compute backend-services import api --global --source={file} --quiet")
    assert gcloud("compute backend-services describe api --global")["timeoutSec"] == 45

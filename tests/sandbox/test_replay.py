"""What the real Pulumi provider sent, sent again: every request must be answered as it was answered then."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.sandbox.conftest import Cloud

FINGERPRINTS = ("fingerprint", "labelFingerprint")


def localised(body: Any, host: str) -> Any:
    text = json.dumps(body).replace("http://HOST/", f"{host}/")
    return json.loads(text)


def with_fresh_fingerprints(cloud: Cloud, path: str, body: Any) -> Any:
    """The recorded fingerprints are those of another server: put in what a GET says now, as the provider had done."""
    if not isinstance(body, dict) or not any(name in body for name in FINGERPRINTS):
        return body
    resource = re.sub(r"/setLabels$", "", path.partition("?")[0])
    current = requests.get(cloud.server.url + resource, timeout=10).json()
    return {**body, **{name: current[name] for name in FINGERPRINTS if name in body}}


@pytest.mark.data
def test_the_providers_requests_are_answered_as_recorded(cloud: Cloud, shared_data: Path) -> None:
    lines = (shared_data / "recordings" / "provider_wire.jsonl").read_text(encoding="utf-8").splitlines()
    steps = set()
    seeded = set(cloud.server.store.dump())
    foreign_edit_done = False
    for number, line in enumerate(lines, start=1):
        record = json.loads(line)
        path, body = record["path"], localised(record.get("body"), cloud.server.url)
        if record["step"] == "foreign" and not foreign_edit_done:
            stale = {
                **body,
                "fingerprint": requests.get(cloud.server.url + path, timeout=10).json()["fingerprint"],
            }
            service = path.partition("?")[0].removeprefix("/compute/beta/projects/p/")
            cloud.call("PATCH", service, {"timeoutSec": 31})
            body, foreign_edit_done = stale, True
        elif record["answered"] == 200:
            body = with_fresh_fingerprints(cloud, path, body)
        response = requests.request(record["method"], cloud.server.url + path, json=body, timeout=10)
        assert response.status_code == record["answered"], (number, record["method"], path, response.text)
        check_schema(cloud, record["method"], path, response)
        steps.add(record["step"])
    assert len(lines) == 115
    assert steps >= {
        "create",
        "scaler",
        "threshold",
        "weight",
        "drop",
        "refresh",
        "foreign",
        "foreign+refresh",
        "destroy",
    }
    assert foreign_edit_done
    assert not [
        path
        for path in cloud.server.store.dump()
        if path not in seeded
        and "/instanceGroups/" not in path
        and "/zones/" not in path
        and "/networks/" not in path
    ]


def check_schema(cloud: Cloud, http: str, path: str, response: requests.Response) -> None:
    if response.status_code != 200:
        assert response.json()["error"]["errors"][0] == {
            "message": "Invalid fingerprint.",
            "domain": "global",
            "reason": "conditionNotMet",
        }
        return
    bare = path.partition("?")[0]
    if bare.startswith("/compute/beta/"):
        cloud.discovery.check_compute("beta", http, bare.removeprefix("/compute/beta/"), response.json())
    else:
        cloud.discovery.check_network_services(http, bare.removeprefix("/v1/"), response.json())


KINDS = "healthChecks|backendServices|urlMaps|targetHttpProxies|forwardingRules|instanceGroups"
DIFFERENT = {
    # The recordings come from the emulator that their project tests against, which appends to lists on PUT and shows
    # the secret that was sent; the API replaces and hides (gcp.md 5.1).
    "oauth2ClientSecret",
}


def recorded_answers(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """(collection, body) of every recorded GET of a resource that the sandbox keeps."""
    found = []
    for file in sorted(folder.glob("compute_*.log")):
        for block in re.split(r"\n---\n", file.read_text(encoding="utf-8")):
            request = re.match(rf"\s*GET \S+/({KINDS})/[^/\s?]+(\?\S*)?\n", block)
            answer = re.search(r"\n200 OK\n.*?\n\n(\{.*\})\s*$", block, re.DOTALL)
            if request and answer:
                found.append(
                    (request[1], json.loads(answer[1].replace("${networkID}Service", "defaultService")))
                )
    return found


MINIMAL: dict[str, tuple[str, dict[str, Any]]] = {
    "healthChecks": (
        "global/healthChecks",
        {"type": "TCP", "tcpHealthCheck": {"port": 80}, "description": "", "logConfig": {}},
    ),
    "backendServices": (
        "global/backendServices",
        {
            "healthChecks": ["global/healthChecks/h"],
            "connectionDraining": {"drainingTimeoutSec": 300},
            "iap": {"enabled": False, "oauth2ClientId": "", "oauth2ClientSecret": ""},
            "backends": [{"group": "zones/europe-west4-a/instanceGroups/ig-europe-west4"}],
        },
    ),
    "urlMaps": (
        "global/urlMaps",
        {
            "defaultService": "global/backendServices/h",
            "description": "",
            "hostRules": [{"hosts": ["a.example"], "pathMatcher": "m"}],
            "pathMatchers": [{"name": "m", "defaultService": "global/backendServices/h"}],
        },
    ),
    "targetHttpProxies": ("global/targetHttpProxies", {"urlMap": "global/urlMaps/h", "description": "d"}),
    "forwardingRules": (
        "global/forwardingRules",
        {
            "target": "global/targetHttpProxies/h",
            "portRange": "80",
            "network": "global/networks/default",
        },
    ),
    "instanceGroups": ("zones/us-central1-a/instanceGroups", {"namedPorts": [{"name": "http", "port": 80}]}),
}


@pytest.mark.data
def test_answers_have_every_field_that_the_recordings_have(cloud: Cloud, shared_data: Path) -> None:
    ours = {}
    for collection, (path, body) in MINIMAL.items():
        cloud.call("POST", path, {"name": "h", **body})
        ours[collection] = cloud.call("GET", f"{path}/h")
    rule = ours["forwardingRules"]  # takes labels by a call of their own
    labels = {"labels": {"a": "b"}, "labelFingerprint": rule["labelFingerprint"]}
    cloud.call("POST", "global/forwardingRules/h/setLabels", labels)
    ours["forwardingRules"] = cloud.call("GET", "global/forwardingRules/h")
    for probe in ("httpHealthCheck", "grpcHealthCheck"):
        ours["healthChecks"].setdefault(probe, {})
    recorded = recorded_answers(shared_data / "recordings")
    assert {collection for collection, _ in recorded} == set(MINIMAL)
    modelled_elsewhere = {
        "defaultCustomErrorResponsePolicy"
    }  # refused by name: the sandbox has no custom error pages
    for collection, body in recorded:
        missing = set(body) - set(ours[collection]) - modelled_elsewhere
        assert not missing, (collection, missing)
        assert body["kind"] == ours[collection]["kind"]
        for name in set(body) & set(ours[collection]) - modelled_elsewhere:
            assert type(body[name]) is type(ours[collection][name]), (collection, name)
        assert not set(body.get("iap", {})) - set(ours[collection].get("iap", {})) - DIFFERENT


@pytest.mark.data
def test_operations_and_errors_have_the_recorded_fields(cloud: Cloud, shared_data: Path) -> None:
    text = (shared_data / "recordings" / "compute_health_check.log").read_text(encoding="utf-8")
    recorded = [
        json.loads(found) for found in re.findall(r'\n(\{\n  "(?:id|endTime)".*?\n\})\n', text, re.DOTALL)
    ]
    operations = [body for body in recorded if body["kind"] == "compute#operation"]
    assert operations
    ours = cloud.call("POST", "global/healthChecks", {"name": "h", "type": "TCP"})
    assert all(set(body) <= set(ours) for body in operations)
    missing = cloud.call("GET", "global/healthChecks/gone", status=404)
    found = re.search(r'\n(\{\n  "error".*?\n\})\n', text, re.DOTALL)
    assert found is not None
    error = json.loads(found[1])["error"]
    assert set(error) == set(missing["error"])
    assert (
        error["message"].replace("${projectId}", "p").replace("${healthCheckID}", "gone")
        == missing["error"]["message"]
    )

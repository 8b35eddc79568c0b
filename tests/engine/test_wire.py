"""The stand-in sends what the real provider sends: bodies against the recording of the real one, request by request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spillway.adapters.engine.provider import kinds_backend as backend
from spillway.adapters.engine.provider import kinds_frontend as frontend
from spillway.adapters.engine.provider.kinds import Props, ResourceKind, relative
from spillway.adapters.engine.provider.kinds_url_map import URL_MAP

pytestmark = pytest.mark.data
KINDS: dict[str, ResourceKind] = {
    "healthChecks": backend.HEALTH_CHECK,
    "serviceLbPolicies": backend.SERVICE_LB_POLICY,
    "backendServices": backend.BACKEND_SERVICE,
    "addresses": frontend.GLOBAL_ADDRESS,
    "forwardingRules": frontend.FORWARDING_RULE,
    "targetHttpProxies": frontend.HTTP_PROXY,
    "targetHttpsProxies": frontend.HTTPS_PROXY,
    "sslPolicies": frontend.SSL_POLICY,
    "urlMaps": URL_MAP,
}


@pytest.fixture
def recorded(shared_data: Path) -> list[dict[str, Any]]:
    file = shared_data / "recordings" / "provider_wire.jsonl"
    if not file.exists():
        pytest.skip(f"SKIPPED LOUDLY: the recording of the real provider is not at {file}")
    return [json.loads(line) for line in file.read_text().splitlines()]


def collection(entry: dict[str, Any]) -> str:
    return str(entry["path"]).partition("?")[0].split("/global/")[-1].split("/")[0]


def inputs_of(kind: ResourceKind, body: dict[str, Any], entry: dict[str, Any]) -> Props:
    """The inputs that a program must have given for this body, by the stand-in's own way back."""
    if kind is backend.SERVICE_LB_POLICY:
        name = entry["path"].rsplit("serviceLbPolicyId=", 1)[-1]
        live = {**body, "name": f"projects/p/locations/global/serviceLbPolicies/{name}"}
        return {**kind.live(live), "labels": {}}
    return {**kind.live({**body, "portRange": body.get("portRange", "")}), "project": "p"}


def canonical(value: Any) -> Any:
    """Links by their path, backends as a set: the real provider sends them in the order of a hash."""
    if isinstance(value, dict):
        return {key: canonical(part) for key, part in value.items()}
    if isinstance(value, list):
        parts = [canonical(part) for part in value]
        return (
            sorted(parts, key=lambda part: str(part["group"]))
            if parts and "group" in str(parts[0])
            else parts
        )
    return relative(value) if isinstance(value, str) else value


def test_bodies_of_creates(recorded: list[dict[str, Any]]) -> None:
    compared = 0
    for entry in recorded:
        if entry["step"] != "create" or entry["method"] != "POST" or "setLabels" in entry["path"]:
            continue
        kind = KINDS.get(collection(entry))
        if kind is None or any("routeAction" in str(entry["body"].get(part)) for part in ("pathMatchers",)):
            continue  # weights are in no configuration of ours
        body = kind.body(inputs_of(kind, entry["body"], entry))
        wanted = {**entry["body"]}
        if "timeoutSec" in body and "timeoutSec" not in wanted:
            body.pop("timeoutSec")
        if body.get("logConfig") == {"enable": False} and "logConfig" not in wanted:
            body.pop(
                "logConfig"
            )  # said in so many words: to the provider a missing one means that what stands is kept
        assert canonical(body) == canonical(wanted), entry["path"]
        compared += 1
    assert compared == 16


def test_a_scaler_change_is_the_same_put(recorded: list[dict[str, Any]]) -> None:
    put, get = (entry for entry in recorded if entry["step"] == "scaler")
    kind = backend.BACKEND_SERVICE
    inputs = inputs_of(kind, put["body"], put)
    assert kind.update is not None
    (request,) = kind.update(
        "projects/p/global/backendServices/api-global",
        {"fingerprint": put["body"]["fingerprint"]},
        inputs,
        frozenset({"backends"}),
    )
    assert (request.method, f"/compute/beta/{request.path}?alt=json") == (put["method"], put["path"])
    assert canonical(request.body) == canonical(put["body"])
    assert get["method"] == "GET"


def test_a_policy_change_is_the_same_patch(recorded: list[dict[str, Any]]) -> None:
    patch = next(entry for entry in recorded if entry["step"] == "threshold" and entry["method"] == "PATCH")
    kind = backend.SERVICE_LB_POLICY
    inputs = inputs_of(kind, patch["body"], {"path": "serviceLbPolicyId=pol"})
    assert kind.update is not None
    (request,) = kind.update(
        "projects/p/locations/global/serviceLbPolicies/pol", {}, inputs, frozenset({"failoverConfig"})
    )
    assert f"/v1/{request.path}?alt=json{request.query}" == patch["path"]
    assert request.body == patch["body"]


def test_labels_are_the_same_second_call(recorded: list[dict[str, Any]]) -> None:
    calls = [entry for entry in recorded if "setLabels" in entry["path"]]
    assert len(calls) == 2
    for entry in calls:
        resource = entry["path"].removeprefix("/compute/beta/").partition("/setLabels")[0]
        request = frontend.set_labels(resource, {"labelFingerprint": ""}, entry["body"]["labels"])
        assert f"/compute/beta/{request.path}?alt=json" == entry["path"]
        assert request.body == entry["body"]

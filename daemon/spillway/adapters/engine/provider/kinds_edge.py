"""Backend buckets, security policies and keys that sign URLs: how the provider writes and reads them."""

from __future__ import annotations

from collections.abc import Iterable

from spillway.adapters.engine.provider.cloud import SIGNED_URL_KEYS, Body, Request
from spillway.adapters.engine.provider.convert import to_body, to_props
from spillway.adapters.engine.provider.kinds import (
    PROVISIONED,
    Props,
    ResourceKind,
    common,
    in_global,
    pick,
)
from spillway.adapters.program.sdk import compute

_EDGE = {"edgeSecurityPolicy": "setEdgeSecurityPolicy"}


def _bucket_body(inputs: Props) -> Body:
    own = {"project", "deletionPolicy"}
    return to_body("BackendBucket", {name: value for name, value in inputs.items() if name not in own})


def _bucket_live(live: Body) -> Props:
    return {**to_props("BackendBucket", live, compute.BackendBucketArgs), **common(live)}


BACKEND_BUCKET = ResourceKind(
    token="gcp:compute/backendBucket:BackendBucket",  # noqa: S106 a type token is no secret
    words="backend bucket",
    collection=in_global("backendBuckets"),
    body=_bucket_body,
    live=_bucket_live,
    update=lambda resource, _state, inputs, _: [
        Request(method="PUT", path=resource, body=_bucket_body(inputs))
    ],
    references=_EDGE,
)


def _policy_body(inputs: Props) -> Body:
    own = {"project", "deletionPolicy", "labels"}
    body = to_body("SecurityPolicy", {name: value for name, value in inputs.items() if name not in own})
    return {**body, "labels": {**(inputs.get("labels") or {}), **PROVISIONED}}


def _policy_live(live: Body) -> Props:
    props = {**to_props("SecurityPolicy", live, compute.SecurityPolicyArgs), **common(live)}
    labels = {name: value for name, value in (live.get("labels") or {}).items() if name not in PROVISIONED}
    return {**props, "labels": labels, **pick(live, "labelFingerprint")}


def _policy_update(resource: str, state: Props, inputs: Props, changed: frozenset[str]) -> list[Request]:
    """A PATCH of the policy, and one call for each rule that differs: rules go by their priority (tf)."""
    requests = []
    if changed - {"rules", "labels"}:
        body = {**_policy_body(inputs), "fingerprint": state.get("fingerprint", "")}
        body.pop("rules", None)
        body.pop("labels", None)
        requests.append(Request(method="PATCH", path=resource, body=body))
    if "labels" in changed:
        body = {
            "labels": _policy_body(inputs)["labels"],
            "labelFingerprint": state.get("labelFingerprint", ""),
        }
        requests.append(Request(method="POST", path=f"{resource}/setLabels", body=body))
    return [*requests, *_rule_calls(resource, state.get("rules") or (), inputs.get("rules") or ())]


def _rule_calls(resource: str, before: Iterable[Props], after: Iterable[Props]) -> list[Request]:
    olds = {int(rule["priority"]): rule for rule in before}
    news = {int(rule["priority"]): rule for rule in after}
    calls = []
    for priority, rule in news.items():
        body = to_body("SecurityPolicyRule", rule)
        if priority not in olds:
            calls.append(Request(method="POST", path=f"{resource}/addRule", body=body))
        elif body != {name: to_body("SecurityPolicyRule", olds[priority]).get(name) for name in body}:
            query = f"&priority={priority}"
            calls.append(Request(method="POST", path=f"{resource}/patchRule", body=body, query=query))
    for priority in olds.keys() - news.keys():
        query = f"&priority={priority}"
        calls.append(Request(method="POST", path=f"{resource}/removeRule", body={}, query=query))
    return calls


SECURITY_POLICY = ResourceKind(
    token="gcp:compute/securityPolicy:SecurityPolicy",  # noqa: S106
    words="security policy",
    collection=in_global("securityPolicies"),
    body=_policy_body,
    live=_policy_live,
    update=_policy_update,
    fixed=frozenset({"name", "project", "type"}),
    computed=("selfLink", "creationTimestamp", "fingerprint", "labelFingerprint"),
    keyed={"rules": "priority"},
    labelled=True,
)


def _key(token: str, words: str, owner: str, collection: str) -> ResourceKind:
    """A key that signs URLs. It cannot be read, and another one replaces it."""
    return ResourceKind(
        token=token,
        words=words,
        collection=lambda inputs: (
            f"projects/{inputs['project']}/global/{collection}/{inputs[owner]}/{SIGNED_URL_KEYS}"
        ),
        # The provider also sends whose key it is, as the path of the resource (measured).
        body=lambda inputs: {
            "keyName": inputs["name"],
            "keyValue": inputs["keyValue"],
            owner: f"projects/{inputs['project']}/global/{collection}/{inputs[owner]}",
        },
        live=lambda live: pick(live, "name"),
        fixed=frozenset({"name", "project", owner}),
        opaque=frozenset({"keyValue"}),
        computed=(),
    )


SERVICE_KEY = _key(
    "gcp:compute/backendServiceSignedUrlKey:BackendServiceSignedUrlKey",
    "key of a backend service",
    "backendService",
    "backendServices",
)
BUCKET_KEY = _key(
    "gcp:compute/backendBucketSignedUrlKey:BackendBucketSignedUrlKey",
    "key of a backend bucket",
    "backendBucket",
    "backendBuckets",
)

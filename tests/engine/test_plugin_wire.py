"""Bodies that the real provider was seen to send for the program's inputs, field by field: the stand-in sends the same."""

from __future__ import annotations

from typing import Any

import pytest

from spillway.adapters.engine.provider import kinds_backend as backend
from spillway.adapters.engine.provider import kinds_edge as edge
from spillway.adapters.engine.provider import kinds_frontend as frontend
from spillway.adapters.engine.provider.kinds import Props, ResourceKind
from spillway.adapters.engine.provider.standin import carry, unsent

SERVICE: Props = {
    "name": "lb-pool",
    "project": "demo-project",
    "loadBalancingScheme": "EXTERNAL_MANAGED",
    "protocol": "HTTP",
    "timeoutSec": 30,
    "connectionDrainingTimeoutSec": 300,
    "backends": [],
    "logConfig": {"enable": False},
}
BODY: dict[str, Any] = {
    **{
        name: SERVICE[name] for name in ("name", "loadBalancingScheme", "protocol", "timeoutSec", "logConfig")
    },
    "connectionDraining": {"drainingTimeoutSec": 300},
    "backends": [],
    "iap": None,
}
CHECK: Props = {"name": "lb-ready", "project": "demo-project", "httpHealthCheck": {"port": 8080}}
CHECK_BODY = {
    "name": "lb-ready",
    "type": "HTTP",
    "httpHealthCheck": {"proxyHeader": "NONE", "port": 8080, "requestPath": "/"},
}
ADDRESS: Props = {"name": "lb-address", "project": "demo-project"}
ADDRESS_BODY = {
    "name": "lb-address",
    "labels": {"goog-pulumi-provisioned": "true"},
    "networkTier": "PREMIUM",
}
POLICY = "projects/demo-project/global/securityPolicies/waf"


@pytest.mark.parametrize(
    ("kind", "inputs", "body"),
    [
        (backend.BACKEND_SERVICE, SERVICE, BODY),
        (backend.BACKEND_SERVICE, {**SERVICE, "enableCdn": False, "description": ""}, BODY),
        (backend.BACKEND_SERVICE, {**SERVICE, "securityPolicy": POLICY}, {**BODY, "securityPolicy": POLICY}),
        (
            backend.BACKEND_SERVICE,
            {**SERVICE, "iap": {"enabled": True}},
            {**BODY, "iap": {"enabled": True, "oauth2ClientId": "", "oauth2ClientSecret": ""}},
        ),
        (
            backend.BACKEND_SERVICE,
            {**SERVICE, "consistentHash": {"httpHeaderName": "x-session"}},
            {**BODY, "consistentHash": {"httpHeaderName": "x-session", "minimumRingSize": 1024}},
        ),
        (
            backend.BACKEND_SERVICE,
            {**SERVICE, "strongSessionAffinityCookie": {"name": "gpu", "ttl": {"seconds": 0}}},
            {**BODY, "strongSessionAffinityCookie": {"name": "gpu"}},
        ),
        (backend.HEALTH_CHECK, {**CHECK, "logConfig": {"enable": False}}, CHECK_BODY),
        (
            backend.HEALTH_CHECK,
            {**CHECK, "logConfig": {"enable": True}},
            {**CHECK_BODY, "logConfig": {"enable": True}},
        ),
        (frontend.GLOBAL_ADDRESS, {**ADDRESS, "ipVersion": "IPV4"}, ADDRESS_BODY),
        (frontend.GLOBAL_ADDRESS, {**ADDRESS, "ipVersion": "IPV6"}, {**ADDRESS_BODY, "ipVersion": "IPV6"}),
        (
            edge.BUCKET_KEY,
            {"name": "one", "project": "demo-project", "backendBucket": "lb-assets", "keyValue": "MDEy"},
            {
                "keyName": "one",
                "keyValue": "MDEy",
                "backendBucket": "projects/demo-project/global/backendBuckets/lb-assets",
            },
        ),
    ],
    ids=[
        "service", "what is off or empty", "policy", "Google's client", "ring", "a zero in a cookie", "check without logs",
        "check with logs", "IPv4", "IPv6", "key",
    ],
)  # fmt: skip
def test_the_body_of_a_create(kind: ResourceKind, inputs: Props, body: dict[str, Any]) -> None:
    assert kind.body(inputs) == body
    assert unsent(kind, inputs) == []


def test_a_put_of_a_check_says_that_it_logs_nothing() -> None:
    assert backend.HEALTH_CHECK.update is not None
    (request,) = backend.HEALTH_CHECK.update("p", {}, {**CHECK, "logConfig": {"enable": False}}, frozenset())
    assert request.body == {**CHECK_BODY, "description": "", "logConfig": {}}


def test_a_put_leaves_the_size_of_a_ring_as_it_stands() -> None:
    assert backend.BACKEND_SERVICE.update is not None
    ring = {"httpHeaderName": "x-session"}
    (request,) = backend.BACKEND_SERVICE.update("p", {}, {**SERVICE, "consistentHash": ring}, frozenset())
    assert (request.body or {})["consistentHash"] == ring


def test_a_put_repeats_nothing_that_is_empty() -> None:
    """What stands and is off was set by nobody: a PUT without it says the same."""
    assert backend.BACKEND_SERVICE.update is not None
    (request,) = backend.BACKEND_SERVICE.update("p", {"fingerprint": "f="}, SERVICE, frozenset())
    live = {**BODY, "enableCDN": False, "affinityCookieTtlSec": 0, "description": "", "port": 80}
    ignore = ("enableCdn", "affinityCookieTtlSec", "description")
    sent = backend.BACKEND_SERVICE.repeated(carry(request.body or {}, live, ignore, {}))
    assert sent == {**BODY, "customRequestHeaders": [], "customResponseHeaders": [], "fingerprint": "f="}

"""Addresses, rules, proxies, certificates and TLS policies: how the provider writes and reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spillway.adapters.engine.provider.cloud import Body, Request
from spillway.adapters.engine.provider.kinds import PROVISIONED, Props, ResourceKind, common, in_global, pick


def _post(path: str, body: Body) -> Request:
    return Request(method="POST", path=path, body=body)


def set_labels(resource: str, state: Props, labels: Props) -> Request:
    """Labels have a call and a fingerprint of their own."""
    return _post(
        f"{resource}/setLabels", {"labelFingerprint": state.get("labelFingerprint", ""), "labels": labels}
    )


def address_labels(inputs: Props) -> Props:
    """An address carries the provider's own label besides its own."""
    return {**(inputs.get("labels") or {}), **PROVISIONED}


def _address_body(inputs: Props) -> Body:
    plain = pick(inputs, "name", "description", "ipVersion", "address", "addressType")
    if plain.get("ipVersion") == "IPV4":
        del plain["ipVersion"]  # the API's own default is not sent (measured)
    return {**plain, "labels": address_labels(inputs), "networkTier": "PREMIUM"}


def _labels_live(live: Body) -> Props:
    own = {key: value for key, value in (live.get("labels") or {}).items() if key not in PROVISIONED}
    return {"labels": own, "labelFingerprint": live.get("labelFingerprint", "")}


GLOBAL_ADDRESS = ResourceKind(
    token="gcp:compute/globalAddress:GlobalAddress",  # noqa: S106 a type token is no secret
    words="address",
    collection=in_global("addresses"),
    body=_address_body,
    live=lambda live: {
        **common(live),
        "ipVersion": "IPV4",
        **pick(live, "address", "ipVersion", "addressType"),
        **_labels_live(live),
    },
    update=lambda resource, state, inputs, _: [set_labels(resource, state, address_labels(inputs))],
    fixed=frozenset({"name", "project", "ipVersion", "address", "addressType", "description"}),
    computed=("address", "selfLink", "creationTimestamp", "labelFingerprint"),
    opaque=frozenset({"ipVersion"}),
    labelled=True,
)


def _rule_body(inputs: Props) -> Body:
    body = pick(
        inputs, "name", "description", "labels", "loadBalancingScheme", "networkTier", "portRange", "target"
    )
    if not body.get("labels"):
        body.pop("labels", None)
    if inputs.get("ipAddress"):
        body["IPAddress"] = inputs["ipAddress"]
    body["IPProtocol"] = inputs.get("ipProtocol", "TCP")
    return body


def _rule_live(live: Body) -> Props:
    props = {
        **common(live),
        **pick(live, "loadBalancingScheme", "networkTier", "target"),
        **_labels_live(live),
    }
    first, _, last = str(live.get("portRange", "")).partition("-")
    props["portRange"] = first if first == (last or first) else f"{first}-{last}"
    props["ipAddress"] = live.get("IPAddress")
    props["ipProtocol"] = live.get("IPProtocol")
    return props


def _rule_update(resource: str, state: Props, inputs: Props, changed: frozenset[str]) -> list[Request]:
    requests = []
    if "target" in changed:
        requests.append(_post(f"{resource}/setTarget", {"target": inputs["target"]}))
    if "labels" in changed:
        requests.append(set_labels(resource, state, inputs.get("labels") or {}))
    return requests


FORWARDING_RULE = ResourceKind(
    token="gcp:compute/globalForwardingRule:GlobalForwardingRule",  # noqa: S106
    words="forwarding rule",
    collection=in_global("forwardingRules"),
    body=_rule_body,
    live=_rule_live,
    update=_rule_update,
    fixed=frozenset(
        {
            "name",
            "project",
            "ipAddress",
            "ipProtocol",
            "portRange",
            "loadBalancingScheme",
            "networkTier",
            "description",
        }
    ),
    computed=("selfLink", "labelFingerprint"),
    opaque=frozenset({"ipAddress"}),
    labelled=True,
)


def _without_global(resource: str) -> str:
    """Some calls of target proxies are older than `global/` in paths (gcp.md 7)."""
    return resource.replace("/global/", "/")


HTTP_PROXY = ResourceKind(
    token="gcp:compute/targetHttpProxy:TargetHttpProxy",  # noqa: S106
    words="HTTP proxy",
    collection=in_global("targetHttpProxies"),
    body=lambda inputs: pick(inputs, "name", "description", "urlMap", "httpKeepAliveTimeoutSec"),
    live=lambda live: {**common(live), **pick(live, "urlMap", "httpKeepAliveTimeoutSec")},
    update=lambda resource, _state, inputs, _: [
        _post(f"{_without_global(resource)}/setUrlMap", {"urlMap": inputs["urlMap"]})
    ],
    fixed=frozenset({"name", "project", "description", "httpKeepAliveTimeoutSec"}),
)

_HTTPS = (
    *("urlMap", "sslCertificates", "certificateMap", "sslPolicy", "quicOverride", "serverTlsPolicy"),
    *("httpKeepAliveTimeoutSec", "tlsEarlyData"),
)


def _https_update(resource: str, state: Props, inputs: Props, changed: frozenset[str]) -> list[Request]:
    """One call for each property that changed, each with its own path."""
    old = _without_global(resource)
    calls: dict[str, Callable[[Any], Request]] = {
        "quicOverride": lambda value: _post(f"{resource}/setQuicOverride", {"quicOverride": value or "NONE"}),
        "sslCertificates": lambda value: _post(f"{old}/setSslCertificates", {"sslCertificates": value or []}),
        "certificateMap": lambda value: _post(
            f"{resource}/setCertificateMap", {"certificateMap": value or ""}
        ),
        "sslPolicy": lambda value: _post(f"{resource}/setSslPolicy", {"sslPolicy": value} if value else {}),
        "urlMap": lambda value: _post(f"{old}/setUrlMap", {"urlMap": value}),
    }
    requests = [call(inputs.get(name)) for name, call in calls.items() if name in changed]
    if "serverTlsPolicy" not in changed:
        return requests
    # First, while the fingerprint of the state is still the newest: every other call changes it.
    body = {"serverTlsPolicy": inputs.get("serverTlsPolicy"), "fingerprint": state.get("fingerprint", "")}
    return [Request(method="PATCH", path=resource, body=body), *requests]


HTTPS_PROXY = ResourceKind(
    token="gcp:compute/targetHttpsProxy:TargetHttpsProxy",  # noqa: S106
    words="HTTPS proxy",
    collection=in_global("targetHttpsProxies"),
    # The provider names the server TLS policy also where there is none.
    body=lambda inputs: {"serverTlsPolicy": None, **pick(inputs, "name", "description", *_HTTPS)},
    live=lambda live: {**common(live), **pick(live, *_HTTPS)},
    update=_https_update,
    fixed=frozenset({"name", "project", "description", "httpKeepAliveTimeoutSec", "tlsEarlyData"}),
    watched=("sslPolicy", "certificateMap", "sslCertificates"),
)

SSL_POLICY = ResourceKind(
    token="gcp:compute/sSLPolicy:SSLPolicy",  # noqa: S106
    words="SSL policy",
    collection=in_global("sslPolicies"),
    body=lambda inputs: pick(inputs, "name", "description", "profile", "minTlsVersion"),
    live=lambda live: {**common(live), **pick(live, "profile", "minTlsVersion")},
    update=lambda resource, state, inputs, _: [
        Request(
            method="PATCH",
            path=resource,
            body={**pick(inputs, "profile", "minTlsVersion"), "fingerprint": state.get("fingerprint", "")},
        )
    ],
    computed=("selfLink", "creationTimestamp", "fingerprint"),
)

MANAGED_CERTIFICATE = ResourceKind(
    token="gcp:compute/managedSslCertificate:ManagedSslCertificate",  # noqa: S106
    words="managed certificate",
    collection=in_global("sslCertificates"),
    body=lambda inputs: {**pick(inputs, "name", "description", "managed"), "type": "MANAGED"},
    live=lambda live: {
        **common(live),
        **({"managed": pick(live["managed"], "domains")} if live.get("managed") else {}),
    },
)

GIVEN_CERTIFICATE = ResourceKind(
    token="gcp:compute/sSLCertificate:SSLCertificate",  # noqa: S106
    words="certificate",
    collection=in_global("sslCertificates"),
    body=lambda inputs: pick(inputs, "name", "description", "certificate", "privateKey"),
    live=lambda live: {**common(live), **pick(live, "certificate")},
    opaque=frozenset({"certificate", "privateKey"}),
)

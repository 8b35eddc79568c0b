"""SSL certificates, managed and given, and SSL policies (Compute API v1 `sslCertificates`, `sslPolicies`)."""

from __future__ import annotations

import re
from datetime import datetime

from spillway.sandbox import dns, pem
from spillway.sandbox.clock import rfc3339
from spillway.sandbox.kinds.base import CRUD, Draft, Kind, Resource, View
from spillway.sandbox.links import Key
from spillway.sandbox.refusals import invalid, required
from spillway.sandbox.schema import STRING, ListOf, choice
from spillway.sandbox.shapes import published

_LIFETIME = 90 * 86400.0
"""Seconds that a certificate of Google's lasts."""
_DOMAIN = re.compile(r"^(?=.{1,253}$)(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$")
_PEM = re.compile(r"^\s*-----BEGIN [A-Z ]+-----\s.+-----END [A-Z ]+-----\s*$", re.DOTALL)

_MODERN = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)
_CBC = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
)
_FEATURES = {
    "MODERN": (*_MODERN, *_CBC),
    "COMPATIBLE": (*_MODERN, *_CBC, "TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    "RESTRICTED": _MODERN,
    "FIPS_202205": tuple(name for name in _MODERN if "CHACHA20" not in name),
}


def check_certificate(draft: Draft) -> None:
    """Domains for a managed certificate, PEM texts for a given one."""
    certificate = draft.resource
    kind = certificate.setdefault("type", "MANAGED" if "managed" in certificate else "SELF_MANAGED")
    if kind == "MANAGED":
        for name in ("certificate", "privateKey", "selfManaged"):
            if name in certificate:
                raise invalid(f"resource.{name}", "", "The field must not be set for a managed certificate.")
        _check_domains(certificate.get("managed", {}).get("domains", []))
        return
    if "managed" in certificate:
        raise invalid("resource.managed", "", "The field must not be set for a self-managed certificate.")
    given = certificate.setdefault("selfManaged", {})
    for name in ("certificate", "privateKey"):
        text = certificate.pop(name, None) or given.get(name)
        if text is None:
            raise required(f"resource.{name}")
        if not _PEM.match(text):
            raise invalid(f"resource.{name}", "...", "The text is not in PEM format.")
        given[name] = text
    del given["privateKey"]


def _check_domains(domains: list[str]) -> None:
    if not domains:
        raise required("resource.managed.domains")
    for domain in domains:
        if not _DOMAIN.match(domain):
            raise invalid(
                "resource.managed.domains",
                domain,
                "The value is not a fully qualified domain name in lower case, without wildcard.",
            )


def decorate_certificate(key: Key, resource: Resource, view: View) -> Resource:
    """How far a managed certificate is; of a given one its text at the old place, its end and its names."""
    del key
    if resource["type"] == "SELF_MANAGED":
        text = resource["selfManaged"]["certificate"]
        found = pem.told(text)
        read = (
            {}
            if found is None
            else {"expireTime": rfc3339(found.ends), "subjectAlternativeNames": list(found.names)}
        )
        return {"certificate": text, **{name: value for name, value in read.items() if value}}
    asked = datetime.fromisoformat(resource["creationTimestamp"]).timestamp()
    managed = resource["managed"]
    states = {domain: dns.state_of(asked, view.unresolved(domain), view.now) for domain in managed["domains"]}
    # A domain that is not visible yet does not end the attempt: the certificate goes on being PROVISIONING.
    state = "ACTIVE" if set(states.values()) == {"ACTIVE"} else "PROVISIONING"
    ends = {"expireTime": rfc3339(view.now + _LIFETIME)} if state == "ACTIVE" else {}
    return {
        **ends,
        "subjectAlternativeNames": list(managed["domains"]),
        "managed": {**managed, "status": state, "domainStatus": states},
    }


def check_policy(draft: Draft) -> None:
    """Custom features go with the profile CUSTOM; the API lists what the profile enables."""
    policy = draft.resource
    custom = policy["profile"] == "CUSTOM"
    if custom != bool(policy.get("customFeatures")):
        raise invalid(
            "resource.customFeatures",
            policy.get("customFeatures", []),
            "Custom features must be set for the profile CUSTOM, and only for it.",
        )
    policy["enabledFeatures"] = (
        sorted(policy["customFeatures"]) if custom else sorted(_FEATURES[policy["profile"]])
    )


SSL_CERTIFICATES = Kind(
    collection="sslCertificates",
    singular="sslCertificate",
    verbs=CRUD | {"aggregatedList"},
    shape=published(
        "SslCertificate",
        {"type": choice("MANAGED SELF_MANAGED"), "managed.domains": ListOf(STRING, most=100)},
    ),
    outputs=frozenset({"expireTime", "subjectAlternativeNames"}),
    check=check_certificate,
    decorate=decorate_certificate,
)

SSL_POLICIES = Kind(
    collection="sslPolicies",
    singular="sslPolicy",
    verbs=CRUD | {"patch", "aggregatedList"},
    list_kind="compute#sslPoliciesList",
    aggregated_kind="compute#sslPoliciesAggregatedList",
    fingerprint=True,
    shape=published("SslPolicy", unmodelled="postQuantumKeyExchange"),
    outputs=frozenset({"enabledFeatures", "warnings"}),
    defaults={"profile": "COMPATIBLE", "minTlsVersion": "TLS_1_0"},
    check=check_policy,
)

"""Certificate maps, their entries, certificates and DNS authorizations (Certificate Manager API v1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spillway.sandbox import dns, pem
from spillway.sandbox.clock import rfc3339
from spillway.sandbox.kinds.base import CRUD, Draft, Kind, Resource, View
from spillway.sandbox.links import Key
from spillway.sandbox.refusals import invalid, required
from spillway.sandbox.schema import Link, ListOf
from spillway.sandbox.shapes import published

HOST = "certificatemanager.googleapis.com"
_LIFETIME = 90 * 86400.0
"""Seconds that a certificate of Google's lasts."""
_MOST_CERTIFICATES = 4
"""Certificates of one entry (quota page of Certificate Manager)."""


@dataclass(frozen=True, slots=True)
class OwnLink(Link):
    """A reference within Certificate Manager: the API answers it as a relative name."""

    def show(self, value: Any, version: str) -> Any:
        """The relative name."""
        del version
        return value


@dataclass(frozen=True, slots=True)
class ServiceLink(Link):
    """A reference from Compute to another service: the API answers it with the service's name in front."""

    host: str

    def show(self, value: Any, version: str) -> Any:
        """The name with its service."""
        del version
        return f"//{self.host}/{value}"


@dataclass(frozen=True, slots=True)
class OptionalLink(ServiceLink):
    """The same where an empty text stands for none."""

    def read(self, value: Any, path: str, project: str) -> Any:
        """Take a name, or nothing."""
        return "" if value == "" else ServiceLink.read(self, value, path, project)

    def links(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """The one reference, or none."""
        return iter(((path, value),) if value else ())


def _check_map(draft: Draft) -> None:
    """Anything goes."""
    del draft


def _check_entry(draft: Draft) -> None:
    entry = draft.resource
    if not entry.get("certificates"):
        raise required("certificate_map_entry.certificates")
    if bool(entry.get("hostname")) == bool(entry.get("matcher")):
        raise invalid(
            "certificate_map_entry.hostname",
            entry.get("hostname", ""),
            "Exactly one of hostname and matcher must be set.",
        )
    for key, other in draft.view.everything(draft.key.project, "certificateMapEntries"):
        same = [other.get(name) == entry.get(name) for name in ("hostname", "matcher")]
        if key != draft.key and key.scope == draft.key.scope and all(same):
            raise invalid(
                "certificate_map_entry.hostname",
                entry.get("hostname", entry.get("matcher")),
                "Another entry of the map has it.",
            )


def _show_entry(key: Key, entry: Resource, view: View) -> Resource:
    """An entry serves once one of its certificates does."""
    del key
    states = [_is_active(view.find(path), view) for path in entry["certificates"]]
    return {"state": "ACTIVE" if any(states) else "PENDING"}


def _is_active(certificate: Resource | None, view: View) -> bool:
    if certificate is None:
        return False
    return "managed" not in certificate or _issuing(certificate, view)[0] == "ACTIVE"


def _check_certificate(draft: Draft) -> None:
    certificate = draft.resource
    kinds = [name for name in ("managed", "selfManaged") if name in certificate]
    if len(kinds) != 1:
        raise required("certificate.managed")
    if kinds == ["managed"]:
        domains = certificate["managed"].get("domains") or []
        if not domains:
            raise required("certificate.managed.domains")
        if any(domain.startswith("*.") for domain in domains) and not certificate["managed"].get(
            "dnsAuthorizations"
        ):
            raise invalid(
                "certificate.managed.domains",
                domains,
                "A wildcard needs an authorization by DNS for its domain.",
            )
        return
    for name in ("pemCertificate", "pemPrivateKey"):
        if draft.before is None and name not in certificate["selfManaged"]:
            raise required(f"certificate.self_managed.{name}")
    certificate["selfManaged"].pop("pemPrivateKey", None)


def _issuing(certificate: Resource, view: View) -> tuple[str, Mapping[str, str]]:
    """The state of a managed certificate, and that of each domain in the words of Compute."""
    asked = datetime.fromisoformat(certificate["creationTimestamp"]).timestamp()
    states = {
        domain: dns.state_of(asked, view.unresolved(domain.removeprefix("*.")), view.now)
        for domain in certificate["managed"]["domains"]
    }
    return ("ACTIVE" if set(states.values()) == {"ACTIVE"} else "PROVISIONING"), states


_ATTEMPTS: Mapping[str, Resource] = {
    "ACTIVE": {"state": "AUTHORIZED"},
    "PROVISIONING": {"state": "AUTHORIZING"},
    "FAILED_NOT_VISIBLE": {"state": "FAILED", "failureReason": "CONFIG"},
}


def _show_certificate(key: Key, certificate: Resource, view: View) -> Resource:
    """How far it is, for whom it is, and when it ends; a key that was given is never answered."""
    users = [path for path in view.users(key.path) if "/certificateMapEntries/" in path]
    extra: Resource = {"usedBy": [{"name": f"//{HOST}/{path}"} for path in users]} if users else {}
    if "managed" not in certificate:
        text = certificate["selfManaged"].get("pemCertificate", "")
        found = pem.told(text)
        if found is not None:
            extra |= {"sanDnsnames": list(found.names), "expireTime": rfc3339(found.ends)}
        return {**extra, "pemCertificate": text, "selfManaged": {}}
    state, domains = _issuing(certificate, view)
    managed = {
        **certificate["managed"],
        "state": state,
        "authorizationAttemptInfo": [{"domain": d, **_ATTEMPTS[s]} for d, s in domains.items()],
    }
    if "FAILED_NOT_VISIBLE" in domains.values():
        managed["provisioningIssue"] = {"reason": "AUTHORIZATION_ISSUE"}
    if state == "ACTIVE":
        extra["expireTime"] = rfc3339(view.now + _LIFETIME)
    return {**extra, "sanDnsnames": list(certificate["managed"]["domains"]), "managed": managed}


def _show_map(key: Key, certificate_map: Resource, view: View) -> Resource:
    """Which proxies serve it."""
    del certificate_map
    targets = [
        {"targetHttpsProxy": f"//compute.googleapis.com/{path}"}
        for path in view.users(key.path)
        if "/targetHttpsProxies/" in path
    ]
    return {"gclbTargets": targets} if targets else {}


def _check_authorization(draft: Draft) -> None:
    if "domain" not in draft.resource:
        raise required("dns_authorization.domain")


def _show_authorization(key: Key, authorization: Resource, view: View) -> Resource:
    """The record that its owner must set."""
    del view
    digest = hashlib.sha256(key.path.encode()).hexdigest()[:16]
    domain = authorization["domain"]
    record = {
        "name": f"_acme-challenge.{domain}.",
        "type": "CNAME",
        "data": f"{digest}.authorize.certificatemanager.goog.",
    }
    return {"dnsResourceRecord": record, "type": authorization.get("type", "FIXED_RECORD")}


_TIMES = frozenset({"createTime", "updateTime"})

CERTIFICATE_MAPS = Kind(
    collection="certificateMaps",
    singular="certificateMap",
    scopes=("locations",),
    verbs=CRUD | {"patch"},
    shape=published("CertificateMap", unmodelled="tags"),
    outputs=_TIMES,
    check=_check_map,
    decorate=_show_map,
)
CERTIFICATE_MAP_ENTRIES = Kind(
    collection="certificateMapEntries",
    singular="certificateMapEntry",
    scopes=("locations",),
    verbs=CRUD | {"patch"},
    shape=published(
        "CertificateMapEntry",
        {"certificates": ListOf(OwnLink(("certificates",)), most=_MOST_CERTIFICATES)},
    ),
    outputs=_TIMES,
    check=_check_entry,
    decorate=_show_entry,
)
CERTIFICATES = Kind(
    collection="certificates",
    singular="certificate",
    scopes=("locations",),
    verbs=CRUD | {"patch"},
    shape=published(
        "Certificate",
        {"managed.dnsAuthorizations": ListOf(OwnLink(("dnsAuthorizations",)))},
        unmodelled="managedIdentity tags managed.issuanceConfig",
    ),
    outputs=_TIMES,
    check=_check_certificate,
    decorate=_show_certificate,
)
DNS_AUTHORIZATIONS = Kind(
    collection="dnsAuthorizations",
    singular="dnsAuthorization",
    scopes=("locations",),
    verbs=CRUD | {"patch"},
    shape=published("DnsAuthorization", unmodelled="tags"),
    outputs=_TIMES,
    check=_check_authorization,
    decorate=_show_authorization,
)

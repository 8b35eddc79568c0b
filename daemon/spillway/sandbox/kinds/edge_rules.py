"""What a backend service refuses around its endpoints: affinity, headers, TLS."""

from __future__ import annotations

import re

from spillway.sandbox.kinds.base import Resource
from spillway.sandbox.refusals import invalid, required

_RINGS = frozenset({"MAGLEV", "RING_HASH"})
_HASHED = {"HEADER_FIELD": "httpHeaderName", "HTTP_COOKIE": "httpCookie"}
_PASSTHROUGH = frozenset({"WEIGHTED_MAGLEV", "WEIGHTED_GCP_RENDEZVOUS", "ORIGINAL_DESTINATION"})
_MOST_HEADERS = 16
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:.*", re.DOTALL)
_RESERVED = re.compile(r"(x-google|x-goog-|x-gfe|x-amz-)|(x-user-ip|cdn-loop|authority)$", re.IGNORECASE)


def check(service: Resource) -> None:
    """Apply all rules."""
    _check_affinity(service)
    for name in ("customRequestHeaders", "customResponseHeaders"):
        _check_headers(service.get(name, []), f"resource.{name}")
    if service.get("tlsSettings") and service["protocol"] not in {"HTTPS", "HTTP2"}:
        raise invalid(
            "resource.tlsSettings", service["protocol"], "TLS settings need the protocol HTTPS or HTTP2."
        )
    if len((service.get("tlsSettings") or {}).get("subjectAltNames", [])) > 5:
        raise invalid("resource.tlsSettings.subjectAltNames", "", "At most 5 values are allowed.")


def _check_affinity(service: Resource) -> None:
    affinity, locality = service.get("sessionAffinity", "NONE"), service.get("localityLbPolicy")
    ring = service.get("consistentHash") or {}
    if locality in _PASSTHROUGH:
        raise invalid(
            "resource.localityLbPolicy",
            locality,
            "The policy is not supported by this load balancing scheme.",
        )
    field = _HASHED.get(affinity)
    if field is not None and (field not in ring or locality not in _RINGS):
        raise required(f"resource.consistentHash.{field}")
    if affinity == "STRONG_COOKIE_AFFINITY" and "strongSessionAffinityCookie" not in service:
        raise required("resource.strongSessionAffinityCookie")


def _check_headers(headers: list[str], place: str) -> None:
    if len(headers) > _MOST_HEADERS:
        raise invalid(place, len(headers), f"At most {_MOST_HEADERS} values are allowed.")
    seen: set[str] = set()
    for at, header in enumerate(headers):
        name = header.partition(":")[0].strip().lower()
        if not _HEADER.fullmatch(header) or _RESERVED.match(name):
            raise invalid(f"{place}[{at}]", header, "The header is invalid.")
        if name in seen:
            raise invalid(f"{place}[{at}]", header, "A header name may appear once.")
        seen.add(name)

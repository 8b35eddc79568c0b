"""Affinity and the choice of an endpoint, as a backend service takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spillway.config.services import ServiceConfig

_HASHED = frozenset({"HEADER_FIELD", "HTTP_COOKIE"})
"""Affinities that need a consistent hash, and so MAGLEV or RING_HASH in so many words."""


def affinity(given: ServiceConfig) -> dict[str, Any]:
    """The arguments of a backend service; of the finer ones only those that are given."""
    from spillway.adapters.program.sdk import compute

    locality = given.locality or ("MAGLEV" if given.affinity in _HASHED else None)
    found: dict[str, Any] = {"session_affinity": given.affinity, "locality_lb_policy": locality}
    cookie = given.affinity_cookie
    if given.affinity == "GENERATED_COOKIE" and cookie is not None:
        found["affinity_cookie_ttl_sec"] = round(cookie.ttl)
    if given.affinity == "STRONG_COOKIE_AFFINITY" and cookie is not None:
        ttl = compute.BackendServiceStrongSessionAffinityCookieTtlArgs(seconds=round(cookie.ttl))
        found["strong_session_affinity_cookie"] = compute.BackendServiceStrongSessionAffinityCookieArgs(
            name=cookie.name, path=cookie.path, ttl=ttl
        )
    if given.affinity in _HASHED or given.minimum_ring_size is not None:
        found["consistent_hash"] = _hash(given)
    if given.custom_metrics:
        found["custom_metrics"] = [
            compute.BackendServiceCustomMetricArgs(name=metric.name, dry_run=metric.dry_run)
            for metric in given.custom_metrics
        ]
    return found


def _hash(given: ServiceConfig) -> Any:
    from spillway.adapters.program.sdk import compute

    parts: dict[str, Any] = {}
    if given.minimum_ring_size is not None:
        parts["minimum_ring_size"] = given.minimum_ring_size
    if given.affinity == "HEADER_FIELD":
        parts["http_header_name"] = given.affinity_header
    cookie = given.affinity_cookie
    if given.affinity == "HTTP_COOKIE" and cookie is not None:
        parts["http_cookie"] = compute.BackendServiceConsistentHashHttpCookieArgs(
            name=cookie.name,
            path=cookie.path,
            ttl=compute.BackendServiceConsistentHashHttpCookieTtlArgs(seconds=round(cookie.ttl)),
        )
    return compute.BackendServiceConsistentHashArgs(**parts)

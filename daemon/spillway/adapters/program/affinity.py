"""Affinity and the choice of an endpoint, as a backend service takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spillway.config.affinity import CookieConfig
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
        found["strong_session_affinity_cookie"] = compute.BackendServiceStrongSessionAffinityCookieArgs(
            name=cookie.name,
            path=cookie.path,
            **_lifetime(compute.BackendServiceStrongSessionAffinityCookieTtlArgs, cookie),
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
            **_lifetime(compute.BackendServiceConsistentHashHttpCookieTtlArgs, cookie),
        )
    return compute.BackendServiceConsistentHashArgs(**parts)


def _lifetime(block: Any, cookie: CookieConfig) -> dict[str, Any]:
    """The block of a lifetime; none for a cookie that lasts as long as the browser's session.

    The provider sends no zero. A block with one would be a difference in every plan (measured).
    """
    return {"ttl": block(seconds=round(cookie.ttl))} if round(cookie.ttl) else {}

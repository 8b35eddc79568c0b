"""Affinity and the choice of an endpoint: what goes together (discovery: BackendService; pu:BackendServiceArgs)."""

from __future__ import annotations

from spillway.config.draft import SERVICES, Draft
from spillway.config.services import ServiceConfig
from spillway.config.tree import Location

HASHING = frozenset({"RING_HASH", "MAGLEV"})
"""Locality policies under which a hash ties requests together (pu:BackendServiceArgs.locality_lb_policy)."""
_HASHED = frozenset({"CLIENT_IP", "GENERATED_COOKIE", "HEADER_FIELD", "HTTP_COOKIE"})
"""Affinities by hash; STRONG_COOKIE_AFFINITY keeps the endpoint itself and needs none."""
_BY_COOKIE = frozenset({"GENERATED_COOKIE", "HTTP_COOKIE", "STRONG_COOKIE_AFFINITY"})
_NAMED_COOKIE = frozenset({"HTTP_COOKIE", "STRONG_COOKIE_AFFINITY"})


def check(draft: Draft) -> None:
    """Judge every service."""
    for name, service in draft.services.items():
        at = (*SERVICES, name)
        _locality(draft, at, service)
        _header(draft, at, service)
        _cookie(draft, at, service)
        _ring(draft, at, service)
        _metrics(draft, at, service)


def _locality(draft: Draft, at: Location, service: ServiceConfig) -> None:
    if service.affinity in _HASHED and service.locality is not None and service.locality not in HASHING:
        draft.error(
            (*at, "locality"),
            f"with locality {service.locality} the affinity {service.affinity} has no effect.",
            "Use MAGLEV or RING_HASH, leave `locality` out, or set affinity to NONE.",
            uses=((*at, "affinity"),),
        )


def _header(draft: Draft, at: Location, service: ServiceConfig) -> None:
    wanted, given = service.affinity == "HEADER_FIELD", service.affinity_header is not None
    uses = ((*at, "affinity"), (*at, "affinity_header"))
    if wanted and not given:
        draft.error(
            (*at, "affinity"),
            "HEADER_FIELD hashes a header, and none is named.",
            "Add `affinity_header: x-conversation`, with the name of your header.",
            uses=uses,
        )
    elif given and not wanted:
        draft.error(
            (*at, "affinity_header"),
            f"affinity {service.affinity} looks at no header.",
            "Write `affinity: HEADER_FIELD`, or remove it.",
            uses=uses,
        )


def _cookie(draft: Draft, at: Location, service: ServiceConfig) -> None:
    cookie, affinity = service.affinity_cookie, service.affinity
    where = (*at, "affinity_cookie")
    uses = ((*at, "affinity"), where)
    if affinity in _NAMED_COOKIE and (cookie is None or cookie.name is None):
        draft.error(
            (*at, "affinity"),
            f"{affinity} needs a cookie with a name.",
            "Add `affinity_cookie: {name: session, ttl: 1h}`.",
            uses=uses,
        )
    if cookie is None:
        return
    if affinity not in _BY_COOKIE:
        draft.error(
            where,
            f"affinity {affinity} uses no cookie.",
            "Remove it, or write one of the affinities by cookie.",
            uses=uses,
        )
    elif affinity == "GENERATED_COOKIE" and (cookie.name is not None or cookie.path is not None):
        draft.error(
            where,
            "Google names the cookie of GENERATED_COOKIE itself, and gives it its path.",
            "Keep `ttl` alone, or write `affinity: HTTP_COOKIE`.",
            uses=uses,
        )


def _ring(draft: Draft, at: Location, service: ServiceConfig) -> None:
    if service.minimum_ring_size is not None and service.locality != "RING_HASH":
        draft.error(
            (*at, "minimum_ring_size"),
            "only RING_HASH has a ring.",
            "Write `locality: RING_HASH`, or remove it.",
            uses=((*at, "locality"),),
        )


def _metrics(draft: Draft, at: Location, service: ServiceConfig) -> None:
    where = (*at, "custom_metrics")
    weighted = service.locality == "WEIGHTED_ROUND_ROBIN"
    uses = (where, (*at, "locality"))
    if service.custom_metrics and not weighted:
        draft.error(
            where,
            "metrics of a service weigh its endpoints, and that is WEIGHTED_ROUND_ROBIN alone.",
            "Write `locality: WEIGHTED_ROUND_ROBIN`; metrics that weigh groups stand in `balancing`, with mode CUSTOM_METRICS.",
            uses=uses,
        )
    elif weighted and all(metric.dry_run for metric in service.custom_metrics):
        draft.warn(
            (*at, "locality"),
            "WEIGHTED_ROUND_ROBIN weighs endpoints by what they report, and no metric is named that counts.",
            "Add `custom_metrics: [{name: vllm.kv-cache-usage}]`, with the name under which your endpoints report their load.",
            uses=uses,
        )
    seen: set[str] = set()
    for place, metric in draft.items(where, service.custom_metrics):
        if metric.name in seen:
            draft.error((*place, "name"), f"the metric {metric.name} is listed twice.", "Keep one.")
        seen.add(metric.name)

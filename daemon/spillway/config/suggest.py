"""What was probably meant: names that are nearly right, and words of other load balancers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_FOREIGN_KEYS = {
    "max_bytes": "The journal is one file now: write its size in MiB as `max_mib`, such as `max_mib: 2048`.",
    "keep": "The journal is one file now: write how long records are kept as `max_age`, such as `max_age: 14d`, and `max_mib` for its size.",
    "port_range": "A frontend listens on one port: write `port: 80` under `http` and `port: 443` under `https`.",
    "capacity_scaler": "It is called `scaler` here.",
    "failover_ratio": "It belongs to passthrough load balancers; here the failover posture of the policy (`postures`) decides.",
    "failover_policy": "It belongs to passthrough load balancers; here the failover posture of the policy (`postures`) decides.",
    "circuit_breakers": "A global external Application Load Balancer has none, Google takes them for service meshes and internal load balancers alone; `outlier_detection` and balancing targets are its means.",
    "subsetting": "A global external Application Load Balancer has none, Google takes it for internal load balancers and service meshes alone.",
    "security_settings": "Google takes it for service meshes and internal load balancers alone; here write `tls_settings`.",
    "connection_tracking_policy": "It belongs to passthrough load balancers; here write `affinity`.",
    "ha_policy": "It belongs to passthrough load balancers; here regions fail over by scalers and the failover posture.",
    "locality_lb_policies": "Google takes a list of localities for gRPC service meshes alone; write one as `locality`.",
    "network_pass_through_lb_traffic_policy": "It belongs to passthrough load balancers; here write `algorithm`.",
    "locality_lb_policy": "It is called `locality` here.",
    "session_affinity": "It is called `affinity` here.",
    "consistent_hash": "Write `affinity: HEADER_FIELD` with `affinity_header`, or HTTP_COOKIE with `affinity_cookie`; `minimum_ring_size` goes with `locality: RING_HASH`.",
    "strong_session_affinity_cookie": "It is called `affinity_cookie` here.",
    "affinity_cookie_ttl_sec": "Write `affinity_cookie: {ttl: 1h}`.",
    "enable_cdn": "It is called `cdn` here: true, false, or a section.",
    "cdn_policy": "It is called `cdn` here.",
    "compression_mode": "It is called `compression` here.",
    "bucket_name": "It is called `bucket` here.",
    "connection_draining_timeout_sec": "It is called `draining` here and takes a unit, such as 300s.",
    "backend_tls": "It is called `tls_settings` here.",
    "isolation_config": "It would keep traffic inside a region and so take the scaler its effect; Spillway does not set it.",
    "timeout_sec": "It is called `timeout` here and takes a unit, such as 300s.",
    "balancing_mode": "Write a section: `balancing: {mode: RATE, max_rate_per_endpoint: 10}`.",
    "max_stream_duration": "It belongs to service meshes; the longest time for an answer is `timeout`.",
    "regex": "Google takes regular expressions on regional and internal load balancers alone; use exact, prefix, suffix or a path with variables.",
    "allow_origin_regexes": "Google takes regular expressions of origins in service meshes alone; list the origins.",
    "num_retries": "It is called `attempts` here.",
    "retry_conditions": "It is called `on` here.",
    "retry_policy": "It is called `retries` here.",
    "url_rewrite": "It is called `rewrite` here.",
    "url_redirect": "It is called `redirect` here.",
    "weighted_backend_services": "It is called `split` here: `split: [{service: api, weight: 95}, {service: canary, weight: 5}]`.",
    "request_mirror_policy": "It is called `mirror` here.",
    "custom_error_response_policy": "It is called `errors` here.",
    "max_connections": "Connections are a target of proxy Network Load Balancers; use mode RATE or IN_FLIGHT.",
}
_FOREIGN_VALUES = {
    (
        "protocol",
        "GRPC",
    ): "GRPC is for service meshes; a load balancer carries gRPC over HTTP2 (with TLS) or H2C (without).",
    (
        "mode",
        "CONNECTION",
    ): "CONNECTION is for proxy Network Load Balancers; use RATE, or IN_FLIGHT for long requests.",
    (
        "algorithm",
        "SPRAY_TO_WORLD",
    ): "SPRAY_TO_WORLD is not documented for this load balancer and ignores distance.",
    ("affinity", "CLIENT_IP_PROTO"): "It is for Network Load Balancers; use CLIENT_IP.",
    ("affinity", "CLIENT_IP_PORT_PROTO"): "It is for Network Load Balancers; use CLIENT_IP.",
    ("affinity", "CLIENT_IP_NO_DESTINATION"): "It is for Network Load Balancers; use CLIENT_IP.",
    ("locality", "ORIGINAL_DESTINATION"): "It is for service meshes; use LEAST_REQUEST.",
    ("locality", "WEIGHTED_MAGLEV"): "It is for Network Load Balancers; use WEIGHTED_ROUND_ROBIN.",
    ("locality", "WEIGHTED_GCP_RENDEZVOUS"): "It is for Network Load Balancers; use WEIGHTED_ROUND_ROBIN.",
    ("balancing_mode", "CONNECTION"): "CONNECTION is for proxy Network Load Balancers; use RATE.",
}


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, or None."""
    known = sorted(known)
    plain = _snake(word)
    for guess in (word, plain, plain.replace("-", "_"), plain.replace("_", "-")):
        if guess in known:
            return guess
    upper = {k.lower(): k for k in known}
    if plain in upper:
        return upper[plain]
    close = difflib.get_close_matches(plain, list(upper), n=1, cutoff=0.6)
    return upper[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """`Did you mean x?`, or else what is known."""
    known = sorted(known)
    if (guess := suggestion(word, known)) is not None:
        return f"Did you mean {guess}?"
    if not known:
        return otherwise
    shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return f"{otherwise} There {'is' if len(known) == 1 else 'are'}: {shown}."


def key_hint(key: str) -> str | None:
    """What to do instead of a key that people know from elsewhere."""
    return _FOREIGN_KEYS.get(_snake(key))


def value_hint(key: str, value: str) -> str | None:
    """What to do instead of a value that people know from elsewhere."""
    return _FOREIGN_VALUES.get((key, value))


def _snake(word: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", word).lower()


def listing(words: Iterable[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    listed = list(words)
    return " and ".join(filter(None, (", ".join(listed[:-1]), listed[-1]))) if listed else "none"

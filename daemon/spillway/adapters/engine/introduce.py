"""What a new resource will be, in a person's words: for a plan, where there is no old value to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spillway.adapters.engine.describe import SECRET, text, where
from spillway.adapters.engine.provider.diff import UNKNOWN
from spillway.adapters.engine.provider.kinds import Props

_LIMITS = {
    "maxRatePerEndpoint": "requests/s per endpoint",
    "maxRatePerInstance": "requests/s per instance",
    "maxRate": "requests/s",
    "maxInFlightRequestsPerEndpoint": "requests in flight per endpoint",
    "maxInFlightRequestsPerInstance": "requests in flight per instance",
    "maxInFlightRequests": "requests in flight",
    "maxUtilization": "utilization",
}
"""Inputs of a backend that say when it is full, and their units."""
_PROBES = {
    "httpHealthCheck": "HTTP",
    "httpsHealthCheck": "HTTPS",
    "http2HealthCheck": "HTTP/2",
    "tcpHealthCheck": "TCP",
    "grpcHealthCheck": "gRPC",
}


def introduce(news: Props) -> tuple[str, ...]:
    """One phrase for each thing that a person wants to know of a resource with these inputs; nothing of a secret."""
    return tuple(_phrases({name: value for name, value in news.items() if value != SECRET}))


def _phrases(news: Props) -> Iterator[str]:
    for backend in news.get("backends") or []:
        yield _backend(backend)
    for matcher in news.get("pathMatchers") or []:
        for rule in matcher.get("pathRules") or []:
            yield f"paths {', '.join(rule.get('paths') or [])}{_target(rule.get('service'))}"
    if news.get("portRange"):
        yield f"port {text(news['portRange'])}"
    for name, word in _PROBES.items():
        if name in news:
            yield " ".join(part for part in (word, (news[name] or {}).get("requestPath")) if part)
    for domain in (news.get("managed") or {}).get("domains") or []:
        yield text(domain)


def _backend(backend: Props) -> str:
    group = backend.get("group")
    parts = [str(backend["balancingMode"])] if backend.get("balancingMode") else []
    parts += [f"{text(backend[name])} {unit}" for name, unit in _LIMITS.items() if backend.get(name)]
    if backend.get("capacityScaler") is not None:
        parts.append(f"scaler {text(backend['capacityScaler'])}")
    if backend.get("preference") == "PREFERRED":
        parts.append("filled first")
    return f"{'a new group' if group == UNKNOWN else where(group)}: {', '.join(parts) or 'no scaler'}"


def _target(service: Any) -> str:
    return "" if service in {None, UNKNOWN} else f" -> {text(service)}"

"""Health checks: how the balancer asks an endpoint if it is well."""

from __future__ import annotations

from spillway.config.draft import HEALTH_CHECKS, Draft
from spillway.config.fields import format_duration

_WITH_PATH = frozenset({"http", "https", "http2"})


def check(draft: Draft) -> None:
    """Judge every health check."""
    for name, probe in draft.health_checks.items():
        at = (*HEALTH_CHECKS, name)
        if probe.timeout > probe.interval:
            draft.error(
                (*at, "timeout"),
                f"a probe may take {format_duration(probe.timeout)}, and the next one comes after {format_duration(probe.interval)}.",
                f"Write at most {format_duration(probe.interval)}, or make `interval` longer.",
                uses=((*at, "interval"),),
            )
        for key in ("path", "host"):
            if probe.type not in _WITH_PATH and draft.given((*at, key)):
                draft.error(
                    (*at, key),
                    f"a {probe.type} check has no {key}.",
                    "Remove it, or use type http.",
                    uses=((*at, "type"),),
                )
        if probe.type in _WITH_PATH and not probe.path.startswith("/"):
            draft.error(
                (*at, "path"),
                f"{probe.path!r} is not a path.",
                f"Begin it with a slash: /{probe.path}.",
                uses=((*at, "type"),),
            )
        if probe.type != "grpc" and probe.grpc_service is not None:
            draft.error(
                (*at, "grpc_service"),
                f"a {probe.type} check names no gRPC service.",
                "Remove it, or use type grpc.",
                uses=((*at, "type"),),
            )

"""Health checks: how the balancer asks an endpoint if it is well."""

from __future__ import annotations

import re

from spillway.config.draft import HEALTH_CHECKS, Draft
from spillway.config.fields import format_duration
from spillway.config.names import health_check
from spillway.config.topology import HealthCheckConfig
from spillway.config.tree import Location

_WITH_PATH = frozenset({"http", "https", "http2"})
_PATH = re.compile(r"/[!-\"$-~]*")
"""As it goes into the request line: printable ASCII without spaces; what follows a `#` never leaves a client."""
_HOST = re.compile(r"[!-~]+")


def check(draft: Draft) -> None:
    """Judge every health check."""
    for name, probe in draft.health_checks.items():
        at = (*HEALTH_CHECKS, name)
        draft.check_length(at, health_check(draft.naming, name))
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
        if probe.type in _WITH_PATH:
            _request(draft, at, probe)
        if probe.type != "grpc" and probe.grpc_service is not None:
            draft.error(
                (*at, "grpc_service"),
                f"a {probe.type} check names no gRPC service.",
                "Remove it, or use type grpc.",
                uses=((*at, "type"),),
            )


def _request(draft: Draft, at: Location, probe: HealthCheckConfig) -> None:
    """Path and host go into the probe's request as they are written."""
    uses = ((*at, "type"),)
    if not probe.path.startswith("/"):
        draft.error(
            (*at, "path"),
            f"{probe.path!r} is not a path.",
            f"Begin it with a slash: /{probe.path}.",
            uses=uses,
        )
    elif not _PATH.fullmatch(probe.path):
        draft.error(
            (*at, "path"),
            f"{probe.path!r} has a space, a `#` or another character that no request line can carry.",
            "Write it as in a request, such as /healthz?full=1; a space is %20.",
            uses=uses,
        )
    if probe.host is not None and not _HOST.fullmatch(probe.host):
        draft.error(
            (*at, "host"),
            f"{probe.host!r} is no value for a Host header.",
            "Write a host name without spaces, such as api.internal, or remove the key.",
            uses=uses,
        )

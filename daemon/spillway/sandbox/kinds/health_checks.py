"""Health checks of six protocols (Compute API v1 `healthChecks`)."""

from __future__ import annotations

from spillway.sandbox.kinds.base import CRUD, Draft, Kind
from spillway.sandbox.refusals import invalid, required
from spillway.sandbox.schema import PORT, STRING, Obj, choice, whole
from spillway.sandbox.shapes import published

_PORTS = {
    "port": PORT,
    "portSpecification": choice("USE_FIXED_PORT USE_NAMED_PORT USE_SERVING_PORT"),
    "portName": STRING,
}
_HTTP = Obj(
    {
        **_PORTS,
        "host": STRING,
        "requestPath": STRING,
        "response": STRING,
        "proxyHeader": choice("NONE PROXY_V1"),
    }
)
_TCP = Obj({**_PORTS, "request": STRING, "response": STRING, "proxyHeader": choice("NONE PROXY_V1")})
_GRPC = Obj({**_PORTS, "grpcServiceName": STRING})

_FIELD = {
    "HTTP": "httpHealthCheck",
    "HTTPS": "httpsHealthCheck",
    "HTTP2": "http2HealthCheck",
    "TCP": "tcpHealthCheck",
    "SSL": "sslHealthCheck",
    "GRPC": "grpcHealthCheck",
}
_DEFAULT_PORT = {"HTTP": 80, "HTTPS": 443, "HTTP2": 443, "TCP": 80, "SSL": 443}
"""Ports where a check names none (proto of HTTPHealthCheck and its siblings)."""


def check(draft: Draft) -> None:
    """Exactly one protocol that agrees with the type, a time-out within the interval; fill in ports and paths."""
    resource = draft.resource
    kind = resource.get("type")
    if kind is None:
        raise required("resource.type")
    given = [name for name in _FIELD.values() if name in resource]
    if given and given != [_FIELD[kind]]:
        raise invalid("resource.type", kind, f"The type does not agree with {', '.join(given)}.")
    if resource["timeoutSec"] > resource["checkIntervalSec"]:
        raise invalid(
            "resource.timeoutSec",
            resource["timeoutSec"],
            "The timeout must not be greater than the check interval.",
        )
    probe = resource.setdefault(_FIELD[kind], {})
    _complete(kind, probe)


def _complete(kind: str, probe: dict[str, object]) -> None:
    field = f"resource.{_FIELD[kind]}"
    specification = probe.get("portSpecification")
    if specification == "USE_SERVING_PORT" and "port" in probe:
        raise invalid(f"{field}.port", probe["port"], "A port must not be given with USE_SERVING_PORT.")
    if specification == "USE_NAMED_PORT" and "portName" not in probe:
        raise required(f"{field}.portName")
    if specification in {None, "USE_FIXED_PORT"} and "port" not in probe:
        if kind not in _DEFAULT_PORT:
            raise required(f"{field}.port")
        probe["port"] = _DEFAULT_PORT[kind]
    path = probe.get("requestPath")
    if path is not None and not str(path).startswith("/"):
        raise invalid(f"{field}.requestPath", path, "The path must start with '/'.")
    if kind.startswith("HTTP"):
        probe.setdefault("requestPath", "/")
    if kind != "GRPC":
        probe.setdefault("proxyHeader", "NONE")


HEALTH_CHECKS = Kind(
    collection="healthChecks",
    singular="healthCheck",
    verbs=CRUD | {"update", "patch", "aggregatedList"},
    list_kind="compute#healthCheckList",
    aggregated_kind="compute#healthChecksAggregatedList",
    shape=published(
        "HealthCheck",
        {
            "type": choice("HTTP HTTPS HTTP2 TCP SSL GRPC"),
            "checkIntervalSec": whole(1, 300),
            "timeoutSec": whole(1, 300),
            "healthyThreshold": whole(1, 10),
            "unhealthyThreshold": whole(1, 10),
            **{f"{probe}.port": PORT for probe in _FIELD.values()},
        },
        unmodelled="grpcTlsHealthCheck sourceRegions",
    ),
    defaults={"checkIntervalSec": 5, "timeoutSec": 5, "healthyThreshold": 2, "unhealthyThreshold": 2},
    check=check,
)

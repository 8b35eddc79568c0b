"""Health checks of five kinds. Each section of `health_checks` becomes one resource, shared by its services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spillway.adapters.program.kept import declare
from spillway.config import names

if TYPE_CHECKING:
    import pulumi

    from spillway.adapters.program.kept import Kept
    from spillway.config.model import Config
    from spillway.config.topology import HealthCheckConfig

SERVING_PORT = "USE_SERVING_PORT"
"""Probe the port that the group serves on (py:HTTPHealthCheck.port_specification)."""
PROBES = tuple(
    f"{kind}_health_check" for kind in ("http", "https", "http2", "tcp", "grpc", "ssl", "grpc_tls")
)
_PROBED = ("host", "requestPath", "port", "portSpecification", "grpcServiceName")


def health_checks(config: Config, kept: Kept) -> dict[str, pulumi.Output[str]]:
    """Declare every health check that a service uses; their ids by name in the config."""
    used = {service.health_check for service in config.topology.services.values()}
    return {
        name: _declare(config, name, check, kept)
        for name, check in sorted(config.topology.health_checks.items())
        if name in used
    }


def _declare(config: Config, name: str, check: HealthCheckConfig, kept: Kept) -> pulumi.Output[str]:
    from spillway.adapters.program.sdk import compute

    resource_name = names.health_check(config.name, name)
    probe = f"{check.type}HealthCheck"
    # One kind of probe excludes the others, so all are ours; so are the fields that the configuration has a key for.
    probes: dict[str, Any] = dict.fromkeys(PROBES) | {f"{check.type}_health_check": _probe(check)}
    resource = declare(
        compute.HealthCheck,
        resource_name,
        kept,
        spoken=tuple(f"{probe}.{name}" for name in _PROBED),
        extra=check.extra,
        name=resource_name,
        project=config.project,
        check_interval_sec=whole_seconds(check.interval),
        timeout_sec=whole_seconds(check.timeout),
        healthy_threshold=check.healthy,
        unhealthy_threshold=check.unhealthy,
        # Also where it is off: to the provider a missing block means that what stands is kept.
        log_config=compute.HealthCheckLogConfigArgs(enable=check.log),
        **probes,
    )
    result: pulumi.Output[str] = resource.id
    return result


def _probe(check: HealthCheckConfig) -> Any:
    from spillway.adapters.program.sdk import compute

    where: dict[str, Any] = {"port": check.port} if check.port else {"port_specification": SERVING_PORT}
    match check.type:
        case "tcp":
            return compute.HealthCheckTcpHealthCheckArgs(**where)
        case "grpc":
            return compute.HealthCheckGrpcHealthCheckArgs(grpc_service_name=check.grpc_service, **where)
        case "http":
            arguments = compute.HealthCheckHttpHealthCheckArgs
        case "https":
            arguments = compute.HealthCheckHttpsHealthCheckArgs
        case "http2":
            arguments = compute.HealthCheckHttp2HealthCheckArgs
    return arguments(request_path=check.path, host=check.host, **where)


def whole_seconds(value: float) -> int:
    """Seconds as the API takes them: whole, and at least one."""
    return max(1, round(value))

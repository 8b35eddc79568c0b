"""Backend services, their health checks and their service LB policies, in the words of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spillway.adapters.adopt.groups import RegionOf, Section, regions_of
from spillway.adapters.adopt.layout import Layout, words
from spillway.adapters.adopt.reading import Body, path
from spillway.adapters.adopt.refusals import Refusals
from spillway.config.fields import format_duration
from spillway.core.values.policy import Postures

_PROBES = {
    "HTTP": ("http", "httpHealthCheck"),
    "HTTPS": ("https", "httpsHealthCheck"),
    "HTTP2": ("http2", "http2HealthCheck"),
    "TCP": ("tcp", "tcpHealthCheck"),
    "GRPC": ("grpc", "grpcHealthCheck"),
}
"""Types of health checks: the key, and the field that holds the settings."""
_ON_PORT = frozenset({"", "USE_FIXED_PORT", "USE_SERVING_PORT"})


def services(
    layout: Layout, names: Mapping[str, str], checks: Mapping[str, str], refusals: Refusals
) -> tuple[dict[str, Section], dict[str, Section], dict[str, Section]]:
    """(regions, services, policies) of a layout.

    Args:
        layout: what stands.
        names: names of services in the configuration, by path.
        checks: the same of health checks.
        refusals: where to note what cannot be said.
    """
    regions: dict[str, Section] = {}
    found: dict[str, Section] = {}
    policies: dict[str, Section] = {"default": {"mode": "observe"}}
    for where, name in names.items():
        of_service = regions_of(layout, where, refusals)
        for region, one in of_service.items():
            regions.setdefault(region, _region(one))
        section = _service(layout.services[where], words(where), checks, refusals)
        section["regions"] = sorted(of_service)
        overrides = {
            region: differs
            for region, one in sorted(of_service.items())
            if (
                differs := {
                    key: value
                    for key, value in _region(one).items()
                    if regions[region].get(key, _USUAL.get(key)) != value
                }
            )
        }
        for region, one in of_service.items():
            for key in ("scaler", "preference"):
                if key in regions[region] and key not in _region(one):
                    overrides.setdefault(region, {})[key] = _USUAL[key]
        if overrides:
            section["backends"] = overrides
        posture = _policy(layout, where, section, refusals)
        if posture is not None:
            key = next((key for key, policy in policies.items() if policy == posture), name)
            policies.setdefault(key, posture)
            if key != "default":
                section["policy"] = key
        found[name] = section
    if not any("policy" not in section for section in found.values()):
        del policies["default"]
    return regions, found, policies


_USUAL: Section = {"scaler": 1.0, "preference": "DEFAULT"}
"""What a region has that says nothing."""


def _region(one: RegionOf) -> Section:
    section: Section = {"groups": one.groups}
    if one.balancing is not None:
        section["balancing"] = one.balancing
    if one.scaler != 1.0:
        section["scaler"] = one.scaler
    if one.preference != "DEFAULT":
        section["preference"] = one.preference
    return section


def _service(body: Body, what: str, checks: Mapping[str, str], refusals: Refusals) -> Section:
    """The settings of one service that have keys."""
    section: Section = {
        "protocol": str(body.get("protocol") or "HTTP"),
        "timeout": format_duration(float(body.get("timeoutSec") or 30)),
        "draining": format_duration(
            float((body.get("connectionDraining") or {}).get("drainingTimeoutSec") or 0)
        ),
    }
    affinity = str(body.get("sessionAffinity") or "NONE")
    if affinity != "NONE":
        section["affinity"] = affinity
    locality = str(body.get("localityLbPolicy") or "")
    if locality and not (locality == "MAGLEV" and affinity != "NONE") and locality != "ROUND_ROBIN":
        section["locality"] = locality
    linked = [path(str(link)) for link in body.get("healthChecks") or ()]
    if len(linked) == 1 and linked[0] in checks:
        section["health_check"] = checks[linked[0]]
    elif linked:
        refusals.add(
            what,
            "healthChecks",
            f"it has the health check {linked[0]}, which is no global one of its own project.",
            "Give it one health check of the collection healthChecks, in its own project.",
        )
    _leave(body, section)
    return section


def _leave(body: Body, section: Section) -> None:
    """What stands and is left as it stands, or has a key."""
    leave = []
    log = body.get("logConfig") or {}
    if log.get("enable") and log.get("sampleRate"):
        section["log_sample_rate"] = log["sampleRate"]
    elif log.get("enable") or log.get("sampleRate"):
        leave.append("log_config")
    if body.get("outlierDetection"):
        leave.append("outlier_detection")
    port_name = str(body.get("portName") or "http")
    if port_name != "http":
        instances = any("/instanceGroups/" in str(b["group"]) for b in body.get("backends") or ())
        if instances:
            section["port_name"] = port_name
        else:
            leave.append("port_name")
    if leave:
        section["leave"] = leave


def _policy(layout: Layout, where: str, section: Section, refusals: Refusals) -> Section | None:
    """What the service LB policy that stands asks of the service and of its policy here; None where Spillway has none."""
    link = layout.services[where].get("serviceLbPolicy")
    steered = any(backend.get("balancingMode") for backend in layout.services[where].get("backends") or ())
    if not link:
        if steered:
            section["lb_policy"] = "none"
        return None
    policy = layout.parts.get(path(str(link)))
    if policy is None:
        refusals.add(words(where), "serviceLbPolicy", f"{link} is attached and is not there.", "Detach it.")
        return None
    users = [s for s in layout.services.values() if s.get("serviceLbPolicy") == link]
    threshold = (policy.get("failoverConfig") or {}).get("failoverHealthThreshold")
    if len(users) > 1 or threshold is None:
        # Shared by several services, or without a threshold: Spillway would write what it lacks.
        section["lb_policy"] = "keep"
        return None
    algorithm = str(policy.get("loadBalancingAlgorithm") or "WATERFALL_BY_REGION")
    if algorithm != "WATERFALL_BY_REGION":
        section["algorithm"] = algorithm
    return {
        "mode": "observe",
        **_postures(int(threshold), auto_drain=bool((policy.get("autoCapacityDrain") or {}).get("enable"))),
    }


def _postures(threshold: int, *, auto_drain: bool) -> Section:
    """Postures of which the normal one is what stands; a tighter one has no higher threshold. Nothing where that is the default."""
    default = Postures()
    if (threshold, auto_drain) == (default.normal.failover_threshold, default.normal.auto_drain):
        return {}
    return {
        "postures": {
            name: {
                "failover_threshold": threshold
                if name == "normal"
                else min(usual.failover_threshold, threshold),
                "auto_drain": auto_drain,
                "outlier_ejection": usual.outlier_ejection,
            }
            for name, usual in (
                ("normal", default.normal),
                ("guarded", default.guarded),
                ("scarce", default.scarce),
            )
        }
    }


def health_checks(layout: Layout, names: Mapping[str, str], refusals: Refusals) -> dict[str, Section]:
    """The health checks of a layout; `names` are theirs in the configuration, by path."""
    return {name: _check(layout.parts[where], words(where), refusals) for where, name in names.items()}


def _check(body: Body, what: str, refusals: Refusals) -> Section:
    kind = str(body.get("type") or "")
    if kind not in _PROBES:
        refusals.add(
            what,
            "type",
            f"it asks by {kind or 'nothing'}, for which there is no key.",
            f"Make a health check of type {', '.join(sorted(_PROBES))} and attach that.",
        )
        return {}
    key, name = _PROBES[kind]
    probe = body.get(name) or {}
    if str(probe.get("portSpecification") or "") not in _ON_PORT or probe.get("portName"):
        refusals.add(
            what,
            f"{name}.portSpecification",
            "it asks at a named port, for which there is no key.",
            "Give it the port's number, or let it ask at the serving port.",
        )
    section: Section = {"type": key}
    for field, setting in (
        ("requestPath", "path"),
        ("port", "port"),
        ("host", "host"),
        ("grpcServiceName", "grpc_service"),
    ):
        if probe.get(field):
            section[setting] = probe[field]
    section |= {
        "interval": format_duration(float(body.get("checkIntervalSec") or 5)),
        "timeout": format_duration(float(body.get("timeoutSec") or 5)),
        "healthy": int(body.get("healthyThreshold") or 2),
        "unhealthy": int(body.get("unhealthyThreshold") or 2),
    }
    if (body.get("logConfig") or {}).get("enable"):
        section["log"] = True
    return section


def check_names(layout: Layout) -> list[str]:
    """Paths of all health checks that services use and that Spillway can keep."""
    used: dict[str, None] = {}
    for service in layout.services.values():
        for link in service.get("healthChecks") or ():
            where = path(str(link))
            if (
                where in layout.parts
                and "/global/healthChecks/" in where
                and where.split("/")[1] == layout.project
            ):
                used[where] = None
    return list(used)


def policy_names(layout: Layout, names: Mapping[str, str], sections: Mapping[str, Any]) -> dict[str, str]:
    """Names of the service LB policies that Spillway keeps, by service in the configuration."""
    return {
        name: str(layout.services[where]["serviceLbPolicy"]).rsplit("/", 1)[-1]
        for where, name in names.items()
        if sections[name].get("lb_policy", "made") == "made" and layout.services[where].get("serviceLbPolicy")
    }

"""Backend services, their health checks and their service LB policies, in the words of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spillway.adapters.adopt.groups import EVERYWHERE, RegionOf, Section, regions_of
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
_LOG_MODES = {"INCLUDE_ALL_OPTIONAL": "ALL", "CUSTOM": ""}
"""Modes of optional log fields that have a key."""
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
    by_service = {where: regions_of(layout, where, refusals) for where in names}
    _settle_everywhere(by_service)
    # What a region says comes from services that can be steered: others bring groups of their own, and need no more.
    ranked = sorted(names, key=lambda where: not any(one.balancing for one in by_service[where].values()))
    for where in ranked:
        for region, one in by_service[where].items():
            regions.setdefault(region, _region(one))
    for where, name in names.items():
        of_service = by_service[where]
        section = _service(layout.services[where], words(where), checks, refusals)
        section["regions"] = sorted(of_service)
        overrides = {
            region: differs
            for region, one in sorted(of_service.items())
            if (differs := _override(one, regions[region]))
        }
        if overrides:
            section["backends"] = overrides
        posture = _policy(layout, where, of_service, section, refusals)
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
_SOMEWHERE = "us-central1"
"""Region of a group that has none, where no other group has one."""


def _settle_everywhere(by_service: dict[str, dict[str, RegionOf]]) -> None:
    """Give global groups a region: the configuration has all groups in regions, whatever they are."""
    known = {region for of_service in by_service.values() for region in of_service} - {EVERYWHERE}
    for of_service in by_service.values():
        if EVERYWHERE in of_service:
            of_service[min(known, default=_SOMEWHERE)] = of_service.pop(EVERYWHERE)


def _region(one: RegionOf) -> Section:
    section: Section = {"groups": one.groups}
    if one.balancing is not None:
        section["balancing"] = one.balancing
    return section | {key: value for key in _USUAL if (value := getattr(one, key)) != _USUAL[key]}


def _override(one: RegionOf, region: Section) -> Section:
    """What differs for a service in a region."""
    if one.balancing is None:
        return {} if one.groups == region["groups"] else {"groups": one.groups}
    own = {**_USUAL, **_region(one)}
    return {key: value for key, value in own.items() if {**_USUAL, **region}.get(key) != value}


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
    section |= _tied(body) | _edges(body)
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


def _tied(body: Body) -> Section:
    """What ties clients to endpoints, beside the kind of affinity, and what weighs endpoints."""
    section: Section = {}
    hashed = body.get("consistentHash") or {}
    if hashed.get("httpHeaderName"):
        section["affinity_header"] = hashed["httpHeaderName"]
    if hashed.get("minimumRingSize"):
        section["minimum_ring_size"] = int(hashed["minimumRingSize"])
    cookie = hashed.get("httpCookie") or body.get("strongSessionAffinityCookie")
    if cookie:
        section["affinity_cookie"] = {
            **{key: cookie[key] for key in ("name", "path") if cookie.get(key)},
            "ttl": format_duration(float((cookie.get("ttl") or {}).get("seconds") or 0)),
        }
    elif body.get("affinityCookieTtlSec"):
        section["affinity_cookie"] = {"ttl": format_duration(float(body["affinityCookieTtlSec"]))}
    if body.get("customMetrics"):
        section["custom_metrics"] = [
            {"name": metric["name"], "dry_run": bool(metric.get("dryRun"))}
            for metric in body["customMetrics"]
        ]
    return section


def _edges(body: Body) -> Section:
    """Headers, compression and Cloud Armor. Caching, IAP and TLS to endpoints stay as they stand: nothing is said of them."""
    section: Section = {
        key: list(body[name])
        for name, key in (
            ("customRequestHeaders", "custom_request_headers"),
            ("customResponseHeaders", "custom_response_headers"),
        )
        if body.get(name)
    }
    for name, key in (("securityPolicy", "security_policy"), ("edgeSecurityPolicy", "edge_security_policy")):
        if body.get(name):
            section[key] = path(str(body[name]))
    if str(body.get("compressionMode") or "DISABLED") != "DISABLED":
        section["compression"] = body["compressionMode"]
    return section


def _leave(body: Body, section: Section) -> None:
    """What stands and is left as it stands, or has a key."""
    leave = []
    log = body.get("logConfig") or {}
    if log.get("enable") and log.get("sampleRate"):
        section["log_sample_rate"] = log["sampleRate"]
        mode = str(log.get("optionalMode") or "")
        if mode in _LOG_MODES:
            section["log_fields"] = (
                list(log.get("optionalFields") or ()) if mode == "CUSTOM" else _LOG_MODES[mode]
            )
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


def _policy(
    layout: Layout, where: str, of_service: Mapping[str, RegionOf], section: Section, refusals: Refusals
) -> Section | None:
    """What the service LB policy that stands asks of the service and of its policy here; None where Spillway has none."""
    link = layout.services[where].get("serviceLbPolicy")
    steered = any(one.balancing for one in of_service.values()) and not any(
        "regional_instance_group" in group or "/regions/" in str(group.get("url"))
        for one in of_service.values()
        for group in one.groups
    )
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


def buckets(layout: Layout, names: Mapping[str, str]) -> dict[str, Section]:
    """Backend buckets; `names` are theirs in the configuration, by path. How they cache stays as it stands."""
    return {
        name: {
            "bucket": str(layout.buckets[where].get("bucketName")),
            **({"cdn": True} if layout.buckets[where].get("enableCdn") else {}),
        }
        for where, name in names.items()
    }

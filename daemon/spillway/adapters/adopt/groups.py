"""Backends of services as regions with their groups, targets and ceilings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spillway.adapters.adopt.layout import Layout, words
from spillway.adapters.adopt.reading import Body, path
from spillway.adapters.adopt.refusals import Refusals
from spillway.config.names import API

Section = dict[str, Any]

_ZONE = re.compile(r"projects/([^/]+)/zones/([^/]+)/(instanceGroups|networkEndpointGroups)/([^/]+)")
_REGION = re.compile(r"projects/([^/]+)/regions/([^/]+)/(instanceGroups|networkEndpointGroups)/([^/]+)")
_EVERYWHERE = re.compile(r"projects/([^/]+)/global/networkEndpointGroups/([^/]+)")
EVERYWHERE = ""
"""Stands for the region of a global group."""
_REGIONAL = frozenset({"serverless_neg", "regional_instance_group"})
KINDS = {
    "GCE_VM_IP_PORT": "neg",
    "NON_GCP_PRIVATE_IP_PORT": "hybrid_neg",
    "SERVERLESS": "serverless_neg",
    "INTERNET_FQDN_PORT": "internet_neg",
    "INTERNET_IP_PORT": "internet_neg",
}
"""Types of network endpoint groups, and the keys of a group."""
_UNSTEERED = frozenset({"serverless_neg", "internet_neg"})
_TARGETS = {
    "maxRate": "max_rate",
    "maxRatePerInstance": "max_rate_per_instance",
    "maxRatePerEndpoint": "max_rate_per_endpoint",
    "maxUtilization": "max_utilization",
    "maxInFlightRequests": "max_in_flight",
    "maxInFlightRequestsPerInstance": "max_in_flight_per_instance",
    "maxInFlightRequestsPerEndpoint": "max_in_flight_per_endpoint",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionOf:
    """One region behind one service, in the words of the configuration."""

    groups: list[Section]
    balancing: Section | None
    scaler: float
    preference: str


def regions_of(layout: Layout, where: str, refusals: Refusals) -> dict[str, RegionOf]:
    """The regions of the service at `where`, by name."""
    service, what = layout.services[where], words(where)
    found: dict[str, RegionOf] = {}
    for position, backend in enumerate(service.get("backends") or ()):
        at = f"backends[{position}]"
        link = path(str(backend["group"]))
        place = _place(layout, link)
        if place is None:
            refusals.add(
                what,
                f"{at}.group",
                f"the group {link} is none that a configuration can name.",
                "Replace it by a zonal group, a serverless or an internet network endpoint group.",
            )
            continue
        region, group = place
        unsteered = not _UNSTEERED.isdisjoint(group)
        one = RegionOf(
            groups=[group],
            balancing=None if unsteered else _balancing(backend),
            scaler=1.0 if unsteered else float(backend.get("capacityScaler", 1.0)),
            preference="DEFAULT" if unsteered else str(backend.get("preference") or "DEFAULT"),
        )
        found[region] = (
            _joined(found[region], one, region, f"{what}: {at}", refusals) if region in found else one
        )
    if not service.get("backends"):
        refusals.add(
            what,
            "backends",
            "it has no backends, so it serves nothing that could be moved.",
            "Attach its groups, or take it out of the URL map.",
        )
    return found


def _place(layout: Layout, link: str) -> tuple[str, Section] | None:
    """(region, group) of a link."""
    match = _ZONE.fullmatch(link)
    if match is not None:
        project, zone, collection, name = match.groups()
        region = zone.rpartition("-")[0]
        if project != layout.project:
            return region, {"url": f"{API}/{link}"}
        key = "instance_group" if collection == "instanceGroups" else _kind(layout, link) or "neg"
        return region, {"zone": zone, key: name}
    match = _REGION.fullmatch(link)
    if match is not None:
        project, region, collection, name = match.groups()
        kind = "regional_instance_group" if collection == "instanceGroups" else _kind(layout, link)
        if kind in _REGIONAL and project == layout.project:
            return region, {kind: name}
        return region, {"url": f"{API}/{link}"}
    match = _EVERYWHERE.fullmatch(link)
    if match is not None and match[1] == layout.project:
        return EVERYWHERE, {"internet_neg": match[2]}
    return None


def _kind(layout: Layout, link: str) -> str | None:
    """The key of a group by its type; None where the group could not be read or is of another type."""
    return KINDS.get(str((layout.parts.get(link) or {}).get("networkEndpointType")))


def _balancing(backend: Body) -> Section:
    """Mode and target."""
    found: Section = {"mode": str(backend.get("balancingMode") or "UTILIZATION")}
    for name, key in _TARGETS.items():
        if backend.get(name):
            found[key] = backend[name]
    if found["mode"] not in {"UTILIZATION", "CUSTOM_METRICS"} or (
        found["mode"] == "CUSTOM_METRICS" and "max_utilization" in found
    ):
        found.pop("max_utilization", None)
    if backend.get("trafficDuration") and not _is_usual_duration(backend, found):
        found["traffic_duration"] = backend["trafficDuration"]
    metrics = backend.get("customMetrics")
    if metrics:
        found["custom_metrics"] = [
            {
                "name": metric["name"],
                "max_utilization": metric.get("maxUtilization", 0.8),
                "dry_run": bool(metric.get("dryRun")),
            }
            for metric in metrics
        ]
    return found


def _is_usual_duration(backend: Mapping[str, Any], found: Section) -> bool:
    """True where Spillway, or Google, sets the duration by itself."""
    in_flight = any(key.startswith("max_in_flight") for key in found)
    return bool(backend["trafficDuration"] == ("LONG" if in_flight else "SHORT"))


def _joined(one: RegionOf, other: RegionOf, region: str, at: str, refusals: Refusals) -> RegionOf:
    """Two groups of one region: they share target, ceiling and preference."""
    for name, first, second, remedy in (
        (
            "target",
            one.balancing,
            other.balancing,
            "Give all groups of a region the same balancing mode and target.",
        ),
        (
            "capacityScaler",
            one.scaler,
            other.scaler,
            "Set the same capacity scaler on all groups of a region.",
        ),
        (
            "preference",
            one.preference,
            other.preference,
            "Set the same preference on all groups of a region.",
        ),
    ):
        if first != second:
            what, _, place = at.partition(": ")
            refusals.add(
                what,
                f"{place}.{name}" if name != "target" else place,
                f"the groups of {region} differ in it, and a region moves as one: {_told(first)} and {_told(second)}.",
                remedy,
            )
    return RegionOf(
        groups=[*one.groups, *other.groups],
        balancing=one.balancing,
        scaler=one.scaler,
        preference=one.preference,
    )


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return str(value)

"""getHealth: what the world says about a region, told as Google tells it, endpoint by endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spillway.sandbox import links
from spillway.sandbox.kinds.base import Action, Draft, Resource
from spillway.sandbox.links import Key
from spillway.sandbox.refusals import invalid, required
from spillway.sandbox.schema import Link, Obj

_GROUP = Link(("instanceGroups", "networkEndpointGroups"))


def spread(zones: Sequence[tuple[int, int]], sizes: Sequence[int]) -> list[int]:
    """How many members of each group are healthy.

    Where the world has as many zones as there are groups, zone and group belong together in order; else the region's
    healthy share is spread over the groups, the first endpoints being the healthy ones.

    Args:
        zones: per zone of the region, healthy and all endpoints.
        sizes: how many members each group of the region has, in order.

    Returns:
        Healthy members of each group, rounded down.
    """
    if len(zones) == len(sizes):
        return [
            size * healthy // total if total else 0
            for size, (healthy, total) in zip(sizes, zones, strict=True)
        ]
    healthy, total = sum(h for h, _ in zones), sum(t for _, t in zones)
    left = sum(sizes) * healthy // total if total else 0
    result = []
    for size in sizes:
        result.append(min(size, left))
        left -= result[-1]
    return result


def get_health(draft: Draft, body: Resource) -> dict[str, Any]:
    """Health of one group behind one service; an empty group has no entries, and neither has one without health checks."""
    group = body.get("group")
    if group is None:
        raise required("resource.group")
    groups = [backend["group"] for backend in draft.resource.get("backends", [])]
    if group not in groups:
        raise invalid("resource.group", group, "The group is not a backend of the service.")
    answer: dict[str, Any] = {"kind": "compute#backendServiceGroupHealth"}
    members = draft.view.members(group)
    region = _region(group)
    if not members or not draft.resource.get("healthChecks") or region is None:
        return answer
    neighbours = sorted(name for name in groups if _region(name) == region)
    sizes = [draft.view.count(name) for name in neighbours]
    healthy = spread(draft.view.health(region), sizes)[neighbours.index(group)]
    port = _port(draft, group)
    answer["healthStatus"] = [
        _status(member, port, healthy=at < healthy) for at, member in enumerate(members)
    ]
    return answer


def _region(group: str) -> str | None:
    key = links.parse(group, "")
    return key.region if isinstance(key, Key) else None


def _port(draft: Draft, group: str) -> int:
    """The serving port of an instance group: the one whose name the service asks for, else the service's own."""
    named = (draft.view.find(group) or {}).get("namedPorts", [])
    found = [entry["port"] for entry in named if entry["name"] == draft.resource.get("portName")]
    return int(found[0] if found else draft.resource.get("port", 80))


def _status(member: Resource, port: int, *, healthy: bool) -> dict[str, Any]:
    status: dict[str, Any] = {
        "healthState": "HEALTHY" if healthy else "UNHEALTHY",
        "port": member.get("port", port),
    }
    if "ipAddress" in member:
        status["ipAddress"] = member["ipAddress"]
    if "instance" in member:
        status["instance"] = links.url(member["instance"], "v1")
    return status


GET_HEALTH = Action(name="getHealth", body=Obj({"group": _GROUP}), answer=get_health)

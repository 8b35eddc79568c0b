"""What a project has that a new load balancer could serve: its groups of endpoints, and the load balancers that stand.

Instance groups and network endpoint groups are read by two aggregated lists, over all zones and regions, with the reader
of `adopt`. Left out are groups that no first configuration can name: global ones (internet), those that lead to a
published service, and those of load balancers of another kind (`GCE_VM_IP`).
"""

from __future__ import annotations

from dataclasses import dataclass

from spillway.adapters.adopt.groups import KINDS
from spillway.adapters.adopt.reading import Body, CloudReader, path_of
from spillway.config.backends import GroupKind
from spillway.config.starter import StarterGroup

_COLLECTIONS = ("networkEndpointGroups", "instanceGroups")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What was found."""

    groups: tuple[StarterGroup, ...]
    """By region, zone and name."""
    left_out: int
    """Groups that a first configuration cannot name."""
    url_maps: tuple[str, ...]
    """Names of the load balancers that stand, global ones alone."""


def take_inventory(reader: CloudReader) -> Inventory:
    """Read the groups of a project in all its zones and regions.

    Raises:
        SpillwayError: a list could not be read; its remedy names the permission that is missing.
    """
    found: list[StarterGroup] = []
    left_out = 0
    for collection in _COLLECTIONS:
        for body in reader.everywhere(collection):
            group = _group(collection, body)
            if group is None:
                left_out += 1
            else:
                found.append(group)
    url_maps = sorted(str(body.get("name", "")) for body in reader.listed("urlMaps").values())
    return Inventory(
        groups=tuple(sorted(found, key=lambda each: (each.region, each.zone or "", each.name))),
        left_out=left_out,
        url_maps=tuple(url_maps),
    )


def _group(collection: str, body: Body) -> StarterGroup | None:
    """A group in the words of a configuration; None for one that is left out."""
    parts = path_of(body).split("/")  # projects/P/zones/Z/COLLECTION/NAME, or regions/R, or global
    if len(parts) != 6:
        return None
    zone = parts[3] if parts[2] == "zones" else None
    region = zone.rpartition("-")[0] if zone is not None else parts[3]
    if collection == "instanceGroups":
        kind = GroupKind.INSTANCE_GROUP if zone is not None else GroupKind.REGIONAL_INSTANCE_GROUP
    else:
        key = KINDS.get(str(body.get("networkEndpointType")))
        if key is None:
            return None
        kind = GroupKind(key)
        if kind is GroupKind.INTERNET_NEG:  # a regional one is of another kind of load balancer
            return None
    size = body.get("size")
    return StarterGroup(
        region=region,
        zone=zone,
        name=parts[5],
        kind=kind,
        size=size if isinstance(size, int) else None,
    )

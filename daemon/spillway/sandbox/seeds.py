"""Groups that exist before anybody asks for them, because a configuration refers to them by zone and name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from spillway.sandbox.links import Key

GroupKind = Literal[
    "neg",
    "hybrid_neg",
    "instance_group",
    "regional_instance_group",
    "serverless_neg",
    "internet_neg",
    "psc_neg",
]

SEEDED_BEFORE = 86400.0
"""World seconds before the beginning at which what is seeded was made: its certificates are issued long since."""

_ZONES = "abc"
"""A regional group spreads its instances evenly over three zones."""
_INSTANCES = frozenset({"instance_group", "regional_instance_group"})
_FAMILY = {
    "regional_instance_group": "regions",
    "serverless_neg": "regions",
    "psc_neg": "regions",
    "internet_neg": "global",
}
"""Where groups live that are not zonal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedGroup:
    """One group and how many endpoints it has."""

    project: str
    zone: str
    """Its zone; the region of a regional group, `global` for an internet group."""
    name: str
    kind: GroupKind = "neg"
    endpoints: int
    port: int = 8080
    port_name: str = "http"
    """Named port, for instance groups."""
    made_by_program: bool = False
    """The program makes the group; the endpoints appear in it as soon as it is there, as their owner would attach them."""

    @property
    def key(self) -> Key:
        """Where the group is."""
        collection = "instanceGroups" if self.kind in _INSTANCES else "networkEndpointGroups"
        family = _FAMILY.get(self.kind, "zones")
        scope = family if family == "global" else f"{family}/{self.zone}"
        return Key(self.project, scope, collection, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedMap:
    """A certificate map with an entry and an issued certificate for each host."""

    project: str
    name: str
    hosts: tuple[str, ...]
    """Without any, the map has one entry for all names that have none."""


def map_resources(seed: SeedMap) -> list[tuple[Key, dict[str, Any]]]:
    """(key, insert body) of what a certificate map consists of, in the order in which it is made."""
    scope = "locations/global"
    inside = f"{scope}/certificateMaps/{seed.name}"
    made: list[tuple[Key, dict[str, Any]]] = [(Key(seed.project, scope, "certificateMaps", seed.name), {})]
    for number, host in enumerate(seed.hosts or ("example.com",), start=1):
        authorization = Key(seed.project, scope, "dnsAuthorizations", f"{seed.name}-{number}")
        certificate = Key(seed.project, scope, "certificates", f"{seed.name}-{number}")
        managed = {"domains": [host], "dnsAuthorizations": [authorization.path]}
        where = {"hostname": host} if seed.hosts else {"matcher": "PRIMARY"}
        made += [
            (authorization, {"domain": host.removeprefix("*.")}),
            (certificate, {"managed": managed}),
            (
                Key(seed.project, inside, "certificateMapEntries", f"{seed.name}-{number}"),
                {**where, "certificates": [certificate.path]},
            ),
        ]
    return made


def body(group: SeedGroup) -> dict[str, Any]:
    """The insert body of a group."""
    if group.kind in _INSTANCES:
        return {"name": group.name, "namedPorts": [{"name": group.port_name, "port": group.port}]}
    if group.kind == "serverless_neg":
        service = {"service": group.name}
        return {"name": group.name, "networkEndpointType": "SERVERLESS", "cloudRun": service}
    if group.kind == "psc_neg":
        target = f"projects/{group.project}/regions/{group.zone}/serviceAttachments/{group.name}"
        return {
            "name": group.name,
            "networkEndpointType": "PRIVATE_SERVICE_CONNECT",
            "pscTargetService": target,
        }
    if group.kind == "internet_neg":
        return {"name": group.name, "networkEndpointType": "INTERNET_FQDN_PORT", "defaultPort": 443}
    kind = "GCE_VM_IP_PORT" if group.kind == "neg" else "NON_GCP_PRIVATE_IP_PORT"
    return {"name": group.name, "networkEndpointType": kind, "defaultPort": group.port}


def members(group: SeedGroup) -> list[dict[str, Any]]:
    """The endpoints of a zonal group, with addresses of its own in 10.0.0.0/8, the same in every run."""
    block = int.from_bytes(hashlib.sha256(group.key.path.encode()).digest()[:2], "big") % 0x3FFF
    result: list[dict[str, Any]] = []
    for at in range(group.endpoints):
        host = (block << 10) + 1 + at
        address = f"10.{(host >> 16) & 255}.{(host >> 8) & 255}.{host & 255}"
        zone = f"{group.zone}-{_ZONES[at % 3]}" if group.kind == "regional_instance_group" else group.zone
        instance = f"projects/{group.project}/zones/{zone}/instances/{group.name}-{at:04d}"
        if group.kind in _INSTANCES:
            result.append({"instance": instance, "status": "RUNNING", "ipAddress": address})
        elif group.kind == "neg":
            result.append({"ipAddress": address, "port": group.port, "instance": instance})
        else:
            result.append({"ipAddress": address, "port": group.port})
    return result

"""Groups of endpoints: the URL of each, and the making of those that the config asks Spillway to make."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from spillway.adapters.program.kept import declare
from spillway.config.names import group_url
from spillway.errors import PermanentError

if TYPE_CHECKING:
    import pulumi

    from spillway.adapters.program.kept import Kept
    from spillway.config.groups import CreateConfig, GroupConfig
    from spillway.config.model import Config


@dataclass(frozen=True, slots=True)
class Group:
    """One group as a backend service refers to it."""

    url: str
    resource: pulumi.Resource | None = None
    """The group, where Spillway makes it: services must wait for it."""


@dataclass
class Groups:
    """All groups of the topology, by URL; a group that serves several services is made once, wherever its settings stand."""

    config: Config
    kept: Kept
    _made: dict[str, pulumi.Resource] = field(default_factory=dict)

    @cached_property
    def _wanted(self) -> dict[str, tuple[GroupConfig, CreateConfig]]:
        """Groups to make: of the regions, and of single services."""
        topology = self.config.topology
        lists = [(name, region.groups) for name, region in topology.regions.items()]
        for service in topology.services.values():
            lists += [(name, own.groups or ()) for name, own in service.backends.items()]
        return {
            group_url(self.config.project, region, group): (group, group.create)
            for region, groups in lists
            for group in groups
            if group.create is not None
        }

    def group(self, region: str, group: GroupConfig) -> Group:
        """The group to refer to, made on first use if the config says so."""
        url = group_url(self.config.project, region, group)
        wanted = self._wanted.get(url)
        if wanted is None:
            return Group(url)
        if url not in self._made:
            self._made[url] = _make(self.config.project, *wanted, self.kept)
        return Group(url, self._made[url])


def _make(project: str, group: GroupConfig, create: CreateConfig, kept: Kept) -> pulumi.Resource:
    from spillway.adapters.program.sdk import compute

    name = group.neg or group.hybrid_neg or group.instance_group
    if name is None or group.zone is None:
        raise PermanentError(
            "only zonal network endpoint groups and instance groups can be made by Spillway",
            remedy="Make the group elsewhere and refer to it, or give zone and neg, hybrid_neg or instance_group.",
        )
    network = _network(project, create.network)
    logical = f"{name}-{group.zone}"
    resource: pulumi.Resource
    if group.instance_group:
        resource = declare(
            compute.InstanceGroup,
            logical,
            kept,
            extra=create.extra,
            name=name,
            project=project,
            zone=group.zone,
            network=network,
            named_ports=[
                compute.InstanceGroupNamedPortArgs(name=port_name, port=port)
                for port_name, port in sorted(create.named_ports.items())
            ],
        )
        return resource
    hybrid = group.hybrid_neg is not None
    resource = declare(
        compute.NetworkEndpointGroup,
        logical,
        kept,
        extra=create.extra,
        name=name,
        project=project,
        zone=group.zone,
        network=network,
        subnetwork=None if hybrid else _subnetwork(project, group.zone, create.subnetwork),
        default_port=create.port,
        network_endpoint_type="NON_GCP_PRIVATE_IP_PORT" if hybrid else "GCE_VM_IP_PORT",
    )
    return resource


def _network(project: str, network: str) -> str:
    return network if "/" in network else f"projects/{project}/global/networks/{network}"


def _subnetwork(project: str, zone: str, subnetwork: str | None) -> str | None:
    if subnetwork is None or "/" in subnetwork:
        return subnetwork
    return f"projects/{project}/regions/{zone.rpartition('-')[0]}/subnetworks/{subnetwork}"

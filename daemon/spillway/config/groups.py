"""Groups of endpoints: those that exist, and those that Spillway makes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from spillway.config.fields import GroupName, Model, NetworkName, Port, PortName, SubnetworkName, ZoneName


class CreateConfig(Model):
    """Settings of a group that Spillway makes; it starts empty and whoever runs the endpoints fills it."""

    network: NetworkName = "default"
    """Network of the endpoints: a name in the project, or `projects/P/global/networks/N`, as that of a Shared VPC's host project."""
    subnetwork: SubnetworkName | None = None
    """Subnetwork of a zonal NEG: a name in the project and the group's region, or `projects/P/regions/R/subnetworks/N`; the network's own where none is given."""
    port: Port | None = None
    """Default port of a zonal NEG."""
    named_ports: dict[PortName, Port] = Field(default_factory=dict)
    """Named ports of an instance group; the service's `port_name` must be among them."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the provider's NetworkEndpointGroup or InstanceGroup takes, by its names; `check` compares it with the pinned provider. What has a key of its own, names, references and secrets do not belong here."""


class GroupConfig(Model):
    """One group of endpoints: a URL, or exactly one kind with its name."""

    url: str | None = None
    """Full URL, `https://www.googleapis.com/compute/v1/projects/P/zones/Z/networkEndpointGroups/N` or `.../instanceGroups/N`; of a regional instance group with `regions/R`. The URL of a regional NEG counts as that of a serverless one; write `psc_neg` for the other kind."""
    zone: ZoneName | None = None
    """Zone of a zonal group."""
    neg: GroupName | None = None
    """Zonal NEG of VM addresses (GCE_VM_IP_PORT)."""
    hybrid_neg: GroupName | None = None
    """Zonal hybrid NEG (NON_GCP_PRIVATE_IP_PORT)."""
    instance_group: GroupName | None = None
    """Zonal instance group, managed or not."""
    regional_instance_group: GroupName | None = None
    """Instance group of a regional managed instance group. Its scaler is moved; Google takes no preference and no failover policy for it."""
    serverless_neg: GroupName | None = None
    """Regional serverless NEG (Cloud Run), one for each region. It has no scaler: Spillway attaches and detaches it."""
    internet_neg: GroupName | None = None
    """Global internet NEG. It has no scaler either, and is attached and detached. It stands under a region like every group: any one, which takes no part in where its requests go."""
    psc_neg: GroupName | None = None
    """Regional Private Service Connect NEG, which leads to a published service such as Apigee. It has no scaler either."""
    create: CreateConfig | None = None
    """Make this group; without it the group must exist."""

"""Names in Google Cloud: of every resource that Spillway makes, and of the groups that it refers to.

The Pulumi program, the sandbox and the core's fleet all take them from here, so that what is built, what is
watched and what is moved carry the same names. What stands under a name of its own keeps it (`names` in the configuration).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spillway.config.existing import FrontendNamesConfig, NamesConfig
from spillway.core.values.topology import GroupKey

if TYPE_CHECKING:
    from spillway.config.groups import GroupConfig

NAME_LIMIT = 63
"""Longest name of a Compute resource (RFC 1035 label)."""

HASH_LENGTH = 9
"""What `hashed` in the Pulumi program adds to the name of a certificate: a hyphen and eight digits."""

API = "https://www.googleapis.com/compute/v1"
"""Root of the URLs of groups: Google wants them in full, never as partial paths (py:Backend.group)."""

_URL = re.compile(
    r"https://(?:www\.googleapis\.com/compute|compute\.googleapis\.com/compute)/(?:v1|beta)/projects/(?P<project>[^/]+)/"
    r"(?:zones/(?P<zone>[^/]+)|regions/(?P<region>[^/]+)|(?P<everywhere>global))/"
    r"(?P<collection>networkEndpointGroups|instanceGroups)/(?P<name>[^/]+)"
)


@dataclass(frozen=True, slots=True)
class Naming:
    """How the resources of one load balancer are called."""

    prefix: str
    """The `name` at the top of the configuration."""
    existing: NamesConfig = field(default_factory=NamesConfig)
    """What stands already, and keeps its name."""


def backend_service(naming: Naming, service: str) -> str:
    """Name of a backend service (label `backend_target_name` of its metrics)."""
    return naming.existing.services.get(service) or f"{naming.prefix}-{service}"


def service_lb_policy(naming: Naming, service: str) -> str:
    """Name of a service LB policy."""
    return naming.existing.lb_policies.get(service) or f"{naming.prefix}-{service}"


def health_check(naming: Naming, check: str) -> str:
    """Name of a health check."""
    return naming.existing.health_checks.get(check) or f"{naming.prefix}-{check}"


def url_map(naming: Naming) -> str:
    """Name of the URL map; the console shows it as the name of the load balancer."""
    return naming.existing.url_map or naming.prefix


def redirect_map(naming: Naming) -> str:
    """Name of the URL map that redirects to HTTPS."""
    return naming.existing.redirect_map or f"{naming.prefix}-redirect"


def address(naming: Naming) -> str:
    """Name of the reserved address where the configuration gives none."""
    return naming.existing.address or f"{naming.prefix}-address"


def proxy(naming: Naming, protocol: str) -> str:
    """Name of the target proxy of one frontend, `http` or `https`."""
    return _frontend(naming, protocol).proxy or f"{naming.prefix}-{protocol}"


def rule(naming: Naming, protocol: str) -> str:
    """Name of the forwarding rule of one frontend, `http` or `https`."""
    return _frontend(naming, protocol).rule or f"{naming.prefix}-{protocol}"


def ssl_policy(naming: Naming) -> str:
    """Name of the SSL policy."""
    return naming.existing.ssl_policy or f"{naming.prefix}-tls"


def certificate(naming: Naming, name: str) -> str:
    """Name of a certificate before the hash of its content: `managed`, or the name of a given one."""
    return f"{naming.prefix}-{name}"


def _frontend(naming: Naming, protocol: str) -> FrontendNamesConfig:
    return naming.existing.http if protocol == "http" else naming.existing.https


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupUrl:
    """The parts of a group's full URL."""

    project: str
    zone: str | None
    region: str | None
    """Set for regional groups; both are None for global ones."""
    is_instance_group: bool
    name: str

    @property
    def scope(self) -> str:
        """Zone, region or `global`: label `backend_scope` of its metrics."""
        return self.zone or self.region or "global"


def parse_group_url(url: str) -> GroupUrl | None:
    """The parts of a full group URL, or None if it is none."""
    match = _URL.fullmatch(url)
    if match is None:
        return None
    return GroupUrl(
        project=match["project"],
        zone=match["zone"],
        region=match["region"],
        is_instance_group=match["collection"] == "instanceGroups",
        name=match["name"],
    )


def group_url(project: str, region: str, group: GroupConfig) -> str:
    """The full URL of a group: as given, or made of project, place and name.

    Raises:
        ValueError: the group names nothing, or a zonal kind without a zone; `check` refuses such a configuration.
    """
    if group.url is not None:
        return group.url
    key = group_key(region, group)
    if group.neg or group.hybrid_neg:
        return f"{API}/projects/{project}/zones/{key.scope}/networkEndpointGroups/{key.name}"
    if group.instance_group:
        return f"{API}/projects/{project}/zones/{key.scope}/instanceGroups/{key.name}"
    if group.serverless_neg:
        return f"{API}/projects/{project}/regions/{region}/networkEndpointGroups/{key.name}"
    return f"{API}/projects/{project}/global/networkEndpointGroups/{key.name}"


def group_key(region: str, group: GroupConfig) -> GroupKey:
    """A group as Cloud Monitoring names it: its name, and its zone, region or `global`.

    Raises:
        ValueError: the group names nothing, or a zonal kind without a zone; `check` refuses such a configuration.
    """
    if group.url is not None:
        parts = parse_group_url(group.url)
        if parts is None:
            raise ValueError(f"{group.url} is not the full URL of a group")
        return GroupKey(name=parts.name, scope=parts.scope)
    if group.serverless_neg:
        return GroupKey(name=group.serverless_neg, scope=region)
    if group.internet_neg:
        return GroupKey(name=group.internet_neg, scope="global")
    name = group.neg or group.hybrid_neg or group.instance_group
    if name is None or group.zone is None:
        raise ValueError(f"a group in {region} lacks its name or its zone")
    return GroupKey(name=name, scope=group.zone)

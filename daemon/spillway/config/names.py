"""Names in Google Cloud: of every resource that Spillway makes, and of the groups that it refers to.

The Pulumi program, the sandbox and the core's fleet all take them from here, so that what is built, what is
watched and what is moved carry the same names. What stands under a name of its own keeps it (`names` in the configuration).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spillway.config.existing import NamesConfig
from spillway.core.values.topology import GroupKey

if TYPE_CHECKING:
    from spillway.config.groups import GroupConfig

NAME_LIMIT = 63
"""Longest name of a Compute resource (RFC 1035 label)."""

HASH_LENGTH = 9
"""What `hashed` adds to a name: a hyphen and eight digits."""

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


def security_policy(naming: Naming, service: str) -> str:
    """Name of the security policy that is made of a service's rate limit."""
    return f"{naming.prefix}-{service}"


def health_check(naming: Naming, check: str) -> str:
    """Name of a health check."""
    return naming.existing.health_checks.get(check) or f"{naming.prefix}-{check}"


def backend_bucket(naming: Naming, bucket: str) -> str:
    """Name of a backend bucket."""
    return naming.existing.buckets.get(bucket) or f"{naming.prefix}-{bucket}"


def url_map(naming: Naming) -> str:
    """Name of the URL map; the console shows it as the name of the load balancer."""
    return naming.existing.url_map or naming.prefix


def redirect_map(naming: Naming) -> str:
    """Name of the URL map that redirects to HTTPS."""
    return naming.existing.redirect_map or f"{naming.prefix}-redirect"


def address(naming: Naming, version: str | None, place: str, given: str | None) -> str:
    """Name of a reserved address.

    Args:
        naming: of the load balancer.
        version: IPV4 or IPV6.
        place: suffix of the address; empty for the first.
        given: name of addresses where the configuration gives one.
    """
    existing = naming.existing.addresses.get("IPV6" if version == "IPV6" else "IPV4")
    return existing or on_address(given or f"{naming.prefix}-address", place)


def frontend(naming: Naming, protocol: str, port: int | None = None) -> str:
    """Name of a frontend, `http` or `https`; every further one has its `port` in it."""
    return f"{naming.prefix}-{frontend_key(protocol, port)}"


def frontend_key(protocol: str, port: int | None = None) -> str:
    """A frontend as `names` in the configuration has it."""
    return protocol if port is None else f"{protocol}-{port}"


def proxy(naming: Naming, frontend: str, *settings: object) -> str:
    """Name of the target proxy of a frontend.

    A proxy with other `settings` is another proxy, and while a rule leads to it its name is taken: so these are part of
    the name, and the rule is led from the one to the other. One that stands already keeps its name.
    """
    existing = naming.existing.proxies.get(_key(naming, frontend))
    if existing is not None:
        return existing
    return hashed(frontend, *map(str, settings)) if any(settings) else frontend


def rule(naming: Naming, frontend: str, place: str) -> str:
    """Name of the forwarding rule of a frontend on an address; `place` is empty for the first address."""
    key = on_address(_key(naming, frontend), place)
    return naming.existing.rules.get(key) or on_address(frontend, place)


def _key(naming: Naming, frontend: str) -> str:
    return frontend.removeprefix(f"{naming.prefix}-")


def on_address(name: str, place: str) -> str:
    """Name of what belongs to an address: that of the first one, where `place` is empty, or such as `ipv6` behind it."""
    return f"{name}-{place}" if place else name


def hashed(name: str, *content: str) -> str:
    """`name` with eight digits of the hash of its content.

    Some resources cannot be changed, only replaced, and their name is taken while something uses them: a new content
    needs a new name, so that the new one stands before the old one goes.
    """
    digest = hashlib.sha256("\0".join(content).encode()).hexdigest()[: HASH_LENGTH - 1]
    return f"{name[: NAME_LIMIT - HASH_LENGTH]}-{digest}"


def told(extra: Mapping[str, object]) -> tuple[str, ...]:
    """What `extra` adds to the content of a name with a hash; nothing where nothing is given."""
    return (json.dumps(extra, sort_keys=True),) if extra else ()


def is_hashed(name: str, prefix: str) -> bool:
    """True for what looks like one of our names with a hash: the file that tells what was built may be lost."""
    return re.fullmatch(rf"{re.escape(prefix)}-.+-[0-9a-f]{{{HASH_LENGTH - 1}}}", name) is not None


def ssl_policy(naming: Naming, port: int | None = None) -> str:
    """Name of the SSL policy of an HTTPS frontend; that of every further one has its `port` in it."""
    existing = naming.existing.ssl_policies.get(frontend_key("https", port))
    return existing or f"{naming.prefix}-{frontend_key('tls', port)}"


def certificate(naming: Naming, name: str) -> str:
    """Name of a certificate before the hash of its content: `managed`, or the name of a given one."""
    return f"{naming.prefix}-{name}"


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
    if group.regional_instance_group:
        return f"{API}/projects/{project}/regions/{region}/instanceGroups/{key.name}"
    if group.serverless_neg or group.psc_neg:
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
    if regional := group.serverless_neg or group.psc_neg or group.regional_instance_group:
        return GroupKey(name=regional, scope=region)
    if group.internet_neg:
        return GroupKey(name=group.internet_neg, scope="global")
    name = group.neg or group.hybrid_neg or group.instance_group
    if name is None or group.zone is None:
        raise ValueError(f"a group in {region} lacks its name or its zone")
    return GroupKey(name=name, scope=group.zone)

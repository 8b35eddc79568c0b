"""What stands already: which existing resource takes the place of one that Spillway would make."""

from __future__ import annotations

from pydantic import Field

from spillway.config.fields import GroupName, Model, Name


class FrontendNamesConfig(Model):
    """Proxy and forwarding rule of one frontend."""

    proxy: GroupName | None = None
    """Name of its target proxy."""
    rule: GroupName | None = None
    """Name of its forwarding rule."""


class NamesConfig(Model):
    """Resources that stand and that this load balancer consists of; what is not named here gets a name made from `name`. `spillway adopt` writes it, and the first `spillway up` takes over what is named and stands, without changing it."""

    url_map: GroupName | None = None
    """Name of the URL map."""
    redirect_map: GroupName | None = None
    """Name of the URL map that redirects to HTTPS."""
    address: GroupName | None = None
    """Name of the reserved global address."""
    ssl_policy: GroupName | None = None
    """Name of the SSL policy."""
    http: FrontendNamesConfig = FrontendNamesConfig()
    """Of the HTTP frontend."""
    https: FrontendNamesConfig = FrontendNamesConfig()
    """Of the HTTPS frontend."""
    services: dict[Name, GroupName] = Field(default_factory=dict)
    """Names of backend services, by service."""
    lb_policies: dict[Name, GroupName] = Field(default_factory=dict)
    """Names of service LB policies, by service."""
    health_checks: dict[Name, GroupName] = Field(default_factory=dict)
    """Names of health checks, by health check."""

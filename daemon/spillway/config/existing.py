"""What stands already: which existing resource takes the place of one that Spillway would make."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spillway.config.fields import GroupName, Model, Name, Shape

FrontendKey = Annotated[
    str,
    Shape(
        "a frontend",
        r"https?(-[0-9]{1,5})?",
        "https-8443",
        "or http, https; each further one has its port in it",
    ),
]
"""A frontend as the end of its names has it: `http`, `https`, `https-8443` for a further one."""
RuleKey = Annotated[
    str,
    Shape(
        "a frontend on an address",
        r"https?(-[0-9]{1,5})?(-(ipv4|ipv6|2))?",
        "https-ipv6",
        "or http, https, https-8443; on the second address with -ipv4, -ipv6 or -2 at its end",
    ),
]
"""The same on an address: the second one has its version behind it."""


class NamesConfig(Model):
    """Resources that stand and that this load balancer consists of; what is not named here gets a name made from `name`. `spillway adopt` writes it, and the first `spillway up` takes over what is named and stands, without changing it."""

    url_map: GroupName | None = None
    """Name of the URL map."""
    redirect_map: GroupName | None = None
    """Name of the URL map that redirects to HTTPS."""
    addresses: dict[Literal["IPV4", "IPV6"], GroupName] = Field(default_factory=dict)
    """Names of the reserved addresses, by version."""
    rules: dict[RuleKey, GroupName] = Field(default_factory=dict)
    """Names of forwarding rules, by frontend: `http`, `https`, `https-8443` for a further one, `https-ipv6` on the second address."""
    proxies: dict[FrontendKey, GroupName] = Field(default_factory=dict)
    """Names of target proxies, by frontend. Take an entry away to give the frontend another keep-alive, early data or mTLS: these need a new proxy, to which the rule is then led."""
    ssl_policies: dict[FrontendKey, GroupName] = Field(default_factory=dict)
    """Names of SSL policies, by HTTPS frontend."""
    services: dict[Name, GroupName] = Field(default_factory=dict)
    """Names of backend services, by service."""
    lb_policies: dict[Name, GroupName] = Field(default_factory=dict)
    """Names of service LB policies, by service."""
    buckets: dict[Name, GroupName] = Field(default_factory=dict)
    """Names of backend buckets, by bucket."""
    health_checks: dict[Name, GroupName] = Field(default_factory=dict)
    """Names of health checks, by health check."""

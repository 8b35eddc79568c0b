"""Which host and path goes where."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field

from spillway.config.fields import GroupName, Model
from spillway.config.route_actions import RouteActions, Steer, SteerConfig
from spillway.config.route_matches import Headers, Method, Query

EVERY_PATH = "/*"
FIRST_OWN_PRIORITY = 100_000
"""Priorities from here on are those that Spillway gives; an explicit one is smaller and so goes before them."""


class PathConditions(Model):
    """Which requests of a route an entry is about."""

    paths: Annotated[tuple[str, ...], Field(min_length=1)] = (EVERY_PATH,)
    """Such as `/europe` and `/europe/*`; a star only as the last part, and `/europe/*` does not match `/europe`. The longest match wins, whatever the order; of entries with the same path the one with more conditions. A path with variables is a template: `/v1/{model=*}/{rest=**}`, where `*` is one part and `**` any number. Every path, where there are conditions and no paths."""
    headers: Headers = Field(default_factory=dict)
    """Conditions by header, all of which must hold: `x-tier: premium`, or a section. Names in any case."""
    query: Query = Field(default_factory=dict)
    """Conditions by parameter of the query, all of which must hold."""
    methods: tuple[Method, ...] = ()
    """Methods, one of which must be the request's."""
    ignore_case: bool = False
    """Match paths whatever their case; not for templates."""
    priority: Annotated[int, Field(ge=1, lt=FIRST_OWN_PRIORITY)] | None = None
    """Order of Google's route rules, the smallest first, instead of the longest path. Entries with a priority go before all others of their route."""


class PathRuleConfig(RouteActions, PathConditions):
    """Requests of the route that are treated apart: by path, and by headers, query and method."""

    @property
    def conditions(self) -> int:
        """How many conditions beside the path must hold."""
        return len(self.headers) + len(self.query) + bool(self.methods)


class RouteHosts(Model):
    """Which requests a route is about."""

    hosts: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """Host names such as `api.example.com` or `*.example.com`; `*` is every other host. Without port."""
    matcher: GroupName | None = None
    """Name of the path matcher in the URL map; `route-1`, `route-2` and so on where none is given."""
    paths: tuple[PathRuleConfig, ...] = ()
    """Paths, headers and so on that are treated apart."""
    steer: Steer = False
    """Let the daemon move the weights of the route's `split`, whose services stand for one region each and have no scaler: Cloud Run and other serverless groups, internet and Private Service Connect groups. `true`, or a section. Entries of `paths` without a target follow."""


class RouteConfig(RouteActions, RouteHosts):
    """Hosts and what becomes of their requests. What stands on the route itself is for all paths that no entry of `paths` names; only headers and error pages hold for the entries, too."""

    @property
    def steering(self) -> SteerConfig | None:
        """How the weights of its split are moved; None where they stay."""
        if isinstance(self.steer, SteerConfig):
            return self.steer
        return SteerConfig() if self.steer else None


VARIABLE = re.compile(r"\{(?P<name>[a-z_][a-z0-9_]*)(=(\*\*|\*))?\}")
"""A variable of a template: `{model}`, `{model=*}` or `{rest=**}` (py:HttpRouteRuleMatch.path_template_match)."""


class UrlMapConfig(Model):
    """The URL map itself."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the provider's URLMap, by its own names, such as `tests`."""


def is_template(path: str) -> bool:
    """Whether a path holds variables."""
    return "{" in path


def variables(path: str) -> tuple[str, ...]:
    """Names of the variables of a template, in order."""
    return tuple(match["name"] for match in VARIABLE.finditer(path))

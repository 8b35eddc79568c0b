"""Which host and path goes to which service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from spillway.config.fields import GroupName, Model, Name


class PathRuleConfig(Model):
    """Paths that go to a service of their own."""

    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    """Such as `/europe` and `/europe/*`; a star only as the last part. The longest match wins, whatever the order."""
    service: Name
    """Service that gets them."""


class RouteConfig(Model):
    """Hosts and what becomes of their paths."""

    hosts: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """Host names such as `api.example.com` or `*.example.com`; `*` is every other host. Without port."""
    paths: tuple[PathRuleConfig, ...] = ()
    """Paths that go to services of their own."""
    matcher: GroupName | None = None
    """Name of the path matcher in the URL map; `route-1`, `route-2` and so on where none is given."""
    service: Name | None = None
    """Service for all other paths of these hosts; `default_service` where none is given."""

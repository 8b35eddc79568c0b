"""The URL map: which hosts and paths go to which service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spillway.adapters.program.kept import declare
from spillway.config import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pulumi

    from spillway.adapters.program.kept import Kept
    from spillway.config.model import Config
    from spillway.config.routes import RouteConfig


def url_map(config: Config, services: Mapping[str, pulumi.Output[str]], kept: Kept) -> pulumi.Output[str]:
    """Declare the URL map; its id."""
    from spillway.adapters.program.sdk import compute

    topology = config.topology
    name = names.url_map(config.naming)
    matchers = [
        (route.matcher or f"route-{number}", route) for number, route in enumerate(topology.routes, start=1)
    ]
    resource = declare(
        compute.URLMap,
        name,
        kept,
        name=name,
        project=config.project,
        default_url_redirect=None,  # it excludes the default service
        default_service=services[topology.default_service],
        host_rules=[
            compute.URLMapHostRuleArgs(hosts=list(route.hosts), path_matcher=matcher)
            for matcher, route in matchers
        ],
        path_matchers=[
            _matcher(matcher, route, topology.default_service, services) for matcher, route in matchers
        ],
    )
    result: pulumi.Output[str] = resource.id
    return result


def redirect_map(config: Config, kept: Kept) -> pulumi.Output[str]:
    """Declare the URL map that sends every plain request to HTTPS, path and query kept; its id."""
    from spillway.adapters.program.sdk import compute

    name = names.redirect_map(config.naming)
    resource = declare(
        compute.URLMap,
        name,
        kept,
        name=name,
        project=config.project,
        default_service=None,
        default_url_redirect=compute.URLMapDefaultUrlRedirectArgs(
            https_redirect=True, strip_query=False, redirect_response_code="MOVED_PERMANENTLY_DEFAULT"
        ),
    )
    result: pulumi.Output[str] = resource.id
    return result


def _matcher(name: str, route: RouteConfig, default: str, services: Mapping[str, pulumi.Output[str]]) -> Any:
    from spillway.adapters.program.sdk import compute

    return compute.URLMapPathMatcherArgs(
        name=name,
        default_service=services[route.service or default],
        path_rules=[
            compute.URLMapPathMatcherPathRuleArgs(paths=list(rule.paths), service=services[rule.service])
            for rule in route.paths
        ],
    )

"""The URL map: which hosts and paths go where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spillway.adapters.program.kept import declare
from spillway.adapters.program.path_matchers import Targets, path_matcher
from spillway.adapters.program.provider_fields import keywords
from spillway.config import names

if TYPE_CHECKING:
    import pulumi

    from spillway.adapters.program.kept import Kept
    from spillway.config.model import Config


def url_map(config: Config, targets: Targets, kept: Kept) -> pulumi.Output[str]:
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
        extra=topology.url_map.extra,
        default_url_redirect=None,  # it excludes the default service
        default_service=targets.default,
        host_rules=[
            compute.URLMapHostRuleArgs(hosts=list(route.hosts), path_matcher=matcher)
            for matcher, route in matchers
        ],
        path_matchers=[
            compute.URLMapPathMatcherArgs(
                **keywords(
                    compute.URLMapPathMatcherArgs,
                    path_matcher(matcher, route, targets),
                )
            )
            for matcher, route in matchers
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

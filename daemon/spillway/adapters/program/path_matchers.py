"""One route as a path matcher of the URL map, in the provider's names.

What a route says of paths that no entry names is the matcher's default. Headers and error pages of a route stand on
the matcher itself, so that they hold for its entries, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spillway.adapters.program.provider_fields import extra_properties
from spillway.adapters.program.route_rules import match_rules, needs_route_rules, route_rules
from spillway.config.route_actions import REDIRECT_CODES

if TYPE_CHECKING:
    from spillway.config.route_actions import (
        CorsConfig,
        ErrorsConfig,
        HeadersConfig,
        RedirectConfig,
        RetriesConfig,
        RewriteConfig,
        RouteActions,
        SplitConfig,
    )
    from spillway.config.routes import RouteConfig

Props = dict[str, Any]

NEVER = ("cancelled",)
"""Condition of retries that are off. Google takes no `numRetries` of 0 (py:HttpRetryPolicy.num_retries), without a policy
it repeats requests without a body once, and only answers of gRPC carry this state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Ids of what routes lead to, by name in the configuration."""

    default: Any
    """Service or bucket for requests that no route names."""
    services: Mapping[str, Any]
    buckets: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Weights of steered splits as they are wanted now: by path matcher and service."""


def path_matcher(name: str, route: RouteConfig, targets: Targets) -> Props:
    """The path matcher of a route.

    Args:
        name: of the matcher.
        route: what it says.
        targets: ids of services and buckets.
    """
    if name in targets.weights:
        route = _weighed(route, targets.weights[name])
    matcher: Props = {"name": name, **_default(_actions(route, route, targets))}
    if headers := _header_action(route.request_headers, route.response_headers):
        matcher["headerAction"] = headers
    if route.errors is not None:
        matcher["defaultCustomErrorResponsePolicy"] = _errors(route.errors, targets)
    if needs_route_rules(route):
        matcher["routeRules"] = [
            {
                "priority": rule.priority,
                "matchRules": match_rules(rule.paths, rule.entry),
                **_of_entry(rule.entry, route, targets),
            }
            for rule in route_rules(route)
        ]
    elif route.paths:
        matcher["pathRules"] = [
            {"paths": list(entry.paths), **_of_entry(entry, route, targets)} for entry in route.paths
        ]
    return matcher


def _weighed(route: RouteConfig, weights: Mapping[str, int]) -> RouteConfig:
    """The route with the weights of its split as the daemon wants them."""
    split = tuple(part.model_copy(update={"weight": weights[part.service]}) for part in route.split)
    return route.model_copy(update={"split": split})


def _default(actions: Props) -> Props:
    return {f"default{key[0].upper()}{key[1:]}": value for key, value in actions.items()}


def _of_entry(entry: RouteActions, route: RouteConfig, targets: Targets) -> Props:
    props = _actions(entry, route, targets)
    if headers := _header_action(entry.request_headers, entry.response_headers):
        props["headerAction"] = headers
    if entry.errors is not None:
        props["customErrorResponsePolicy"] = _errors(entry.errors, targets)
    return props


def _actions(actions: RouteActions, route: RouteConfig, targets: Targets) -> Props:
    """`service`, `urlRedirect` and `routeAction`, as far as they are wanted."""
    if actions.redirect is not None:
        return {"urlRedirect": _redirect(actions.redirect)}
    aim = actions if actions.targets else route
    action: Props = {}
    props: Props = {}
    if aim.split:
        action["weightedBackendServices"] = [_share(part, targets) for part in aim.split]
    elif aim.bucket is not None:
        props["service"] = targets.buckets[aim.bucket]
    else:
        props["service"] = targets.default if aim.service is None else targets.services[aim.service]
    if actions.rewrite is not None:
        action["urlRewrite"] = _rewrite(actions.rewrite)
    if actions.timeout is not None:
        action["timeout"] = duration(actions.timeout)
    if actions.retries is not None:
        action["retryPolicy"] = _retries(actions.retries)
    if actions.mirror is not None:
        action["requestMirrorPolicy"] = {
            "backendService": targets.services[actions.mirror.service],
            "mirrorPercent": actions.mirror.percent,
        }
    if actions.cors is not None:
        action["corsPolicy"] = _cors(actions.cors)
    if actions.extra:
        action |= _extra(actions.extra)
    return {**props, **({"routeAction": action} if action else {})}


def _extra(given: Mapping[str, Any]) -> Props:
    from spillway.adapters.program.sdk import compute

    return extra_properties(compute.URLMapPathMatcherDefaultRouteActionArgs, given)


def _redirect(redirect: RedirectConfig) -> Props:
    """The scheme and the query are given in so many words: the provider wants the query's said on path rules."""
    given = {
        "hostRedirect": redirect.host,
        "pathRedirect": redirect.path,
        "prefixRedirect": redirect.prefix,
    }
    return {
        **{name: value for name, value in given.items() if value is not None},
        "httpsRedirect": redirect.https,
        "stripQuery": redirect.strip_query,
        "redirectResponseCode": REDIRECT_CODES[redirect.code],
    }


def _share(part: SplitConfig, targets: Targets) -> Props:
    headers = _header_action(part.request_headers, part.response_headers)
    return {
        "backendService": targets.services[part.service],
        "weight": part.weight,
        **({"headerAction": headers} if headers else {}),
    }


def _rewrite(rewrite: RewriteConfig) -> Props:
    given = {
        "hostRewrite": rewrite.host,
        "pathPrefixRewrite": rewrite.prefix,
        "pathTemplateRewrite": rewrite.template,
    }
    return {name: value for name, value in given.items() if value is not None}


def _retries(retries: RetriesConfig) -> Props:
    if retries.attempts == 0:
        return {"numRetries": 1, "retryConditions": list(NEVER)}
    policy: Props = {"numRetries": retries.attempts, "retryConditions": list(retries.on)}
    if retries.per_try_timeout is not None:
        policy["perTryTimeout"] = duration(retries.per_try_timeout)
    return policy


def _cors(cors: CorsConfig) -> Props:
    lists = {
        "allowOrigins": cors.allow_origins,
        "allowMethods": cors.allow_methods,
        "allowHeaders": cors.allow_headers,
        "exposeHeaders": cors.expose_headers,
    }
    policy: Props = {name: list(values) for name, values in lists.items() if values}
    if cors.max_age is not None:
        policy["maxAge"] = round(cors.max_age)
    return {**policy, "allowCredentials": cors.allow_credentials, "disabled": False}


def _errors(errors: ErrorsConfig, targets: Targets) -> Props:
    rules = [
        {
            "matchResponseCodes": list(rule.codes),
            "path": rule.path,
            **({} if rule.code is None else {"overrideResponseCode": rule.code}),
        }
        for rule in errors.rules
    ]
    bucket = {} if errors.bucket is None else {"errorService": targets.buckets[errors.bucket]}
    return {"errorResponseRules": rules, **bucket}


def _header_action(request: HeadersConfig | None, response: HeadersConfig | None) -> Props:
    action: Props = {}
    for word, headers in (("request", request), ("response", response)):
        if headers is None:
            continue
        added = [
            {"headerName": name, "headerValue": value, "replace": replace}
            for values, replace in ((headers.set, True), (headers.add, False))
            for name, value in values.items()
        ]
        if added:
            action[f"{word}HeadersToAdds"] = added
        if headers.remove:
            action[f"{word}HeadersToRemoves"] = list(headers.remove)
    return action


def duration(seconds: float) -> Props:
    """A duration as the provider takes it: seconds as a text, and nanoseconds where there are any."""
    whole = int(seconds)
    nanos = round((seconds - whole) * 1_000_000_000)
    return {"seconds": str(whole), **({"nanos": nanos} if nanos else {})}

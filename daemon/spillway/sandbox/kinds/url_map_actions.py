"""What a URL map refuses in the actions of a rule and in the conditions of a match.

Sources: the fields' own descriptions in the Compute API (`HttpRouteAction`, `HttpRouteRuleMatch`,
`CustomErrorResponsePolicy`, `HttpHeaderAction`), and Google's guide to custom headers in URL maps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from spillway.sandbox import links, routing
from spillway.sandbox.kinds.base import Draft, Resource
from spillway.sandbox.refusals import invalid, required

_HEADER_KINDS = ("exactMatch", "prefixMatch", "suffixMatch", "regexMatch", "presentMatch", "rangeMatch")
_QUERY_KINDS = ("exactMatch", "presentMatch", "regexMatch")
_PATH_KINDS = ("prefixMatch", "fullPathMatch", "pathTemplateMatch", "regexMatch")
_CODE = re.compile(r"[45][0-9]{2}|[45]xx")
_VARIABLE = re.compile(r"\{([^}=]+)")
_OPERATOR = re.compile(r"\{[^}]*\}|\*\*|\*")
_CONDITIONS = frozenset(
    [
        *("5xx", "gateway-error", "connect-failure", "retriable-4xx", "refused-stream"),
        *("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
    ]
)
_RESERVED = frozenset(
    [
        *(
            "x-user-ip",
            "cdn-loop",
            "host",
            "authority",
            ":authority",
            "keep-alive",
            "transfer-encoding",
            "te",
        ),
        *("connection", "trailer", "upgrade", "proxy-authorization", "proxy-authenticate"),
    ]
)
_RESERVED_PREFIXES = ("x-google", "x-goog-", "x-gfe", "x-amz-")


def check_match(match: Resource, place: str) -> None:
    """One path condition, one condition for each header and parameter, and no regular expressions."""
    given = [name for name in _PATH_KINDS if name in match]
    if len(given) != 1:
        raise invalid(
            place, match, "Exactly one of prefixMatch, fullPathMatch and pathTemplateMatch must be specified."
        )
    path = str(match[given[0]])
    if given[0] == "regexMatch":
        raise _regex(f"{place}.regexMatch", path)
    if not path.startswith("/") or len(path) > 1024:
        raise invalid(
            f"{place}.{given[0]}", path, "The path must start with '/' and have at most 1024 characters."
        )
    if given[0] == "pathTemplateMatch":
        if len(_OPERATOR.findall(path)) > 5:
            raise invalid(f"{place}.pathTemplateMatch", path, "At most 5 operators are allowed.")
        if match.get("ignoreCase"):
            raise invalid(
                f"{place}.ignoreCase", "true", "ignoreCase must not be used with pathTemplateMatch."
            )
    for at, header in enumerate(match.get("headerMatches", [])):
        _one_condition(header, "headerName", _HEADER_KINDS, f"{place}.headerMatches[{at}]")
    for at, parameter in enumerate(match.get("queryParameterMatches", [])):
        _one_condition(parameter, "name", _QUERY_KINDS, f"{place}.queryParameterMatches[{at}]")


def _one_condition(condition: Resource, name: str, kinds: tuple[str, ...], place: str) -> None:
    if not condition.get(name):
        raise required(f"{place}.{name}")
    given = [kind for kind in kinds if kind in condition]
    if len(given) != 1:
        raise invalid(place, condition[name], f"Exactly one of {', '.join(kinds)} must be specified.")
    if given[0] == "regexMatch":
        raise _regex(f"{place}.regexMatch", condition["regexMatch"])


def _regex(field: str, value: object) -> Exception:
    return invalid(field, value, f"Regex isn't allowed for {field}")


def check_actions(
    draft: Draft, node: Resource, place: str, *, prefix: str, templates: list[str] | None = None
) -> None:
    """Everything beside the target.

    Args:
        draft: the map on its way.
        node: a map, a path matcher, or a rule.
        place: where it stands.
        prefix: `default` for a map or a path matcher.
        templates: the templates of a route rule's matches; None where there can be none.
    """
    action = "defaultRouteAction" if prefix else "routeAction"
    redirect = "defaultUrlRedirect" if prefix else "urlRedirect"
    if redirect in node and node.get(action):
        raise invalid(f"{place}.{redirect}", "", f"{redirect} and {action} must not both be specified.")
    given = node.get(action, {})
    _rewrite(given.get("urlRewrite", {}), f"{place}.{action}.urlRewrite", templates)
    for condition in given.get("retryPolicy", {}).get("retryConditions", []):
        if condition not in _CONDITIONS:
            raise invalid(
                f"{place}.{action}.retryPolicy.retryConditions", condition, "The retry condition is unknown."
            )
    if "maxStreamDuration" in given:
        raise invalid(
            f"{place}.{action}.maxStreamDuration",
            given["maxStreamDuration"],
            "It is only allowed with backend services of the scheme INTERNAL_SELF_MANAGED.",
        )
    if given.get("corsPolicy", {}).get("allowOriginRegexes"):
        field = f"{place}.{action}.corsPolicy.allowOriginRegexes"
        raise _regex(field, given["corsPolicy"]["allowOriginRegexes"])
    _mirror(draft, node, f"{place}.{action}.requestMirrorPolicy", prefix=prefix)
    for at, part in enumerate(given.get("weightedBackendServices", [])):
        _headers(part.get("headerAction", {}), f"{place}.{action}.weightedBackendServices[{at}].headerAction")
    _headers(node.get("headerAction", {}), f"{place}.headerAction")


def _rewrite(rewrite: Resource, place: str, templates: list[str] | None) -> None:
    if "pathPrefixRewrite" in rewrite and "pathTemplateRewrite" in rewrite:
        raise invalid(place, "", "Only one of pathPrefixRewrite and pathTemplateRewrite may be specified.")
    if "pathTemplateRewrite" not in rewrite:
        return
    template = str(rewrite["pathTemplateRewrite"])
    if not templates:
        raise invalid(
            f"{place}.pathTemplateRewrite", template, "A corresponding pathTemplateMatch must be specified."
        )
    wanted = set(_VARIABLE.findall(template))
    if any(wanted - set(_VARIABLE.findall(known)) for known in templates):
        raise invalid(
            f"{place}.pathTemplateRewrite",
            template,
            "Template variables must exist in the pathTemplateMatch.",
        )


def _mirror(draft: Draft, node: Resource, place: str, *, prefix: str) -> None:
    action = routing.default_action(node) if prefix else node
    policy = action.get("routeAction", {}).get("requestMirrorPolicy")
    if policy is None:
        return
    if "backendService" not in policy:
        raise required(f"{place}.backendService")
    if not 0 <= policy.get("mirrorPercent", 100) <= 100:
        raise invalid(f"{place}.mirrorPercent", policy["mirrorPercent"], "Value must be between 0 and 100.")
    copy = _kinds(draft, policy["backendService"])
    if "SERVERLESS" in copy:
        raise invalid(
            f"{place}.backendService",
            policy["backendService"],
            "Serverless NEG backends are not supported as a mirrored backend service.",
        )
    for service in routing.Route("*", "/*", action).services:
        own = _kinds(draft, service)
        if own and copy and own != copy:
            raise invalid(
                f"{place}.backendService",
                policy["backendService"],
                f"The mirrored backend service must have backends of the same type as '{service}'.",
            )


def _kinds(draft: Draft, service: str) -> frozenset[str]:
    """Types of a service's backends; zonal NEGs of VMs and hybrid ones count as one, as a service may have both."""
    found = set()
    for backend in (draft.view.find(service) or {}).get("backends", []):
        key = links.parse(backend["group"], draft.key.project)
        group = draft.view.find(key.path) if key is not None else None
        kind = (group or {}).get("networkEndpointType", "INSTANCE_GROUP")
        found.add("ZONAL" if kind in {"GCE_VM_IP_PORT", "NON_GCP_PRIVATE_IP_PORT"} else kind)
    return frozenset(found)


def _headers(action: Resource, place: str) -> None:
    for field, name in _header_names(action):
        if not name:
            raise required(f"{place}.{field}.headerName")
        if name.lower() in _RESERVED or name.lower().startswith(_RESERVED_PREFIXES):
            raise invalid(f"{place}.{field}", name, "The header name is reserved.")


def _header_names(action: Resource) -> Iterator[tuple[str, str]]:
    for field in ("requestHeadersToAdd", "responseHeadersToAdd"):
        for added in action.get(field, []):
            yield field, added.get("headerName", "")
    for field in ("requestHeadersToRemove", "responseHeadersToRemove"):
        for name in action.get(field, []):
            yield field, name


def check_errors(policy: Resource | None, place: str, *, above: bool) -> bool:
    """Pages for errors; whether there is a bucket here or above.

    Args:
        policy: the policy, or None.
        place: where it stands.
        above: whether a policy above names a bucket.
    """
    if policy is None:
        return above
    rules = policy.get("errorResponseRules", [])
    has_bucket = above or "errorService" in policy
    if rules and not has_bucket:
        raise required(f"{place}.errorService")
    seen: set[str] = set()
    for at, rule in enumerate(rules):
        here = f"{place}.errorResponseRules[{at}]"
        path = str(rule.get("path", ""))
        if not path.startswith("/") or path.endswith("/"):
            raise invalid(f"{here}.path", path, "The path must start with '/' and must not end with '/'.")
        for code in rule.get("matchResponseCodes", []):
            if not _CODE.fullmatch(code):
                raise invalid(
                    f"{here}.matchResponseCodes", code, "Must be a code from 400 to 599, 4xx or 5xx."
                )
            if code in seen:
                raise invalid(f"{here}.matchResponseCodes", code, "Response codes must be unique.")
            seen.add(code)
    return has_bucket

"""Hosts and paths, the conditions beside them, and services that nothing leads to. What becomes of requests: `route_actions`."""

from __future__ import annotations

import re
from itertools import chain

from spillway.config.draft import REGIONS, ROUTES, SERVICES, Draft
from spillway.config.fields import HOST_LABEL
from spillway.config.route_matches import HeaderMatchConfig, QueryMatchConfig
from spillway.config.routes import (
    EVERY_PATH,
    VARIABLE,
    PathRuleConfig,
    RouteConfig,
    is_template,
    variables,
)
from spillway.config.rules import route_actions
from spillway.config.tree import Location

MAX_OPERATORS = 5
"""Variables and wildcards in one template (py:HttpRouteRuleMatch.path_template_match)."""
MAX_PATH = 1024
"""Characters of a path (py:HttpRouteRuleMatch)."""

_HOST = re.compile(rf"\*|(\*[.-])?{HOST_LABEL}(\.{HOST_LABEL})*")
_PATH = re.compile(r"/[^*?#\s]*|(/[^*?#\s/]+)*/\*")
_TEMPLATE = re.compile(r"(/([^*?#\s/{}]+|\*\*|\*|\{[a-z_][a-z0-9_]*(=(\*\*|\*))?\}))+/?")
_DEFAULT: Location = ("topology", "default_service")
_DEFAULT_BUCKET: Location = ("topology", "default_bucket")


def check(draft: Draft) -> None:
    """Judge routes and the default service, and look for services that nothing leads to."""
    _default_target(draft)
    hosts: dict[str, Location] = {}
    for at, route in draft.routes:
        _hosts(draft, at, route, hosts)
        route_actions.check_route(draft, at, route)
        _paths(draft, at, route)
    _unreached(draft)


def _default_target(draft: Draft) -> None:
    """Judge what gets the requests that no route names."""
    service, bucket = draft.default_service, draft.default_bucket
    if service is not None and bucket is not None:
        draft.error(
            _DEFAULT_BUCKET,
            "requests that no route names go to one target, and a service and a bucket are given.",
            "Keep `default_service` or `default_bucket`.",
        )
    elif service is not None:
        route_actions.known_service(draft, _DEFAULT, service)
    elif bucket is not None:
        route_actions.known_bucket(draft, _DEFAULT_BUCKET, bucket)
    else:
        draft.error(
            _DEFAULT,
            "the key `default_service` is missing: nothing gets the requests that no route names.",
            "Write `default_service: NAME`, or `default_bucket: NAME` where a bucket answers them.",
            uses=(_DEFAULT_BUCKET,),
        )
    if draft.names(SERVICES) and not draft.given(REGIONS):
        draft.error(
            REGIONS,
            "the key `regions` is missing, and there are services.",
            "Add it, with the groups of each region.",
            uses=(SERVICES,),
        )
        draft.salvage.broken.add(REGIONS)


def _hosts(draft: Draft, at: Location, route: RouteConfig, seen: dict[str, Location]) -> None:
    for where, host in draft.items((*at, "hosts"), route.hosts):
        if host in seen:
            first = draft.source.place(seen[host])
            draft.error(
                where,
                f"the host {host!r} has a route already, in {first.file}:{first.line}.",
                "Put the paths of both into one route: each host belongs to exactly one.",
            )
        seen.setdefault(host, where)
        if "/" in host or ":" in host:
            draft.error(
                where,
                f"{host!r} is more than a host name.",
                "Write the name alone, such as api.example.com, without scheme, port or path.",
            )
        elif not _HOST.fullmatch(host):
            draft.error(
                where,
                f"{host!r} is not a host name.",
                "Write api.example.com, *.example.com or *, in small letters: between dots 1 to 63 letters, digits and "
                "hyphens, no hyphen first or last.",
            )


def _paths(draft: Draft, at: Location, route: RouteConfig) -> None:
    seen: set[tuple[str, str]] = set()
    priorities: set[int] = set()
    for where, rule in draft.items((*at, "paths"), route.paths):
        _conditions(draft, where, rule)
        key = repr((sorted(rule.headers.items()), sorted(rule.query.items()), sorted(rule.methods)))
        for place, path in draft.items((*where, "paths"), rule.paths):
            if (path, key) in seen:
                draft.error(
                    place,
                    f"the path {path!r} is listed twice in this route{' with the same conditions' if rule.conditions else ''}.",
                    "Keep it with one of the services.",
                )
            seen.add((path, key))
            _path(draft, place, path, rule)
        if rule.priority is not None and rule.priority in priorities:
            draft.error(
                (*where, "priority"),
                f"another entry of this route has priority {rule.priority}, and Google takes each only once.",
                "Give this one another number; the smaller goes first.",
            )
        priorities |= set() if rule.priority is None else {rule.priority}
        templates = [variables(path) for path in rule.paths if is_template(path)]
        route_actions.check_entry(
            draft, where, rule, route, names=templates if len(templates) == len(rule.paths) else []
        )


def _path(draft: Draft, place: Location, path: str, rule: PathRuleConfig) -> None:
    if len(path) > MAX_PATH:
        draft.error(place, f"the path has {len(path)} characters.", f"Google takes {MAX_PATH}: shorten it.")
    elif is_template(path):
        _template(draft, place, path, rule)
    elif not _PATH.fullmatch(path):
        draft.error(place, f"{path!r} is not a path that a load balancer can match.", _path_remedy(path))
    elif path == EVERY_PATH and not rule.conditions:
        draft.error(
            place,
            "'/*' catches every path, and the other rules of this route with it.",
            "Write the service as `service:` of the route: it gets all paths that no rule names.",
            uses=tuple((*place[:-2], key) for key in ("headers", "query", "methods")),
        )


def _template(draft: Draft, place: Location, path: str, rule: PathRuleConfig) -> None:
    names = variables(path)
    operators = len(names) + len(re.findall(r"\*+", VARIABLE.sub("", path)))
    if not _TEMPLATE.fullmatch(path):
        draft.error(
            place,
            f"{path!r} is not a template of a path.",
            "Between slashes write words, *, ** or one variable such as {model}, {model=*} or {rest=**}: /v1/{model=*}/{rest=**}.",
        )
    elif len(set(names)) < len(names):
        draft.error(place, f"a variable stands twice in {path!r}.", "Give each a name of its own.")
    elif operators > MAX_OPERATORS:
        draft.error(
            place,
            f"{path!r} has {operators} variables and wildcards, and Google takes {MAX_OPERATORS}.",
            "Join some of them in one {rest=**}.",
        )
    elif "**" in path.rsplit("/", 1)[0]:
        draft.error(
            place,
            f"in {path!r} ** is not the last part.",
            "Let ** stand last: it takes all that follows.",
        )
    elif rule.ignore_case:
        draft.error(
            place,
            "a template always minds the case of letters, and `ignore_case` is set.",
            "Take `ignore_case` out, or write the path without variables.",
        )


def _path_remedy(path: str) -> str:
    if not path.startswith("/"):
        return f"Begin it with a slash: /{path.lstrip('*/') or 'europe/*'}."
    if "?" in path or "#" in path:
        return "Leave out what follows ? or #: only the path is matched."
    if re.search(r"\.\*|[\[\](|^$\\]", path):
        return "Google takes no regular expressions here: write /europe/* for all below a path, or /v1/{model=*}/{rest=**}."
    if "*" in path:
        stem = path.split("*", 1)[0].rstrip("/") or "/europe"
        return f"A star may only be the whole last part: {stem}/*. Elsewhere name it: {stem}/{{any=*}}/..."
    return "Write /europe for the path itself, and /europe/* for all below it."


def _conditions(draft: Draft, where: Location, rule: PathRuleConfig) -> None:
    conditions: chain[tuple[Location, HeaderMatchConfig | QueryMatchConfig]] = chain(
        (((*where, "headers", name), match) for name, match in rule.headers.items()),
        (((*where, "query", name), match) for name, match in rule.query.items()),
    )
    for at, match in conditions:
        kinds = [key for key in type(match).model_fields if key != "invert"]
        given = [key for key in kinds if getattr(match, key) is not None]
        if len(given) != 1:
            draft.error(
                at,
                f"it has {len(given)} conditions{': ' + ', '.join(given) if given else ''}; a header or parameter has exactly one.",
                f"Write one of {', '.join(kinds)}, or the value alone.",
            )
    for name, match in rule.headers.items():
        at = (*where, "headers", name)
        if match.present is not None and match.invert:
            draft.error(
                (*at, "invert"),
                "`present` says already whether the header is to be there.",
                "Write present: true or present: false, without `invert`.",
            )
        if match.range is not None and match.range.end <= match.range.start:
            draft.error(
                (*at, "range"),
                f"no number lies from {match.range.start} to below {match.range.end}.",
                "`end` is the first number that does not match: write one above `start`.",
            )
        if name.lower() == "host":
            draft.warn(
                at,
                "Google shows the host of a request under the name `:authority`, so this may never match.",
                "Use `hosts` of the route, or the name `:authority`.",
            )
    lowered = [name.lower() for name in rule.headers]
    for name in rule.headers:
        if lowered.count(name.lower()) > 1:
            draft.error(
                (*where, "headers", name),
                "the same header stands here twice, in another case of letters.",
                "Keep one of them; names of headers have no case.",
            )


def _unreached(draft: Draft) -> None:
    reached = {draft.default_service}
    for _, route in draft.routes:
        for actions in (route, *route.paths):
            reached.update(actions.services)
            reached |= {actions.mirror.service} if actions.mirror is not None else set()
    for name in draft.names(SERVICES):
        if name not in reached:
            draft.warn(
                (*SERVICES, name),
                f"nothing leads to the service {name}: no route names it, and it is not the default.",
                "Give it a route, or remove it.",
                uses=(ROUTES, _DEFAULT),
            )

"""Where a request goes in a URL map: for its tests, for the rules of a frontend, and for the world.

Order as the API documents it: the most specific host first; within a path matcher the longest path of path rules, or the
smallest priority of route rules; then the matcher's default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from spillway.sim.matching import ANY_CASE, host_matches, path_matches

Node = dict[str, Any]

METHOD, AUTHORITY = ":method", ":authority"
"""Names under which header matches see the method and the host (py:HttpHeaderMatch.header_name)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a URL map looks at."""

    host: str
    path: str
    """Without the query."""
    query: str = ""
    """What follows the question mark."""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Values by name, in small letters."""

    def header(self, name: str) -> str | None:
        """The value of a header, or None where there is none."""
        name = name.lower()
        return {METHOD: self.method, AUTHORITY: self.host}.get(name) or self.headers.get(name)


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table that a URL map amounts to; the first match wins."""

    host: str
    """A host, `*.example.com`, or `*`."""
    path: str
    """A pattern of `sim.matching`."""
    action: Node
    """`service`, `routeAction` or `urlRedirect`, whichever the map gives."""
    match: Node = field(default_factory=dict)
    """`headerMatches` and `queryParameterMatches`, where a rule has them."""

    @property
    def services(self) -> tuple[str, ...]:
        """Relative names of the services and buckets that the route may reach, the heaviest first."""
        weighted = self.action.get("routeAction", {}).get("weightedBackendServices", [])
        if weighted:
            ordered = sorted(weighted, key=lambda w: (-w.get("weight", 0), w["backendService"]))
            return tuple(w["backendService"] for w in ordered)
        return (self.action["service"],) if "service" in self.action else ()

    @property
    def shares(self) -> dict[str, float]:
        """The share of the requests that each service or bucket gets, by its relative name; empty for a redirect."""
        weighted = self.action.get("routeAction", {}).get("weightedBackendServices", [])
        if not weighted:
            return dict.fromkeys(self.services, 1.0)
        total = sum(part.get("weight", 0) for part in weighted)
        heaviest = sorted(weighted, key=lambda w: (-w.get("weight", 0), w["backendService"]))
        return {w["backendService"]: w["weight"] / total for w in heaviest if w.get("weight", 0) > 0}

    @property
    def mirror(self) -> tuple[str, float] | None:
        """The service that gets copies, and the share of the requests that is copied."""
        policy = self.action.get("routeAction", {}).get("requestMirrorPolicy")
        return (
            None if policy is None else (policy["backendService"], policy.get("mirrorPercent", 100.0) / 100.0)
        )

    def matches(self, request: Request) -> bool:
        """Whether a request takes this route."""
        return (
            host_matches(self.host, request.host)
            and path_matches(self.path, request.path)
            and self.fits(request)
        )

    def fits(self, request: Request) -> bool:
        """Whether a request meets the conditions beside host and path."""
        return all(_header_fits(match, request) for match in self.match.get("headerMatches", [])) and all(
            _query_fits(match, request) for match in self.match.get("queryParameterMatches", [])
        )


def _header_fits(match: Node, request: Request) -> bool:
    value = request.header(match["headerName"])
    return (value is not None and _value_fits(match, value)) is not match.get("invertMatch", False)


def _query_fits(match: Node, request: Request) -> bool:
    values = parse_qs(request.query, keep_blank_values=True).get(match["name"])
    return values is not None and _value_fits(match, values[0])


def _value_fits(match: Node, value: str) -> bool:
    """Whether the value of a header or parameter that is there meets the one condition."""
    if "exactMatch" in match:
        return bool(value == match["exactMatch"])
    if "rangeMatch" in match:
        low, high = (int(match["rangeMatch"].get(name, 0)) for name in ("rangeStart", "rangeEnd"))
        digits = value.removeprefix("-")
        return digits.isascii() and digits.isdigit() and low <= int(value) < high
    return value.startswith(match.get("prefixMatch", "")) and value.endswith(match.get("suffixMatch", ""))


def default_action(node: Node) -> Node:
    """The default of a map or matcher in the words of a rule."""
    names = {
        "defaultService": "service",
        "defaultRouteAction": "routeAction",
        "defaultUrlRedirect": "urlRedirect",
    }
    return {short: node[name] for name, short in names.items() if name in node}


def table(url_map: Node) -> list[Route]:
    """All routes of a URL map in the order in which they are tried."""
    matchers = {matcher["name"]: matcher for matcher in url_map.get("pathMatchers", [])}
    hosts = [
        (host, matchers[rule["pathMatcher"]])
        for rule in url_map.get("hostRules", [])
        for host in rule["hosts"]
    ]
    hosts.sort(key=lambda pair: (pair[0] == "*", pair[0].startswith("*"), -len(pair[0])))
    routes = [route for host, matcher in hosts for route in _of_matcher(host, matcher)]
    return [*routes, Route("*", "/*", default_action(url_map))]


def _of_matcher(host: str, matcher: Node) -> Iterator[Route]:
    rules = [(path, rule) for rule in matcher.get("pathRules", []) for path in rule["paths"]]
    rules.sort(key=lambda pair: (-len(pair[0].rstrip("*")), pair[0].endswith("*")))
    for path, rule in rules:
        yield Route(host, path, _action(rule))
    for rule in sorted(matcher.get("routeRules", []), key=lambda r: r.get("priority", 0)):
        for match in rule.get("matchRules", []):
            yield Route(host, _pattern(match), _action(rule), match)
    yield Route(host, "/*", default_action(matcher))


def _pattern(match: Node) -> str:
    if "pathTemplateMatch" in match:
        return str(match["pathTemplateMatch"])
    path = match["fullPathMatch"] if "fullPathMatch" in match else f"{match.get('prefixMatch', '/')}*"
    return f"{ANY_CASE}{path}" if match.get("ignoreCase") else path


def _action(rule: Node) -> Node:
    return {name: rule[name] for name in ("service", "routeAction", "urlRedirect") if name in rule}


def find(url_map: Node, request: Request) -> Route:
    """The route that a request takes; there is always one, for the map's default matches everything."""
    return next(route for route in table(url_map) if route.matches(request))


def resolve(url_map: Node, host: str, path: str) -> Route:
    """The route of a plain GET; the path may hold a query."""
    path, _, query = path.partition("?")
    return find(url_map, Request(host=host, path=path, query=query))


def services_of(url_map: Node) -> list[str]:
    """Relative names of all services that requests reach by a map, sorted: mirrors among them, buckets not."""
    routes = table(url_map)
    mirrors = {route.mirror[0] for route in routes if route.mirror is not None}
    found = mirrors.union(*(route.services for route in routes))
    return sorted(path for path in found if "/backendServices/" in path)


def redirects_to_https(url_map: Node) -> bool:
    """Whether some route changes the scheme."""
    return any(route.action.get("urlRedirect", {}).get("httpsRedirect") for route in table(url_map))

"""Which service a host and path reach in a URL map: for its tests, for the rules of a frontend, and for the world.

Order as the API documents it: the most specific host first; within a path matcher the longest path of path rules, or the
smallest priority of route rules; then the matcher's default.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table that a URL map amounts to; the first match wins."""

    host: str
    """A host, `*.example.com`, or `*`."""
    path: str
    """A path, or a prefix that ends in `*`."""
    action: Node
    """`service`, `routeAction` or `urlRedirect`, whichever the map gives."""

    @property
    def services(self) -> tuple[str, ...]:
        """Relative names of the services that the route may reach, the heaviest first."""
        weighted = self.action.get("routeAction", {}).get("weightedBackendServices", [])
        if weighted:
            ordered = sorted(weighted, key=lambda w: (-w.get("weight", 0), w["backendService"]))
            return tuple(w["backendService"] for w in ordered)
        return (self.action["service"],) if "service" in self.action else ()

    def matches(self, host: str, path: str) -> bool:
        """Whether a request takes this route, hosts and paths without a query."""
        return host_matches(self.host, host) and path_matches(self.path, path)


def host_matches(pattern: str, host: str) -> bool:
    """`*` matches all, `*.x` what ends in `.x`, everything else itself."""
    bare = host.partition(":")[0].lower()
    if pattern == "*":
        return True
    return (
        bare.endswith(pattern[1:].lower())
        if pattern.startswith("*")
        else bare == pattern.partition(":")[0].lower()
    )


def path_matches(pattern: str, path: str) -> bool:
    """`/a/*` matches `/a` and all below, `/a*` what starts so, everything else itself."""
    if pattern.endswith("/*"):
        return path.startswith(pattern[:-1]) or path == pattern[:-2]
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


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
    for rule in sorted(matcher.get("routeRules", []), key=lambda r: r["priority"]):
        for match in rule.get("matchRules", []):
            yield Route(
                host,
                match["fullPathMatch"] if "fullPathMatch" in match else f"{match.get('prefixMatch', '/')}*",
                _action(rule),
            )
    yield Route(host, "/*", default_action(matcher))


def _action(rule: Node) -> Node:
    return {name: rule[name] for name in ("service", "routeAction", "urlRedirect") if name in rule}


def resolve(url_map: Node, host: str, path: str) -> Route:
    """The route that a request takes; there is always one, for the map's default matches everything."""
    return next(route for route in table(url_map) if route.matches(host, path))


def services_of(url_map: Node) -> list[str]:
    """Relative names of all services of a map, sorted."""
    return sorted({service for route in table(url_map) for service in route.services})

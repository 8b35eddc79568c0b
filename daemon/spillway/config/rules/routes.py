"""Hosts and paths, and which service gets them."""

from __future__ import annotations

import re

from spillway.config.draft import REFERENCES, ROUTES, SERVICES, Draft
from spillway.config.fields import HOST_LABEL
from spillway.config.routes import RouteConfig
from spillway.config.suggest import did_you_mean
from spillway.config.tree import Location

_HOST = re.compile(rf"\*|(\*[.-])?{HOST_LABEL}(\.{HOST_LABEL})*")
_PATH = re.compile(r"/[^*?#\s]*|(/[^*?#\s/]+)*/\*")
_DEFAULT: Location = ("topology", "default_service")


def check(draft: Draft) -> None:
    """Judge routes and the default service, and look for services that nothing leads to."""
    if draft.default_service is not None:
        _known(draft, _DEFAULT, draft.default_service)
    hosts: dict[str, Location] = {}
    for at, route in draft.routes:
        if route.service is not None:
            _known(draft, (*at, "service"), route.service)
        _hosts(draft, at, route, hosts)
        _paths(draft, at, route)
    _unreached(draft)


def _known(draft: Draft, at: Location, service: str) -> None:
    if draft.lacks(SERVICES, service) and service not in draft.names(REFERENCES):
        draft.error(
            at,
            f"there is no service called {service!r}.",
            did_you_mean(service, draft.names(SERVICES), "Name one of `topology.services`."),
        )


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
    seen: set[str] = set()
    for where, rule in draft.items((*at, "paths"), route.paths):
        _known(draft, (*where, "service"), rule.service)
        for place, path in draft.items((*where, "paths"), rule.paths):
            if path in seen:
                draft.error(
                    place,
                    f"the path {path!r} is listed twice in this route.",
                    "Keep it with one of the services.",
                )
            seen.add(path)
            if not _PATH.fullmatch(path):
                draft.error(
                    place, f"{path!r} is not a path that a load balancer can match.", _path_remedy(path)
                )
            elif path == "/*":
                draft.error(
                    place,
                    "'/*' catches every path, and the other rules of this route with it.",
                    "Write the service as `service:` of the route: it gets all paths that no rule names.",
                )


def _path_remedy(path: str) -> str:
    if not path.startswith("/"):
        return f"Begin it with a slash: /{path.lstrip('*/') or 'europe/*'}."
    if "?" in path or "#" in path:
        return "Leave out what follows ? or #: only the path is matched."
    if "*" in path:
        stem = path.split("*", 1)[0].rstrip("/") or "/europe"
        return f"A star may only be the whole last part: {stem}/*."
    return "Write /europe for the path itself, and /europe/* for all below it."


def _unreached(draft: Draft) -> None:
    reached = {draft.default_service}
    for _, route in draft.routes:
        reached.add(route.service)
        reached.update(rule.service for rule in route.paths)
    for name in draft.names(SERVICES):
        if name not in reached:
            draft.warn(
                (*SERVICES, name),
                f"nothing leads to the service {name}: no route names it, and it is not the default.",
                "Give it a route, or remove it.",
                uses=(ROUTES, _DEFAULT),
            )

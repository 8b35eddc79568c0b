"""The URL map in the words of the configuration: hosts, paths, services. What has no key is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spillway.adapters.adopt.groups import Section
from spillway.adapters.adopt.layout import Layout, words
from spillway.adapters.adopt.reading import path, path_of
from spillway.adapters.adopt.refusals import Refusals

_NO_KEY = "the configuration has no key for it"


def routes(layout: Layout, names: Mapping[str, str], refusals: Refusals) -> tuple[str, list[Section]]:
    """(default service, routes); `names` are those of services in the configuration, by path."""
    url_map = layout.url_map
    what = words(path_of(url_map))
    default = names.get(_link(url_map.get("defaultService")))
    if default is None:
        refusals.add(
            what,
            "defaultService",
            "it has none, and the configuration demands a service for all that no route names.",
            "Set a default service, and put the redirect or the action into a path matcher.",
        )
        default = next(iter(names.values()), "")
    matchers = {str(matcher["name"]): matcher for matcher in url_map.get("pathMatchers") or ()}
    used: set[str] = set()
    found: list[Section] = []
    for position, rule in enumerate(url_map.get("hostRules") or ()):
        at = f"hostRules[{position}]"
        name = str(rule.get("pathMatcher"))
        if name in used:
            refusals.add(
                what,
                f"{at}.pathMatcher",
                f"two host rules use the path matcher {name}, and a route has one list of hosts.",
                "Put the hosts of both into one host rule.",
            )
            continue
        used.add(name)
        _only(rule, ("hosts", "pathMatcher"), what, at, refusals)
        found.append(
            {
                "hosts": list(rule["hosts"]),
                "matcher": name,
                **_matcher(matchers.get(name) or {}, default, names, what, refusals),
            }
        )
    for name in matchers.keys() - used:
        refusals.add(
            what,
            f"pathMatchers[{name}]",
            "no host rule uses it.",
            "Remove it from the URL map.",
        )
    return default, found


def _matcher(
    matcher: Mapping[str, Any], default: str, names: Mapping[str, str], what: str, refusals: Refusals
) -> Section:
    at = f"pathMatchers[{matcher.get('name')}]"
    _only(matcher, ("name", "defaultService", "pathRules"), what, at, refusals)
    section: Section = {}
    service = names.get(_link(matcher.get("defaultService")))
    if service is None:
        refusals.add(what, f"{at}.defaultService", "it has none.", "Give it a default service.")
    elif service != default:
        section["service"] = service
    paths = []
    for position, rule in enumerate(matcher.get("pathRules") or ()):
        place = f"{at}.pathRules[{position}]"
        _only(rule, ("paths", "service"), what, place, refusals)
        target = names.get(_link(rule.get("service")))
        if target is None:
            refusals.add(what, f"{place}.service", "it leads to no backend service.", "Give it a service.")
        else:
            paths.append({"paths": list(rule["paths"]), "service": target})
    if paths:
        section["paths"] = paths
    return section


def _only(given: Mapping[str, Any], known: Iterable[str], what: str, at: str, refusals: Refusals) -> None:
    """Note each field that has no key."""
    for name, value in given.items():
        if name not in known and value not in (None, False, 0, "", [], {}):
            refusals.add(
                what,
                f"{at}.{name}",
                f"{_NO_KEY}.",
                "Take it out of the URL map, or keep this load balancer with the tool that wrote it.",
            )


def _link(value: Any) -> str:
    return path(str(value)) if value else ""

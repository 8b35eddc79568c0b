"""The URL map in the words of the configuration: hosts, paths, conditions. What has no key is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spillway.adapters.adopt.actions import Names, Place, actions
from spillway.adapters.adopt.groups import Section
from spillway.adapters.adopt.layout import Layout, words
from spillway.adapters.adopt.reading import path, path_of
from spillway.adapters.adopt.refusals import Refusals
from spillway.config.routes import FIRST_OWN_PRIORITY

_TARGETS = ("service", "urlRedirect", "routeAction", "customErrorResponsePolicy")
_MATCHER = (
    *(
        "name",
        "defaultService",
        "defaultUrlRedirect",
        "defaultRouteAction",
        "defaultCustomErrorResponsePolicy",
    ),
    *("headerAction", "pathRules", "routeRules"),
)


def routes(layout: Layout, names: Names, refusals: Refusals) -> tuple[Section, list[Section]]:
    """(`service` or `bucket` for what no route names, routes) of a layout."""
    url_map = layout.url_map
    place = Place(names=names, what=words(path_of(url_map)), at="", refusals=refusals)
    where = path(str(url_map.get("defaultService") or ""))
    default: Section = {}
    if where in names.services:
        default = {"service": names.services[where]}
    elif where in names.buckets:
        default = {"bucket": names.buckets[where]}
    else:
        place.refuse(
            "defaultService",
            "it has none, and the configuration demands a backend service or bucket for all that no route names.",
            "Set a default service, and put the redirect into a path matcher for the host `*`.",
        )
    matchers = {str(matcher["name"]): matcher for matcher in url_map.get("pathMatchers") or ()}
    used: set[str] = set()
    found: list[Section] = []
    for position, rule in enumerate(url_map.get("hostRules") or ()):
        here = replace(place, at=f"hostRules[{position}]")
        name = str(rule.get("pathMatcher"))
        if name in used:
            here.refuse(
                "pathMatcher",
                f"two host rules use the path matcher {name}, and a route has one list of hosts.",
                "Put the hosts of both into one host rule.",
            )
            continue
        used.add(name)
        here.only(rule, ("hosts", "pathMatcher"))
        matcher = matchers.get(name) or {}
        section = _matcher(replace(place, at=f"pathMatchers[{name}]"), matcher, default)
        found.append({"hosts": list(rule["hosts"]), "matcher": name, **section})
    for name in sorted(matchers.keys() - used):
        place.refuse(f"pathMatchers[{name}]", "no host rule uses it.", "Remove it from the URL map.")
    return default, found


def _matcher(place: Place, matcher: Mapping[str, Any], default: Section) -> Section:
    place.only(matcher, _MATCHER)
    section = actions(place, matcher, "default")
    for key, name in default.items():
        if section.get(key) == name:
            del section[key]
    entries = [
        _entry(
            replace(place, at=f"{place.at}.pathRules[{position}]"),
            rule,
            {"paths": list(rule.get("paths") or ())},
        )
        for position, rule in enumerate(matcher.get("pathRules") or ())
    ]
    for position, rule in enumerate(matcher.get("routeRules") or ()):
        here = replace(place, at=f"{place.at}.routeRules[{position}]")
        entries.append(_entry(here, rule, _conditions(here, rule)))
    if entries:
        section["paths"] = entries
    return section


def _entry(place: Place, rule: Mapping[str, Any], conditions: Section) -> Section:
    place.only(rule, ("paths", "priority", "matchRules", "headerAction", *_TARGETS))
    return {**conditions, **actions(place, rule)}


def _conditions(place: Place, rule: Mapping[str, Any]) -> Section:
    """Paths and further conditions of a route rule: alternatives that differ in path and method alone."""
    section: Section = {}
    shared: list[Section] = []
    paths: dict[str, None] = {}
    methods: dict[str, None] = {}
    for match in rule.get("matchRules") or ():
        place.only(
            match,
            (
                "prefixMatch",
                "fullPathMatch",
                "pathTemplateMatch",
                "ignoreCase",
                "headerMatches",
                "queryParameterMatches",
            ),
            "matchRules",
        )
        paths[_path(place, match)] = None
        headers: Section = {}
        for header in match.get("headerMatches") or ():
            if header.get("headerName") == ":method" and header.get("exactMatch"):
                methods[str(header["exactMatch"])] = None
            else:
                headers[str(header["headerName"])] = _header(place, header)
        query = {str(one["name"]): _query(place, one) for one in match.get("queryParameterMatches") or ()}
        shared.append(
            {
                **({"headers": headers} if headers else {}),
                **({"query": query} if query else {}),
                **({"ignore_case": True} if match.get("ignoreCase") else {}),
            }
        )
    if any(one != shared[0] for one in shared):
        place.refuse(
            "matchRules",
            "its alternatives differ in more than path and method, and an entry has one set of conditions.",
            "Make a route rule of each alternative.",
        )
    section["paths"] = list(paths)
    section |= shared[0] if shared else {}
    if methods:
        section["methods"] = list(methods)
    priority = int(rule.get("priority") or 0)
    if priority < FIRST_OWN_PRIORITY:
        section["priority"] = priority
    if priority < 1:
        place.refuse(
            "priority",
            "it is 0, and the smallest that the configuration has is 1.",
            f"Give the rules of this path matcher priorities from 1 to {FIRST_OWN_PRIORITY - 1}.",
        )
    return section


def _path(place: Place, match: Mapping[str, Any]) -> str:
    if match.get("fullPathMatch"):
        return str(match["fullPathMatch"])
    if match.get("pathTemplateMatch"):
        return str(match["pathTemplateMatch"])
    prefix = str(match.get("prefixMatch") or "/")
    if not prefix.endswith("/"):
        place.refuse(
            "matchRules.prefixMatch",
            f"the prefix {prefix} ends within a part of a path, and the configuration has prefixes of whole parts.",
            f"Write {prefix}/ and, as a further match, the full path {prefix}.",
        )
    return f"{prefix}*"


def _header(place: Place, given: Mapping[str, Any]) -> Any:
    known = (
        "headerName",
        "exactMatch",
        "prefixMatch",
        "suffixMatch",
        "presentMatch",
        "rangeMatch",
        "invertMatch",
    )
    place.only(given, known, "matchRules.headerMatches")
    if given.get("presentMatch"):
        return {"present": not given.get("invertMatch")}
    section: Section = {
        key: given[f"{key}Match"] for key in ("exact", "prefix", "suffix") if given.get(f"{key}Match")
    }
    if given.get("rangeMatch"):
        limits = given["rangeMatch"]
        section["range"] = {
            "start": int(limits.get("rangeStart") or 0),
            "end": int(limits.get("rangeEnd") or 0),
        }
    if given.get("invertMatch"):
        section["invert"] = True
    return section["exact"] if list(section) == ["exact"] else section


def _query(place: Place, given: Mapping[str, Any]) -> Any:
    place.only(given, ("name", "exactMatch", "presentMatch"), "matchRules.queryParameterMatches")
    return {"present": True} if given.get("presentMatch") else str(given.get("exactMatch", ""))

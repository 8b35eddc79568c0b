"""The order in which a route's entries are tried, and Google's two forms of it: path rules and route rules.

Path rules match by path alone, the longest first. Route rules may ask for more, and are tried by their priorities.
A path matcher has one of the two. Here a route gets path rules where these can say all of it, and route rules whose
priorities keep the same order otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from spillway.config.routes import FIRST_OWN_PRIORITY, VARIABLE, is_template

if TYPE_CHECKING:
    from spillway.config.route_matches import HeaderMatchConfig, QueryMatchConfig
    from spillway.config.routes import PathRuleConfig, RouteConfig

Props = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One entry of a route, or those of its paths that stand together in the order."""

    priority: int
    paths: tuple[str, ...]
    entry: PathRuleConfig


def needs_route_rules(route: RouteConfig) -> bool:
    """Whether path rules cannot say what this route says."""
    return any(_needs_route_rule(entry) for entry in route.paths)


def _needs_route_rule(entry: PathRuleConfig) -> bool:
    return bool(
        entry.conditions
        or entry.ignore_case
        or entry.priority is not None
        or entry.request_headers
        or entry.response_headers
        or any(map(is_template, entry.paths))
    )


def route_rules(route: RouteConfig) -> list[RouteRule]:
    """The entries in the order in which they are tried.

    Those with a priority of their own come first. All others follow the longest path first; of two with the same path
    the one with more conditions goes first, and of two that are alike in that the one that is listed first.
    """
    given = [
        RouteRule(entry.priority, entry.paths, entry) for entry in route.paths if entry.priority is not None
    ]
    pairs = [
        (_rank(path), -entry.conditions, number, path, entry)
        for number, entry in enumerate(route.paths)
        if entry.priority is None
        for path in entry.paths
    ]
    pairs.sort(key=lambda pair: pair[:3])
    together = [
        tuple((path, entry) for *_, path, entry in group)
        for _, group in groupby(pairs, key=lambda pair: pair[2])
    ]
    own = [
        RouteRule(FIRST_OWN_PRIORITY + at, tuple(path for path, _ in group), group[0][1])
        for at, group in enumerate(together)
    ]
    return [*sorted(given, key=lambda rule: rule.priority), *own]


def _rank(path: str) -> tuple[int, int, int]:
    """Smaller goes first: a longer path, an exact one before a template before a prefix, more words in a template."""
    if is_template(path):
        words = VARIABLE.sub("", path).replace("*", "")
        return -len(path.partition("{")[0].partition("*")[0]), 1, -len(words)
    return (-len(path) + 1, 2, 0) if path.endswith("/*") else (-len(path), 0, 0)


def match_rules(paths: Sequence[str], entry: PathRuleConfig) -> list[Props]:
    """The alternatives of one route rule, in the provider's names: each path with each method."""
    return [
        {
            **_path_match(path),
            **({"ignoreCase": True} if entry.ignore_case else {}),
            **({"headerMatches": headers} if (headers := list(_header_matches(entry, method))) else {}),
            **({"queryParameterMatches": query} if (query := list(_query_matches(entry))) else {}),
        }
        for path in paths
        for method in entry.methods or (None,)
    ]


def _path_match(path: str) -> Props:
    if is_template(path):
        return {"pathTemplateMatch": path}
    return {"prefixMatch": path[:-1]} if path.endswith("/*") else {"fullPathMatch": path}


def _header_matches(entry: PathRuleConfig, method: str | None) -> Iterator[Props]:
    for name, match in entry.headers.items():
        yield {"headerName": name, **_header_match(match)}
    if method is not None:
        yield {"headerName": ":method", "exactMatch": method}


def _header_match(match: HeaderMatchConfig) -> Props:
    if match.present is not None:
        return {"presentMatch": True, **({} if match.present else {"invertMatch": True})}
    condition: Props = {
        f"{key}Match": getattr(match, key) for key in ("exact", "prefix", "suffix") if getattr(match, key)
    }
    if match.range is not None:
        condition["rangeMatch"] = {"rangeStart": match.range.start, "rangeEnd": match.range.end}
    return {**condition, **({"invertMatch": True} if match.invert else {})}


def _query_matches(entry: PathRuleConfig) -> Iterator[Props]:
    for name, match in entry.query.items():
        yield {"name": name, **_query_match(match)}


def _query_match(match: QueryMatchConfig) -> Props:
    return {"presentMatch": True} if match.present else {"exactMatch": match.exact}

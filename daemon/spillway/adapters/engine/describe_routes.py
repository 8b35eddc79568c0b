"""Routes of a URL map in a person's words: what a new one does, and where a change of one lies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from spillway.adapters.engine.provider.diff import UNKNOWN, Difference, DiffKind, value_at
from spillway.adapters.engine.provider.kinds import Props

_PLACE = re.compile(r"pathMatchers\[(\d+)\](?:\.(pathRules|routeRules)\[(\d+)\])?\.?(.*)")
_HOSTS = re.compile(r"hostRules\[(\d+)\](\..*)?")
_WORDS = {
    "service": "target",
    "defaultService": "target",
    "timeout.seconds": "timeout seconds",
    "urlRewrite.pathPrefixRewrite": "prefix rewritten to",
    "urlRewrite.hostRewrite": "host rewritten to",
    "urlRewrite.pathTemplateRewrite": "path rewritten to",
    "retryPolicy.numRetries": "retries",
    "retryPolicy.retryConditions": "conditions of retries",
    "requestMirrorPolicy.mirrorPercent": "percent mirrored",
    "requestMirrorPolicy.backendService": "mirrored to",
    "corsPolicy": "CORS",
    "headerAction": "headers",
    "customErrorResponsePolicy": "error pages",
    "defaultCustomErrorResponsePolicy": "error pages",
    "urlRedirect": "redirect",
    "defaultUrlRedirect": "redirect",
    "weightedBackendServices": "split",
    "matchRules": "conditions",
}
_CODES = {
    "MOVED_PERMANENTLY_DEFAULT": 301,
    "FOUND": 302,
    "SEE_OTHER": 303,
    "TEMPORARY_REDIRECT": 307,
    "PERMANENT_REDIRECT": 308,
}
_WEIGHT = re.compile(r"weightedBackendServices\[(\d+)\]\.weight")

Text = Callable[[Any], str]
"""Writes a value as people do."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One difference in a route."""

    word: str
    """What differs."""
    where: str
    """Hosts and paths."""
    old: Any
    new: Any


def changed_route(difference: Difference, olds: Props, news: Props, text: Text) -> Changed | None:
    """What a difference in a URL map means; None where it lies in no route."""
    path = difference.path
    if found := _HOSTS.fullmatch(path):
        name = _item(news.get("hostRules"), int(found[1])).get("pathMatcher")
        was, will = (", ".join(_hosts(side, {"name": name})) for side in (olds, news))
        # A host rule comes and goes with its route, which says so itself.
        return Changed("hosts" if found[2] else "", str(name), was, will)
    place = _PLACE.fullmatch(path)
    if place is None:
        return None
    number, rest = int(place[1]), place[4]
    # A matcher that leaves is named by its old position, all others by their new one.
    leaves = difference.change is DiffKind.DELETE and not place[2] and not rest
    matcher = _item((olds if leaves else news).get("pathMatchers"), number)
    old, new = (_named_matcher(side, matcher.get("name")) for side in (olds, news))
    where = ", ".join(_hosts(news, matcher) or _hosts(olds, matcher))
    if place[2]:
        new, old = (_item(side.get(place[2]), int(place[3])) for side in (new, old))
        where = f"{where} {', '.join(_paths(new or old))}".strip()
    if not rest:
        return Changed(
            "route" if not place[2] else "rule", where, *("there" if side else None for side in (old, new))
        )
    return Changed(_word(rest, new or old, text), where, value_at(rest, old), value_at(rest, new))


def _word(rest: str, node: Props, text: Text) -> str:
    if found := _WEIGHT.search(rest):
        action = node.get("routeAction") or node.get("defaultRouteAction") or {}
        part = _item(action.get("weightedBackendServices"), int(found[1]))
        return f"weight of {text(part.get('backendService'))}"
    plain = re.sub(r"\[\d+\]", "", rest).removeprefix("routeAction.").removeprefix("defaultRouteAction.")
    for length in range(plain.count(".") + 1, 0, -1):
        head = ".".join(plain.split(".")[:length])
        if head in _WORDS:
            below = plain.removeprefix(head).lstrip(".")
            return f"{_WORDS[head]} {below}".strip()
    return plain


def new_routes(news: Props, text: Text) -> Iterator[str]:
    """One phrase for each rule of a new URL map, and for each route that is more than a service."""
    for matcher in news.get("pathMatchers") or []:
        for rule in [*(matcher.get("pathRules") or []), *(matcher.get("routeRules") or [])]:
            yield _line(f"paths {', '.join(_paths(rule))}", rule, text)
        default = {
            key[len("default") :][:1].lower() + key[len("default") + 1 :]: value
            for key, value in matcher.items()
            if key.startswith("default")
        }
        default["headerAction"] = matcher.get("headerAction")
        if [value for key, value in default.items() if key != "service" and value]:
            yield _line(f"hosts {', '.join(_hosts(news, matcher))}", default, text)


def _line(head: str, rule: Props, text: Text) -> str:
    target = _target(rule, text)
    return ", ".join([f"{head} -> {target}" if target else head, *_extras(rule, text)])


def _target(rule: Props, text: Text) -> str:
    if redirect := rule.get("urlRedirect"):
        return f"redirect {_CODES.get(redirect.get('redirectResponseCode'), 301)} to {_new_url(redirect)}"
    weights = (rule.get("routeAction") or {}).get("weightedBackendServices") or []
    if weights:
        total = sum(part.get("weight") or 0 for part in weights) or 1
        return " and ".join(
            f"{100 * (part.get('weight') or 0) / total:g} %{_named(part.get('backendService'), text)}"
            for part in weights
        )
    return _named(rule.get("service"), text).strip()


def _named(service: Any, text: Text) -> str:
    return "" if service in {None, UNKNOWN} else f" {text(service)}"


def _new_url(redirect: Props) -> str:
    host = redirect.get("hostRedirect") or ""
    path = redirect.get("pathRedirect") or redirect.get("prefixRedirect") or ""
    scheme = "https://" if redirect.get("httpsRedirect") else ""
    return f"{scheme}{host}{path}" or "the same place"


def _extras(rule: Props, text: Text) -> Iterator[str]:
    action = rule.get("routeAction") or {}
    rewrite = action.get("urlRewrite") or {}
    for name, word in (
        ("pathPrefixRewrite", "prefix"),
        ("pathTemplateRewrite", "path"),
        ("hostRewrite", "host"),
    ):
        if rewrite.get(name):
            yield f"{word} rewritten to {rewrite[name]}"
    if timeout := action.get("timeout"):
        yield f"timeout {float(timeout.get('seconds') or 0) + (timeout.get('nanos') or 0) / 1e9:g}s"
    if retries := action.get("retryPolicy"):
        conditions = retries.get("retryConditions") or []
        off = conditions == ["cancelled"]
        yield "no retries" if off else f"{text(retries.get('numRetries'))} retries on {', '.join(conditions)}"
    if mirror := action.get("requestMirrorPolicy"):
        copied = _named(mirror.get("backendService"), text)
        yield f"{mirror.get('mirrorPercent', 100):g} % mirrored{f' to{copied}' if copied else ''}"
    if action.get("corsPolicy"):
        yield "CORS"
    if rule.get("headerAction"):
        yield "headers changed"
    if rule.get("customErrorResponsePolicy"):
        yield "error pages"


def _paths(rule: Props) -> list[str]:
    """Paths of a rule, with its conditions in words."""
    matches = rule.get("matchRules") or []
    found = [*(rule.get("paths") or []), *(_path(match) for match in matches)]
    return list(dict.fromkeys(found))


def _path(match: Props) -> str:
    prefix = match.get("prefixMatch")
    path = match.get("fullPathMatch") or match.get("pathTemplateMatch") or f"{prefix or '/'}*"
    conditions = [
        *(_condition(header, "headerName") for header in match.get("headerMatches") or []),
        *(_condition(parameter, "name") for parameter in match.get("queryParameterMatches") or []),
    ]
    return f"{path} if {' and '.join(conditions)}" if conditions else str(path)


def _condition(match: Props, name: str) -> str:
    subject, no = match.get(name), "not " if match.get("invertMatch") else ""
    if match.get("presentMatch"):
        return f"{subject} is {no}there"
    if span := match.get("rangeMatch"):
        start, end = (int(float(span.get(name) or 0)) for name in ("rangeStart", "rangeEnd"))
        return f"{subject} is {no}from {start} to below {end}"
    for key, word in (("exactMatch", "is"), ("prefixMatch", "begins with"), ("suffixMatch", "ends with")):
        if key in match:
            return f"{subject} {no}{word} {match[key]}" if word != "is" else f"{subject} is {no}{match[key]}"
    return str(subject)


def _hosts(props: Props, matcher: Props) -> list[str]:
    rules: Iterable[Props] = props.get("hostRules") or []
    return [
        host for rule in rules if rule.get("pathMatcher") == matcher.get("name") for host in rule["hosts"]
    ]


def _named_matcher(props: Props, name: Any) -> Props:
    return next((dict(m) for m in props.get("pathMatchers") or [] if m.get("name") == name), {})


def _item(values: Any, at: int) -> Props:
    return dict(values[at]) if isinstance(values, list) and at < len(values) else {}

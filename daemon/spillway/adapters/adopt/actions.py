"""What a URL map does with requests, in the words of the configuration: the way back of `program.path_matchers`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spillway.adapters.adopt.groups import Section
from spillway.adapters.adopt.reading import path
from spillway.adapters.adopt.refusals import Refusals
from spillway.config.fields import format_duration
from spillway.config.route_actions import REDIRECT_CODES

_CODES = {name: code for code, name in REDIRECT_CODES.items()}
_NO_KEY = "the configuration has no key for it."
_WAY_OUT = "Take it out of the URL map, or keep this load balancer with the tool that wrote it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names in the configuration, by path."""

    services: Mapping[str, str]
    """Of services, and of references to those of other projects."""
    buckets: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A part of the URL map that is read."""

    names: Names
    what: str
    """Kind and name of the map."""
    at: str
    """Path of the part."""
    refusals: Refusals

    def only(self, given: Mapping[str, Any], known: Iterable[str], below: str = "") -> None:
        """Note each field that has no key."""
        for name, value in given.items():
            if name not in known and value not in (None, False, 0, "", [], {}):
                self.refuse(f"{below}.{name}" if below else name, _NO_KEY, _WAY_OUT)

    def refuse(self, field: str, why: str, remedy: str) -> None:
        """Note one field."""
        self.refusals.add(self.what, f"{self.at}.{field}" if self.at else field, why, remedy)

    def service(self, value: Any, field: str) -> str:
        """The name of the service behind a link."""
        name = self.names.services.get(path(str(value))) if value else None
        if name is None:
            self.refuse(
                field, f"it leads to {value or 'nothing'}, which is no backend service.", "Give it a service."
            )
        return name or ""


def actions(place: Place, given: Mapping[str, Any], prefix: str = "") -> Section:
    """Target and settings of a path rule, a route rule, or (with `prefix` such as `default`) of a path matcher."""

    def field(name: str) -> str:
        return f"{prefix}{name[0].upper()}{name[1:]}" if prefix else name

    section: Section = {}
    if redirect := given.get(field("urlRedirect")):
        section["redirect"] = _redirect(place, redirect, field("urlRedirect"))
    action = given.get(field("routeAction")) or {}
    if shares := action.get("weightedBackendServices"):
        section["split"] = [_share(place, share) for share in shares]
    link = given.get(field("service"))
    if link and not shares:
        section |= _target(place, str(link), field("service"))
    known = {"weightedBackendServices", *_SETTINGS}
    place.only(action, known, field("routeAction"))
    for name, (key, told) in _SETTINGS.items():
        if action.get(name):
            section[key] = told(place, action[name])
    header = "headerAction" if prefix else field("headerAction")
    section |= _headers(place, given.get(header) or {}, header)
    errors = given.get(field("customErrorResponsePolicy"))
    if errors:
        section["errors"] = _errors(place, errors, field("customErrorResponsePolicy"))
    return section


def _target(place: Place, link: str, field: str) -> Section:
    where = path(link)
    if where in place.names.buckets:
        return {"bucket": place.names.buckets[where]}
    return {"service": place.service(link, field)}


def _redirect(place: Place, given: Mapping[str, Any], field: str) -> Section:
    known = (
        "hostRedirect",
        "pathRedirect",
        "prefixRedirect",
        "redirectResponseCode",
        "stripQuery",
        "httpsRedirect",
    )
    place.only(given, known, field)
    section: Section = {
        key: given[name]
        for name, key in (("hostRedirect", "host"), ("pathRedirect", "path"), ("prefixRedirect", "prefix"))
        if given.get(name)
    }
    code = _CODES.get(str(given.get("redirectResponseCode") or "MOVED_PERMANENTLY_DEFAULT"), 301)
    if code != 301:
        section["code"] = code
    for name, key in (("stripQuery", "strip_query"), ("httpsRedirect", "https")):
        if given.get(name):
            section[key] = True
    return section


def _share(place: Place, given: Mapping[str, Any]) -> Section:
    field = "weightedBackendServices"
    place.only(given, ("backendService", "weight", "headerAction"), field)
    return {
        "service": place.service(given.get("backendService"), field),
        "weight": int(given.get("weight") or 0),
        **_headers(place, given.get("headerAction") or {}, f"{field}.headerAction"),
    }


def _rewrite(place: Place, given: Mapping[str, Any]) -> Any:
    known = {"hostRewrite": "host", "pathPrefixRewrite": "prefix", "pathTemplateRewrite": "template"}
    place.only(given, known, "urlRewrite")
    section = {key: given[name] for name, key in known.items() if given.get(name)}
    return section["prefix"] if list(section) == ["prefix"] else section


def _retries(place: Place, given: Mapping[str, Any]) -> Section:
    place.only(given, ("numRetries", "retryConditions", "perTryTimeout"), "retryPolicy")
    if list(given.get("retryConditions") or ()) == ["cancelled"] and given.get("numRetries") == 1:
        return {"attempts": 0}
    section: Section = {
        "attempts": int(given.get("numRetries") or 1),
        "on": list(given.get("retryConditions") or ()),
    }
    if given.get("perTryTimeout"):
        section["per_try_timeout"] = _duration(place, given["perTryTimeout"])
    return section


def _mirror(place: Place, given: Mapping[str, Any]) -> Section:
    place.only(given, ("backendService", "mirrorPercent"), "requestMirrorPolicy")
    section: Section = {
        "service": place.service(given.get("backendService"), "requestMirrorPolicy.backendService")
    }
    if given.get("mirrorPercent"):
        section["percent"] = float(given["mirrorPercent"])
    return section


def _cors(place: Place, given: Mapping[str, Any]) -> Section:
    lists = {
        "allowOrigins": "allow_origins",
        "allowMethods": "allow_methods",
        "allowHeaders": "allow_headers",
        "exposeHeaders": "expose_headers",
    }
    place.only(given, (*lists, "maxAge", "allowCredentials"), "corsPolicy")
    section: Section = {key: list(given[name]) for name, key in lists.items() if given.get(name)}
    if given.get("maxAge"):
        section["max_age"] = format_duration(float(given["maxAge"]))
    if given.get("allowCredentials"):
        section["allow_credentials"] = True
    return section


def _headers(place: Place, given: Mapping[str, Any], field: str) -> Section:
    section: Section = {}
    known: list[str] = []
    for word in ("request", "response"):
        added, removed = f"{word}HeadersToAdd", f"{word}HeadersToRemove"
        known += [added, removed]
        headers: Section = {}
        for header in given.get(added) or ():
            key = "set" if header.get("replace") else "add"
            headers.setdefault(key, {})[header["headerName"]] = header.get("headerValue", "")
        if given.get(removed):
            headers["remove"] = list(given[removed])
        if headers:
            section[f"{word}_headers"] = headers
    place.only(given, known, field)
    return section


def _errors(place: Place, given: Mapping[str, Any], field: str) -> Section:
    place.only(given, ("errorResponseRules", "errorService"), field)
    section: Section = {}
    if given.get("errorService"):
        name = place.names.buckets.get(path(str(given["errorService"])))
        if name is None:
            place.refuse(
                f"{field}.errorService",
                "it is no backend bucket of this project.",
                "Give it a backend bucket.",
            )
        section["bucket"] = name or ""
    section["rules"] = [
        {
            "codes": [
                int(code) if str(code).isdigit() else code for code in rule.get("matchResponseCodes") or ()
            ],
            "path": rule.get("path", ""),
            **({"code": int(rule["overrideResponseCode"])} if rule.get("overrideResponseCode") else {}),
        }
        for rule in given.get("errorResponseRules") or ()
    ]
    return section


def _duration(_: Place, given: Mapping[str, Any]) -> str:
    return format_duration(int(given.get("seconds") or 0) + int(given.get("nanos") or 0) / 1e9)


_SETTINGS: Mapping[str, tuple[str, Callable[[Place, Any], Any]]] = {
    "urlRewrite": ("rewrite", _rewrite),
    "timeout": ("timeout", _duration),
    "retryPolicy": ("retries", _retries),
    "requestMirrorPolicy": ("mirror", _mirror),
    "corsPolicy": ("cors", _cors),
}
"""Fields of a route action: the key, and what reads it."""

"""Every method of the Compute API that the sandbox serves, worked out from the table of kinds.

A test holds this list against the published discovery documents: paths, verbs and parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from spillway.sandbox.kinds import COMPUTE_KINDS
from spillway.sandbox.kinds.base import Action, Kind

SYSTEM_PARAMETERS = frozenset(
    {"alt", "$alt", "prettyPrint", "key", "quotaUser", "access_token", "$.xgafv", "uploadType"}
)
"""Parameters of every Google API that change nothing here. `fields` and `callback` would change the answer: refused."""
LIST_PARAMETERS = frozenset({"filter", "maxResults", "orderBy", "pageToken"})
RETURN_PARTIAL = frozenset({"returnPartialSuccess"})
_WRITE = frozenset({"requestId"})
_HTTP = {
    "insert": "POST",
    "get": "GET",
    "list": "GET",
    "delete": "DELETE",
    "update": "PUT",
    "patch": "PATCH",
    "aggregatedList": "GET",
}
_SCOPES = {"global": "global", "zones": "zones/{zone}", "regions": "regions/{region}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method: HTTP verb, path below `/compute/VERSION/`, and which query parameters it takes."""

    http: str
    template: str
    parameters: frozenset[str]
    verb: str
    """insert, get, list, delete, update, patch, aggregatedList, act, wait, or places."""
    collection: str
    kind: Kind | None = None
    action: Action | None = None
    pattern: re.Pattern[str]

    def match(self, http: str, path: str) -> dict[str, str] | None:
        """The parts of a path that this method serves, or None."""
        found = self.pattern.fullmatch(path) if http == self.http else None
        return found.groupdict() if found else None


def _method(
    http: str,
    template: str,
    parameters: frozenset[str],
    verb: str,
    collection: str,
    *,
    kind: Kind | None = None,
    action: Action | None = None,
) -> Method:
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))
    return Method(
        http=http,
        template=template,
        parameters=parameters,
        verb=verb,
        collection=collection,
        kind=kind,
        action=action,
        pattern=pattern,
    )


def _of_kind(kind: Kind) -> Iterator[Method]:
    for family in kind.scopes:
        base = f"projects/{{project}}/{_SCOPES[family]}/{kind.collection}"
        for verb in sorted(kind.placed_verbs.get(family, kind.verbs) - {"aggregatedList"}):
            whole = verb in {"insert", "list"}
            parameters = (
                LIST_PARAMETERS | RETURN_PARTIAL
                if verb == "list"
                else frozenset()
                if verb == "get"
                else _WRITE
            )
            yield _method(
                _HTTP[verb],
                base if whole else f"{base}/{{name}}",
                parameters,
                verb,
                kind.collection,
                kind=kind,
            )
        for action in kind.actions:
            if action.scopes and family not in action.scopes:
                continue
            place = f"projects/{{project}}/{kind.collection}" if action.without_scope else base
            parameters = (
                LIST_PARAMETERS | RETURN_PARTIAL
                if action.listing
                else _WRITE
                if action.request_id and action.change
                else frozenset()
            )
            yield _method(
                "POST",
                f"{place}/{{name}}/{action.name}",
                parameters | action.query,
                "act",
                kind.collection,
                kind=kind,
                action=action,
            )
    if "aggregatedList" in kind.verbs:
        yield _aggregated(kind.collection, kind)


def _aggregated(collection: str, kind: Kind | None = None) -> Method:
    parameters = LIST_PARAMETERS | RETURN_PARTIAL | {"includeAllScopes"}
    return _method(
        "GET",
        f"projects/{{project}}/aggregated/{collection}",
        parameters,
        "aggregatedList",
        collection,
        kind=kind,
    )


def _of_operations() -> Iterator[Method]:
    yield _aggregated("operations")
    for scope in _SCOPES.values():
        base = f"projects/{{project}}/{scope}/operations"
        yield _method("GET", base, LIST_PARAMETERS | RETURN_PARTIAL, "list", "operations")
        yield _method("GET", f"{base}/{{name}}", frozenset(), "get", "operations")
        yield _method("DELETE", f"{base}/{{name}}", frozenset(), "delete", "operations")
        yield _method("POST", f"{base}/{{name}}/wait", frozenset(), "wait", "operations")


def _of_places() -> Iterator[Method]:
    for family in ("regions", "zones"):
        yield _method(
            "GET", f"projects/{{project}}/{family}", LIST_PARAMETERS | RETURN_PARTIAL, "list", family
        )
        yield _method("GET", f"projects/{{project}}/{family}/{{name}}", frozenset(), "get", family)


_PROJECT = _method("GET", "projects/{project}", frozenset(), "get", "projects")

METHODS: tuple[Method, ...] = (
    *(method for kind in COMPUTE_KINDS.values() for method in _of_kind(kind)),
    *_of_operations(),
    *_of_places(),
    _PROJECT,
)
"""All of them; no two match the same request."""


def find_method(http: str, path: str) -> tuple[Method, dict[str, str]] | None:
    """The method that serves a request, with the parts of its path."""
    for method in METHODS:
        parts = method.match(http, path)
        if parts is not None:
            return method, parts
    return None

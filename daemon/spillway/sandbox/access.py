"""Who may do what in the sandbox: the bearer token names a role, each method asks for permissions by Google's names.

This mapping from method to permission is the sandbox's own. It is not taken from the daemon's table of permissions, so
a mistake in either shows when both meet in a test.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from spillway.sandbox.links import Key, parse
from spillway.sandbox.methods import Method
from spillway.sandbox.refusals import forbidden

_VERBS = {
    "insert": ("create",),
    "get": ("get",),
    "list": ("list",),
    "aggregatedList": ("list",),
    "delete": ("delete",),
    "update": ("update",),
    "patch": ("get", "update"),
    "wait": ("get",),
}
"""Verbs of Compute to the ends of the permissions they need. A PATCH reads besides: so says its page in the reference."""
_ACTIONS = {
    "getHealth": "get",
    "listNetworkEndpoints": "get",
    "detachNetworkEndpoints": "detachNetworkEndpoints",
    "listInstances": "get",
    "addInstances": "update",
    "removeInstances": "update",
    "setNamedPorts": "update",
    "addRule": "update",
    "patchRule": "update",
    "removeRule": "update",
    "addSignedUrlKey": "addSignedUrlKey",
    "deleteSignedUrlKey": "deleteSignedUrlKey",
    "setEdgeSecurityPolicy": "setSecurityPolicy",
}
"""Custom methods whose permission is not called like themselves."""
_GLOBAL = {
    "addresses": "globalAddresses",
    "forwardingRules": "globalForwardingRules",
    "operations": "globalOperations",
}
_PLACED = {
    ("zones", "operations"): "zoneOperations",
    ("regions", "operations"): "regionOperations",
    ("regions", "networkEndpointGroups"): "regionNetworkEndpointGroups",
    ("regions", "instanceGroups"): "instanceGroups",
}
_USE = {
    "healthChecks": "useReadOnly",
    "sslCertificates": "get",
    "serviceLbPolicies": "get",
    "backendBuckets": "use",
    "backendServices": "use",
    "securityPolicies": "use",
    "instanceGroups": "use",
    "networkEndpointGroups": "use",
    "networks": "use",
    "sslPolicies": "use",
    "subnetworks": "use",
    "targetHttpProxies": "use",
    "targetHttpsProxies": "use",
    "urlMaps": "use",
    "addresses": "use",
    "certificateMaps": "use",
    "certificates": "use",
    "dnsAuthorizations": "use",
    "serverTlsPolicies": "use",
}
"""By collection: the permission on what a body refers to. Google has no `use` for certificates and service LB policies."""
_OTHERS = {
    "certificateMaps": "certificatemanager.certmaps",
    "certificates": "certificatemanager.certs",
    "dnsAuthorizations": "certificatemanager.dnsauthorizations",
    "serverTlsPolicies": "networksecurity.serverTlsPolicies",
}
"""The beginnings of permissions on what belongs to other services."""
_OWN = frozenset({"selfLink", "selfLinkWithId", "region", "zone"})
"""Links in a body that are no references: clients send back what they have read."""


def _noun(collection: str, scope: str) -> str:
    """The middle of a Compute permission."""
    family = scope.partition("/")[0]
    if family == "global":
        return _GLOBAL.get(collection, collection)
    return _PLACED.get((family, collection), collection)


def of_method(method: Method, scope: str) -> tuple[str, ...]:
    """The permissions that a method of Compute needs on the resource itself."""
    noun = method.collection if method.verb == "aggregatedList" else _noun(method.collection, scope)
    if method.action is not None:
        return (f"compute.{noun}.{_ACTIONS.get(method.action.name, method.action.name)}",)
    return tuple(f"compute.{noun}.{end}" for end in _VERBS[method.verb])


def of_references(body: Any, project: str) -> Iterator[tuple[str, str]]:
    """(permission, relative name) for each resource that a body refers to."""
    if isinstance(body, Mapping):
        for name, value in body.items():
            if name not in _OWN:
                yield from of_references(value, project)
    elif isinstance(body, list):
        for element in body:
            yield from of_references(element, project)
    elif isinstance(body, str) and (key := parse(body, project)) is not None and key.collection in _USE:
        yield f"{_service(key)}.{_USE[key.collection]}", key.path


def _service(key: Key) -> str:
    if key.collection == "serviceLbPolicies":
        return "networkservices.serviceLbPolicies"
    if key.collection in _OTHERS:
        return _OTHERS[key.collection]
    return f"compute.{_noun(key.collection, key.scope)}"


class Access:
    """The roles, and what was ever asked of them."""

    def __init__(self, roles: Mapping[str, Collection[str]] | None = None) -> None:
        """`roles`: permissions by the role's name; a token that names no role may do everything."""
        self._roles = {name: frozenset(permissions) for name, permissions in (roles or {}).items()}
        self.asked: dict[str, set[str]] = {}
        """By token: every permission that was needed so far. Tokens of no role are counted as one, with an empty name."""

    def demand(self, token: str, permission: str, path: str) -> None:
        """Let pass what the role of the token allows.

        Raises:
            Refusal: it lacks the permission for the resource at `path`.
        """
        if not self.allows(token, permission):
            raise forbidden(permission, path)

    def allows(self, token: str, permission: str) -> bool:
        """True if the role of the token holds the permission; keeps in mind that it was asked for."""
        self.asked.setdefault(token if token in self._roles else "", set()).add(permission)
        return self.holds(token, permission)

    def holds(self, token: str, permission: str) -> bool:
        """The same, for a question that uses nothing."""
        return token not in self._roles or permission in self._roles[token]


def token_of(authorization: str) -> str:
    """The token in the value of an `Authorization` header; empty without one."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

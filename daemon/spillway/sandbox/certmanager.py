"""The Certificate Manager API as far as a certificate map needs it, below `/v1/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spillway.sandbox import listing
from spillway.sandbox.access import Access
from spillway.sandbox.kinds import KINDS
from spillway.sandbox.kinds.base import Resource
from spillway.sandbox.links import Key
from spillway.sandbox.methods import SYSTEM_PARAMETERS
from spillway.sandbox.operations import Operation, long_running
from spillway.sandbox.refusals import invalid, not_found, required, unknown_method, unknown_parameter
from spillway.sandbox.store import Store
from spillway.sandbox.writes import Writes

SCOPE = "locations/global"
_PACKAGE = "type.googleapis.com/google.cloud.certificatemanager.v1"
_TOP = re.compile(
    rf"projects/([^/]+)/({SCOPE})/(certificateMaps|certificates|dnsAuthorizations)(?:/([^/]+))?"
)
_ENTRY = re.compile(rf"projects/([^/]+)/({SCOPE}/certificateMaps/[^/]+)/(certificateMapEntries)(?:/([^/]+))?")
_OPERATION = re.compile(rf"projects/[^/]+/{SCOPE}/operations/[^/]+")
_NOUNS = {
    "certificateMaps": "certmaps",
    "certificateMapEntries": "certmapentries",
    "certificates": "certs",
    "dnsAuthorizations": "dnsauthorizations",
}
"""What permissions call the collections."""
_VERBS = {
    ("POST", False): "create",
    ("GET", False): "list",
    ("GET", True): "get",
    ("PATCH", True): "update",
    ("DELETE", True): "delete",
}
_LISTING = frozenset({"pageSize", "pageToken", "filter", "orderBy"})


class CertificateManagerApi:
    """Answers requests below `/v1/` that belong to Certificate Manager."""

    def __init__(self, store: Store, writes: Writes, access: Access) -> None:
        """Bind the parts."""
        self._store = store
        self._writes = writes
        self._access = access

    def serves(self, path: str) -> bool:
        """True if a path belongs to this API: also that of an operation which it has begun."""
        if _TOP.fullmatch(path) or _ENTRY.fullmatch(path):
            return True
        operation = self._writes.operations.find(path) if _OPERATION.fullmatch(path) else None
        return operation is not None and operation.key.collection in _NOUNS

    async def answer(
        self, http: str, path: str, *, query: Mapping[str, str], body: dict[str, Any], token: str = ""
    ) -> dict[str, Any]:
        """Answer one request; `token` names the caller's role.

        Raises:
            Refusal: the API, or the sandbox, refuses it.
        """
        found = _TOP.fullmatch(path) or _ENTRY.fullmatch(path)
        if found is None:
            return self._operation(http, path, token)
        project, scope, collection, name = found.groups()
        kind = KINDS[collection]
        verb = _VERBS.get((http, name is not None))
        if verb is None:
            raise unknown_method(http, f"/v1/{path}")
        known = {"create": {f"{kind.singular}Id"}, "list": _LISTING, "update": {"updateMask"}}.get(
            verb, set()
        )
        for given in query:
            if given not in known | SYSTEM_PARAMETERS:
                raise unknown_parameter(given)
        self._access.demand(token, f"certificatemanager.{_NOUNS[collection]}.{verb}", path)
        key = Key(project, scope, collection, name or query.get(f"{kind.singular}Id", ""))
        if collection == "certificateMapEntries" and self._store.find(f"projects/{project}/{scope}") is None:
            raise not_found(f"projects/{project}/{scope}")
        if verb == "list":
            return self._list(key, query)
        if verb == "get":
            return self._show(key, self._store.get(key))
        return await self._write(verb, key, query, body)

    def _show(self, key: Key, resource: Resource) -> dict[str, Any]:
        """A resource as the API answers it."""
        kind = KINDS[key.collection]
        hidden = {"id", "creationTimestamp", "updated"}
        shown = {n: v for n, v in kind.shape.show(resource, "v1").items() if n not in hidden}
        if kind.decorate is not None:
            shown |= kind.decorate(key, resource, self._store)
        return {
            **shown,
            "name": key.path,
            "createTime": resource["creationTimestamp"],
            "updateTime": resource.get("updated", resource["creationTimestamp"]),
        }

    def _list(self, key: Key, query: Mapping[str, str]) -> dict[str, Any]:
        shown = [
            self._show(found, resource)
            for found, resource in self._store.everything(key.project, key.collection)
            if found.scope == key.scope
        ]
        items, token = listing.page(shown, query, size="pageSize")
        answer: dict[str, Any] = {key.collection: items} if items else {}
        return {**answer, "nextPageToken": token} if token else answer

    async def _write(
        self, verb: str, key: Key, query: Mapping[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        label = KINDS[key.collection].label
        if verb == "create" and not key.name:
            raise required(f"{label}_id")
        if body.get("name", key.path) not in {key.path, key.name, "", None}:
            raise invalid(
                f"{label}.name", body["name"], f"The name differs from that in the path, '{key.path}'."
            )
        fields = {name: value for name, value in body.items() if name != "name"}
        shown: list[dict[str, Any]] = []

        def change() -> Resource:
            resource = self._change(verb, key, fields, query.get("updateMask", ""))
            if verb != "delete":
                shown.append(self._show(key, resource))
            return resource

        operation = await self._writes.run(key, verb, change, None)
        return self._show_operation(operation, shown[0] if shown else None)

    def _change(self, verb: str, key: Key, fields: dict[str, Any], mask: str) -> Resource:
        if verb == "create":
            return self._store.insert(key, fields)
        if verb == "delete":
            if key.collection == "certificateMaps" and self._has_entries(key):
                raise invalid("name", key.path, "The certificate map has entries; delete them first.")
            return self._store.delete(key)
        kind = KINDS[key.collection]
        named = [
            re.sub(r"_([a-z])", lambda m: m[1].upper(), entry.strip()) for entry in mask.split(",") if entry
        ]
        if not named:
            raise required("update_mask")
        for name in named:
            if name not in kind.shape.fields or name == "name":
                raise invalid("update_mask", name, "The mask names no field that can be updated.")
        given = kind.shape.read({n: v for n, v in fields.items() if n in named}, kind.label, key.project)
        return self._store.amend(key, {name: given.get(name) for name in named})

    def _has_entries(self, key: Key) -> bool:
        scope = f"{key.scope}/certificateMaps/{key.name}"
        entries = self._store.everything(key.project, "certificateMapEntries")
        return any(found.scope == scope for found, _ in entries)

    def _operation(self, http: str, path: str, token: str) -> dict[str, Any]:
        operation = self._writes.operations.find(path)
        if operation is None or http != "GET":
            raise unknown_method(http, f"/v1/{path}")
        self._access.demand(token, "certificatemanager.operations.get", path)
        resource = self._store.find(operation.key.path) if operation.kind != "delete" else None
        return self._show_operation(
            operation, self._show(operation.key, resource) if resource is not None else None
        )

    def _show_operation(self, operation: Operation, shown: dict[str, Any] | None) -> dict[str, Any]:
        return long_running(operation, _PACKAGE, KINDS[operation.key.collection].schema, shown)

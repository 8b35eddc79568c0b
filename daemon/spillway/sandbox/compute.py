"""The Compute API: from a request to its answer. Paths are those of `methods`, everything else is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spillway.sandbox import links, listing, places
from spillway.sandbox.access import Access, of_method, of_references
from spillway.sandbox.kinds.base import Draft, Kind
from spillway.sandbox.links import Key
from spillway.sandbox.methods import SYSTEM_PARAMETERS, Method, find_method
from spillway.sandbox.refusals import invalid, not_found, required, unknown_method, unknown_parameter
from spillway.sandbox.render import show
from spillway.sandbox.store import Store
from spillway.sandbox.writes import Writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, its method found and its path taken apart."""

    method: Method
    version: str
    project: str
    scope: str
    name: str
    query: Mapping[str, str]
    body: dict[str, Any]

    @property
    def key(self) -> Key:
        """The resource that the request is about."""
        return Key(self.project, self.scope, self.method.collection, self.name)

    @property
    def place(self) -> str:
        """The relative name of the collection."""
        return f"projects/{self.project}/{self.scope}/{self.method.collection}"


class ComputeApi:
    """Answers requests below `/compute/v1/` and `/compute/beta/`."""

    def __init__(self, store: Store, writes: Writes, access: Access) -> None:
        """Bind the parts."""
        self._store = store
        self._writes = writes
        self._access = access

    async def answer(
        self,
        http: str,
        version: str,
        path: str,
        *,
        query: Mapping[str, str],
        body: dict[str, Any],
        token: str = "",
    ) -> dict[str, Any]:
        """Answer one request; `token` names the caller's role.

        Raises:
            Refusal: the API, or the sandbox, refuses it.
        """
        found = find_method(http, path)
        if found is None:
            raise unknown_method(http, f"/compute/{version}/{path}")
        method, parts = found
        for name in query:
            if name not in method.parameters | SYSTEM_PARAMETERS:
                raise unknown_parameter(name)
        call = Call(
            method=method,
            version=version,
            project=parts["project"],
            scope=_scope(parts),
            name=parts.get("name", ""),
            query=query,
            body=body,
        )
        if not links.PROJECT.match(call.project):
            raise not_found(f"projects/{call.project}")
        if not links.scope_exists(call.scope):
            family, _, name = call.scope.partition("/")
            raise invalid(family[:-1], name, "Unknown " + family[:-1] + ".")
        self._check_access(call, token)
        if method.collection == "operations":
            return await self._operation(call)
        if method.collection in {"regions", "zones"}:
            return _place(call)
        if method.collection == "projects":
            return places.project(call.project, call.version)
        if method.kind is None:
            raise unknown_method(http, path)
        return await self._resource(call, method.kind)

    def _check_access(self, call: Call, token: str) -> None:
        for permission in of_method(call.method, call.scope):
            self._access.demand(token, permission, call.key.path if call.name else f"projects/{call.project}")
        if call.method.http != "GET":
            for permission, path in of_references(call.body, call.project):
                self._access.demand(token, permission, path)
            self._check_address(call, token)

    def _check_address(self, call: Call, token: str) -> None:
        """A rule uses a reserved address also where it names it by its digits."""
        digits = call.body.get("IPAddress")
        for key, address in self._store.everything(call.project, "addresses") if digits else ():
            if address.get("address") == digits:
                self._access.demand(token, "compute.globalAddresses.use", key.path)

    async def _resource(self, call: Call, kind: Kind) -> dict[str, Any]:
        verb = call.method.verb
        if verb == "get":
            return show(self._store, call.key, self._store.get(call.key), call.version)
        if verb == "list":
            return self._list(call, kind)
        if verb == "aggregatedList":
            return self._aggregate(call, kind)
        if verb == "act":
            return await self._act(call, kind)
        return await self._write(call)

    async def _write(self, call: Call) -> dict[str, Any]:
        store, key, body, verb = self._store, call.key, call.body, call.method.verb
        if verb == "insert":
            if not isinstance(body.get("name"), str):
                raise required("resource.name")
            key = Key(call.project, call.scope, call.method.collection, body["name"])
        changes = {
            "insert": lambda: store.insert(key, body),
            "update": lambda: store.replace(key, body),
            "patch": lambda: store.patch(key, body),
            "delete": lambda: store.delete(key),
        }
        operation = await self._writes.run(key, verb, changes[verb], call.query.get("requestId"))
        return operation.show(call.version)

    async def _act(self, call: Call, kind: Kind) -> dict[str, Any]:
        action = call.method.action
        if action is None:
            raise unknown_method("POST", call.key.path)
        body = action.body.read(call.body, "resource", call.project) if action.body is not None else {}
        body |= {f"?{name}": call.query[name] for name in action.query if name in call.query}
        if action.answer is not None:
            resource = self._store.get(call.key) if action.needs_resource else {"name": call.name}
            answer = action.answer(
                Draft(key=call.key, resource=resource, before=resource, view=self._store), body
            )
            if action.listing:
                items, token = listing.page(answer.pop("items", []), call.query, schema=action.listing)
                answer |= {"items": items} if items else {}
                answer |= {"nextPageToken": token} if token else {}
            return answer if action.bare else {"kind": f"compute#{kind.singular}", **answer}
        operation = await self._writes.run(
            call.key,
            action.operation or action.name,
            lambda: self._store.act(call.key, action, body),
            call.query.get("requestId"),
        )
        return operation.show(call.version)

    def _list(self, call: Call, kind: Kind) -> dict[str, Any]:
        if call.key.collection == "networks":
            self._store.find(f"projects/{call.project}/global/networks/default")
        shown = [
            show(self._store, key, resource, call.version)
            for key, resource in self._store.everything(call.project, kind.collection)
            if key.scope == call.scope
        ]
        items, token = listing.page(shown, call.query, schema=kind.schema)
        answer = listing.frame(
            kind.list_kind or f"compute#{kind.singular}List", call.place, items, token, call.version
        )
        if not kind.linked_lists:
            del answer["selfLink"]
        return answer

    def _aggregate(self, call: Call, kind: Kind) -> dict[str, Any]:
        found = self._store.everything(call.project, kind.collection)
        entries = [(key.scope, show(self._store, key, resource, call.version)) for key, resource in found]
        scopes = ["global"] if "global" in kind.scopes else []
        if call.query.get("includeAllScopes", "").lower() == "true":
            scopes += _all_scopes(kind)
        answer = _aggregated(call, kind.schema, scopes, entries)
        return answer | {"kind": kind.aggregated_kind} if kind.aggregated_kind else answer

    async def _operation(self, call: Call) -> dict[str, Any]:
        operations = self._writes.operations
        if call.method.verb == "list":
            shown = [operation.show(call.version) for operation in operations.of(call.project, call.scope)]
            items, token = listing.page(shown, call.query, schema="Operation")
            return listing.frame("compute#operationList", call.place, items, token, call.version)
        if call.method.verb == "aggregatedList":
            entries = [
                (operation.key.scope, operation.show(call.version))
                for operation in operations.of(call.project)
            ]
            return _aggregated(call, "Operation", ["global"], entries)
        operation = operations.find(call.key.path)
        if operation is None:
            raise not_found(call.key.path)
        if call.method.verb == "delete":
            operations.forget(call.key.path)
            return {}
        if call.method.verb == "wait":
            await operation.done.wait()
        return operation.show(call.version)


def _scope(parts: Mapping[str, str]) -> str:
    if "zone" in parts:
        return f"zones/{parts['zone']}"
    return f"regions/{parts['region']}" if "region" in parts else "global"


def _aggregated(
    call: Call, schema: str, scopes: list[str], entries: list[tuple[str, dict[str, Any]]]
) -> dict[str, Any]:
    """One page over all scopes; those in `scopes` appear even when they are empty."""
    items, token = listing.page([shown for _, shown in entries], call.query, schema=schema)
    kind = f"compute#{schema[0].lower()}{schema[1:]}AggregatedList"
    where = {shown["selfLink"]: scope for scope, shown in entries}
    groups: dict[str, list[dict[str, Any]]] = {scope: [] for scope in scopes}
    for item in items:
        groups.setdefault(where[item["selfLink"]], []).append(item)
    place = f"projects/{call.project}/aggregated/{call.method.collection}"
    answer = listing.aggregate(kind, place, call.method.collection, groups, call.version)
    return {**answer, "nextPageToken": token} if token else answer


def _all_scopes(kind: Kind) -> list[str]:
    regions = [f"regions/{name}" for name in places.REGIONS] if "regions" in kind.scopes else []
    zones = (
        [f"zones/{zone}" for name in places.REGIONS for zone in places.zones_of(name)]
        if "zones" in kind.scopes
        else []
    )
    return [*regions, *zones]


def _place(call: Call) -> dict[str, Any]:
    family = call.method.collection
    if call.method.verb == "get":
        return (places.region if family == "regions" else places.zone)(call.project, call.name, call.version)
    items, token = listing.page(
        places.all_places(call.project, family, call.version), call.query, schema=family[:-1].capitalize()
    )
    return listing.frame(
        f"compute#{family[:-1]}List", f"projects/{call.project}/{family}", items, token, call.version
    )

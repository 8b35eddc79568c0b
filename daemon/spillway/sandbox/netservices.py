"""The Network Services API: service LB policies and their long-running operations, below `/v1/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spillway.sandbox import listing
from spillway.sandbox.access import Access
from spillway.sandbox.kinds.base import Resource
from spillway.sandbox.kinds.service_lb_policies import SERVICE_LB_POLICIES
from spillway.sandbox.links import Key
from spillway.sandbox.methods import SYSTEM_PARAMETERS
from spillway.sandbox.operations import Operation, long_running
from spillway.sandbox.refusals import invalid, not_found, required, unknown_method, unknown_parameter
from spillway.sandbox.store import Store
from spillway.sandbox.writes import Writes

SCOPE = "locations/global"
_PACKAGE = "type.googleapis.com/google.cloud.networkservices.v1"
_POLICY = re.compile(rf"projects/([^/]+)/{SCOPE}/serviceLbPolicies(?:/([^/]+))?")
_OPERATION = re.compile(rf"projects/([^/]+)/{SCOPE}/operations(?:/([^/]+))?")
_VERBS = {
    ("POST", False): ("create", frozenset({"serviceLbPolicyId"})),
    ("GET", False): ("list", frozenset({"pageSize", "pageToken"})),
    ("GET", True): ("get", frozenset()),
    ("PATCH", True): ("update", frozenset({"updateMask"})),
    ("DELETE", True): ("delete", frozenset()),
}
_OPERATION_VERBS = {
    ("GET", False): ("list", frozenset({"pageSize", "pageToken", "filter", "returnPartialSuccess"})),
    ("GET", True): ("get", frozenset()),
    ("DELETE", True): ("delete", frozenset()),
}


def show(key: Key, policy: Resource) -> dict[str, Any]:
    """A policy as the API answers it."""
    hidden = {"id", "creationTimestamp", "updated"}
    shown = {name: value for name, value in policy.items() if name not in hidden}
    return {
        **shown,
        "name": key.path,
        "createTime": policy["creationTimestamp"],
        "updateTime": policy.get("updated", policy["creationTimestamp"]),
    }


class NetworkServicesApi:
    """Answers requests below `/v1/`."""

    def __init__(self, store: Store, writes: Writes, access: Access) -> None:
        """Bind the parts."""
        self._store = store
        self._writes = writes
        self._access = access

    async def answer(
        self, http: str, path: str, *, query: Mapping[str, str], body: dict[str, Any], token: str = ""
    ) -> dict[str, Any]:
        """Answer one request; `token` names the caller's role.

        Raises:
            Refusal: the API, or the sandbox, refuses it.
        """
        policy, operation = _POLICY.fullmatch(path), _OPERATION.fullmatch(path)
        match, verbs = (policy, _VERBS) if policy else (operation, _OPERATION_VERBS)
        found = verbs.get((http, match[2] is not None)) if match else None
        if match is None or found is None:
            raise unknown_method(http, f"/v1/{path}")
        verb, parameters = found
        for name in query:
            if name not in parameters | SYSTEM_PARAMETERS:
                raise unknown_parameter(name)
        noun = "operations" if operation else "serviceLbPolicies"
        self._access.demand(token, f"networkservices.{noun}.{verb}", path)
        if operation:
            return self._operation(verb, match[1], path, query)
        key = Key(match[1], SCOPE, "serviceLbPolicies", match[2] or query.get("serviceLbPolicyId", ""))
        if verb == "list":
            return self._list(key.project, query)
        if verb == "get":
            return show(key, self._store.get(key))
        return await self._write(verb, key, query, body)

    async def _write(
        self, verb: str, key: Key, query: Mapping[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        if verb == "create" and not key.name:
            raise required("service_lb_policy_id")
        if body.get("name", key.path) not in {key.path, key.name, "", None}:
            raise invalid(
                "service_lb_policy.name",
                body["name"],
                f"The name differs from that in the path, '{key.path}'.",
            )
        fields = {name: value for name, value in body.items() if name != "name"}
        shown: list[dict[str, Any]] = []

        def change() -> Resource:
            resource = self._change(verb, key, fields, query.get("updateMask"))
            if verb != "delete":
                shown.append(show(key, resource))
            return resource

        operation = await self._writes.run(key, verb, change, None)
        return _show_operation(operation, shown[0] if shown else None)

    def _change(self, verb: str, key: Key, fields: dict[str, Any], mask: str | None) -> Resource:
        if verb == "create":
            return self._store.insert(key, fields)
        if verb == "delete":
            return self._store.delete(key)
        known = {name: value for name, value in fields.items() if name not in SERVICE_LB_POLICIES.outputs}
        given = SERVICE_LB_POLICIES.shape.read(known, "service_lb_policy", key.project)
        return self._store.amend(key, _masked(given, mask))

    def _list(self, project: str, query: Mapping[str, str]) -> dict[str, Any]:
        shown = [show(key, policy) for key, policy in self._store.everything(project, "serviceLbPolicies")]
        items, token = listing.page(shown, query, size="pageSize")
        answer: dict[str, Any] = {"serviceLbPolicies": items} if items else {}
        return {**answer, "nextPageToken": token} if token else answer

    def _operation(self, verb: str, project: str, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        operations = self._writes.operations
        if verb == "list":
            shown = [_show_operation(operation, None) for operation in operations.of(project, SCOPE)]
            items, token = listing.page(shown, query, size="pageSize")
            answer: dict[str, Any] = {"operations": items} if items else {}
            return {**answer, "nextPageToken": token} if token else answer
        operation = operations.find(path)
        if operation is None:
            raise not_found(path)
        if verb == "delete":
            operations.forget(path)
            return {}
        policy = self._store.find(operation.key.path)
        return _show_operation(
            operation,
            show(operation.key, policy) if policy is not None and operation.kind != "delete" else None,
        )


def _masked(fields: dict[str, Any], mask: str | None) -> dict[str, Any]:
    """The fields that a mask names, None for those that it clears; without a mask all that the body holds."""
    if mask is None or mask in {"", "*"}:
        return dict(fields)
    result: dict[str, Any] = {}
    for entry in mask.split(","):
        name = re.sub(r"_([a-z])", lambda m: m[1].upper(), entry.strip().partition(".")[0])
        if name not in SERVICE_LB_POLICIES.shape.fields or name == "name":
            raise invalid("update_mask", entry, "The mask names no field that can be updated.")
        result[name] = fields.get(name)
    return result


def _show_operation(operation: Operation, policy: dict[str, Any] | None) -> dict[str, Any]:
    return long_running(operation, _PACKAGE, SERVICE_LB_POLICIES.schema, policy)

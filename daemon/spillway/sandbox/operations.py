"""Operations: what became of each write, by name and by request id."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from spillway.sandbox import links
from spillway.sandbox.clock import rfc3339
from spillway.sandbox.links import Key

KEPT = 10_000
"""How many operations are remembered; the oldest go first."""
USER = "sandbox@spillway.invalid"


@dataclass(slots=True, kw_only=True)
class Operation:
    """One write. It is RUNNING while its answer is held, and DONE after."""

    key: Key
    """What the write was about."""
    name: str
    kind: str
    """`insert`, `update`, `delete`, `setLabels` and so on."""
    target_id: str
    started: float
    """UTC seconds in the world."""
    ended: float | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def path(self) -> str:
        """The operation's own relative name; that of an entry of a certificate map is where the map is."""
        scope = self.key.scope.partition("/certificateMaps/")[0]
        return f"projects/{self.key.project}/{scope}/operations/{self.name}"

    def show(self, version: str) -> dict[str, Any]:
        """The operation as the Compute API answers it; `zone` or `region` only where they belong (pulumi.md 8)."""
        family, _, place = self.key.scope.partition("/")
        shown: dict[str, Any] = {
            "kind": "compute#operation",
            "id": str(int(self.target_id) ^ 1),
            "name": self.name,
            "operationType": self.kind,
            "status": "RUNNING" if self.ended is None else "DONE",
            "progress": 0 if self.ended is None else 100,
            "user": USER,
            "insertTime": rfc3339(self.started),
            "startTime": rfc3339(self.started),
            "targetId": self.target_id,
            "targetLink": links.url(self.key.path, version),
            "selfLink": links.url(self.path, version),
        }
        if self.ended is not None:
            shown["endTime"] = rfc3339(self.ended)
        if family in {"zones", "regions"}:
            shown[family[:-1]] = links.url(f"projects/{self.key.project}/{family}/{place}", version)
        return shown


class Operations:
    """The operations of all projects, newest last. Used from the server's event loop only."""

    def __init__(self) -> None:
        """Start with none."""
        self._by_path: OrderedDict[str, Operation] = OrderedDict()
        self._by_request: OrderedDict[tuple[str, str], Operation] = OrderedDict()
        self._count = 0

    def start(self, key: Key, kind: str, target_id: str, now: float, request_id: str | None) -> Operation:
        """Note a write that was carried out."""
        self._count += 1
        operation = Operation(
            key=key,
            name=f"operation-{int(now * 1000)}-{self._count:08x}",
            kind=kind,
            target_id=target_id,
            started=now,
        )
        self._by_path[operation.path] = operation
        if request_id is not None:
            self._by_request[key.project, request_id] = operation
        while len(self._by_path) > KEPT:
            self._by_path.popitem(last=False)
        while len(self._by_request) > KEPT:
            self._by_request.popitem(last=False)
        return operation

    def find(self, path: str) -> Operation | None:
        """The operation of this relative name."""
        return self._by_path.get(path)

    def repeated(self, project: str, request_id: str) -> Operation | None:
        """The operation that this request id has started before."""
        return self._by_request.get((project, request_id))

    def forget(self, path: str) -> bool:
        """Drop an operation; False where there is none."""
        return self._by_path.pop(path, None) is not None

    def of(self, project: str, scope: str | None = None) -> list[Operation]:
        """All operations of a scope, or of all scopes of the Compute API, oldest first."""
        mine = [operation for operation in self._by_path.values() if operation.key.project == project]
        if scope is not None:
            return [operation for operation in mine if operation.key.scope == scope]
        return [operation for operation in mine if not operation.key.scope.startswith("locations/")]


def long_running(
    operation: Operation, package: str, schema: str, shown: dict[str, Any] | None
) -> dict[str, Any]:
    """An operation as the newer APIs show it.

    Args:
        operation: the operation.
        package: type URL of the API's package.
        schema: name of the resource's message in it.
        shown: the resource as it is answered; None where it is gone.
    """
    metadata = {
        "@type": f"{package}.OperationMetadata",
        "createTime": rfc3339(operation.started),
        "target": operation.key.path,
        "verb": operation.kind,
        "requestedCancellation": False,
        "apiVersion": "v1",
    }
    answer: dict[str, Any] = {
        "name": operation.path,
        "metadata": metadata,
        "done": operation.ended is not None,
    }
    if operation.ended is not None:
        metadata["endTime"] = rfc3339(operation.ended)
        empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
        answer["response"] = {"@type": f"{package}.{schema}", **shown} if shown is not None else empty
    return answer

"""The embedded engine's state: one JSON file, written whole and atomically, without a secret in clear."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from spillway.adapters.engine.describe import SECRET
from spillway.adapters.engine.provider.kinds import Props
from spillway.adapters.engine.recovery import DELETING, ORPHANED, Found
from spillway.adapters.files import write_atomically
from spillway.errors import PermanentError

_VERSION = 1
_SEAL = "sealed-hmac-sha256"
"""Key of what stands in the file for a secret: enough to see that it changed, nothing to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource as the last update left it."""

    urn: str
    token: str
    name: str
    id: str
    inputs: Props
    outputs: Props
    dependencies: tuple[str, ...] = ()
    """URNs that it needs."""
    property_dependencies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    secret: tuple[str, ...] = ()
    """Properties that are secret."""
    doomed: bool = False
    """Replaced by a new one and still to be deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An operation that was begun; it stays in the file if its end was never seen."""

    operation: str
    """CREATING, UPDATING, DELETING or ORPHANED; see `recovery`."""
    resource: Resource

    @property
    def token(self) -> str:
        """The resource's type."""
        return self.resource.token

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.resource.name

    @property
    def id(self) -> str:
        """The resource's id, known before a create: our names are ours to choose."""
        return self.resource.id

    @property
    def inputs(self) -> Props:
        """As the program wanted them, secrets sealed."""
        return self.resource.inputs


class State:
    """Resources by URN in the order of their making, pending operations and outputs. Safe for threads.

    It is the `recovery.OperationLog` of the embedded engine.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._salt = secrets.token_hex(16)
        self.resources: dict[str, Resource] = {}
        self.doomed: list[Resource] = []
        self.pending: list[Pending] = []
        self.outputs: dict[str, Any] = {}
        if path.exists():
            self._load()

    def begin(self, operation: str, resource: Resource) -> Pending:
        """Write down that a call is about to be made."""
        pending = Pending(operation=operation, resource=self.sealed(resource))
        with self._lock:
            self.pending.append(pending)
            self.save()
        return pending

    def finish(self, pending: Pending, resource: Resource | None) -> None:
        """The call has ended: `resource` is what is there now, None if nothing is."""
        with self._lock:
            if pending in self.pending:
                self.pending.remove(pending)
            if resource is not None:
                self.pending = [other for other in self.pending if not _is_orphaned(other, resource.id)]
                self.resources[resource.urn] = self.sealed(resource)
            elif pending.resource.doomed:
                self.doomed = [other for other in self.doomed if other.id != pending.resource.id]
            elif pending.operation == DELETING:
                self.resources.pop(pending.resource.urn, None)
            self.save()

    def is_left_to_refresh(self, operation: Pending) -> bool:  # noqa: ARG002 the log of the CLI needs it
        """False: no refresh follows a recovery of this state."""
        return False

    def close(self, operation: Pending, there: Found | None) -> None:
        """Recovery has looked: `there` is what the cloud has now, None if nothing is."""
        resource = operation.resource
        with self._lock:
            if there is not None and resource.doomed:
                # It stays among the doomed: under its URN stands what has replaced it.
                self.withdraw(operation)
            elif there is not None:
                self.finish(operation, replace(resource, inputs=there.inputs, outputs=there.outputs))
            else:
                if operation.operation != DELETING:
                    self.resources.pop(resource.urn, None)
                self.finish(operation, None)

    def orphan(self, operation: Pending) -> None:
        """What the create should have made is not there: keep in mind that it may still come."""
        if operation.operation != ORPHANED:
            with self._lock:
                self.pending[self.pending.index(operation)] = replace(operation, operation=ORPHANED)
                self.save()

    def orphaned(self, resource_id: str) -> list[Pending]:
        """The create of ours that may have made this object after it was looked for, if there is one."""
        with self._lock:
            return [pending for pending in self.pending if _is_orphaned(pending, resource_id)][:1]

    def withdraw(self, pending: Pending) -> None:
        """The call was refused: nothing has happened."""
        with self._lock:
            self.pending.remove(pending)
            self.save()

    def put(self, resource: Resource) -> None:
        """Replace what is known of a resource; `save` writes it."""
        with self._lock:
            self.resources[resource.urn] = self.sealed(resource)

    def sealed(self, resource: Resource) -> Resource:
        """The same without secrets in clear."""
        if not resource.secret:
            return resource
        return replace(
            resource,
            inputs=self._seal_all(resource.inputs, resource.secret),
            outputs=self._seal_all(resource.outputs, resource.secret),
        )

    def opened(self, known: Props, news: Props) -> Props:
        """`known` with each sealed value replaced by the new one if that has not changed, else by a mark."""
        return {
            name: (news.get(name) if self._seal(news.get(name)) == value else SECRET)
            if _is_seal(value)
            else value
            for name, value in known.items()
        }

    def dependents(self, urns: Iterable[str]) -> list[Resource]:
        """All that needs one of `urns`, directly or not, the farthest first."""
        wanted = set(urns)
        found: list[Resource] = []
        for resource in self.resources.values():
            if wanted & set(resource.dependencies):
                wanted.add(resource.urn)
                found.append(resource)
        return found[::-1]

    def save(self) -> None:
        """Write the file: a crash leaves the old one or the new one, never half of one."""
        with self._lock:
            document = {
                "version": _VERSION,
                "salt": self._salt,
                "resources": [asdict(resource) for resource in [*self.resources.values(), *self.doomed]],
                "pending": [asdict(pending) for pending in self.pending],
                "outputs": self.outputs,
            }
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(document, indent=1).encode(), mode=0o600)

    def _load(self) -> None:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            _expect_version(document["version"])
            self._salt = document["salt"]
            everything = [_resource(entry) for entry in document["resources"]]
            self.resources = {resource.urn: resource for resource in everything if not resource.doomed}
            self.doomed = [resource for resource in everything if resource.doomed]
            self.pending = [
                Pending(operation=entry["operation"], resource=_resource(entry["resource"]))
                for entry in document["pending"]
            ]
            self.outputs = document["outputs"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PermanentError(
                f"the engine's state {self._path} cannot be read: {error}",
                remedy="Restore it from a backup, or move it away and destroy what it described by hand.",
            ) from error

    def _seal_all(self, props: Props, secret: tuple[str, ...]) -> Props:
        return {
            name: self._seal(value) if name in secret and not _is_seal(value) else value
            for name, value in props.items()
        }

    def _seal(self, value: Any) -> dict[str, str]:
        text = json.dumps(value, sort_keys=True).encode()
        return {_SEAL: hmac.new(self._salt.encode(), text, hashlib.sha256).hexdigest()}


def _expect_version(found: int) -> None:
    if found != _VERSION:
        raise ValueError(f"version {found} is not {_VERSION}")


def _is_orphaned(pending: Pending, resource_id: str) -> bool:
    return pending.operation == ORPHANED and pending.resource.id == resource_id


def _is_seal(value: Any) -> bool:
    return isinstance(value, dict) and _SEAL in value


def _resource(entry: dict[str, Any]) -> Resource:
    depends = {name: tuple(urns) for name, urns in entry["property_dependencies"].items()}
    return Resource(
        **{
            **entry,
            "dependencies": tuple(entry["dependencies"]),
            "property_dependencies": depends,
            "secret": tuple(entry["secret"]),
        }
    )

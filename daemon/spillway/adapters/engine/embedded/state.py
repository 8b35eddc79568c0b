"""The embedded engine's state: one JSON file, written whole and atomically, without a secret in clear.

Each write is followed by one of the same to `NAME.bak`, the last good state. A checksum in the file tells a state that
somebody or a broken disk has changed: then the last good one counts, and the file is set aside by the next write.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from spillway.adapters.engine.describe import SECRET
from spillway.adapters.engine.provider.kinds import Props
from spillway.adapters.engine.recovery import DELETING, ORPHANED, Found
from spillway.adapters.files import remedy_for, set_aside, write_atomically
from spillway.config.reading import read_bounded
from spillway.errors import PermanentError, TemporaryError

_LARGEST = 256 << 20
"""Bytes of a state that are read: a part takes about 2 KB, so that 5,000 parts are some 10 MiB."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """The file, but for its checksum, which files of earlier versions do not have."""

    version: int
    salt: str
    resources: list[Resource]
    """The doomed ones last."""
    pending: list[Pending]
    outputs: dict[str, Any]


class State:
    """Resources by URN in the order of their making, pending operations and outputs. Safe for threads.

    It is the `recovery.OperationLog` of the embedded engine.
    """

    def __init__(self, path: Path) -> None:
        """Read it; touches nothing.

        Raises:
            PermanentError: neither the file nor the last good one makes sense.
            TemporaryError: the disk does not give it.
        """
        self._path = path
        self.restored = ""
        """What is wrong with the file, where the last good one was taken instead; empty where nothing is."""
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
        """Write the file: a crash leaves the old one or the new one, never half of one.

        Raises:
            OSError: the disk does not take it; the old one stands.
        """
        with self._lock:
            content = _encoded(
                _Document(
                    version=_VERSION,
                    salt=self._salt,
                    resources=[*self.resources.values(), *self.doomed],
                    pending=self.pending,
                    outputs=self.outputs,
                )
            )
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self.restored:
                set_aside(self._path)
                self.restored = ""
            write_atomically(self._path, content, mode=0o600)
            # The file itself is on the disk by now: should a power cut spoil the second one, it is not needed.
            write_atomically(_last_good(self._path), content, mode=0o600, durable=False)

    def _load(self) -> None:
        document, flaw = _read(self._path)
        if document is None:
            document, _ = _read(_last_good(self._path))
            self.restored = flaw
        if document is None:
            raise PermanentError(
                f"the engine's state {self._path} cannot be read ({flaw}), nor can the last good one beside it",
                remedy=f"Put a copy of {self._path.parent} back. Without a copy: move that folder away, delete by hand what"
                " this load balancer consists of, and let Spillway build it anew.",
            )
        self._salt = document.salt
        self.resources = {it.urn: it for it in document.resources if not it.doomed}
        self.doomed = [it for it in document.resources if it.doomed]
        self.pending = list(document.pending)
        self.outputs = document.outputs

    def _seal_all(self, props: Props, secret: tuple[str, ...]) -> Props:
        return {
            name: self._seal(value) if name in secret and not _is_seal(value) else value
            for name, value in props.items()
        }

    def _seal(self, value: Any) -> dict[str, str]:
        text = json.dumps(value, sort_keys=True).encode()
        return {_SEAL: hmac.new(self._salt.encode(), text, hashlib.sha256).hexdigest()}


def _last_good(path: Path) -> Path:
    return path.with_name(f"{path.name}.bak")


def _checksum(document: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()


def _encoded(document: _Document) -> bytes:
    """The file's content."""
    plain: dict[str, Any] = msgspec.to_builtins(document)
    return msgspec.json.format(msgspec.json.encode({**plain, "checksum": _checksum(plain)}), indent=1)


def _read(path: Path) -> tuple[_Document | None, str]:
    """What the file holds, or None and what is wrong with it.

    Raises:
        TemporaryError: the disk does not give it.
    """
    try:
        content = read_bounded(path, _LARGEST)
        if len(content) > _LARGEST:
            return None, f"it is larger than {_LARGEST >> 20} MiB"
        plain = msgspec.json.decode(content)
        if not isinstance(plain, dict):
            return None, f"it holds {type(plain).__name__} and no object"
        checksum = plain.pop("checksum", None)
        document = msgspec.convert(plain, _Document)
    except FileNotFoundError:
        return None, "it is not there"
    except OSError as error:
        raise TemporaryError(
            f"the engine's state {path} cannot be read: {error}", remedy=remedy_for(error)
        ) from error
    except (ValueError, RecursionError) as error:
        return None, str(error)
    if document.version != _VERSION:
        return None, f"version {document.version} is not {_VERSION}"
    if checksum is not None and checksum != _checksum(plain):
        return None, "its checksum is another: somebody or the disk has changed it"
    return document, ""


def _is_orphaned(pending: Pending, resource_id: str) -> bool:
    return pending.operation == ORPHANED and pending.resource.id == resource_id


def _is_seal(value: Any) -> bool:
    return isinstance(value, dict) and _SEAL in value

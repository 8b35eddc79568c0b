"""Crash recovery, the same for both engines: what became of the operations whose end was never seen.

An engine writes an operation down before it sends the first request, and closes it after the last answer. A process
that is killed between the two leaves it open. For each open operation:

1. If the state holds the resource and a refresh of the state follows, that refresh finds out the rest.
2. Otherwise the object is looked for in the cloud.
3. It is there: what is there goes into the state. So a create that was cut off is adopted; without that every later
   create of the name would fail with 409.
4. It is not there: a delete has been done, an updated resource is gone. The request of a create may still be on its
   way: it is kept as an orphaned create. Should its name turn out to be taken later, the orphan proves that what took
   it is ours, and step 3 adopts it.

What differs between the engines is behind `OperationLog`: the CLI has its operations in the deployment that
`pulumi stack export` gives, the embedded engine in its own state file.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from spillway.adapters.engine.provider.cloud import Deadline
from spillway.adapters.engine.provider.kinds import Props
from spillway.adapters.engine.provider.standin import words_for

_log = logging.getLogger(__name__)

CREATING = "creating"
UPDATING = "updating"
DELETING = "deleting"
"""Types of operations, as Pulumi writes them."""
ORPHANED = "missed"
"""Type of a create that was cut off and whose object was not there when it was looked for. The word stands in files
that earlier versions have written."""


class RecoveryKind(StrEnum):
    """What a crash, or somebody, had left behind; the label of `spillway_recoveries_total`."""

    LOCK = "lock"
    """A lock of Pulumi's whose holder is dead."""
    OPERATION = "operation"
    """An operation that was begun and not closed."""
    STATE = "state"
    """An engine state that could not be read; the last good one is in its place."""
    PROCESS = "process"
    """A process of an engine call that had outlived its caller."""


class Recoveries:
    """Counts what was put right, by kind, for as long as this process lives. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(RecoveryKind, 0)

    def note(self, kind: RecoveryKind, sentence: str, *, count: int = 1) -> None:
        """Count it and say it."""
        with self._lock:
            self._counts[kind] += count
        _log.info("Recovered: %s.", sentence)

    def counts(self) -> Mapping[str, int]:
        """How often, by kind."""
        with self._lock:
            return {kind.value: count for kind, count in self._counts.items()}


class OpenOperation(Protocol):
    """An operation that was begun and not closed."""

    @property
    def operation(self) -> str:
        """CREATING, UPDATING, DELETING or ORPHANED."""
        ...

    @property
    def token(self) -> str:
        """The type of its resource."""
        ...

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        ...

    @property
    def id(self) -> str:
        """The resource's id; empty where a create has not told it."""
        ...

    @property
    def inputs(self) -> Props:
        """What the program wanted."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An object as the cloud has it now."""

    id: str
    inputs: Props
    outputs: Props


Operation = TypeVar("Operation", bound=OpenOperation)
Operation_contra = TypeVar("Operation_contra", bound=OpenOperation, contravariant=True)


class OperationLog(Protocol[Operation_contra]):
    """Where an engine keeps open operations, and how it keeps what recovery has found out."""

    def is_left_to_refresh(self, operation: Operation_contra) -> bool:
        """True if the state holds the resource and a refresh follows."""
        ...

    def close(self, operation: Operation_contra, there: Found | None) -> None:
        """The operation has ended: `there` is what is there now, None if nothing is."""
        ...

    def orphan(self, operation: Operation_contra) -> None:
        """What a create should have made is not there so far."""
        ...


class ResourceReader(Protocol):
    """Looks at single objects in the cloud."""

    def resource_id(self, token: str, inputs: Props) -> str:
        """The id that a resource with these inputs has or will have."""
        ...

    def read(
        self, token: str, resource: str, inputs: Props, deadline: Deadline
    ) -> tuple[Props, Props] | None:
        """(inputs, outputs) as the cloud has them now; None if it is gone."""
        ...


def recover(
    operations: Iterable[Operation],
    log: OperationLog[Operation],
    reader: ResourceReader,
    deadline: Deadline,
) -> list[str]:
    """Close the operations; one phrase for people about each of which there is news.

    Raises:
        CloudError: the cloud did not answer; nothing is lost, what was not looked at stays open.
    """
    news: list[str] = []
    for operation in operations:
        known_orphan = operation.operation == ORPHANED
        # 1. The state holds it: the refresh that follows decides.
        if log.is_left_to_refresh(operation):
            news += [] if known_orphan else [_phrase(operation, "is looked at again")]
            continue
        # 2. Look for the object.
        there = _look(operation, reader, deadline)
        # 3. and 4. Keep what was found.
        if there is None and operation.operation in {CREATING, ORPHANED}:
            log.orphan(operation)
            news += [] if known_orphan else [_phrase(operation, "is not there so far")]
        else:
            log.close(operation, there)
            news.append(_phrase(operation, _end(operation.operation, exists=there is not None)))
    return news


def _look(operation: OpenOperation, reader: ResourceReader, deadline: Deadline) -> Found | None:
    resource = operation.id or reader.resource_id(operation.token, operation.inputs)
    there = reader.read(operation.token, resource, operation.inputs, deadline)
    return None if there is None else Found(id=resource, inputs=there[0], outputs=there[1])


def summary(news: Sequence[str]) -> str | None:
    """What recovery did, in one sentence; None if there was nothing to do."""
    if not news:
        return None
    return f"closed {len(news)} operation(s) that a crash had left open: {'; '.join(news)}"


def _phrase(operation: OpenOperation, end: str) -> str:
    return f"{words_for(operation.token)} {operation.name} {end}"


def _end(operation: str, *, exists: bool) -> str:
    match operation, exists:
        case "creating" | "missed", True:
            return "had been made and is adopted"
        case "deleting", False:
            return "had been deleted"
        case _, False:
            return "is not there"
        case _:
            return "is there"

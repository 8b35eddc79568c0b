"""Recovery of a stack after a crash of the CLI: its dead locks, its pending operations, its orphaned creates.

Measured (pulumi.md 7): a killed create may have made its object, of which only the pending operation knows. Pulumi's
own ways drop that, and every later `up` fails with 409. So the resource is added to the deployment with its inputs as
outputs; the refresh that must follow reads the rest. Pending updates and deletes need nothing: their resources are in
the deployment.

A resource that is deleted to be replaced stays in the deployment, marked `pendingReplacement`, until its new one has
been made. It counts as absent here; a new one that was made takes its place, after what it needs and before what needs
it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi.automation import Deployment, Stack

from spillway.adapters.engine.provider.cloud import Deadline
from spillway.adapters.engine.provider.kinds import Props
from spillway.adapters.engine.provider.wire import opened, without_secrets
from spillway.adapters.engine.pulumi_cli.locks import locks_in, unlock
from spillway.adapters.engine.recovery import (
    CREATING,
    ORPHANED,
    Found,
    Recoveries,
    RecoveryKind,
    ResourceReader,
    recover,
    summary,
)
from spillway.adapters.files import write_atomically
from spillway.errors import PermanentError


@dataclass(frozen=True, slots=True)
class PendingOperation:
    """A pending operation as `pulumi stack export` gives it."""

    operation: str
    resource: Mapping[str, Any]

    @property
    def urn(self) -> str:
        """The resource's URN."""
        return str(self.resource["urn"])

    @property
    def token(self) -> str:
        """The resource's type."""
        return str(self.resource["type"])

    @property
    def name(self) -> str:
        """The end of its URN."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def id(self) -> str:
        """Empty: only creates are looked for, and they have none yet."""
        return ""

    @property
    def inputs(self) -> Props:
        """Without the wrappers of secrets."""
        return opened(self.resource.get("inputs") or {})


class DeploymentLog:
    """`recovery.OperationLog` over an exported deployment, which is copied and never changed itself."""

    def __init__(self, deployment: Mapping[str, Any], orphaned: Sequence[PendingOperation]) -> None:
        """`orphaned`: creates that an earlier recovery could not find."""
        self.deployment: dict[str, Any] = copy.deepcopy(dict(deployment))
        """As it will be: without pending operations, with what was adopted."""
        self.orphaned: list[PendingOperation] = []
        """Creates whose objects are not there, though they may still come."""
        pending = self.deployment.pop("pending_operations", None) or []
        self.operations = [
            *(PendingOperation(entry["type"], entry["resource"]) for entry in pending),
            *orphaned,
        ]
        """All that are open."""
        self._resources: list[dict[str, Any]] = self.deployment.get("resources") or []

    def is_left_to_refresh(self, operation: PendingOperation) -> bool:
        """True for all but creates of what the deployment does not have."""
        if operation.operation not in {CREATING, ORPHANED}:
            return True
        return any(
            resource["urn"] == operation.urn and not resource.get("pendingReplacement")
            for resource in self._resources
        )

    def close(self, operation: PendingOperation, there: Found | None) -> None:
        """Adopt what a create has made."""
        if there is not None:
            wanted = operation.resource.get("inputs") or {}
            adopted = {**operation.resource, "id": there.id, "outputs": wanted}
            places = [at for at, resource in enumerate(self._resources) if resource["urn"] == operation.urn]
            if places:
                self._resources[places[0]] = adopted
            else:
                self._resources.append(adopted)
            self.deployment["resources"] = self._resources

    def orphan(self, operation: PendingOperation) -> None:
        """Keep it for `OrphanedCreates`."""
        self.orphaned.append(operation)


@dataclass(frozen=True, slots=True)
class OrphanedCreates:
    """Orphaned creates in a file of ours, without any secret, until an update has ended well: Pulumi's import drops them."""

    path: Path

    def operations(self) -> list[PendingOperation]:
        """What is kept.

        Raises:
            PermanentError: the file is there and cannot be read.
        """
        try:
            kept = [
                PendingOperation(ORPHANED, dict(resource))
                for resource in json.loads(self.path.read_text(encoding="utf-8"))
            ]
            if not all(isinstance(one.resource[key], str) for one in kept for key in ("urn", "type")):
                raise TypeError("a resource has no name")  # noqa: TRY301 like any other wrong shape
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise PermanentError(
                f"{self.path} cannot be read: {error}",
                remedy="Delete it; a create that a crash cut off may then have to be deleted by hand.",
            ) from error
        return kept

    def add(self, resources: Iterable[Mapping[str, Any]]) -> None:
        """Keep these, too: creates whose end nobody saw. The CLI forgets one whose plugin died before it had answered."""
        known = self.operations()
        urns = {operation.urn for operation in known}
        fresh = [PendingOperation(ORPHANED, it) for it in resources if str(it["urn"]) not in urns]
        if fresh:
            self.keep([*known, *fresh])

    def keep(self, operations: Sequence[PendingOperation]) -> None:
        """Keep these and no others."""
        if not operations:
            self.path.unlink(missing_ok=True)
            return
        resources = [
            {**operation.resource, "inputs": without_secrets(operation.resource.get("inputs") or {})}
            for operation in operations
        ]
        write_atomically(self.path, json.dumps(resources, indent=1).encode(), mode=0o600)


def recover_stack(
    stack: Stack,
    state: Path | None,
    orphans: OrphanedCreates,
    reader: ResourceReader,
    deadline: Deadline,
    *,
    recoveries: Recoveries | None = None,
    hosts: frozenset[str] = frozenset(),
) -> str | None:
    """Clear dead locks and close pending operations; a sentence if something was done. A refresh must follow.

    Args:
        stack: The stack to look at.
        state: Its folder, or None where it is not on this machine; then locks show only when an update is refused.
        orphans: Creates that were not found before; kept up to date.
        reader: Looks for objects that a killed create may have made.
        deadline: For these looks.
        recoveries: Told what was put right.
        hosts: Names that this machine, or this container, has had.

    Raises:
        TemporaryError: the stack is locked by somebody who may be alive.
        CloudError: the cloud did not answer.
    """
    done: list[str] = []
    recoveries = recoveries or Recoveries()
    locks = [] if state is None else locks_in(state, stack.name, hosts)
    if locks:
        unlock(stack, locks)
        done.append(f"cleared the lock of {locks[0]}, which is dead")
        recoveries.note(RecoveryKind.LOCK, done[0], count=len(locks))
    exported = stack.export_stack()
    before = dict(exported.deployment or {})
    log = DeploymentLog(before, orphans.operations())
    if log.operations:
        news = recover(log.operations, log, reader, deadline)
        closed = summary(news)
        # Written first: the import drops what is pending, and a crash between the two must not lose it.
        orphans.keep(log.orphaned)
        if log.deployment != before:
            stack.import_stack(Deployment(version=exported.version, deployment=log.deployment))
        if closed:
            recoveries.note(RecoveryKind.OPERATION, closed, count=len(news))
            done.append(closed)
    return "; ".join(done) or None

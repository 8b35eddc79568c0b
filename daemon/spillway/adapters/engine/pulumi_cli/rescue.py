"""After a crash of the CLI: its lock, if the holder is certainly dead, and the operations that it left open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pulumi.automation import Deployment, Stack

from spillway.adapters.engine.provider.cloud import Deadline
from spillway.adapters.engine.provider.standin import StandIn
from spillway.adapters.engine.provider.wire import opened
from spillway.adapters.engine.pulumi_cli.locks import Lock, locks_in
from spillway.adapters.engine.pulumi_cli.missed import Missed
from spillway.adapters.engine.pulumi_cli.repair import repaired
from spillway.errors import PermanentError, TemporaryError


class Locked(TemporaryError):
    """The engine refused to start: the stack is locked."""

    def __init__(self, locks: list[Lock]) -> None:
        super().__init__(f"the stack is locked by {', '.join(map(str, locks)) or 'somebody unknown'}")
        self.locks = locks


def rescue(
    stack: Stack, state: Path | None, missed: Missed, provider: StandIn, deadline: Deadline
) -> str | None:
    """Clear dead locks and repair pending operations; a sentence if something was done. A refresh must follow.

    Args:
        stack: The stack to look at.
        state: Its folder, or None where it is not on this machine; then locks show only when an update is refused.
        missed: Creates that were not found before; kept up to date.
        provider: Looks for objects that a killed create may have made.
        deadline: For these looks.

    Raises:
        PermanentError: the stack is locked by somebody who may be alive.
        CloudError: the cloud did not answer.
    """
    done: list[str] = []
    locks = [] if state is None else locks_in(state, stack.name)
    if locks:
        unlock(stack, locks)
        done.append(f"cleared the lock of {locks[0]}, which is dead")

    def exists(token: str, inputs: dict[str, Any]) -> str | None:
        resource, plain = provider.resource_id(token, opened(inputs)), opened(inputs)
        return None if provider.read(token, resource, plain, deadline) is None else resource

    exported = stack.export_stack()
    kept = dict(exported.deployment or {})
    before = missed.operations()
    if kept.get("pending_operations") or before:
        result = repaired(kept, before, exists)
        # Written first: the import drops what is pending, and a crash between the two must not lose it.
        missed.keep(result.missed)
        if result.deployment != kept:
            stack.import_stack(Deployment(version=exported.version, deployment=result.deployment))
        done += result.found
    return "; ".join(done) or None


def unlock(stack: Stack, locks: list[Lock]) -> None:
    """Delete the locks if all of them are certainly dead.

    Raises:
        PermanentError: somebody may be alive, or nobody knows who it is.
    """
    alive = [lock for lock in locks if not lock.dead]
    if alive or not locks:
        raise PermanentError(
            f"the stack is locked by {', '.join(map(str, alive)) or 'somebody unknown'}",
            remedy="Let that update end; if it is certain that none runs, use `pulumi cancel`.",
        )
    stack.cancel()

"""Bringing the embedded engine's state back to the truth: after a crash, and after somebody else's edit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from spillway.adapters.engine.embedded.state import Pending, Resource, State
from spillway.adapters.engine.provider.cloud import Deadline
from spillway.adapters.engine.provider.standin import StandIn, words_for

_PARALLEL = 8
"""Reads at the same time."""


def mend(state: State, provider: StandIn, deadline: Deadline) -> str | None:
    """Close every pending operation by looking at what the cloud has; a sentence if there were any.

    A create that was cut off may have made its object: it is adopted, or every later create would fail with 409. If
    the object is not there, the request may still be on its way, so it is remembered until the object has been made.

    Raises:
        CloudError: the cloud did not answer; nothing is lost, what was not looked at stays pending.
    """
    if not state.pending:
        return None
    found: list[str] = []
    for pending in list(state.pending):
        there = _read(provider, pending.resource, deadline)
        if there is None and pending.operation == "missed":
            continue
        found.append(_sentence(pending, exists=there is not None))
        if there is None and pending.operation == "creating":
            state.miss(pending)
            continue
        state.finish(pending, there)
        if there is None and pending.operation != "deleting":
            state.resources.pop(pending.resource.urn, None)
    if not found:
        return None
    state.save()
    return f"closed {len(found)} operation(s) that a crash had left open: {'; '.join(found)}"


def adopted(state: State, provider: StandIn, resource_id: str, deadline: Deadline) -> bool:
    """Take over what a create of ours made after it was looked for; False if this was not ours or is not there.

    Raises:
        CloudError: the cloud did not answer.
    """
    pending = state.missed(resource_id)
    if pending is None:
        return False
    there = _read(provider, pending.resource, deadline)
    if there is None:
        return False
    state.finish(pending, there)
    return True


def refresh(state: State, provider: StandIn, deadline: Deadline) -> None:
    """Read every resource, as `pulumi refresh` does: what is gone is forgotten, the rest is as the cloud has it. `save` keeps it.

    Raises:
        CloudError: the cloud did not answer.
    """
    known = list(state.resources.values())
    with ThreadPoolExecutor(max_workers=_PARALLEL, thread_name_prefix="spillway-refresh") as pool:
        seen = list(pool.map(lambda resource: _read(provider, resource, deadline), known))
    for resource, there in zip(known, seen, strict=True):
        if there is None:
            del state.resources[resource.urn]
        else:
            state.put(there)


def _read(provider: StandIn, resource: Resource, deadline: Deadline) -> Resource | None:
    there = provider.read(resource.token, resource.id, resource.inputs, deadline)
    return None if there is None else replace(resource, inputs=there[0], outputs=there[1])


def _sentence(pending: Pending, *, exists: bool) -> str:
    name = f"{words_for(pending.resource.token)} {pending.resource.name}"
    match pending.operation, exists:
        case "creating" | "missed", True:
            return f"{name} had been made"
        case "deleting", False:
            return f"{name} had been deleted"
        case "creating", False:
            return f"{name} is not there so far"
        case _, False:
            return f"{name} is not there"
        case _:
            return f"{name} is there"

"""Pending operations in Pulumi's state after a kill, repaired as measurement showed to work (pulumi.md 7)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

State = dict[str, Any]
"""A deployment as `pulumi stack export` gives it: `resources`, `pending_operations`."""


def repaired(deployment: State, exists: Callable[[str, State], str | None]) -> tuple[State, list[str]]:
    """The deployment without the pending operations that could be closed, and what was found for each of these.

    A killed create may have made its object, of which only the pending operation knows. Pulumi's own ways drop it,
    and every later `up` fails with 409. So it is added with its inputs as outputs; the refresh that must follow
    reads the rest. If its object is not there, the request may still be on its way: the operation stays, as Pulumi keeps
    it too (measured), and is looked at again when the name turns out to be taken. Pending updates and deletes need nothing: their resources are in the state, the refresh decides.

    Args:
        deployment: As exported; it is not changed.
        exists: (type, inputs) to the id of the object, or None if the cloud has none.
    """
    mended = copy.deepcopy(deployment)
    found: list[str] = []
    known = {resource["urn"] for resource in mended.get("resources") or []}
    for operation in mended.pop("pending_operations", None) or []:
        resource = operation["resource"]
        name = resource["urn"].rsplit("::", 1)[-1]
        if operation["type"] != "creating" or resource["urn"] in known:
            found.append(f"{operation['type']} {name}: looked at again")
            continue
        resource_id = exists(resource["type"], resource.get("inputs") or {})
        if resource_id is None:
            mended.setdefault("pending_operations", []).append(operation)
            continue
        adopted = {**resource, "id": resource_id, "outputs": resource.get("inputs") or {}}
        mended.setdefault("resources", []).append(adopted)
        known.add(resource["urn"])
        found.append(f"creating {name}: it had been made and is adopted")
    return mended, found

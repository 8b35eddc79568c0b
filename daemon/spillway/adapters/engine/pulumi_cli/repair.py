"""Pending operations in Pulumi's state after a kill, repaired as measurement showed to work (pulumi.md 7)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from spillway.adapters.engine.pulumi_cli.missed import MISSED, Operation

State = dict[str, Any]
"""A deployment as `pulumi stack export` gives it: `resources`, `pending_operations`."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of the operations that were open."""

    deployment: State
    """Without pending operations."""
    found: list[str] = field(default_factory=list)
    """News, for people."""
    missed: list[Operation] = field(default_factory=list)
    """Creates whose objects are not there, though they may still come."""


def repaired(
    deployment: State, missed: Iterable[Operation], exists: Callable[[str, State], str | None]
) -> Repaired:
    """Close the pending operations.

    A killed create may have made its object, of which only the pending operation knows. Pulumi's own ways drop it,
    and every later `up` fails with 409. So it is added with its inputs as outputs; the refresh that must follow
    reads the rest. Pending updates and deletes need nothing: their resources are in the state, the refresh decides.

    Args:
        deployment: As exported; it is not changed.
        missed: Creates that an earlier repair could not find.
        exists: (type, inputs) to the id of the object, or None if the cloud has none.
    """
    result = Repaired(copy.deepcopy(deployment))
    known = {resource["urn"] for resource in result.deployment.get("resources") or []}
    for operation in [*(result.deployment.pop("pending_operations", None) or []), *missed]:
        resource = operation["resource"]
        name = resource["urn"].rsplit("::", 1)[-1]
        new = operation["type"] != MISSED
        if operation["type"] not in {"creating", MISSED} or resource["urn"] in known:
            result.found.extend([f"{operation['type']} {name}: looked at again"] if new else [])
            continue
        resource_id = exists(resource["type"], resource.get("inputs") or {})
        if resource_id is None:
            result.missed.append(operation)
            result.found.extend([f"creating {name}: it is not there so far"] if new else [])
            continue
        adopted = {**resource, "id": resource_id, "outputs": resource.get("inputs") or {}}
        result.deployment.setdefault("resources", []).append(adopted)
        known.add(resource["urn"])
        result.found.append(f"creating {name}: it had been made and is adopted")
    return result

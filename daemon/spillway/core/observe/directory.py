"""Which backend a row of Cloud Monitoring belongs to, by the group name and scope in its labels.

Names and special values of the labels: reference LOGMON, RES.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

from spillway.core.values.topology import Fleet
from spillway.core.values.units import RegionName

SPECIAL_NAMES = frozenset(
    {"", "INVALID_BACKEND", "FRONTEND_5XX", "NO_BACKEND_SELECTED", "MULTIPLE_BACKENDS", "UNKNOWN"}
)
"""What stands in the labels instead of a group or a scope (reference: LOGMON, RES)."""

Place = tuple[int, RegionName]
"""Index of the service in the fleet, and region; region '' stands for the answers that no backend gave."""


class Whose(Enum):
    """Rows that belong to no backend."""

    UNASSIGNED = "unassigned"
    """The balancer found no backend, or does not say which."""
    FOREIGN = "foreign"
    """A group that is not in the configuration answers for one of our services."""
    NOT_OURS = "not-ours"
    """Another load balancer's backend service."""


@lru_cache(maxsize=4096)
def region_of(scope: str) -> RegionName:
    """The region of a zone (its name without the last `-x`) or of a region; empty for special values."""
    if scope in SPECIAL_NAMES:
        return ""
    head, dash, tail = scope.rpartition("-")
    return head if dash and len(tail) == 1 and tail.isalpha() else scope


@dataclass(slots=True, kw_only=True)
class Directory:
    """Places of all backends of a fleet."""

    targets: dict[str, int] = field(default_factory=dict)
    """Index of the service by resource name."""
    exact: dict[tuple[str, str, str], Place] = field(default_factory=dict)
    """By (resource, group name, scope)."""
    by_name: dict[tuple[str, str], Place | None] = field(default_factory=dict)
    """By (resource, group name) where that name stands for one region; None where it stands for several."""

    def find(self, target: str, name: str, scope: str) -> Place | Whose:
        """The backend behind three labels, or why there is none.

        The scope is empty when the group sent no response (LOGMON); the name alone decides then, where
        it means one region.
        """
        place = self.exact.get((target, name, scope))
        if place is not None:
            return place
        if target not in self.targets:
            return Whose.NOT_OURS
        if name in SPECIAL_NAMES:
            return Whose.UNASSIGNED
        if scope in SPECIAL_NAMES:
            return self.by_name.get((target, name)) or Whose.UNASSIGNED
        return Whose.FOREIGN


def directory(fleet: Fleet) -> Directory:
    """The directory of `fleet`."""
    result = Directory()
    for index, service in enumerate(fleet.services):
        result.targets[service.resource] = index
        for backend in service.backends:
            place = (index, backend.region)
            for group in backend.groups:
                result.exact[service.resource, group.name, group.scope] = place
                name = (service.resource, group.name)
                result.by_name[name] = place if result.by_name.get(name, place) == place else None
    return result

"""What exists: resources by key, members of groups, and who refers to whom. Writing is in `store`."""

from __future__ import annotations

import copy
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Sequence

from spillway.sandbox import links
from spillway.sandbox.dns import Dns
from spillway.sandbox.kinds.base import Resource
from spillway.sandbox.links import Key
from spillway.sandbox.refusals import not_found


class Catalog(ABC):
    """The resources and the questions about them. Every method may be called from any thread.

    `lock` also guards the world behind the sandbox.
    """

    def __init__(self, now: Callable[[], float], health: Callable[[str], Sequence[tuple[int, int]]]) -> None:
        """Start empty.

        Args:
            now: the date in the world, in UTC seconds.
            health: per zone of a region, endpoints that pass their checks and all endpoints.
        """
        self.lock = threading.RLock()
        self.dns = Dns()
        """Which names lead where."""
        self._now = now
        self._health = health
        self._resources: dict[Key, Resource] = {}
        self.memberships = 0
        """How often members of any group were replaced."""
        self._members: dict[str, list[Resource]] = {}
        self._targets: dict[str, frozenset[str]] = {}
        self._users: defaultdict[str, set[str]] = defaultdict(set)

    @property
    def now(self) -> float:
        """The date in the world, UTC seconds."""
        return self._now()

    def health(self, region: str) -> Sequence[tuple[int, int]]:
        """What the world says about a region."""
        with self.lock:
            return self._health(region)

    def unresolved(self, domain: str) -> Sequence[tuple[float, float]]:
        """When the DNS of a name leads elsewhere."""
        with self.lock:
            return self.dns.missing(domain)

    def find(self, path: str) -> Resource | None:
        """The resource of this relative name; a copy, or None. The network `default` is always there."""
        key = links.parse(path, "")
        if key is None:
            return None
        with self.lock:
            if key not in self._resources and key.name == "default":
                self._make_default(key)
            return copy.deepcopy(self._resources.get(key))

    def get(self, key: Key) -> Resource:
        """The resource of this key; a copy.

        Raises:
            Refusal: there is none (404).
        """
        resource = self.find(key.path)
        if resource is None:
            raise not_found(key.path)
        return resource

    def members(self, path: str) -> list[Resource]:
        """The endpoints or instances of a group; a copy."""
        with self.lock:
            return copy.deepcopy(self._members.get(path, []))

    def count(self, path: str) -> int:
        """How many endpoints or instances a group has."""
        with self.lock:
            return len(self._members.get(path, ()))

    def put_members(self, path: str, members: list[Resource]) -> None:
        """Replace the endpoints or instances of a group."""
        with self.lock:
            self._members[path] = copy.deepcopy(members)
            self.memberships += 1

    def everything(self, project: str, collection: str) -> list[tuple[Key, Resource]]:
        """All resources of a collection in a project, whatever their scope, sorted by key; not copies."""
        with self.lock:
            return sorted(
                (
                    item
                    for item in self._resources.items()
                    if item[0].project == project and item[0].collection == collection
                ),
                key=lambda item: item[0],
            )

    def all_of(self, collection: str) -> list[tuple[Key, Resource]]:
        """All resources of a collection in all projects, sorted by key; not copies."""
        with self.lock:
            return sorted(
                (item for item in self._resources.items() if item[0].collection == collection),
                key=lambda item: item[0],
            )

    def has_project(self, project: str) -> bool:
        """Whether a project has any resource."""
        with self.lock:
            return any(key.project == project for key in self._resources)

    def users(self, path: str) -> list[str]:
        """Relative names of the resources that refer to this one, sorted."""
        with self.lock:
            return sorted(self._users.get(path, ()))

    def dump(self) -> dict[str, Resource]:
        """All resources by relative name, for people who look into the sandbox."""
        with self.lock:
            shown = {
                key.path: copy.deepcopy(resource)
                for key, resource in sorted(self._resources.items(), key=lambda item: item[0])
            }
            for path, members in self._members.items():
                if path in shown:
                    shown[path]["members"] = copy.deepcopy(members)
            return shown

    @abstractmethod
    def _make_default(self, key: Key) -> None:
        """Make a resource that every project has from the beginning, if this is the name of one."""

    def _index(self, path: str, targets: frozenset[str]) -> None:
        for old in self._targets.pop(path, frozenset()):
            self._users[old].discard(path)
        for new in targets:
            self._users[new].add(path)
        self._targets[path] = targets

"""What a kind of resource is: its place in the API, its shape, its rules. The other modules here are tables of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from spillway.sandbox.links import Key
from spillway.sandbox.schema import Obj

Resource = dict[str, Any]
"""A resource in the sandbox's own form: fields of the API, references as relative names."""

OUTPUT_ONLY = frozenset({"id", "kind", "creationTimestamp", "selfLink", "selfLinkWithId", "region", "zone"})
"""Fields that the API sets; clients send them back and the API ignores them."""


class View(Protocol):
    """What rules may ask about the other resources."""

    def find(self, path: str) -> Resource | None:
        """The resource of this relative name, or None."""
        ...

    def members(self, path: str) -> list[Resource]:
        """The endpoints or instances of a group; empty where there are none."""
        ...

    def count(self, path: str) -> int:
        """How many endpoints or instances a group has."""
        ...

    def everything(self, project: str, collection: str) -> list[tuple[Key, Resource]]:
        """All resources of a collection in a project, whatever their scope, sorted by key."""
        ...

    def users(self, path: str) -> list[str]:
        """Relative names of the resources that refer to this one, sorted."""
        ...

    def put_members(self, path: str, members: list[Resource]) -> None:
        """Replace the endpoints or instances of a group."""
        ...

    def health(self, region: str) -> Sequence[tuple[int, int]]:
        """Per zone of a region: endpoints that pass their checks, and all endpoints."""
        ...

    def unresolved(self, domain: str) -> Sequence[tuple[float, float]]:
        """When the DNS of a name leads elsewhere: from and until, in UTC seconds, oldest first."""
        ...

    @property
    def now(self) -> float:
        """The date in the world, UTC seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A resource on its way into the store; rules may complete `resource` in place."""

    key: Key
    resource: Resource
    before: Resource | None
    """The resource as it was; None on insert."""
    view: View


Rule = Callable[[Draft], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A custom method, such as setLabels. `change` writes, `answer` only reads; exactly one of them is set."""

    name: str
    body: Obj | None
    change: Callable[[Draft, Resource], None] | None = None
    answer: Callable[[Draft, Resource], Resource] | None = None
    without_scope: bool = False
    """Served at `projects/P/COLLECTION/NAME/ACTION`, without `global/` (gcp.md 7)."""
    operation: str = ""
    """The operation type that the API reports; empty for the action's own name."""
    listing: str = ""
    """Published schema of the items, where the method takes the parameters of a list."""
    needs_resource: bool = True
    """Whether the resource must exist."""
    bare: bool = False
    """The answer is not of the resource's kind, so it carries no `kind`."""
    request_id: bool = True
    scopes: tuple[str, ...] = ()
    """Families of scope in which the method exists; empty for all of the kind."""
    query: frozenset[str] = frozenset()
    """Parameters of its own; `change` and `answer` find each in the body under its name with `?` before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of resource. The real API's names: `collection` in paths, `singular` in `kind` fields."""

    collection: str
    singular: str
    shape: Obj
    scopes: tuple[str, ...] = ("global",)
    """Families of scope: global, zones, regions, locations."""
    verbs: frozenset[str]
    """Of insert, get, list, delete, update, patch, aggregatedList."""
    placed_verbs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The same by family of scope where it has fewer."""
    list_kind: str = ""
    """`compute#...` of a list; empty for `compute#{singular}List`."""
    aggregated_kind: str = ""
    linked_lists: bool = True
    """Whether a list has a `selfLink`."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    check: Rule
    outputs: frozenset[str] = frozenset()
    """Further fields that only the API sets; ignored in bodies."""
    fingerprint: bool = False
    """Carries a fingerprint that changes with every write and that a PUT must name."""
    labelled: bool = False
    actions: tuple[Action, ...] = ()
    decorate: Callable[[Key, Resource, View], Resource] | None = None
    """Adds what the API works out when it is asked, such as users and sizes."""

    @property
    def schema(self) -> str:
        """Name of the published schema."""
        return self.singular[0].upper() + self.singular[1:]

    @property
    def label(self) -> str:
        """The kind in the sentences of errors: `backend_service`."""
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in self.singular)

    def action(self, name: str, family: str) -> Action | None:
        """The custom method of this name in this family of scope."""
        return next(
            (a for a in self.actions if a.name == name and (not a.scopes or family in a.scopes)), None
        )


CRUD = frozenset({"insert", "get", "list", "delete"})


def set_labels(draft: Draft, body: Resource) -> None:
    """setLabels: replaces all labels; the store has checked the label fingerprint."""
    labels = body.get("labels") or {}
    if labels:
        draft.resource["labels"] = labels
    else:
        draft.resource.pop("labels", None)

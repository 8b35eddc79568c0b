"""Writes to the sandbox's Google Cloud: insert, replace, patch, amend, custom methods, delete."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Sequence

from spillway.sandbox import links, seeds
from spillway.sandbox.catalog import Catalog
from spillway.sandbox.clock import rfc3339
from spillway.sandbox.kinds import KINDS
from spillway.sandbox.kinds.base import OUTPUT_ONLY, Action, Draft, Kind, Resource
from spillway.sandbox.links import Key
from spillway.sandbox.refusals import (
    NAME_PATTERN,
    already_exists,
    in_use,
    invalid,
    not_found,
    required,
    stale_fingerprint,
    stale_labels,
)
from spillway.sandbox.render import eight_bytes, label_fingerprint, number
from spillway.sandbox.schema import merge

_NAME = re.compile(NAME_PATTERN)
_NOT_KEPT = frozenset({"instances", "serverTlsPolicies"})
"""Collections that the sandbox refers to and does not keep."""


class Store(Catalog):
    """The resources with their writes.

    A write is whole or not at all: checks run on a copy, which replaces the resource only when all have passed.
    """

    def __init__(self, now: Callable[[], float], health: Callable[[str], Sequence[tuple[int, int]]]) -> None:
        """Start empty; see `Catalog`."""
        super().__init__(now, health)
        self._planned: dict[str, seeds.SeedGroup] = {}
        self._writes = 0

    def insert(self, key: Key, body: Resource) -> Resource:
        """Create a resource.

        Raises:
            Refusal: the name is taken (409), a reference does not exist (404), a value is refused (400).
        """
        kind = KINDS[key.collection]
        with self.lock:
            if key in self._resources:
                raise already_exists(key.path)
            if not _NAME.fullmatch(key.name):
                raise invalid("resource.name", key.name, f"Must be a match of regex '{NAME_PATTERN}'")
            resource = {**copy.deepcopy(dict(kind.defaults)), **self._read(kind, key, body)}
            resource |= {
                "name": key.name,
                "id": number(key.path, self._writes),
                "creationTimestamp": rfc3339(self.now),
            }
            self._commit(kind, key, resource, before=None)
            planned = self._planned.pop(key.path, None)
            if planned is not None:
                self.put_members(key.path, seeds.members(planned))
            return copy.deepcopy(self._resources[key])

    def replace(self, key: Key, body: Resource) -> Resource:
        """PUT: the body is the resource, with the fingerprint that was read.

        Raises:
            Refusal: not there (404), no fingerprint (400), a stale one (412), a value is refused (400).
        """
        kind = KINDS[key.collection]
        with self.lock:
            before = self.get(key)
            given = self._read(kind, key, body)
            self._check_fingerprint(kind, before, given, needed=True)
            own = ("name", "id", "creationTimestamp", "labels", *kind.outputs)
            kept: Resource = {name: before[name] for name in own if name in before}
            return self._commit(kind, key, {**copy.deepcopy(dict(kind.defaults)), **given, **kept}, before)

    def patch(self, key: Key, body: Resource) -> Resource:
        """PATCH: JSON merge patch; arrays replace.

        Raises:
            Refusal: not there (404), a stale fingerprint (412), a value is refused (400).
        """
        kind = KINDS[key.collection]
        with self.lock:
            before = self.get(key)
            given = self._read(kind, key, body)
            self._check_fingerprint(kind, before, given, needed=False)
            readable = {name: value for name, value in body.items() if name in kind.shape.fields}
            merged = merge(
                before,
                {
                    name: given.get(name) if name not in given or not isinstance(value, dict) else value
                    for name, value in readable.items()
                },
            )
            whole = {name: value for name, value in merged.items() if name in kind.shape.fields}
            own = ("name", "id", "creationTimestamp", *kind.outputs)
            kept: Resource = {name: before[name] for name in own if name in before}
            defaults = copy.deepcopy(dict(kind.defaults))
            return self._commit(
                kind, key, {**defaults, **kind.shape.read(whole, "resource", key.project), **kept}, before
            )

    def amend(self, key: Key, fields: Resource) -> Resource:
        """Replace the fields that are given, whole; None clears one. The update of APIs that work with masks.

        Raises:
            Refusal: not there (404), or a value is refused (400).
        """
        kind = KINDS[key.collection]
        with self.lock:
            before = self.get(key)
            amended = {name: value for name, value in {**before, **fields}.items() if value is not None}
            return self._commit(kind, key, {**amended, "updated": rfc3339(self.now)}, before)

    def act(self, key: Key, action: Action, body: Resource) -> Resource:
        """Carry out a custom method that writes.

        Raises:
            Refusal: not there (404), a stale fingerprint (412), a value is refused (400).
        """
        kind = KINDS[key.collection]
        with self.lock:
            before = self.get(key)
            given = dict(body)
            self._check_fingerprint(kind, before, given, needed=False)
            labels = given.pop("labelFingerprint", None)
            if action.name == "setLabels" and labels != label_fingerprint(before):
                raise stale_labels()
            draft = Draft(key=key, resource=copy.deepcopy(before), before=before, view=self)
            if action.change is not None:
                self._check_links(action.body.links(given, "resource") if action.body else ())
                action.change(draft, given)
            return self._commit(kind, key, draft.resource, before)

    def delete(self, key: Key) -> Resource:
        """Remove a resource and return it as it was.

        Raises:
            Refusal: not there (404), or another one refers to it (400).
        """
        kind = KINDS[key.collection]
        with self.lock:
            before = self.get(key)
            extra = kind.decorate(key, before, self) if kind.decorate else {}
            for user in [*self.users(key.path), *extra.get("users", [])]:
                raise in_use(kind.label, key.path, user)
            del self._resources[key]
            self._members.pop(key.path, None)
            self._index(key.path, frozenset())
            self._writes += 1
            return before

    def seed_groups(self, groups: Iterable[seeds.SeedGroup]) -> None:
        """Let groups exist that a configuration only names, with their endpoints; those marked so appear when they are made."""
        with self.lock:
            for group in groups:
                if group.made_by_program:
                    self._planned[group.key.path] = group
                    continue
                self.insert(group.key, seeds.body(group))
                self.put_members(group.key.path, seeds.members(group))

    def seed_maps(self, maps: Iterable[seeds.SeedMap]) -> None:
        """Let certificate maps exist that a configuration only names; their certificates are issued already."""
        with self.lock:
            for seed in maps:
                for key, body in seeds.map_resources(seed):
                    self.insert(key, body)
                    self._resources[key]["creationTimestamp"] = rfc3339(self.now - seeds.SEEDED_BEFORE)

    def _make_default(self, key: Key) -> None:
        if key.collection == "networks" and key.scope == "global":
            self.insert(
                key,
                {
                    "name": "default",
                    "description": "Default network for the project",
                    "autoCreateSubnetworks": True,
                },
            )
        if key.collection == "subnetworks" and links.scope_exists(key.scope):
            self.insert(
                key,
                {
                    "name": "default",
                    "network": f"projects/{key.project}/global/networks/default",
                    "ipCidrRange": "10.128.0.0/20",
                },
            )

    def _read(self, kind: Kind, key: Key, body: Resource) -> Resource:
        ignored = (OUTPUT_ONLY | kind.outputs) - {"name"}
        given: Resource = kind.shape.read(
            {name: value for name, value in body.items() if name not in ignored}, "resource", key.project
        )
        if given.get("name", key.name) != key.name:
            raise invalid(
                "resource.name", given["name"], f"The name differs from that in the path, '{key.name}'."
            )
        return given

    def _check_fingerprint(self, kind: Kind, before: Resource, given: Resource, *, needed: bool) -> None:
        if not kind.fingerprint:
            return
        fingerprint = given.pop("fingerprint", None)
        if fingerprint is None and needed:
            raise required("resource.fingerprint")
        if fingerprint is not None and fingerprint != before["fingerprint"]:
            raise stale_fingerprint()

    def _check_links(self, found: Iterable[tuple[str, str]]) -> None:
        for _, path in found:
            key = links.parse(path, "")
            if key is not None and key.collection not in _NOT_KEPT and self.find(path) is None:
                raise not_found(path)

    def _commit(self, kind: Kind, key: Key, resource: Resource, before: Resource | None) -> Resource:
        resource.pop("labelFingerprint", None)
        found = list(kind.shape.links(resource, "resource"))
        self._check_links(found)
        kind.check(Draft(key=key, resource=resource, before=before, view=self))
        self._writes += 1
        if kind.fingerprint:
            resource["fingerprint"] = eight_bytes(f"{key.path}#{self._writes}")
        self._resources[key] = copy.deepcopy(resource)
        self._index(key.path, frozenset(path for _, path in kind.shape.links(resource, "resource")))
        return resource

"""Instance groups (Compute API v1 `instanceGroups`, `regionInstanceGroups`). Instances themselves are only names here.

A regional group belongs to its managed instance group: nobody makes, fills or deletes it by itself.
"""

from __future__ import annotations

from spillway.sandbox.kinds.base import CRUD, Action, Draft, Kind, Resource, View
from spillway.sandbox.links import Key
from spillway.sandbox.refusals import Refusal, invalid, required
from spillway.sandbox.schema import BYTES, PORT, STRING, Link, ListOf, Obj, choice
from spillway.sandbox.shapes import published

_NAMED_PORTS = ListOf(Obj({"name": STRING, "port": PORT}))
_INSTANCE = Link(("instances",))
_INSTANCES = Obj({"instances": ListOf(Obj({"instance": _INSTANCE}))})


def check(draft: Draft) -> None:
    """Named ports are whole; a network is set."""
    draft.resource.setdefault("network", f"projects/{draft.key.project}/global/networks/default")
    for at, port in enumerate(draft.resource.get("namedPorts", [])):
        for name in ("name", "port"):
            if name not in port:
                raise required(f"resource.namedPorts[{at}].{name}")


def _named(body: Resource) -> list[str]:
    names = [entry.get("instance") for entry in body.get("instances", [])]
    if not names or None in names:
        raise required("resource.instances")
    return [str(name) for name in names]


def add_instances(draft: Draft, body: Resource) -> None:
    """addInstances: in the group's zone, and not there already."""
    members = draft.view.members(draft.key.path)
    there = {member["instance"] for member in members}
    for name in _named(body):
        if f"/{draft.key.scope}/" not in name:
            raise invalid("resource.instances", name, f"The instance must be in {draft.key.scope}.")
        if name in there:
            raise Refusal(
                400, "memberAlreadyExists", f"Instance '{name}' is already a member of '{draft.key.path}'."
            )
        there.add(name)
        members.append({"instance": name, "status": "RUNNING"})
    draft.view.put_members(draft.key.path, members)


def remove_instances(draft: Draft, body: Resource) -> None:
    """removeInstances: each must be there."""
    members = draft.view.members(draft.key.path)
    for name in _named(body):
        if name not in {member["instance"] for member in members}:
            raise Refusal(400, "memberNotFound", f"Instance '{name}' is not a member of '{draft.key.path}'.")
        members = [member for member in members if member["instance"] != name]
    draft.view.put_members(draft.key.path, members)


def set_named_ports(draft: Draft, body: Resource) -> None:
    """setNamedPorts: replaces the list."""
    draft.resource["namedPorts"] = body.get("namedPorts", [])
    check(draft)


def list_instances(draft: Draft, body: Resource) -> Resource:
    """listInstances: the members; all of them run."""
    del body
    ports = draft.resource.get("namedPorts", [])
    items = []
    for member in draft.view.members(draft.key.path):
        item = {
            "instance": _INSTANCE.show(member["instance"], "v1"),
            "status": member.get("status", "RUNNING"),
        }
        items.append({**item, "namedPorts": ports} if ports else item)
    return {"kind": "compute#instanceGroupsListInstances", "id": draft.key.path, "items": items}


def decorate(key: Key, resource: Resource, view: View) -> Resource:
    """How many instances the group has."""
    del resource
    return {"size": view.count(key.path)}


INSTANCE_GROUPS = Kind(
    collection="instanceGroups",
    singular="instanceGroup",
    scopes=("zones", "regions"),
    verbs=CRUD | {"aggregatedList"},
    placed_verbs={"regions": frozenset({"get", "list"})},
    fingerprint=True,
    shape=published(
        "InstanceGroup",
        {"namedPorts": _NAMED_PORTS, "network": Link(("networks",)), "subnetwork": Link(("subnetworks",))},
    ),
    outputs=frozenset({"size"}),
    check=check,
    decorate=decorate,
    actions=(
        Action(name="addInstances", body=_INSTANCES, change=add_instances, scopes=("zones",)),
        Action(name="removeInstances", body=_INSTANCES, change=remove_instances, scopes=("zones",)),
        Action(
            name="setNamedPorts",
            body=Obj({"namedPorts": _NAMED_PORTS, "fingerprint": BYTES}),
            change=set_named_ports,
        ),
        Action(
            name="listInstances",
            body=Obj({"instanceState": choice("ALL RUNNING")}),
            answer=list_instances,
            listing="InstanceWithNamedPorts",
        ),
    ),
)

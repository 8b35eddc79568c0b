"""Network endpoint groups: zonal, regional (serverless, Private Service Connect) and global (internet) (Compute API v1, three resources, one collection)."""

from __future__ import annotations

import ipaddress

from spillway.sandbox.kinds.base import CRUD, Action, Draft, Kind, Resource, View
from spillway.sandbox.links import Key
from spillway.sandbox.refusals import Refusal, invalid, required
from spillway.sandbox.schema import BOOLEAN, LABELS, PORT, STRING, Link, ListOf, Obj, choice, words
from spillway.sandbox.shapes import published

_TYPES = {
    "zones": ("GCE_VM_IP_PORT", "NON_GCP_PRIVATE_IP_PORT"),
    "regions": ("SERVERLESS", "PRIVATE_SERVICE_CONNECT"),
    "global": ("INTERNET_FQDN_PORT", "INTERNET_IP_PORT"),
}
_SERVERLESS = ("cloudRun", "cloudFunction", "appEngine")

_ENDPOINT = Obj(
    {
        "ipAddress": STRING,
        "port": PORT,
        "instance": Link(("instances",)),
        "fqdn": STRING,
        "annotations": LABELS,
    },
    unmodelled=words("clientDestinationPort ipv6Address"),
)
_ENDPOINTS = Obj({"networkEndpoints": ListOf(_ENDPOINT, most=500)})


def check(draft: Draft) -> None:
    """The type fits the scope; a serverless group names its service, a Private Service Connect group its target, an internet group has no network."""
    group = draft.resource
    family = draft.key.scope.partition("/")[0]
    kind = group.setdefault("networkEndpointType", _TYPES[family][0])
    if kind not in _TYPES[family]:
        raise invalid(
            "resource.networkEndpointType",
            kind,
            f"The type is not allowed here; allowed are {', '.join(_TYPES[family])}.",
        )
    if family == "zones":
        group.setdefault("network", f"projects/{draft.key.project}/global/networks/default")
    given = [name for name in _SERVERLESS if name in group]
    if (kind == "SERVERLESS") != (len(given) == 1):
        raise invalid(
            "resource.networkEndpointType",
            kind,
            "Exactly one of cloudRun, cloudFunction and appEngine goes with a serverless group, and none with others.",
        )
    if (kind == "PRIVATE_SERVICE_CONNECT") != ("pscTargetService" in group):
        raise invalid(
            "resource.pscTargetService",
            group.get("pscTargetService", ""),
            "A target goes with a group of type PRIVATE_SERVICE_CONNECT, and with no other.",
        )
    if family != "zones" and kind != "PRIVATE_SERVICE_CONNECT":
        for name in ("network", "subnetwork", "defaultPort"):
            if name in group and not (name == "defaultPort" and family == "global"):
                raise invalid(
                    f"resource.{name}", group[name], f"The field cannot be set for the type {kind}."
                )


def _identity(endpoint: Resource) -> tuple[str, int, str]:
    return (
        str(endpoint.get("ipAddress") or endpoint.get("fqdn", "")),
        int(endpoint.get("port", 0)),
        str(endpoint.get("instance", "")),
    )


def _complete(draft: Draft, endpoint: Resource, at: int) -> Resource:
    kind = draft.resource["networkEndpointType"]
    place = f"resource.networkEndpoints[{at}]"
    if kind in _TYPES["regions"]:
        raise invalid(place, kind, "A group of this type has no endpoints.")
    name = "fqdn" if kind == "INTERNET_FQDN_PORT" else "ipAddress"
    if name not in endpoint:
        raise required(f"{place}.{name}")
    if name == "ipAddress":
        try:
            ipaddress.ip_address(endpoint["ipAddress"])
        except ValueError:
            raise invalid(
                f"{place}.ipAddress", endpoint["ipAddress"], "The value is not an IP address."
            ) from None
    if "port" not in endpoint:
        if "defaultPort" not in draft.resource:
            raise required(f"{place}.port")
        endpoint = {**endpoint, "port": draft.resource["defaultPort"]}
    return endpoint


def attach(draft: Draft, body: Resource) -> None:
    """attachNetworkEndpoints: an endpoint that is there already stays once."""
    members = {_identity(member): member for member in draft.view.members(draft.key.path)}
    for at, endpoint in enumerate(body.get("networkEndpoints", [])):
        complete = _complete(draft, endpoint, at)
        members[_identity(complete)] = complete
    draft.view.put_members(draft.key.path, list(members.values()))


def detach(draft: Draft, body: Resource) -> None:
    """detachNetworkEndpoints: each must be there."""
    members = {_identity(member): member for member in draft.view.members(draft.key.path)}
    for at, endpoint in enumerate(body.get("networkEndpoints", [])):
        gone = _identity(_complete(draft, endpoint, at))
        found = next(
            (identity for identity in members if identity[:2] == gone[:2] and gone[2] in {"", identity[2]}),
            None,
        )
        if found is None:
            raise Refusal(400, "invalid", f"The endpoint {gone[0]}:{gone[1]} is not in '{draft.key.path}'.")
        del members[found]
    draft.view.put_members(draft.key.path, list(members.values()))


def list_endpoints(draft: Draft, body: Resource) -> Resource:
    """listNetworkEndpoints: the endpoints; their health is asked at the backend service."""
    if body.get("healthStatus", "SKIP") != "SKIP":
        raise invalid(
            "healthStatus",
            body["healthStatus"],
            "The sandbox answers health at backendServices.getHealth only; use SKIP.",
        )
    items = [
        {"networkEndpoint": _ENDPOINT.show(member, "v1")} for member in draft.view.members(draft.key.path)
    ]
    return {"kind": "compute#networkEndpointGroupsListNetworkEndpoints", "id": draft.key.path, "items": items}


def decorate(key: Key, resource: Resource, view: View) -> Resource:
    """How many endpoints the group has."""
    del resource
    return {"size": view.count(key.path)}


NETWORK_ENDPOINT_GROUPS = Kind(
    collection="networkEndpointGroups",
    singular="networkEndpointGroup",
    scopes=("zones", "regions", "global"),
    verbs=CRUD | {"aggregatedList"},
    shape=published(
        "NetworkEndpointGroup",
        {
            "networkEndpointType": choice(
                "GCE_VM_IP_PORT NON_GCP_PRIVATE_IP_PORT SERVERLESS PRIVATE_SERVICE_CONNECT INTERNET_FQDN_PORT INTERNET_IP_PORT"
            ),
            "network": Link(("networks",)),
            "subnetwork": Link(("subnetworks",)),
            "defaultPort": PORT,
        },
        unmodelled="loadBalancer pscData serverlessDeployment",
    ),
    outputs=frozenset({"size"}),
    check=check,
    decorate=decorate,
    actions=(
        Action(name="attachNetworkEndpoints", body=_ENDPOINTS, change=attach),
        Action(name="detachNetworkEndpoints", body=_ENDPOINTS, change=detach),
        Action(
            name="listNetworkEndpoints",
            body=Obj(
                {
                    "healthStatus": choice("SKIP SHOW"),
                    "endpointFilters": ListOf(Obj({"networkEndpoint": _ENDPOINT, "skip": BOOLEAN})),
                },
                unmodelled=words("endpointFilters"),
            ),
            answer=list_endpoints,
            listing="NetworkEndpointWithHealthStatus",
        ),
    ),
)

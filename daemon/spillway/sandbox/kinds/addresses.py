"""Reserved global addresses (Compute API v1 `globalAddresses`), taken from the ranges kept for documentation (RFC 5737, 3849)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from spillway.sandbox.kinds.base import CRUD, Action, Draft, Kind, Resource, View, set_labels
from spillway.sandbox.links import Key
from spillway.sandbox.refusals import Refusal, invalid
from spillway.sandbox.schema import BYTES, LABELS, Obj, choice
from spillway.sandbox.shapes import published

_IPV4 = tuple(ipaddress.ip_network(net) for net in ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24"))
_IPV6 = ipaddress.ip_network("2001:db8::/64")
_FIRST = 10
"""Hosts below are left out, so that addresses look like addresses and not like gateways."""


def _candidates(version: str) -> Iterator[str]:
    if version == "IPV6":
        for host in range(_FIRST, 1 << 16):
            yield str(_IPV6[host])
        return
    for network in _IPV4:
        for host in range(_FIRST, 255):
            yield str(network[host])


def allocate(view: View, project: str, version: str) -> str:
    """The first free address.

    Raises:
        Refusal: none is left.
    """
    taken = {address["address"] for _, address in view.everything(project, "addresses")}
    taken |= {rule["IPAddress"] for _, rule in view.everything(project, "forwardingRules")}
    for candidate in _candidates(version):
        if candidate not in taken:
            return candidate
    raise Refusal(
        403, "quotaExceeded", "Quota 'STATIC_ADDRESSES' exceeded. The sandbox has no free address left."
    )


def check(draft: Draft) -> None:
    """An address of the right version that nobody else has."""
    address = draft.resource
    if draft.before is not None:
        return
    if "address" not in address:
        address["address"] = allocate(draft.view, draft.key.project, address["ipVersion"])
        return
    try:
        value = ipaddress.ip_address(address["address"])
    except ValueError:
        raise invalid("resource.address", address["address"], "The value is not an IP address.") from None
    address["ipVersion"] = f"IPV{value.version}"
    for key, other in draft.view.everything(draft.key.project, "addresses"):
        if key != draft.key and other["address"] == str(value):
            raise invalid("resource.address", value, "The address is already reserved.")


def decorate(key: Key, resource: Resource, view: View) -> Resource:
    """Who uses the address."""
    users = [
        rule.path
        for rule, body in view.everything(key.project, "forwardingRules")
        if body["IPAddress"] == resource["address"]
    ]
    return {"status": "IN_USE", "users": users} if users else {"status": "RESERVED"}


ADDRESSES = Kind(
    collection="addresses",
    singular="address",
    verbs=CRUD | {"aggregatedList"},
    labelled=True,
    shape=published(
        "Address",
        {
            "addressType": choice("EXTERNAL"),
            "ipVersion": choice("IPV4 IPV6"),
            "networkTier": choice("PREMIUM"),
        },
        unmodelled="ipCollection ipv6EndpointType network networkAttachment prefixLength purpose serviceClassId subnetwork",
    ),
    defaults={"description": "", "addressType": "EXTERNAL", "ipVersion": "IPV4", "networkTier": "PREMIUM"},
    outputs=frozenset({"status", "users"}),
    check=check,
    decorate=decorate,
    actions=(
        Action(
            name="setLabels",
            body=Obj({"labels": LABELS, "labelFingerprint": BYTES}),
            change=set_labels,
            request_id=False,
        ),
    ),
)

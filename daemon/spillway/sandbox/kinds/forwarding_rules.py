"""Global forwarding rules: an address and a port to a proxy (Compute API v1 `globalForwardingRules`)."""

from __future__ import annotations

import ipaddress
import re

from spillway.sandbox import routing
from spillway.sandbox.kinds.addresses import allocate
from spillway.sandbox.kinds.base import CRUD, Action, Draft, Kind, Resource, set_labels
from spillway.sandbox.links import parse
from spillway.sandbox.refusals import invalid, required
from spillway.sandbox.schema import BYTES, LABELS, Link, Obj, choice
from spillway.sandbox.shapes import published

_TARGET = Link(("targetHttpProxies", "targetHttpsProxies"))
_RANGE = re.compile(r"^(\d{1,5})(?:-(\d{1,5}))?$")
_PATCHABLE = frozenset({"networkTier", "description", "fingerprint", "name"})


def check(draft: Draft) -> None:
    """A target of the same scheme, one port, an address of its own."""
    rule = draft.resource
    if draft.before is not None:
        _only_patchable(draft.before, rule)
        return
    if "target" not in rule:
        raise required("resource.target")
    _check_port(rule)
    _check_scheme(draft)
    rule["IPAddress"] = _address(draft)
    rule.pop("labels", None)  # an insert takes them and keeps none: only setLabels does (recordings)
    _check_conflict(draft)


def _only_patchable(before: Resource, rule: Resource) -> None:
    for name in sorted(set(before) | set(rule)):
        if before.get(name) != rule.get(name) and name not in _PATCHABLE | {
            "labels",
            "labelFingerprint",
            "target",
        }:
            raise invalid(
                f"resource.{name}", rule.get(name), "The field of a forwarding rule cannot be changed."
            )


def _check_port(rule: Resource) -> None:
    """An Application Load Balancer's rule listens on one port; the API answers `80` as `80-80` (recordings)."""
    if "portRange" not in rule:
        raise required("resource.portRange")
    match = _RANGE.match(rule["portRange"])
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= 65535 or not 1 <= last <= 65535:
        raise invalid(
            "resource.portRange", rule["portRange"], "Must be a port or a port range between 1 and 65535."
        )
    if first != last:
        raise invalid(
            "resource.portRange",
            rule["portRange"],
            "A forwarding rule of an Application Load Balancer must have exactly one port; use one rule for each port.",
        )
    rule["portRange"] = f"{first}-{last}"
    if rule["IPProtocol"] != "TCP":
        raise invalid("resource.IPProtocol", rule["IPProtocol"], "Target proxies need the protocol TCP.")


def _check_scheme(draft: Draft) -> None:
    scheme = draft.resource["loadBalancingScheme"]
    proxy = draft.view.find(draft.resource["target"]) or {}
    url_map = draft.view.find(str(proxy.get("urlMap"))) or {}
    for path in routing.services_of(url_map):
        service = draft.view.find(path) or {}
        if service.get("loadBalancingScheme") != scheme:
            raise invalid(
                "resource.loadBalancingScheme",
                scheme,
                f"The scheme differs from that of '{path}' ({service.get('loadBalancingScheme')}).",
            )


def _address(draft: Draft) -> str:
    """The address itself: from a literal, from a reserved address, or a free one."""
    given = draft.resource.get("IPAddress")
    if given is None:
        return allocate(draft.view, draft.key.project, draft.resource.get("ipVersion", "IPV4"))
    try:
        return str(ipaddress.ip_address(given))
    except ValueError:
        key = parse(given, draft.key.project)
    reserved = draft.view.find(key.path) if key is not None and key.collection == "addresses" else None
    if reserved is None:
        raise invalid(
            "resource.IPAddress", given, "The value is neither an IP address nor a reserved address."
        )
    return str(reserved["address"])


def _check_conflict(draft: Draft) -> None:
    rule = draft.resource
    for key, other in draft.view.everything(draft.key.project, "forwardingRules"):
        if (
            key != draft.key
            and other["IPAddress"] == rule["IPAddress"]
            and other["portRange"] == rule["portRange"]
        ):
            raise invalid(
                "resource.IPAddress",
                rule["IPAddress"],
                "Specified IP address is in-use and would result in a conflict.",
            )


def set_target(draft: Draft, body: Resource) -> None:
    """SetTarget."""
    if "target" not in body:
        raise required("resource.target")
    draft.resource["target"] = body["target"]
    _check_scheme(draft)


FORWARDING_RULES = Kind(
    collection="forwardingRules",
    singular="forwardingRule",
    verbs=CRUD | {"patch", "aggregatedList"},
    fingerprint=True,
    labelled=True,
    shape=published(
        "ForwardingRule",
        {
            "ipVersion": choice("IPV4 IPV6"),
            "target": _TARGET,
            "loadBalancingScheme": choice("EXTERNAL EXTERNAL_MANAGED INTERNAL_MANAGED INTERNAL_SELF_MANAGED"),
            "networkTier": choice("PREMIUM STANDARD"),
            "network": Link(("networks",)),
            "subnetwork": Link(("subnetworks",)),
        },
        unmodelled="IPAddresses allPorts allowGlobalAccess allowPscGlobalAccess attachedExtensions availabilityGroup "
        "backendService childForwardingRules externalManagedBackendBucketMigrationState "
        "externalManagedBackendBucketMigrationTestingPercentage ipCollection isMirroringCollector metadataFilters "
        "noAutomateDnsZone parentForwardingRule ports serviceDirectoryRegistrations serviceLabel sourceIpRanges",
    ),
    defaults={
        "IPProtocol": "TCP",
        "loadBalancingScheme": "EXTERNAL",
        "networkTier": "PREMIUM",
        "description": "",
    },
    check=check,
    actions=(
        Action(
            name="setLabels",
            body=Obj({"labels": LABELS, "labelFingerprint": BYTES}),
            change=set_labels,
            request_id=False,
        ),
        Action(name="setTarget", body=Obj({"target": _TARGET}), change=set_target, operation="SetTarget"),
    ),
)

"""Networks and subnetworks, as far as groups refer to them (Compute API v1 `networks`, `subnetworks`)."""

from __future__ import annotations

import ipaddress

from spillway.sandbox.kinds.base import CRUD, Draft, Kind
from spillway.sandbox.refusals import invalid, required
from spillway.sandbox.schema import Link, choice, whole
from spillway.sandbox.shapes import published


def check_subnetwork(draft: Draft) -> None:
    """A network and a range."""
    subnetwork = draft.resource
    for name in ("network", "ipCidrRange"):
        if name not in subnetwork:
            raise required(f"resource.{name}")
    try:
        block = ipaddress.ip_network(subnetwork["ipCidrRange"])
    except ValueError:
        raise invalid(
            "resource.ipCidrRange", subnetwork["ipCidrRange"], "The value is not a range in CIDR form."
        ) from None
    subnetwork["gatewayAddress"] = str(block[1])


def check_network(draft: Draft) -> None:
    """Automatic subnetworks unless the body says otherwise."""
    draft.resource.setdefault("autoCreateSubnetworks", True)


NETWORKS = Kind(
    collection="networks",
    singular="network",
    verbs=CRUD,
    shape=published(
        "Network",
        {"mtu": whole(1300, 8896)},
        unmodelled="IPv4Range additionalTags enableUlaInternalIpv6 internalIpv6Range networkProfile params "
        "routingConfig.bgpAlwaysCompareMed routingConfig.bgpBestPathSelectionMode routingConfig.bgpInterRegionCost",
    ),
    outputs=frozenset({"peerings", "subnetworks"}),
    defaults={"networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL"},
    check=check_network,
)

SUBNETWORKS = Kind(
    collection="subnetworks",
    singular="subnetwork",
    scopes=("regions",),
    verbs=CRUD | {"aggregatedList"},
    fingerprint=True,
    shape=published(
        "Subnetwork",
        {
            "network": Link(("networks",)),
            "purpose": choice("PRIVATE GLOBAL_MANAGED_PROXY REGIONAL_MANAGED_PROXY"),
            "stackType": choice("IPV4_ONLY"),
        },
        unmodelled="allowSubnetCidrRoutesOverlap enableFlowLogs externalIpv6Prefix internalIpv6Prefix ipCollection "
        "ipv6AccessType ipv6NetworkTier logConfig params privateIpv6GoogleAccess reservedInternalRange resolveSubnetMask secondaryIpRanges",
    ),
    outputs=frozenset({"gatewayAddress"}),
    defaults={"purpose": "PRIVATE", "stackType": "IPV4_ONLY", "privateIpGoogleAccess": False},
    check=check_subnetwork,
)

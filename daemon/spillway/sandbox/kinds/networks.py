"""Networks and subnetworks, as far as groups refer to them (Compute API v1 `networks`, `subnetworks`)."""

from __future__ import annotations

import ipaddress

from spillway.sandbox.kinds.base import CRUD, Draft, Kind
from spillway.sandbox.refusals import invalid, required
from spillway.sandbox.schema import BOOLEAN, BYTES, STRING, Link, Obj, choice, whole, words


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
    shape=Obj(
        {
            "name": STRING,
            "description": STRING,
            "autoCreateSubnetworks": BOOLEAN,
            "mtu": whole(1300, 8896),
            "routingConfig": Obj(
                {"routingMode": choice("REGIONAL GLOBAL")},
                unmodelled=words(
                    "bgpAlwaysCompareMed bgpBestPathSelectionMode bgpInterRegionCost effectiveBgpAlwaysCompareMed effectiveBgpInterRegionCost"
                ),
            ),
            "networkFirewallPolicyEnforcementOrder": choice("AFTER_CLASSIC_FIREWALL BEFORE_CLASSIC_FIREWALL"),
        },
        unmodelled=words(
            "IPv4Range additionalTags enableUlaInternalIpv6 firewallPolicy gatewayIPv4 internalIpv6Range networkProfile params"
        ),
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
    shape=Obj(
        {
            "name": STRING,
            "description": STRING,
            "fingerprint": BYTES,
            "network": Link(("networks",)),
            "ipCidrRange": STRING,
            "purpose": choice("PRIVATE GLOBAL_MANAGED_PROXY REGIONAL_MANAGED_PROXY"),
            "role": choice("ACTIVE BACKUP"),
            "stackType": choice("IPV4_ONLY"),
            "privateIpGoogleAccess": BOOLEAN,
        },
        unmodelled=words(
            "allowSubnetCidrRoutesOverlap enableFlowLogs externalIpv6Prefix internalIpv6Prefix ipCollection ipv6AccessType logConfig params "
            "privateIpv6GoogleAccess reservedInternalRange resolveSubnetMask secondaryIpRanges ipv6CidrRange ipv6GceEndpoint ipv6NetworkTier "
            "state systemReservedExternalIpv6Ranges systemReservedInternalIpv6Ranges utilizationDetails",
        ),
    ),
    outputs=frozenset({"gatewayAddress"}),
    defaults={"purpose": "PRIVATE", "stackType": "IPV4_ONLY", "privateIpGoogleAccess": False},
    check=check_subnetwork,
)

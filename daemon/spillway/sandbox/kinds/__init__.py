"""The table of all kinds of resource that the sandbox keeps."""

from __future__ import annotations

from spillway.sandbox.kinds.addresses import ADDRESSES
from spillway.sandbox.kinds.backend_buckets import BACKEND_BUCKETS
from spillway.sandbox.kinds.backend_services import BACKEND_SERVICES
from spillway.sandbox.kinds.base import Kind
from spillway.sandbox.kinds.certificate_manager import (
    CERTIFICATE_MAP_ENTRIES,
    CERTIFICATE_MAPS,
    CERTIFICATES,
    DNS_AUTHORIZATIONS,
)
from spillway.sandbox.kinds.certificates import SSL_CERTIFICATES, SSL_POLICIES
from spillway.sandbox.kinds.endpoint_groups import NETWORK_ENDPOINT_GROUPS
from spillway.sandbox.kinds.forwarding_rules import FORWARDING_RULES
from spillway.sandbox.kinds.health_checks import HEALTH_CHECKS
from spillway.sandbox.kinds.instance_groups import INSTANCE_GROUPS
from spillway.sandbox.kinds.networks import NETWORKS, SUBNETWORKS
from spillway.sandbox.kinds.proxies import TARGET_HTTP_PROXIES, TARGET_HTTPS_PROXIES
from spillway.sandbox.kinds.security_policies import SECURITY_POLICIES
from spillway.sandbox.kinds.service_lb_policies import SERVICE_LB_POLICIES
from spillway.sandbox.kinds.url_maps import URL_MAPS

COMPUTE_KINDS: dict[str, Kind] = {
    kind.collection: kind
    for kind in (
        ADDRESSES,
        BACKEND_BUCKETS,
        BACKEND_SERVICES,
        FORWARDING_RULES,
        HEALTH_CHECKS,
        INSTANCE_GROUPS,
        NETWORK_ENDPOINT_GROUPS,
        NETWORKS,
        SECURITY_POLICIES,
        SSL_CERTIFICATES,
        SSL_POLICIES,
        SUBNETWORKS,
        TARGET_HTTP_PROXIES,
        TARGET_HTTPS_PROXIES,
        URL_MAPS,
    )
}
"""By collection."""

KINDS: dict[str, Kind] = {
    **COMPUTE_KINDS,
    **{
        kind.collection: kind
        for kind in (
            SERVICE_LB_POLICIES,
            CERTIFICATES,
            CERTIFICATE_MAPS,
            CERTIFICATE_MAP_ENTRIES,
            DNS_AUTHORIZATIONS,
        )
    },
}
"""By collection, with those of Network Services and Certificate Manager."""

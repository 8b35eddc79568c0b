"""What a global external Application Load Balancer can do, and where a configuration says it."""

from __future__ import annotations

from typing import NamedTuple


class Feature(NamedTuple):
    """One row of the table."""

    name: str
    keys: tuple[str, ...] = ()
    """Paths of keys; NAME stands for a name of yours, `[]` for an entry of a list."""
    note: str = ""
    """What else is to be known, or why there is no key."""


_FRONTENDS, _HTTPS = "topology.frontends", "topology.frontends.https"
_ROUTE, _PATH = "topology.routes[]", "topology.routes[].paths[]"
_SERVICE, _REGION = "topology.services.NAME", "topology.regions.NAME"

FEATURES: tuple[Feature, ...] = (
    Feature("Address: reserved, given, IPv4 and IPv6", ("topology.address",)),
    Feature("HTTP, one or several ports", (f"{_FRONTENDS}.http.port",)),
    Feature("HTTPS, one or several ports", (f"{_HTTPS}.port",)),
    Feature("HTTP to HTTPS", (f"{_FRONTENDS}.http.redirect_to_https",)),
    Feature("HTTP/3", (f"{_HTTPS}.quic",)),
    Feature("TLS early data (0-RTT)", (f"{_HTTPS}.tls_early_data",)),
    Feature("Certificates: Google's, your own, a map", (f"{_HTTPS}.certificates",)),
    Feature("TLS versions and ciphers", (f"{_HTTPS}.ssl_policy",)),
    Feature("mTLS of clients", (f"{_HTTPS}.server_tls_policy",)),
    Feature("Keep-alive of clients", (f"{_FRONTENDS}.http.keep_alive", f"{_HTTPS}.keep_alive")),
    Feature("Hosts and paths", (f"{_ROUTE}.hosts", f"{_PATH}.paths")),
    Feature("Path templates", (f"{_PATH}.paths",), "`/v1/{model=*}/{rest=**}`"),
    Feature("Matches by header, query, method", (f"{_PATH}.headers", f"{_PATH}.query", f"{_PATH}.methods")),
    Feature("Priorities of route rules", (f"{_PATH}.priority",)),
    Feature("Weights: canary, blue/green", (f"{_ROUTE}.split",)),
    Feature(
        "Weights between regions, moved by the daemon",
        (f"{_ROUTE}.steer",),
        "For services without a scaler, one in each region.",
    ),
    Feature("Mirroring", (f"{_ROUTE}.mirror",)),
    Feature("Redirects", (f"{_ROUTE}.redirect",)),
    Feature("Rewrites of host, prefix, template", (f"{_ROUTE}.rewrite",)),
    Feature("Headers of a route", (f"{_ROUTE}.request_headers", f"{_ROUTE}.response_headers")),
    Feature("CORS", (f"{_ROUTE}.cors",)),
    Feature("Custom error pages", (f"{_ROUTE}.errors",), "From a bucket."),
    Feature("Time-out and retries of a route", (f"{_ROUTE}.timeout", f"{_ROUTE}.retries")),
    Feature(
        "Tests of the URL map",
        ("topology.url_map.extra",),
        "`tests`, as the provider takes them: a service by its path, `projects/P/global/backendServices/PREFIX-NAME`.",
    ),
    Feature("Backend buckets", ("topology.buckets", f"{_ROUTE}.bucket")),
    Feature("Cloud CDN, signed URLs", (f"{_SERVICE}.cdn", "topology.buckets.NAME.cdn")),
    Feature("Compression", (f"{_SERVICE}.compression", "topology.buckets.NAME.compression")),
    Feature("Zonal NEG, hybrid NEG, instance group", (f"{_REGION}.groups",)),
    Feature("Regional instance group", (f"{_REGION}.groups[].regional_instance_group",)),
    Feature("Cloud Run and other serverless groups", (f"{_REGION}.groups[].serverless_neg",)),
    Feature("Internet NEG", (f"{_REGION}.groups[].internet_neg",)),
    Feature("Private Service Connect NEG (Apigee)", (f"{_REGION}.groups[].psc_neg",)),
    Feature("Groups of its own for a service", (f"{_SERVICE}.backends.NAME.groups",)),
    Feature("Services of other projects", ("topology.references",)),
    Feature("Balancing mode and target", (f"{_REGION}.balancing", f"{_SERVICE}.backends.NAME.balancing")),
    Feature("Capacity scaler", (f"{_REGION}.scaler",), "Afterwards the daemon's."),
    Feature("Preferred backends", (f"{_REGION}.preference",)),
    Feature("Algorithm of the service LB policy", (f"{_SERVICE}.algorithm",)),
    Feature(
        "Auto-drain, failover threshold",
        ("policies.NAME.postures",),
        "The posture is the daemon's lever.",
    ),
    Feature("Isolation of regions", note="Refused: it would take the scaler its effect."),
    Feature("Protocol to endpoints, port names", (f"{_SERVICE}.protocol", f"{_SERVICE}.port_name")),
    Feature("TLS to endpoints", (f"{_SERVICE}.tls_settings",)),
    Feature("Time-out, connection draining", (f"{_SERVICE}.timeout", f"{_SERVICE}.draining")),
    Feature(
        "Session affinity",
        (f"{_SERVICE}.affinity", f"{_SERVICE}.affinity_header", f"{_SERVICE}.affinity_cookie"),
    ),
    Feature("Locality, consistent hash", (f"{_SERVICE}.locality", f"{_SERVICE}.minimum_ring_size")),
    Feature(
        "Load metrics of endpoints (ORCA)",
        (f"{_SERVICE}.custom_metrics", f"{_REGION}.balancing.custom_metrics"),
    ),
    Feature("Outlier detection", (f"{_SERVICE}.outlier_detection",)),
    Feature(
        "Circuit breakers, subsetting",
        note="A global external load balancer has none; they belong to service meshes and internal ones.",
    ),
    Feature("Custom headers", (f"{_SERVICE}.custom_request_headers", f"{_SERVICE}.custom_response_headers")),
    Feature(
        "Cloud Armor",
        (f"{_SERVICE}.security_policy", f"{_SERVICE}.edge_security_policy", f"{_SERVICE}.rate_limit"),
    ),
    Feature("Identity-Aware Proxy", (f"{_SERVICE}.iap",)),
    Feature("Health checks", ("topology.health_checks",)),
    Feature("Logging", (f"{_SERVICE}.log_sample_rate", f"{_SERVICE}.log_fields")),
    Feature("Labels", ("topology.labels", "topology.address.labels", f"{_FRONTENDS}.labels")),
    Feature(
        "Anything else that the provider takes",
        (f"{_SERVICE}.extra",),
        "`extra` of the section that it belongs to.",
    ),
)
"""All of them, from the client to the endpoint."""


def table() -> str:
    """The table, as Markdown."""
    rows = ["| feature | where it is written |", "| --- | --- |"]
    for feature in FEATURES:
        keys = ", ".join(f"`{key}`" for key in feature.keys)
        where = ". ".join(part for part in (keys, feature.note) if part)
        rows.append(f"| {feature.name} | {where} |")
    return "\n".join(rows)

"""Which of the provider's arguments `extra` may not give, and where they are written instead."""

from __future__ import annotations

from collections.abc import Mapping

_MADE = "Spillway makes it from the configuration"
_NAME = {
    "name": "Spillway makes the names",
    "project": "it is `project` at the top",
    "deletion_policy": "`spillway destroy` deletes what Spillway has made",
}

_PROBES = ("http", "https", "http2", "tcp", "grpc", "ssl", "grpc_tls")

ROUTE_ACTION = "compute.URLMapPathMatcherDefaultRouteActionArgs"
"""What is done with requests on their way; path rules and route rules have a class of their own with the same arguments."""

RESERVED: Mapping[str, Mapping[str, str]] = {
    "compute.GlobalAddress": {
        **_NAME,
        "address": "it is `existing`",
        "ip_version": "it is `ip_version`",
        "labels": "they are `labels`",
        "address_type": "the load balancer's address is EXTERNAL",
        "network": "an external address belongs to no network",
    },
    "compute.HealthCheck": {
        **_NAME,
        "check_interval_sec": "it is `interval`",
        "timeout_sec": "it is `timeout`",
        "healthy_threshold": "it is `healthy`",
        "unhealthy_threshold": "it is `unhealthy`",
        "log_config": "it is `log`",
        "source_regions": "Google takes no such health check for a backend service, and probes from all regions",
        **{f"{kind}_health_check": "it is `type`" for kind in _PROBES},
    },
    "compute.BackendService": {
        **_NAME,
        "affinity_cookie_ttl_sec": "it is `affinity_cookie`",
        "backends": "they are `regions` and their groups; the scaler is the daemon's lever",
        "connection_draining_timeout_sec": "it is `draining`",
        "cdn_policy": "it is `cdn`",
        "circuit_breakers": "a global external Application Load Balancer has none",
        "compression_mode": "it is `compression`",
        "consistent_hash": "it is `affinity`",
        "custom_metrics": "it is `custom_metrics`",
        "custom_request_headers": "it is `custom_request_headers`",
        "custom_response_headers": "it is `custom_response_headers`",
        "edge_security_policy": "it is `edge_security_policy`",
        "enable_cdn": "it is `cdn`",
        "health_checks": "it is `health_check`",
        "iap": "it is `iap`",
        "load_balancing_scheme": "it is EXTERNAL_MANAGED",
        "locality_lb_policy": "it is `locality`",
        "log_config": "it is `log_sample_rate`",
        "outlier_detection": "it is `outlier_detection`",
        "port_name": "it is `port_name`",
        "protocol": "it is `protocol`",
        "security_policy": "it is `security_policy`",
        "security_settings": "it holds a secret (the key of AWS authentication)",
        "service_lb_policy": "it is the daemon's lever",
        "session_affinity": "it is `affinity`",
        "strong_session_affinity_cookie": "it is `affinity_cookie`",
        "timeout_sec": "it is `timeout`",
        "tls_settings": "it is `tls_settings`",
    },
    "compute.BackendBucket": {
        **_NAME,
        "bucket_name": "it is `bucket`",
        "cdn_policy": "it is `cdn`",
        "compression_mode": "it is `compression`",
        "custom_response_headers": "it is `custom_response_headers`",
        "edge_security_policy": "it is `edge_security_policy`",
        "enable_cdn": "it is `cdn`",
        "load_balancing_scheme": "buckets of a global load balancer have none",
    },
    "compute.NetworkEndpointGroup": {
        **_NAME,
        "zone": "it is `zone`",
        "network": "it is `network`",
        "subnetwork": "it is `subnetwork`",
        "default_port": "it is `port`",
        "network_endpoint_type": "it is `neg` or `hybrid_neg`",
    },
    "compute.InstanceGroup": {
        **_NAME,
        "zone": "it is `zone`",
        "network": "it is `network`",
        "named_ports": "it is `named_ports`",
        "instances": "whoever runs the instances adds them",
    },
    "compute.URLMap": {
        **_NAME,
        "default_service": "it is `default_service`",
        "default_route_action": "write a route for the hosts `*`",
        "default_url_redirect": "write a route for the hosts `*` with `redirect`",
        "default_custom_error_response_policy": "it is `errors` of a route",
        "host_rules": "they are `hosts` of `routes`",
        "path_matchers": "they are `routes`",
    },
    ROUTE_ACTION: {
        "cors_policy": "it is `cors`",
        "max_stream_duration": "it belongs to service meshes; the longest time for an answer is `timeout`",
        "request_mirror_policy": "it is `mirror`",
        "retry_policy": "it is `retries`",
        "timeout": "it is `timeout`",
        "url_rewrite": "it is `rewrite`",
        "weighted_backend_services": "they are `split`",
    },
    "compute.SSLPolicy": {
        **_NAME,
        "profile": "it is `profile`",
        "min_tls_version": "it is `min_tls`",
    },
}
"""By class: the arguments that have a key of their own, are levers, names, references or secrets, each with what to know."""

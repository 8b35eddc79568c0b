"""Who may reach a service, and how the balancer proves endpoints: Cloud Armor, Identity-Aware Proxy, TLS to endpoints."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spillway.config.fields import API, RESOURCE, Between, Duration, Model, Shape

RATE_INTERVALS = (10, 30, 60, 120, 180, 240, 270, 300, 600, 900, 1200, 1800, 2700, 3600)
"""Seconds over which Cloud Armor counts requests; it takes no others (tf:resource_compute_security_policy.go)."""

SecurityPolicyName = Annotated[
    str,
    Shape(
        "the name of a security policy",
        rf"{RESOURCE}|{API}projects/[^/\s]+/global/securityPolicies/{RESOURCE}",
        "acme-waf",
        "or projects/P/global/securityPolicies/N",
    ),
]


class RateLimitConfig(Model):
    """A limit of requests, from which Spillway makes a Cloud Armor policy with one throttle rule."""

    requests: Annotated[int, Field(gt=0, le=2**31 - 1)]
    """Requests that one key may send in one interval."""
    interval: Annotated[Duration, Between("10s", "1h", whole=True)] = 60.0
    """Time over which they are counted; Google takes 10s, 30s, 1m, 2m, 3m, 4m, 270s, 5m, 10m, 15m, 20m, 30m, 45m and 1h."""
    key: Literal[
        "IP",
        "ALL",
        "XFF_IP",
        "HTTP_HEADER",
        "HTTP_COOKIE",
        "HTTP_PATH",
        "SNI",
        "REGION_CODE",
        "TLS_JA3_FINGERPRINT",
        "TLS_JA4_FINGERPRINT",
        "USER_IP",
        "ASN",
    ] = "IP"
    """Whose requests are counted together, in Google's words (`enforceOnKey`): `IP` counts each client address, `ALL` every request, `HTTP_HEADER` each value of a header such as an API key."""
    key_name: str | None = None
    """Name of the header or cookie, for HTTP_HEADER and HTTP_COOKIE."""
    status: Literal[429, 403, 404, 502] = 429
    """Answer to a request past the limit."""
    preview: bool = False
    """Only log what would be refused."""


class IapConfig(Model):
    """Identity-Aware Proxy: only people and accounts that may use the application get through."""

    enabled: bool
    """Whether it stands before the service."""
    oauth2_client_id: str | None = None
    """OAuth client of your own; Google's where none is given."""
    oauth2_client_secret_file: str | None = None
    """File with that client's secret, relative to this configuration file; another content is sent at a reload. Readable for the daemon's user alone."""


BackendAuthenticationName = Annotated[
    str,
    Shape(
        "the name of a backend authentication config",
        rf"{RESOURCE}|//networksecurity\.googleapis\.com/projects/[^/\s]+/locations/global/backendAuthenticationConfigs/{RESOURCE}",
        "gpu-mtls",
        "or //networksecurity.googleapis.com/projects/P/locations/global/backendAuthenticationConfigs/N",
    ),
]


class TlsSettingsConfig(Model):
    """TLS to the endpoints: what the balancer sends, and what it demands of their certificates. For HTTPS and HTTP2."""

    sni: str | None = None
    """Host name that is sent (SNI) and that the certificate must carry."""
    subject_alt_names: Annotated[tuple[str, ...], Field(max_length=5)] = ()
    """Names of which the certificate must carry one, instead of `sni`: DNS names, or URIs such as `spiffe://...`; 5 at most."""
    authentication_config: BackendAuthenticationName | None = None
    """A BackendAuthenticationConfig of Network Security: which roots are trusted, and the certificate that the balancer shows."""

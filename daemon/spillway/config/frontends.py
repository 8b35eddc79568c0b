"""What clients connect to: the address, HTTP and HTTPS, certificates."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from spillway.config.fields import GroupName, Model, Name, Port


class AddressConfig(Model):
    """The reserved global address."""

    name: GroupName | None = None
    """Name of the address resource; made from the config's `name` where none is given."""
    ip_version: Literal["IPV4", "IPV6"] = "IPV4"
    """Kind of the address that is reserved."""
    existing: str | None = None
    """An address that is reserved already (an IP such as 203.0.113.7, or its resource URL); then none is made."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the provider's GlobalAddress takes, by its names; `check` compares it with the pinned provider. What has a key of its own, names, references and secrets do not belong here."""


class SslPolicyConfig(Model):
    """Which TLS versions and ciphers clients may use."""

    profile: Literal["COMPATIBLE", "MODERN", "RESTRICTED"] = "MODERN"
    """Google's set of ciphers: the widest, a modern one, the strictest."""
    min_tls: Literal["TLS_1_0", "TLS_1_1", "TLS_1_2"] = "TLS_1_2"
    """Oldest TLS version that clients may use; RESTRICTED demands TLS_1_2."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the provider's SSLPolicy takes, by its names; `check` compares it with the pinned provider. What has a key of its own, names, references and secrets do not belong here."""


class GivenCertificateConfig(Model):
    """A certificate of your own, in PEM files on this machine."""

    name: Name
    """Part of the resource's name; a hash of certificate and key follows, because a new certificate is a new resource."""
    certificate_file: str
    """PEM file with the certificate and the chain behind it, relative to this configuration file."""
    private_key_file: str
    """PEM file with the private key, not encrypted; keep it readable for the daemon's user alone."""


class CertificatesConfig(Model):
    """Exactly one of the four."""

    managed: tuple[str, ...] | None = None
    """Domains for which Google obtains and renews a certificate; their DNS must point at the address. Another set of domains is another certificate, and HTTPS fails with it until Google has issued it; a certificate map or given certificates change without that gap."""
    given: tuple[GivenCertificateConfig, ...] | None = None
    """Certificates of your own, 15 at most; the first is shown to clients that name no host."""
    existing: tuple[GroupName, ...] | None = None
    """Names of certificates of Compute that stand in the project, 15 at most; Spillway refers to them and neither makes nor removes them."""
    map: str | None = None
    """A certificate map of Certificate Manager: its name, or `//certificatemanager.googleapis.com/projects/...`."""


class HttpConfig(Model):
    """The plain HTTP frontend."""

    port: Port = 80
    """Port that clients connect to; one port, never a range."""
    redirect_to_https: bool = False
    """Answer every request with a redirect to the HTTPS frontend."""


class HttpsConfig(Model):
    """The HTTPS frontend."""

    port: Port = 443
    """Port that clients connect to; one port, never a range."""
    certificates: CertificatesConfig
    """What the balancer shows to clients."""
    ssl_policy: SslPolicyConfig | None = None
    """TLS versions and ciphers; Google's default (COMPATIBLE, TLS 1.0) where none is given."""
    quic: Literal["NONE", "ENABLE", "DISABLE"] = "NONE"
    """HTTP/3 with clients: NONE leaves it to Google."""


class FrontendsConfig(Model):
    """At least one of the two."""

    http: HttpConfig | None = None
    """Plain HTTP."""
    https: HttpsConfig | None = None
    """HTTPS, with HTTP/2 and on demand HTTP/3."""

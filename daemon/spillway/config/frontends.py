"""What clients connect to: the addresses, HTTP and HTTPS, certificates."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Any, Literal

from pydantic import Field

from spillway.config.fields import (
    Between,
    Duration,
    GroupName,
    LabelKey,
    LabelValue,
    Model,
    Name,
    OneOrMany,
    Port,
    Shape,
    each_of,
)

IpVersion = Literal["IPV4", "IPV6"]
KeepAlive = Annotated[Duration, Between("5s", "20m", whole=True)]
"""Google takes 5 to 1200 s on a global external load balancer (compute v1: TargetHttpProxy.httpKeepAliveTimeoutSec)."""
SERVER_TLS_POLICY = (
    r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
    r"|(//networksecurity\.googleapis\.com/)?projects/[^/\s]+/locations/global/serverTlsPolicies/[^/\s]+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPlace:
    """One of the addresses of a load balancer."""

    version: IpVersion | None
    """None for an existing one of which the configuration does not tell."""
    existing: str | None
    """None for one that Spillway reserves."""
    suffix: str
    """What the names of its resources end in; empty for the first."""


class AddressConfig(Model):
    """The global addresses, reserved ones or such that exist already."""

    name: GroupName | None = None
    """Name of the address resource; made from the config's `name` where none is given. A second address gets its version behind the name."""
    ip_version: OneOrMany[IpVersion] = "IPV4"
    """Kind of the address: `IPV4`, `IPV6`, or `[IPV4, IPV6]` for one of each. The first keeps the plain names of its resources, so put the one that stands first."""
    existing: OneOrMany[str] | None = None
    """An address that is reserved already (an IP such as 203.0.113.7, or its resource URL), or a list of one of each version. A version of `ip_version` that is not among them is reserved."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict, max_length=60)
    """Labels of the addresses that Spillway reserves, beside its own `managed-by`."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the provider's GlobalAddress takes, by its names; `check` compares it with the pinned provider. What has a key of its own, names, references and secrets do not belong here."""

    @property
    def versions(self) -> tuple[IpVersion, ...]:
        """All of `ip_version`, in its order."""
        return each_of(self.ip_version)

    @property
    def given(self) -> tuple[str, ...]:
        """All of `existing`, in its order."""
        return each_of(self.existing)

    @property
    def places(self) -> tuple[AddressPlace, ...]:
        """All addresses: in the order of `ip_version` where it is given, else of `existing`."""
        versions = list(self.versions) if self._tells_versions else []
        found = {given: _version(given) for given in self.given}
        open_versions = [version for version in versions if version not in found.values()]
        for given, version in found.items():
            # Of an address that is given by its URL nobody knows the version: it is one that no other has.
            if version is None and open_versions:
                found[given] = open_versions.pop(0)
        wanted: list[tuple[IpVersion | None, str | None]] = [(v, given) for given, v in found.items()]
        wanted += [(version, None) for version in open_versions]
        if versions:
            wanted.sort(key=lambda one: versions.index(one[0]) if one[0] in versions else len(versions))
        return tuple(
            AddressPlace(
                version=version,
                existing=given,
                suffix="" if number == 1 else version.lower() if version else str(number),
            )
            for number, (version, given) in enumerate(wanted, start=1)
        )

    @property
    def _tells_versions(self) -> bool:
        return not self.given or "ip_version" in self.model_fields_set


def _version(existing: str) -> IpVersion | None:
    """The version of an address that is given by its number; None for a URL."""
    try:
        return "IPV4" if ip_address(existing).version == 4 else "IPV6"
    except ValueError:
        return None


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
    extra: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the provider's SSLCertificate takes, by its names, such as `description`. Another `extra` is another certificate, as Google changes none."""


class CertificatesConfig(Model):
    """Managed, given and existing ones, 15 together at most, or a map. Whatever changes here, HTTPS keeps a valid certificate meanwhile."""

    managed: tuple[OneOrMany[str], ...] | None = None
    """What Google obtains and renews: each entry is a domain with a certificate of its own, or a list of domains that share one (100 at most). Their DNS must point at the address. Another domain more or less leaves the other certificates alone; what is replaced stays on the proxy until Google has issued the new one."""
    given: tuple[GivenCertificateConfig, ...] | None = None
    """Certificates of your own; the first is shown to clients that name no host."""
    existing: tuple[GroupName, ...] = ()
    """Names of certificates of Compute that stand in the project, beside managed and given ones; Spillway refers to them, and neither makes nor removes them."""
    map: str | None = None
    """A certificate map of Certificate Manager: its name, or `//certificatemanager.googleapis.com/projects/...`. In place of the other two, never beside them. It is attached once it has an active entry for every host that is served now."""
    alarm_after: Annotated[Duration, Between("10m", "30d")] = 86400.0
    """Time that a certificate or a map may take to become active; afterwards an alarm names the DNS record that is missing. What stood before stays in place for as long as it takes."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the provider's ManagedSslCertificate takes, by its names, for each of `managed`. Another `extra` is another certificate, which Google issues anew."""

    @property
    def domains(self) -> tuple[tuple[str, ...], ...]:
        """The domains of each managed certificate."""
        return tuple(each_of(entry) for entry in self.managed or ())


class HttpConfig(Model):
    """A plain HTTP frontend."""

    port: Port = 80
    """Port that clients connect to; one port, never a range. For more ports write a list of frontends."""
    redirect_to_https: bool = False
    """Answer every request with a redirect to the HTTPS frontend."""
    keep_alive: KeepAlive | None = None
    """How long an idle connection of a client is kept open; Google keeps it 610 s where none is given."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the provider's TargetHttpProxy takes, by its names. A proxy with another `extra` is another proxy, to which the rule is led."""


class HttpsConfig(Model):
    """An HTTPS frontend."""

    port: Port = 443
    """Port that clients connect to; one port, never a range. For more ports write a list of frontends."""
    certificates: CertificatesConfig
    """What the balancer shows to clients."""
    ssl_policy: SslPolicyConfig | None = None
    """TLS versions and ciphers; Google's default (COMPATIBLE, TLS 1.0) where none is given."""
    quic: Literal["NONE", "ENABLE", "DISABLE"] = "NONE"
    """HTTP/3 with clients: NONE leaves it to Google."""
    server_tls_policy: (
        Annotated[
            str,
            Shape(
                "the name of a server TLS policy",
                SERVER_TLS_POLICY,
                "clients-mtls",
                "or //networksecurity.googleapis.com/projects/P/locations/global/serverTlsPolicies/NAME",
            ),
        ]
        | None
    ) = None
    """Demand a certificate of the client (mTLS): a server TLS policy of Network Security, its name or its URL."""
    keep_alive: KeepAlive | None = None
    """How long an idle connection of a client is kept open; Google keeps it 610 s where none is given."""
    tls_early_data: Literal["DISABLED", "STRICT", "PERMISSIVE", "UNRESTRICTED"] | None = None
    """Take the first request within the TLS 1.3 handshake (0-RTT). Such a request can be replayed: STRICT and PERMISSIVE take safe methods alone, STRICT without a query. Google's default is DISABLED."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the provider's TargetHttpsProxy takes, by its names. A proxy with another `extra` is another proxy, to which the rule is led."""


class FrontendsConfig(Model):
    """At least one of the two. All of them serve the same routes."""

    http: OneOrMany[HttpConfig] | None = None
    """Plain HTTP: one frontend, or a list of them with a port each. The first keeps the plain names of its resources."""
    https: OneOrMany[HttpsConfig] | None = None
    """HTTPS, with HTTP/2 and on demand HTTP/3: one frontend, or a list of them with a port each."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict, max_length=60)
    """Labels of the forwarding rules, beside Spillway's own `managed-by`."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the provider's GlobalForwardingRule takes, by its names, for every rule. Google changes nothing of it: a rule with another `extra` is deleted and made anew, and nobody is answered meanwhile."""

    @property
    def plain(self) -> tuple[HttpConfig, ...]:
        """All HTTP frontends."""
        return each_of(self.http)

    @property
    def secure(self) -> tuple[HttpsConfig, ...]:
        """All HTTPS frontends."""
        return each_of(self.https)

"""Address, HTTP, HTTPS and certificates."""

from __future__ import annotations

import errno
import re
import ssl
from ipaddress import ip_address, ip_network
from pathlib import Path

from spillway.config.draft import FRONTENDS, Draft
from spillway.config.fields import API, HOST_LABEL, RESOURCE
from spillway.config.frontends import CertificatesConfig, GivenCertificateConfig, HttpsConfig
from spillway.config.names import HASH_LENGTH
from spillway.config.names import certificate as certificate_name
from spillway.config.suggest import listing
from spillway.config.tree import Location

MAX_CERTIFICATES = 15
"""Certificates of one target proxy (pu:TargetHttpsProxy)."""
MAX_DOMAINS = 100
"""Domains of one managed certificate (pu:ManagedSslCertificate)."""
_KINDS = ("managed", "given", "existing", "map")
"""Where certificates come from."""
MAX_PEM_BYTES = 1024 * 1024

_DOMAIN = re.compile(rf"({HOST_LABEL}\.)+{RESOURCE}")
_MAP = re.compile(
    RESOURCE + r"|//certificatemanager\.googleapis\.com/projects/[^/]+/locations/global/certificateMaps/[^/]+"
)
_ADDRESS_URL = re.compile(rf"{API}(projects/(?P<project>[^/]+)/)?global/addresses/{RESOURCE}")
_NOT_ON_THE_INTERNET = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.168.0.0/16", "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8"),
        ),
    )
)
"""Private, local and multicast addresses. Those of documentation are let through: they stand in examples."""
_ADDRESS: Location = ("topology", "address")


def check(draft: Draft) -> None:
    """Judge what clients connect to."""
    _address(draft)
    frontends = draft.frontends
    if frontends is None:
        return
    if frontends.http is None and frontends.https is None:
        draft.error(
            FRONTENDS,
            "there is no frontend: nobody could connect.",
            "Add `http`, `https` or both.",
            uses=((*FRONTENDS, "http"), (*FRONTENDS, "https")),
        )
    http, https = frontends.http, frontends.https
    if http is not None and http.redirect_to_https and https is None:
        draft.error(
            (*FRONTENDS, "http", "redirect_to_https"),
            "every request is redirected to HTTPS, but there is no HTTPS frontend.",
            "Add `frontends.https` with certificates, or set redirect_to_https to false.",
            uses=((*FRONTENDS, "https"),),
        )
    if http is not None and https is not None and http.port == https.port:
        draft.error(
            (*FRONTENDS, "https", "port"),
            f"HTTP and HTTPS both listen on port {http.port} of the same address.",
            "Give each its own port; 80 and 443 are usual.",
            uses=((*FRONTENDS, "http", "port"),),
        )
    if https is not None:
        _https(draft, https)


def _address(draft: Draft) -> None:
    address = draft.address
    if address.existing is None:
        return
    at = (*_ADDRESS, "existing")
    if address.name is not None:
        draft.error(
            (*_ADDRESS, "name"),
            "`name` is for an address that Spillway reserves, and `existing` says that there is one already.",
            "Remove one of the two.",
            uses=(at,),
        )
    if "/" in address.existing:
        _address_url(draft, at, address.existing)
        return
    try:
        given = ip_address(address.existing)
    except ValueError:
        draft.error(
            at,
            f"{address.existing!r} is not an IP address.",
            "Write one such as 203.0.113.7, or projects/PROJECT/global/addresses/NAME.",
        )
        return
    if any(given in network for network in _NOT_ON_THE_INTERNET):
        draft.error(
            at,
            f"{given} is no address that clients on the internet can reach.",
            "Write a global external address that is reserved in this project, or remove the key: then one is reserved.",
        )
    elif f"IPV{given.version}" != address.ip_version:
        draft.error(
            at,
            f"this is an IPv{given.version} address, and ip_version is {address.ip_version}.",
            f"Set ip_version to IPV{given.version}.",
            uses=((*_ADDRESS, "ip_version"),),
        )


def _address_url(draft: Draft, at: Location, url: str) -> None:
    parts = _ADDRESS_URL.fullmatch(url)
    if parts is None:
        draft.error(
            at,
            f"{url!r} is not the URL of a global address.",
            "Write an IP, or projects/PROJECT/global/addresses/NAME; a regional address does not fit a global load balancer.",
        )
    elif draft.project is not None and parts["project"] not in {None, draft.project}:
        draft.error(
            at,
            f"the address is in the project {parts['project']}, and a forwarding rule takes one of its own project, {draft.project}.",
            f"Reserve one there and write projects/{draft.project}/global/addresses/NAME.",
            uses=(("project",),),
        )


def _https(draft: Draft, https: HttpsConfig) -> None:
    policy = https.ssl_policy
    if policy is not None and policy.profile == "RESTRICTED" and policy.min_tls != "TLS_1_2":
        draft.error(
            (*FRONTENDS, "https", "ssl_policy", "min_tls"),
            f"profile RESTRICTED has no ciphers for {policy.min_tls}.",
            "Write TLS_1_2, or take profile MODERN.",
            uses=((*FRONTENDS, "https", "ssl_policy", "profile"),),
        )
    certificates = https.certificates
    at = (*FRONTENDS, "https", "certificates")
    kinds = [kind for kind in _KINDS if getattr(certificates, kind) is not None]
    parts = tuple((*at, kind) for kind in _KINDS)
    if not kinds:
        draft.error(
            at,
            "HTTPS has no certificate.",
            "Write one of `managed: [api.example.com]`, `given: [...]`, `existing: [NAME]` or `map: NAME`.",
            uses=parts,
        )
    elif len(kinds) > 1:
        draft.error(
            at,
            f"certificates come from {listing(kinds)} at once, and a proxy takes one kind.",
            "Keep exactly one of managed, given, existing and map.",
            uses=parts,
        )
    _managed(draft, certificates, (*at, "managed"))
    _given(draft, certificates, (*at, "given"))
    existing = certificates.existing
    if existing is not None and not 1 <= len(set(existing)) == len(existing) <= MAX_CERTIFICATES:
        draft.error(
            (*at, "existing"),
            f"a proxy takes 1 to {MAX_CERTIFICATES} certificates, each once.",
            "List the ones that are served; for more take a certificate map.",
        )
    if certificates.map is not None and not _MAP.fullmatch(certificates.map):
        draft.error(
            (*at, "map"),
            f"{certificates.map!r} is not a certificate map.",
            "Write its name, or //certificatemanager.googleapis.com/projects/P/locations/global/certificateMaps/NAME.",
        )


def _managed(draft: Draft, certificates: CertificatesConfig, at: Location) -> None:
    domains = certificates.managed
    if domains is None:
        return
    if not domains or len(domains) > MAX_DOMAINS:
        draft.error(
            at,
            f"a managed certificate has 1 to {MAX_DOMAINS} domains, not {len(domains)}.",
            "List the names that clients use; for more take a certificate map.",
        )
    for where, domain in draft.items(at, domains):
        if domain.startswith("*."):
            draft.error(
                where,
                f"{domain!r} is a wildcard, which this kind of managed certificate cannot have.",
                "List the names one by one, or make a certificate map with DNS authorization and write `map:`.",
            )
        elif not _DOMAIN.fullmatch(domain):
            draft.error(
                where,
                f"{domain!r} is not a domain name.",
                "Write one such as api.example.com, in small letters.",
            )
    if len(set(domains)) < len(domains):
        draft.error(at, "a domain is listed twice.", "List each domain once.")


def _given(draft: Draft, certificates: CertificatesConfig, at: Location) -> None:
    given = certificates.given
    if given is None:
        return
    if not given or len(given) > MAX_CERTIFICATES:
        draft.error(
            at,
            f"a proxy takes 1 to {MAX_CERTIFICATES} certificates, not {len(given)}.",
            "List the ones that are served; for more take a certificate map.",
        )
    names: set[str] = set()
    for where, certificate in draft.items(at, given):
        if certificate.name in names:
            draft.error(
                (*where, "name"),
                f"there are two certificates called {certificate.name}.",
                "Give each its own name.",
            )
        names.add(certificate.name)
        draft.check_length(
            (*where, "name"), certificate_name(draft.naming, certificate.name), more=HASH_LENGTH
        )
        _files(draft, certificate, where)


def _files(draft: Draft, certificate: GivenCertificateConfig, at: Location) -> None:
    sound: list[Path] = []
    wanted = (
        ("certificate_file", certificate.certificate_file, r"-----BEGIN CERTIFICATE-----", "a certificate"),
        (
            "private_key_file",
            certificate.private_key_file,
            r"-----BEGIN (RSA |EC )?PRIVATE KEY-----",
            "an unencrypted private key",
        ),
    )
    for key, name, pattern, what in wanted:
        where = (*at, key)
        path = draft.source.folder(where) / name
        try:
            text = _head(path)
        except OSError as error:
            draft.error(
                where,
                f"{path} cannot be read: {error.strerror or error}.",
                "Give the path of a PEM file that the daemon's user may read.",
            )
            continue
        if not re.search(pattern, text):
            hint = " It is encrypted." if "ENCRYPTED" in text else ""
            draft.error(
                where,
                f"{path} does not hold {what} in PEM form.{hint}",
                "Give a text file with a line `-----BEGIN "
                + ("CERTIFICATE" if key == "certificate_file" else "PRIVATE KEY")
                + "-----`.",
            )
            continue
        sound.append(path)
    if len(sound) == len(wanted) and not _belong_together(*sound):
        draft.error(
            (*at, "private_key_file"),
            f"the private key in {sound[1]} does not belong to the certificate in {sound[0]}.",
            "Give the key for which this certificate was issued; the file must begin with that certificate, its chain after it.",
        )


def _belong_together(certificate: Path, key: Path) -> bool:
    """False where the two are known not to be a pair. What else is wrong with them Google will say."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        return error.reason not in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}
    return True


def _head(path: Path) -> str:
    if path.exists() and not path.is_file():
        # it is read several times, which a pipe does not allow
        raise OSError(errno.EINVAL, "it is no file of the disk", str(path))
    with path.open("rb") as file:
        return file.read(MAX_PEM_BYTES).decode("ascii", errors="replace")

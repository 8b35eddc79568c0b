"""Certificates of an HTTPS frontend: managed, given, existing, or a map."""

from __future__ import annotations

import errno
import re
import ssl
from pathlib import Path

from spillway.config.access import WebTlsConfig
from spillway.config.draft import Draft
from spillway.config.fields import HOST_LABEL, RESOURCE, each_of
from spillway.config.frontends import CertificatesConfig, GivenCertificateConfig
from spillway.config.names import HASH_LENGTH
from spillway.config.names import certificate as certificate_name
from spillway.config.suggest import listing
from spillway.config.tree import Location

MAX_CERTIFICATES = 15
"""Certificates of one target proxy, managed and given ones together (compute v1: TargetHttpsProxy.sslCertificates)."""
MAX_DOMAINS = 100
"""Domains of one managed certificate (pu:ManagedSslCertificate)."""
_KINDS = ("managed", "given", "existing", "map")
"""Where certificates come from."""
MAX_PEM_BYTES = 1024 * 1024

_DOMAIN = re.compile(rf"({HOST_LABEL}\.)+{RESOURCE}")
_MAP = re.compile(
    RESOURCE + r"|//certificatemanager\.googleapis\.com/projects/[^/]+/locations/global/certificateMaps/[^/]+"
)


def check(draft: Draft, certificates: CertificatesConfig, at: Location) -> None:
    """Judge the certificates of one frontend; `at` is their section."""
    kinds = [kind for kind in _KINDS if getattr(certificates, kind) not in (None, ())]
    parts = tuple((*at, kind) for kind in _KINDS)
    if not kinds:
        draft.error(
            at,
            "HTTPS has no certificate.",
            "Write one of `managed: [api.example.com]`, `given: [...]`, `existing: [NAME]` or `map: NAME`.",
            uses=parts,
        )
    elif "map" in kinds and len(kinds) > 1:
        draft.error(
            at,
            f"certificates come from {listing(kinds)} at once, and a map makes Google ignore all other certificates of the proxy.",
            "Keep exactly one of the two: `map`, or `managed` and `given`. A change from one to the other needs no step in "
            "between: Spillway attaches the new ones first and takes the old ones away when the new ones serve.",
            uses=parts,
        )
    _managed(draft, certificates, (*at, "managed"))
    _given(draft, certificates, (*at, "given"))
    _together(draft, certificates, at)
    if certificates.map is not None and not _MAP.fullmatch(certificates.map):
        draft.error(
            (*at, "map"),
            f"{certificates.map!r} is not a certificate map.",
            "Write its name, or //certificatemanager.googleapis.com/projects/P/locations/global/certificateMaps/NAME.",
        )


def _together(draft: Draft, certificates: CertificatesConfig, at: Location) -> None:
    """Managed and given certificates stand beside each other on a proxy, and are counted together."""
    managed = len(certificates.managed or ())
    given = len(certificates.given or ()) + len(certificates.existing)
    where = "managed" if managed else "given" if certificates.given else "existing"
    if len(set(certificates.existing)) < len(certificates.existing):
        draft.error((*at, "existing"), "a certificate is listed twice.", "List it once.")
    if managed + given == MAX_CERTIFICATES:
        draft.warn(
            (*at, where),
            f"all {MAX_CERTIFICATES} places of the proxy are taken: a certificate that replaces another must stand beside it "
            "until it is issued, and will find no place.",
            "Let domains share certificates, so that a place is free, or take a certificate map.",
            uses=((*at, "managed"), (*at, "given")),
        )
    if managed + given <= MAX_CERTIFICATES or given > MAX_CERTIFICATES:
        return
    draft.error(
        (*at, where),
        f"these are {managed + given} certificates, and a proxy takes {MAX_CERTIFICATES}.",
        f"Let domains share a certificate: a list inside the list, such as [[a.example.com, b.example.com], c.example.com], "
        f"is one certificate of up to {MAX_DOMAINS} domains. Or take a certificate map, which has no such limit.",
        uses=((*at, "managed"), (*at, "given")),
    )


def _managed(draft: Draft, certificates: CertificatesConfig, at: Location) -> None:
    managed = certificates.managed
    if managed is None:
        return
    if not managed:
        draft.error(
            at,
            f"the list is empty; a managed certificate has 1 to {MAX_DOMAINS} domains.",
            "List the names that clients use; for wildcards take a certificate map.",
        )
    sets: list[frozenset[str]] = []
    for where, entry in draft.items(at, managed):
        domains = each_of(entry)
        if len(domains) > MAX_DOMAINS:
            draft.error(
                where,
                f"a managed certificate has 1 to {MAX_DOMAINS} domains, not {len(domains)}.",
                "Make more certificates of them, or take a certificate map.",
            )
        places = draft.items(where, domains) if isinstance(entry, tuple) else ((where, entry),)
        for place, domain in places:
            _domain(draft, place, domain)
        if len(set(domains)) < len(domains):
            draft.error(where, "a domain is listed twice in one certificate.", "List each domain once.")
        sets.append(frozenset(domains))
    if len(set(sets)) < len(sets):
        draft.error(
            at, "a certificate for the same domains is listed twice.", "List each set of domains once."
        )


def _domain(draft: Draft, at: Location, domain: str) -> None:
    if domain.startswith("*."):
        draft.error(
            at,
            f"{domain!r} is a wildcard, which this kind of managed certificate cannot have.",
            "List the names one by one, or make a certificate map with DNS authorization and write `map:`.",
        )
    elif not _DOMAIN.fullmatch(domain):
        draft.error(
            at,
            f"{domain!r} is not a domain name.",
            "Write one such as api.example.com, in small letters.",
        )


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
        check_files(draft, certificate, where)


def check_files(draft: Draft, certificate: GivenCertificateConfig | WebTlsConfig, at: Location) -> bool:
    """Judge the files of a certificate and of its key, and whether they are a pair; True where nothing was found."""
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
    if len(sound) < len(wanted):
        return False
    if not _belong_together(*sound):
        draft.error(
            (*at, "private_key_file"),
            f"the private key in {sound[1]} does not belong to the certificate in {sound[0]}.",
            "Give the key for which this certificate was issued; the file must begin with that certificate, its chain after it.",
        )
        return False
    return True


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

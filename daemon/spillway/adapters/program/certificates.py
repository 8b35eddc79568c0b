"""What the HTTPS frontend shows its clients: managed or given certificates, or a map of them, and the TLS policy."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spillway.adapters.program.kept import declare
from spillway.config import names
from spillway.config.names import HASH_LENGTH, NAME_LIMIT
from spillway.errors import PermanentError

if TYPE_CHECKING:
    import pulumi

    from spillway.adapters.program.kept import Kept
    from spillway.config.frontends import GivenCertificateConfig, HttpsConfig
    from spillway.config.model import Config


def certificates(config: Config, https: HttpsConfig, kept: Kept) -> dict[str, Any]:
    """Declare the certificates; the arguments that they add to the target proxy."""
    given = https.certificates
    if given.map is not None:
        return {"certificate_map": _certificate_map(config.project, given.map), "ssl_certificates": None}
    if given.existing is not None:
        links = [f"projects/{config.project}/global/sslCertificates/{name}" for name in given.existing]
        return {"ssl_certificates": links, "certificate_map": None}
    if given.managed is not None:
        return {"ssl_certificates": [_managed(config, given.managed, kept)], "certificate_map": None}
    own = [_given(config, certificate, kept) for certificate in given.given or ()]
    return {"ssl_certificates": own, "certificate_map": None}


def ssl_policy(config: Config, https: HttpsConfig, kept: Kept) -> pulumi.Output[str] | None:
    """Declare the TLS policy; its id, or None for Google's default."""
    from spillway.adapters.program.sdk import compute

    if https.ssl_policy is None:
        return None
    name = names.ssl_policy(config.naming)
    resource = declare(
        compute.SSLPolicy,
        name,
        kept,
        extra=https.ssl_policy.extra,
        name=name,
        project=config.project,
        profile=https.ssl_policy.profile,
        min_tls_version=https.ssl_policy.min_tls,
    )
    result: pulumi.Output[str] = resource.id
    return result


def _managed(config: Config, given: tuple[str, ...], kept: Kept) -> pulumi.Output[str]:
    """A managed certificate for these domains, in an order that is always the same.

    Another order would be another certificate, and Google issues each anew: HTTPS would fail for minutes to hours
    because somebody sorted a list.
    """
    from spillway.adapters.program.sdk import compute

    domains = sorted(given)
    name = _hashed(names.certificate(config.naming, "managed"), *domains)
    resource = declare(
        compute.ManagedSslCertificate,
        name,
        kept,
        name=name,
        project=config.project,
        managed=compute.ManagedSslCertificateManagedArgs(domains=domains),
    )
    result: pulumi.Output[str] = resource.id
    return result


def _given(config: Config, given: GivenCertificateConfig, kept: Kept) -> pulumi.Output[str]:
    """A certificate from PEM files. Only the key is secret, and it is marked so: the state never holds it in clear.

    The name follows both: a new key for the same certificate needs a new name too, as the old one is in use. Eight
    digits of a hash over the two tell nobody anything of a key.
    """
    import pulumi

    from spillway.adapters.program.sdk import compute

    certificate = _pem(given.name, given.certificate_file)
    key = _pem(given.name, given.private_key_file)
    name = _hashed(names.certificate(config.naming, given.name), certificate, key)
    resource = declare(
        compute.SSLCertificate,
        name,
        kept,
        name=name,
        project=config.project,
        certificate=certificate,
        private_key=pulumi.Output.secret(key),
    )
    result: pulumi.Output[str] = resource.id
    return result


def _pem(name: str, file: str) -> str:
    try:
        return Path(file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(
            f"certificate {name}: {file} cannot be read as PEM: {error}",
            remedy="Give a file that the daemon's user may read and that holds PEM text.",
        ) from error


def _hashed(name: str, *content: str) -> str:
    """`name` with eight digits of the hash of its content.

    A certificate cannot be changed, only replaced, and while a proxy uses it its name is taken: a new content
    needs a new name, so that the new one stands before the old one goes.
    """
    digest = hashlib.sha256("\0".join(content).encode()).hexdigest()[: HASH_LENGTH - 1]
    return f"{name[: NAME_LIMIT - HASH_LENGTH]}-{digest}"


def _certificate_map(project: str, name: str) -> str:
    """The full name of a certificate map, as target proxies want it."""
    if name.startswith("//"):
        return name
    return f"//certificatemanager.googleapis.com/projects/{project}/locations/global/certificateMaps/{name}"

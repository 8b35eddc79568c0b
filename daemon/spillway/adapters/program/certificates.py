"""What the HTTPS frontends show their clients: managed and given certificates, or a map of them, and the TLS policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spillway.adapters.program.kept import Shown, declare
from spillway.config import names
from spillway.errors import PermanentError

if TYPE_CHECKING:
    import pulumi

    from spillway.adapters.program.kept import Kept, OldCertificate
    from spillway.config.frontends import GivenCertificateConfig, HttpsConfig
    from spillway.config.model import Config

_UNTOUCHED = "-"
"""Stands for what a declaration must name and never sends: the resource stands already, and stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """One certificate that the configuration names."""

    name: str
    """Of the resource: with the hash of its content."""
    domains: tuple[str, ...] = ()
    """Of a managed one, in an order that is always the same: another order would be another certificate, and Google issues each anew."""
    given: GivenCertificateConfig | None = None
    exists: bool = False
    """It stands, and is referred to."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Of a managed one."""


def configured(config: Config, https: HttpsConfig) -> Iterator[Configured]:
    """The certificates of an HTTPS frontend, in the order in which a proxy shows them; none for a map.

    Raises:
        PermanentError: a file of a given one cannot be read.
    """
    for given in https.certificates.given or ():
        content = _pem(given.name, given.certificate_file), _pem(given.name, given.private_key_file)
        # The name follows both: a new key for the same certificate needs a new name too, as the old one is in use.
        # Eight digits of a hash over the two tell nobody anything of a key.
        yield Configured(
            name=names.hashed(
                names.certificate(config.naming, given.name), *content, *names.told(given.extra)
            ),
            given=given,
        )
    for name in https.certificates.existing:
        yield Configured(name=name, exists=True)
    for entry in https.certificates.domains:
        domains = tuple(sorted(entry))
        yield Configured(
            name=names.hashed(
                names.certificate(config.naming, "managed"), *domains, *names.told(https.certificates.extra)
            ),
            domains=domains,
            extra=https.certificates.extra,
        )


def full_map_name(config: Config, https: HttpsConfig) -> str | None:
    """The full name of the certificate map of an HTTPS frontend, as target proxies want it; None where it has none."""
    name = https.certificates.map
    if name is None or name.startswith("//"):
        return name
    return f"//certificatemanager.googleapis.com/projects/{config.project}/locations/global/certificateMaps/{name}"


@dataclass(slots=True)
class Certificates:
    """All certificates by name: one that several frontends show is declared once."""

    config: Config
    kept: Kept
    _made: dict[str, pulumi.Output[str]] = field(default_factory=dict)

    def arguments(self, frontend: str, https: HttpsConfig) -> dict[str, Any]:
        """Declare the certificates of a frontend; the arguments that they add to its target proxy."""
        usual = Shown(certificate_map=full_map_name(self.config, https))
        shown = self.kept.certificates.get(frontend, usual)
        made = [(one.name, self._configured(one)) for one in configured(self.config, https)]
        attached = [resource for name, resource in made if name not in shown.aside]
        attached += [self._old(one) for one in shown.old]
        return {"ssl_certificates": attached or None, "certificate_map": shown.certificate_map}

    def _configured(self, one: Configured) -> pulumi.Output[str]:
        if one.exists:
            return self._reference(one.name)
        if one.name not in self._made:
            self._made[one.name] = (
                self._managed(one.name, one.domains, one.extra)
                if one.given is None
                else self._given(one.name, one.given)
            )
        return self._made[one.name]

    def _old(self, one: OldCertificate) -> pulumi.Output[str]:
        """A certificate that stands already: what it holds comes from the state of the engine."""
        if not one.is_ours:
            return self._reference(one.name)
        if one.name not in self._made:
            self._made[one.name] = (
                self._managed(one.name, one.domains, {}, untouched=True)
                if one.is_managed
                else self._declared(one.name, _UNTOUCHED, _UNTOUCHED)
            )
        return self._made[one.name]

    def _reference(self, name: str) -> pulumi.Output[str]:
        """One that Spillway does not keep."""
        import pulumi

        return pulumi.Output.from_input(f"projects/{self.config.project}/global/sslCertificates/{name}")

    def _managed(
        self, name: str, domains: tuple[str, ...], extra: Mapping[str, Any], *, untouched: bool = False
    ) -> pulumi.Output[str]:
        from spillway.adapters.program.sdk import compute

        resource = declare(
            compute.ManagedSslCertificate,
            name,
            self.kept,
            extra=extra,
            untouched=untouched,
            name=name,
            project=self.config.project,
            managed=compute.ManagedSslCertificateManagedArgs(domains=list(domains)),
        )
        result: pulumi.Output[str] = resource.id
        return result

    def _given(self, name: str, given: GivenCertificateConfig) -> pulumi.Output[str]:
        """A certificate from PEM files. Only the key is secret, and it is marked so: the state never holds it in clear."""
        certificate = _pem(given.name, given.certificate_file)
        return self._declared(name, certificate, _pem(given.name, given.private_key_file), given.extra)

    def _declared(
        self, name: str, certificate: str, key: str, extra: Mapping[str, Any] | None = None
    ) -> pulumi.Output[str]:
        """One from its texts; `extra` is None for one that stands already and stays as it is."""
        import pulumi

        from spillway.adapters.program.sdk import compute

        resource = declare(
            compute.SSLCertificate,
            name,
            self.kept,
            untouched=extra is None,
            extra=extra,
            name=name,
            project=self.config.project,
            certificate=certificate,
            private_key=pulumi.Output.secret(key),
        )
        result: pulumi.Output[str] = resource.id
        return result


def ssl_policy(config: Config, https: HttpsConfig, kept: Kept, port: int | None) -> pulumi.Output[str] | None:
    """Declare the TLS policy of a frontend; its id, or None for Google's default. `port` is None for the first frontend."""
    from spillway.adapters.program.sdk import compute

    if https.ssl_policy is None:
        return None
    name = names.ssl_policy(config.naming, port)
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


def _pem(name: str, file: str) -> str:
    try:
        return Path(file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(
            f"certificate {name}: {file} cannot be read as PEM: {error}",
            remedy="Give a file that the daemon's user may read and that holds PEM text.",
        ) from error

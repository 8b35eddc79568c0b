"""How certificates are replaced without a gap: what an HTTPS proxy shows now, what it shows next, and what that waits for.

    certificates -> others      the new ones are attached beside the old ones; these go when the new ones are ACTIVE
    certificates -> a map       when the map covers every host, it is attached beside the certificates; these go a build later
    a map -> certificates       they are attached beside the map; it goes a build after they are ACTIVE
    a map -> another            the other one takes its place when it covers every host

A map makes Google ignore certificates, and the provider empties the list of certificates before it sets a map where both
change in one build (pulumi.md): so both never do. All functions are pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from spillway.adapters.program.certificates import Configured
from spillway.adapters.program.kept import OldCertificate, Shown
from spillway.config.rules.certificates import MAX_CERTIFICATES

_NEXT = "A running daemon does so by itself; without one, run `spillway up` again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A certificate of Compute as it stands."""

    is_managed: bool
    is_active: bool
    domains: tuple[str, ...]
    """What it is for; empty where nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapEntry:
    """One entry of a certificate map."""

    hostname: str
    """Such as `api.example.com` or `*.example.com`; empty for the one that serves all other names."""
    is_active: bool
    certificates: tuple[str, ...]
    """Full names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapCertificate:
    """A certificate of Certificate Manager as it stands."""

    is_active: bool
    domains: tuple[str, ...]
    trouble: str = ""
    """Why it is not active, such as the DNS record that is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateMap:
    """A certificate map as it stands."""

    entries: tuple[MapEntry, ...] = ()
    certificates: Mapping[str, MapCertificate] = field(default_factory=dict)
    """By full name."""
    unknown: str = ""
    """Why nobody knows what it covers: it does not exist, or cannot be read."""

    def lacking(self, hosts: Iterable[str]) -> tuple[str, ...]:
        """What each host lacks that this map does not serve yet; empty where it serves all."""
        if self.unknown:
            return (self.unknown,)
        wanted = sorted(set(hosts))
        if not wanted and not any(self._usable(entry) for entry in self.entries):
            return ("it has no active entry",)
        return tuple(lack for host in wanted if (lack := self._lack(host)))

    def _lack(self, host: str) -> str:
        wildcard = f"*.{host.partition('.')[2]}"
        entries = [e for e in self.entries if e.hostname == host] or [
            e for e in self.entries if e.hostname == wildcard
        ]
        if not entries:
            primary = [e for e in self.entries if not e.hostname]
            names = {
                d
                for e in primary
                for c in e.certificates
                if c in self.certificates
                for d in self.certificates[c].domains
            }
            entries = primary if names & {host, wildcard} else []
        if any(self._usable(entry) for entry in entries):
            return ""
        if not entries:
            return f"{host} has no entry"
        troubles = [
            self.certificates[name].trouble
            for entry in entries
            for name in entry.certificates
            if name in self.certificates and self.certificates[name].trouble
        ]
        return f"the entry for {host} is not active" + (f": {'; '.join(troubles)}" if troubles else "")

    def _usable(self, entry: MapEntry) -> bool:
        return entry.is_active and any(
            name in self.certificates and self.certificates[name].is_active for name in entry.certificates
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the configuration says of one HTTPS frontend."""

    frontend: str
    certificates: tuple[Configured, ...]
    certificate_map: str | None
    """Its full name."""
    hosts: tuple[str, ...]
    """Names that routes serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the proxy shows to which the frontend's rule leads."""

    attached: tuple[str, ...] = ()
    """Names of its certificates, in its order."""
    certificate_map: str | None = None
    known: Mapping[str, Attached] = field(default_factory=dict)
    """Certificates that exist, attached or not, by name."""
    next_map: CertificateMap = CertificateMap()
    """The map that the configuration names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStep:
    """What becomes of the certificates of one frontend."""

    held: Shown | None
    """What it shows as long as nothing moves on; None for what the configuration says."""
    next: Shown | None
    """What a build would have it show now."""
    told: tuple[str, ...] = ()
    """What happens and when, in sentences."""
    lacking: tuple[str, ...] = ()
    """What a certificate map lacks that is waited for."""

    @property
    def is_due(self) -> bool:
        """True if a build would move on."""
        return self.held != self.next


def step_of(target: Target, standing: Standing | None, is_ours: Callable[[str], bool]) -> CertificateStep:
    """What becomes of the certificates of a frontend.

    Args:
        target: what the configuration says.
        standing: what clients are shown now; None where nobody is shown anything.
        is_ours: whether Spillway has made the certificate of this name.
    """
    if standing is None:
        return CertificateStep(held=None, next=None, told=_issuing(target, Standing()))
    wanted = {one.name for one in target.certificates}
    if standing.certificate_map == target.certificate_map and set(standing.attached) == wanted:
        return CertificateStep(held=None, next=None)
    old = tuple(_old(name, standing, is_ours) for name in standing.attached if name not in wanted)
    if target.certificate_map is not None:
        return _to_map(target, target.certificate_map, standing, old)
    if standing.certificate_map is not None:
        return _from_map(target, standing, old)
    return _to_others(target, standing, old)


def _old(name: str, standing: Standing, is_ours: Callable[[str], bool]) -> OldCertificate:
    found = standing.known.get(name)
    is_managed = found is not None and found.is_managed
    return OldCertificate(
        name=name,
        is_managed=is_managed,
        domains=found.domains if found is not None else (),
        is_ours=found is not None and is_ours(name),
    )


def _to_others(target: Target, standing: Standing, old: tuple[OldCertificate, ...]) -> CertificateStep:
    """From certificates to certificates: old ones stay as long as one of the new ones is not active."""
    pending = _pending(target, standing)
    if not pending:
        # What others have attached is no part of a change: it counts as drift.
        ours = tuple(one for one in old if one.is_ours)
        if not ours:
            return CertificateStep(held=None, next=None)
        goes = f"{target.frontend}: {_named(ours)} {_go(ours)}: all certificates of the configuration are active."
        return CertificateStep(held=Shown(old=ours), next=None, told=(goes,))
    shown = _with_room(target, standing, old, pending)
    if shown == Shown():
        return CertificateStep(held=None, next=None, told=_issuing(target, standing))
    told: list[str] = []
    if shown.old:
        told.append(
            f"{target.frontend}: {_named(shown.old)} {_stay(shown.old)} beside {_new(pending)} until Google has issued"
            f" {'it' if len(pending) == 1 else 'all of them'}, usually within an hour once DNS points at the address; then {'it goes' if len(shown.old) == 1 else 'they go'}. {_NEXT}."
        )
    if shown.aside:
        told.append(
            f"{target.frontend}: {', '.join(sorted(shown.aside))} {'waits' if len(shown.aside) == 1 else 'wait'} for a place: a proxy shows {MAX_CERTIFICATES} certificates. "
            "Let domains share certificates, or take a certificate map."
        )
    return CertificateStep(held=shown, next=shown, told=tuple(told))


def _with_room(
    target: Target, standing: Standing, old: tuple[OldCertificate, ...], pending: tuple[Configured, ...]
) -> Shown:
    """The old ones and all new ones, as far as a proxy has places: who serves a domain that is waited for stays."""
    places = MAX_CERTIFICATES - len(target.certificates)
    if len(old) <= places:
        return Shown(old=old)
    awaited = {domain for one in pending for domain in one.domains}
    needed = tuple(one for one in old if not one.domains or awaited & set(one.domains)) or old[:1]
    excess = len(needed) - places
    unattached = [one.name for one in pending if one.name not in standing.attached]
    aside = unattached[max(0, len(unattached) - excess) :] if excess > 0 else []
    return Shown(old=needed, aside=frozenset(aside))


def _to_map(
    target: Target, wanted: str, standing: Standing, old: tuple[OldCertificate, ...]
) -> CertificateStep:
    """To a map: it comes when it covers every host, and the certificates go a build later."""
    stays = Shown(old=old, certificate_map=standing.certificate_map)
    name = wanted.rpartition("/")[2]
    if standing.certificate_map == wanted:
        told = f"{target.frontend}: {_named(old)} {_go(old)}: the certificate map {name} serves in {'its' if len(old) == 1 else 'their'} place."
        return CertificateStep(held=stays if old else None, next=None, told=(told,) if old else ())
    hosts = {*target.hosts, *(domain for one in old for domain in one.domains)}
    lacking = standing.next_map.lacking(hosts)
    before = _named(old) or f"the certificate map {str(standing.certificate_map).rpartition('/')[2]}"
    if lacking:
        told = (
            f"{target.frontend}: {before} {_stay(old)} until the certificate map {name} has an active entry for every host"
            f" ({'; '.join(lacking)}); then the map takes over. {_NEXT}."
        )
        return CertificateStep(held=stays, next=stays, told=(told,), lacking=lacking)
    told = f"{target.frontend}: the certificate map {name} is attached"
    told += (
        f" beside {before}, which it replaces at once and which {_go(old)} at the next look. {_NEXT}."
        if old
        else "."
    )
    return CertificateStep(held=stays, next=replace(stays, certificate_map=wanted), told=(told,))


def _from_map(target: Target, standing: Standing, old: tuple[OldCertificate, ...]) -> CertificateStep:
    """From a map to certificates: they come beside it, and it goes once all are attached and active."""
    shown = Shown(old=old, certificate_map=standing.certificate_map)
    name = str(standing.certificate_map).rpartition("/")[2]
    pending = _pending(target, standing)
    if not pending and all(one.name in standing.attached for one in target.certificates):
        told = f"{target.frontend}: the certificate map {name} goes: all certificates of the configuration are attached and active."
        return CertificateStep(held=shown, next=None, told=(told,))
    until = f"Google has issued {_new(pending)}" if pending else "the next look"
    told = f"{target.frontend}: the certificate map {name} stays until {until}; then it goes. {_NEXT}."
    return CertificateStep(held=shown, next=shown, told=(told,))


def _pending(target: Target, standing: Standing) -> tuple[Configured, ...]:
    """Certificates of the configuration that Google has not issued; a given one is active as soon as it is made."""
    return tuple(
        one
        for one in target.certificates
        if one.given is None and not (one.name in standing.known and standing.known[one.name].is_active)
    )


def _issuing(target: Target, standing: Standing) -> tuple[str, ...]:
    """A sentence where certificates are made of which none replaces another."""
    made = tuple(one for one in _pending(target, standing) if one.name not in standing.known)
    if not made:
        return ()
    return (
        f"{target.frontend}: HTTPS answers for {_new(made)} once Google has issued it: usually within an hour after DNS points at the address.",
    )


def _new(certificates: Iterable[Configured]) -> str:
    return " and ".join(f"{one.name} ({', '.join(one.domains)})" for one in certificates)


def _stay(ones: Sequence[object]) -> str:
    return "stay" if len(ones) > 1 else "stays"


def _go(ones: Sequence[object]) -> str:
    return "go" if len(ones) > 1 else "goes"


def _named(certificates: Iterable[OldCertificate]) -> str:
    return " and ".join(
        one.name + (f" ({', '.join(one.domains)})" if one.domains else "") for one in certificates
    )

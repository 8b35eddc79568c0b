"""Reads what the HTTPS frontends show their clients now, and what is known of the certificates that they are to show.

The way goes from the forwarding rule, whose name never changes, to the proxy that it leads to, to the proxy's
certificates and, where the configuration names a certificate map, to the entries of the map and their certificates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spillway.adapters.drift.certificate_change import (
    Attached,
    CertificateMap,
    MapCertificate,
    MapEntry,
    Standing,
    Target,
)
from spillway.adapters.drift.reader import Body, PartReader, Reads
from spillway.adapters.engine.provider.kinds import last_part, relative
from spillway.adapters.program.certificates import configured, full_map_name
from spillway.adapters.program.frontends import https_frontends, https_proxy_name
from spillway.config import names
from spillway.config.model import Config
from spillway.errors import SpillwayError


def targets(config: Config) -> Iterator[Target]:
    """What the configuration says of each HTTPS frontend.

    Raises:
        PermanentError: a file of a given certificate cannot be read.
    """
    hosts = tuple(host for route in config.topology.routes for host in route.hosts if host != "*")
    for name, https in https_frontends(config):
        yield Target(
            frontend=name,
            certificates=tuple(configured(config, https)),
            certificate_map=full_map_name(config, https),
            hosts=hosts,
        )


def standing_of(config: Config, reader: PartReader, wanted: tuple[Target, ...]) -> dict[str, Standing | None]:
    """What each HTTPS frontend shows now, by its name; None for one that nobody can connect to.

    Raises:
        SpillwayError: the proxies or their certificates cannot be read.
    """
    proxies = _proxies(config, reader)
    shown = {name: body for name, body in proxies.items() if body is not None}
    changing = [t for t in wanted if t.frontend in shown and _changes(t, shown[t.frontend])]
    certificates = _certificates(config, reader, changing, shown)
    maps = {
        name: _map(reader, name)
        for name in {t.certificate_map for t in changing if t.certificate_map is not None}
    }
    return {
        target.frontend: Standing(
            attached=_attached(shown[target.frontend]),
            certificate_map=shown[target.frontend].get("certificateMap") or None,
            known=certificates,
            next_map=maps.get(target.certificate_map or "", CertificateMap()),
        )
        if target.frontend in shown
        else None
        for target in wanted
    }


def _changes(target: Target, proxy: Body) -> bool:
    """False where the proxy shows exactly what the configuration says: nothing more is read then."""
    same_map = (proxy.get("certificateMap") or None) == target.certificate_map
    return not same_map or set(_attached(proxy)) != {one.name for one in target.certificates}


def _attached(proxy: Body) -> tuple[str, ...]:
    return tuple(last_part(url) for url in proxy.get("sslCertificates") or ())


def _proxies(config: Config, reader: PartReader) -> dict[str, Body | None]:
    """By frontend: the proxy to which its rule leads; where there is no rule, the proxy that it would lead to."""
    root = f"projects/{config.project}/global"
    suffix = config.topology.address.places[0].suffix
    rules = {n: f"{root}/forwardingRules/{names.on_address(n, suffix)}" for n, _ in https_frontends(config)}
    usual = {n: f"{root}/targetHttpsProxies/{https_proxy_name(n, h)}" for n, h in https_frontends(config)}
    first = _read(reader, (*rules.values(), *usual.values()))
    paths = {}
    for name, path in rules.items():
        rule = first[path]
        target = relative(str(rule.get("target"))) if rule is not None else ""
        paths[name] = target if "/targetHttpsProxies/" in target else usual[name]
    others = _read(reader, [path for path in paths.values() if path not in first])
    return {name: {**first, **others}[path] for name, path in paths.items()}


def _certificates(
    config: Config, reader: PartReader, changing: list[Target], shown: Mapping[str, Body]
) -> dict[str, Attached]:
    """Every certificate that a change concerns and that exists, by name."""
    root = f"projects/{config.project}/global/sslCertificates"
    concerned = {
        name
        for target in changing
        for name in (*_attached(shown[target.frontend]), *(one.name for one in target.certificates))
    }
    found = _read(reader, [f"{root}/{name}" for name in sorted(concerned)])
    return {last_part(path): _certificate(body) for path, body in found.items() if body is not None}


def _certificate(body: Body) -> Attached:
    managed = body.get("managed")
    if body.get("type") == "MANAGED" and isinstance(managed, dict):
        return Attached(
            is_managed=True,
            # A certificate whose renewal failed is served until it ends.
            is_active=managed.get("status") in {"ACTIVE", "RENEWAL_FAILED"},
            domains=tuple(managed.get("domains") or ()),
        )
    return Attached(
        is_managed=False, is_active=True, domains=tuple(body.get("subjectAlternativeNames") or ())
    )


def _read(reader: PartReader, paths: Iterable[str]) -> dict[str, Body | None]:
    """What stands at each path.

    Raises:
        SpillwayError: one cannot be read.
    """
    found: dict[str, Body | None] = {}
    wanted = tuple(paths)
    for path, read in (reader.read(wanted) if wanted else {}).items():
        if isinstance(read, SpillwayError):
            raise read
        found[path] = read
    return found


def _map(reader: PartReader, name: str) -> CertificateMap:
    """A certificate map by its full name; what cannot be read of it covers nothing."""
    path = relative(name)
    listed = reader.read([f"{path}/certificateMapEntries", path])
    entries, itself = listed[f"{path}/certificateMapEntries"], listed[path]
    for read in (itself, entries):
        if isinstance(read, SpillwayError):
            return CertificateMap(unknown=f"it cannot be read: {read}")
    if not isinstance(itself, dict) or not isinstance(entries, dict):
        return CertificateMap(unknown="it does not exist")
    made = tuple(_entry(entry) for entry in entries.get("certificateMapEntries") or ())
    reads = reader.read(sorted({name for entry in made for name in entry.certificates}))
    records = _records(reader, reads)
    return CertificateMap(
        entries=made,
        certificates={
            path: _map_certificate(read, records) if isinstance(read, dict) else _unread(read)
            for path, read in reads.items()
        },
    )


def _entry(body: Mapping[str, Any]) -> MapEntry:
    return MapEntry(
        hostname=str(body.get("hostname") or ""),
        is_active=body.get("state") == "ACTIVE",
        certificates=tuple(relative(str(name)) for name in body.get("certificates") or ()),
    )


def _unread(read: SpillwayError | None) -> MapCertificate:
    trouble = (
        f"its certificate cannot be read: {read}" if read is not None else "its certificate does not exist"
    )
    return MapCertificate(is_active=False, domains=(), trouble=trouble)


def _records(reader: PartReader, certificates: Reads) -> dict[str, str]:
    """The DNS record that each domain needs of which an authorization by DNS is under way."""
    waiting = [
        str(name)
        for read in certificates.values()
        if isinstance(read, dict) and (read.get("managed") or {}).get("state") not in {None, "ACTIVE"}
        for name in read["managed"].get("dnsAuthorizations") or ()
    ]
    found: dict[str, str] = {}
    for read in (reader.read(waiting) if waiting else {}).values():
        record = read.get("dnsResourceRecord") if isinstance(read, dict) else None
        if isinstance(read, dict) and record:
            found[str(read.get("domain"))] = (
                f"{record.get('type')} record {record.get('name')} -> {record.get('data')}"
            )
    return found


def _map_certificate(body: Body, records: Mapping[str, str]) -> MapCertificate:
    managed = body.get("managed")
    domains = tuple(str(name) for name in body.get("sanDnsnames") or ())
    if not isinstance(managed, dict):
        return MapCertificate(is_active=True, domains=domains)
    domains = domains or tuple(managed.get("domains") or ())
    if managed.get("state") == "ACTIVE":
        return MapCertificate(is_active=True, domains=domains)
    failed = [
        f"{attempt.get('domain')} is {attempt.get('state')}"
        for attempt in managed.get("authorizationAttemptInfo") or ()
        if attempt.get("state") == "FAILED"
    ]
    needed = [
        f"it needs the {records[bare]}"
        for bare in dict.fromkeys(domain.removeprefix("*.") for domain in managed.get("domains") or ())
        if bare in records
    ]
    state = f"its certificate {last_part(body.get('name'))} is {managed.get('state') or 'not issued'}"
    return MapCertificate(is_active=False, domains=domains, trouble=", ".join([state, *failed, *needed]))

"""What clients connect to, in the words of the configuration: addresses, HTTP, HTTPS, certificates; and the names of it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spillway.adapters.adopt.groups import Section
from spillway.adapters.adopt.layout import Frontend, Layout, words
from spillway.adapters.adopt.reading import path, path_of
from spillway.adapters.adopt.refusals import Refusals
from spillway.config.fields import format_duration
from spillway.config.names import frontend_key, on_address

_PROFILES = ("COMPATIBLE", "MODERN", "RESTRICTED")


def frontends(layout: Layout, refusals: Refusals) -> tuple[Section, Section, Section]:
    """(address, frontends, names) of a layout."""
    names: Section = {"addresses": {}, "rules": {}, "proxies": {}, "ssl_policies": {}}
    address, suffixes = _addresses(layout, names, refusals)
    listening: Section = {}
    for protocol in ("http", "https"):
        ports: dict[int, list[Frontend]] = {}
        for frontend in layout.frontends:
            if frontend.protocol == protocol and (port := _port(frontend, refusals)) is not None:
                ports.setdefault(port, []).append(frontend)
        sections = []
        for number, (port, here) in enumerate(
            sorted(ports.items(), key=lambda one: (one[0] not in {80, 443}, one[0]))
        ):
            key = frontend_key(protocol, port if number else None)
            _on_every_address(layout, key, here, suffixes, names, refusals)
            sections.append({"port": port, **_frontend(layout, key, here[0], names, refusals)})
        if sections:
            listening[protocol] = sections[0] if len(sections) == 1 else sections
    if layout.redirect_map is not None:
        names["redirect_map"] = layout.redirect_map["name"]
    return address, listening, {key: value for key, value in names.items() if value}


def _addresses(layout: Layout, names: Section, refusals: Refusals) -> tuple[Section, dict[str, str]]:
    """The section, and the suffix of each address by number. A reserved address is taken over, one of the rule's own is referred to."""
    numbers = sorted(
        {str(f.rule.get("IPAddress")) for f in layout.frontends}, key=lambda number: (":" in number, number)
    )
    versions = ["IPV6" if ":" in number else "IPV4" for number in numbers]
    if len(set(versions)) < len(versions):
        refusals.add(
            words(path_of(layout.url_map)),
            "",
            f"it is served on {len(numbers)} addresses ({', '.join(numbers)}), and the configuration has one of each version.",
            "Remove the forwarding rules of all but one IPv4 and one IPv6 address.",
        )
    section: Section = {}
    if versions != ["IPV4"]:
        section["ip_version"] = versions if len(versions) > 1 else versions[0]
    existing = []
    for number, version in zip(numbers, versions, strict=True):
        reserved = layout.addresses.get(number)
        if reserved is None:
            existing.append(number)
        else:
            names["addresses"][version] = reserved["name"]
    if existing:
        section["existing"] = existing[0] if len(existing) == 1 else existing
    return section, {
        number: version.lower() if place else ""
        for place, (number, version) in enumerate(zip(numbers, versions, strict=True))
    }


def _port(frontend: Frontend, refusals: Refusals) -> int | None:
    first, _, last = str(frontend.rule.get("portRange") or "").partition("-")
    if first == (last or first) and first.isdigit():
        return int(first)
    refusals.add(
        words(path_of(frontend.rule)),
        "portRange",
        f"it listens on {frontend.rule.get('portRange')}, and a frontend has one port.",
        "Make one rule for each port that is used.",
    )
    return None


def _on_every_address(
    layout: Layout,
    key: str,
    here: Sequence[Frontend],
    suffixes: dict[str, str],
    names: Section,
    refusals: Refusals,
) -> None:
    """One proxy, and one rule on each address."""
    proxies = {str(frontend.proxy["name"]) for frontend in here}
    names["proxies"][key] = here[0].proxy["name"]
    for frontend in here:
        names["rules"][on_address(key, suffixes[str(frontend.rule.get("IPAddress"))])] = frontend.rule["name"]
    what = words(path_of(here[0].rule))
    if len(proxies) > 1:
        refusals.add(
            what,
            "target",
            f"the rules of one port lead to several proxies ({', '.join(sorted(proxies))}), and a frontend has one.",
            "Lead the rules of all addresses to one proxy (`gcloud compute forwarding-rules set-target`).",
        )
    missing = suffixes.keys() - {str(frontend.rule.get("IPAddress")) for frontend in here}
    if missing:
        refusals.add(
            what,
            "",
            f"nothing listens on its port at {', '.join(sorted(missing))}, and every frontend listens on every address.",
            "Make a rule of this port there, or take the other address out of the load balancer.",
        )
    if len(here) > len(suffixes):
        refusals.add(
            words(path_of(layout.url_map)),
            "",
            f"several rules stand for {key} on one address.",
            "Keep one of them.",
        )


def _frontend(layout: Layout, key: str, frontend: Frontend, names: Section, refusals: Refusals) -> Section:
    proxy = frontend.proxy
    section: Section = {}
    if proxy.get("httpKeepAliveTimeoutSec"):
        section["keep_alive"] = format_duration(float(proxy["httpKeepAliveTimeoutSec"]))
    if frontend.protocol == "http":
        if frontend.redirects:
            section["redirect_to_https"] = True
        return section
    what = words(path_of(proxy))
    if frontend.redirects:
        refusals.add(
            what, "urlMap", "an HTTPS proxy leads to the map that redirects to HTTPS.", "Correct its URL map."
        )
    section["certificates"] = _certificates(what, proxy, refusals)
    if link := proxy.get("sslPolicy"):
        policy = layout.parts.get(path(str(link)))
        if policy is None or policy.get("profile") not in _PROFILES:
            refusals.add(
                what,
                "sslPolicy",
                f"its policy {path(str(link)).rsplit('/', 1)[-1]} has the profile {(policy or {}).get('profile')}, for which there is no key.",
                f"Attach one of profile {', '.join(_PROFILES)}.",
            )
        else:
            section["ssl_policy"] = {
                "profile": policy["profile"],
                "min_tls": policy.get("minTlsVersion", "TLS_1_0"),
            }
            names["ssl_policies"][key] = policy["name"]
    quic = str(proxy.get("quicOverride") or "NONE")
    if quic != "NONE":
        section["quic"] = quic
    if proxy.get("serverTlsPolicy"):
        section["server_tls_policy"] = proxy["serverTlsPolicy"]
    if str(proxy.get("tlsEarlyData") or "DISABLED") != "DISABLED":
        section["tls_early_data"] = proxy["tlsEarlyData"]
    return section


def left_alone(layout: Layout) -> tuple[str, ...]:
    """Why certificates are referred to and not imported: a sentence for each, sorted by name."""
    links = {
        path(str(link))
        for frontend in layout.frontends
        for link in frontend.proxy.get("sslCertificates") or ()
    }
    return tuple(_left_alone(link, layout.parts.get(link) or {}) for link in sorted(links))


def _left_alone(link: str, body: Mapping[str, Any]) -> str:
    name = link.rsplit("/", 1)[-1]
    told = f"The certificate {name} is referred to (`certificates.existing`) and not imported"
    if body.get("type") == "MANAGED":
        domains = ", ".join((body.get("managed") or {}).get("domains") or ()) or "its domains"
        return (
            f"{told}: Google renews it by itself, and one that Spillway keeps has another name, so it would be issued anew. "
            f"To have that done without a gap, write {domains} under `managed`, and take {name} out once the new one is active."
        )
    return (
        f"{told}: Google gives its private key to nobody, and without the key it could not be made again. To have Spillway "
        f"keep it, write its files under `given` in its place; a certificate with a new name is then made and shown."
    )


def _certificates(what: str, proxy: dict[str, Any], refusals: Refusals) -> Section:
    """A map, or certificates that are referred to: nobody but Google and their owner has their keys."""
    if proxy.get("certificateMap"):
        if proxy.get("sslCertificates"):
            refusals.add(
                what,
                "sslCertificates",
                "it has a certificate map, which makes Google ignore them.",
                "Clear them (`gcloud compute target-https-proxies update --clear-ssl-certificates`), or clear the map.",
            )
        return {"map": proxy["certificateMap"]}
    links = [path(str(link)) for link in proxy.get("sslCertificates") or ()]
    foreign = [link for link in links if "/global/sslCertificates/" not in link]
    if foreign:
        refusals.add(
            what,
            "sslCertificates",
            f"{words(foreign[0])} is no global certificate of Compute.",
            "Use global certificates of Compute, or a certificate map.",
        )
    return {"existing": [link.rsplit("/", 1)[-1] for link in links]}

"""What clients connect to, in the words of the configuration: address, HTTP, HTTPS, certificates; and the names of it all."""

from __future__ import annotations

from spillway.adapters.adopt.groups import Section
from spillway.adapters.adopt.layout import Frontend, Layout, words
from spillway.adapters.adopt.reading import path, path_of
from spillway.adapters.adopt.refusals import Refusals

_PROFILES = ("COMPATIBLE", "MODERN", "RESTRICTED")


def frontends(layout: Layout, refusals: Refusals) -> tuple[Section, Section, Section]:
    """(address, frontends, names) of a layout."""
    names: Section = {}
    found: Section = {}
    for frontend in layout.frontends:
        what = words(path_of(frontend.rule))
        if frontend.protocol in found:
            refusals.add(
                what,
                "",
                f"there is another {frontend.protocol.upper()} frontend, and the configuration has one of each.",
                "Remove one of the two forwarding rules, or give it a URL map of its own.",
            )
            continue
        found[frontend.protocol] = _frontend(layout, frontend, names, refusals)
        names[frontend.protocol] = {"proxy": frontend.proxy["name"], "rule": frontend.rule["name"]}
    if layout.redirect_map is not None:
        names["redirect_map"] = layout.redirect_map["name"]
    return _address(layout, names, refusals), found, names


def _address(layout: Layout, names: Section, refusals: Refusals) -> Section:
    """A reserved address is taken over; one that belongs to the rule alone is referred to by its number."""
    numbers = sorted({str(frontend.rule.get("IPAddress")) for frontend in layout.frontends})
    if len(numbers) > 1:
        refusals.add(
            words(path_of(layout.url_map)),
            "",
            f"it is served on {len(numbers)} addresses ({', '.join(numbers)}), and the configuration has one.",
            "Remove the forwarding rules of one of them.",
        )
    number = numbers[0]
    section: Section = {"ip_version": "IPV6"} if ":" in number else {}
    reserved = layout.addresses.get(number)
    if reserved is None:
        section["existing"] = number
    else:
        names["address"] = reserved["name"]
    return section


def _frontend(layout: Layout, frontend: Frontend, names: Section, refusals: Refusals) -> Section:
    first, _, last = str(frontend.rule.get("portRange") or "").partition("-")
    what = words(path_of(frontend.rule))
    if first != (last or first) or not first.isdigit():
        refusals.add(
            what,
            "portRange",
            f"it listens on {frontend.rule.get('portRange')}, and a frontend has one port.",
            "Make one rule for each port that is used.",
        )
        return {}
    section: Section = {"port": int(first)}
    if frontend.protocol == "http":
        if frontend.redirects:
            section["redirect_to_https"] = True
        return section
    if frontend.redirects:
        refusals.add(
            what,
            "target",
            "an HTTPS proxy leads to the map that redirects to HTTPS.",
            "Correct the proxy's URL map.",
        )
    proxy = frontend.proxy
    section["certificates"] = _certificates(frontend, refusals)
    if link := proxy.get("sslPolicy"):
        policy = layout.parts.get(path(str(link)))
        if policy is None or policy.get("profile") not in _PROFILES:
            refusals.add(
                words(path_of(proxy)),
                "sslPolicy",
                f"its policy {path(str(link)).rsplit('/', 1)[-1]} has the profile {(policy or {}).get('profile')}, for which there is no key.",
                f"Attach one of profile {', '.join(_PROFILES)}.",
            )
        else:
            section["ssl_policy"] = {
                "profile": policy["profile"],
                "min_tls": policy.get("minTlsVersion", "TLS_1_0"),
            }
            names["ssl_policy"] = policy["name"]
    quic = str(proxy.get("quicOverride") or "NONE")
    if quic != "NONE":
        section["quic"] = quic
    return section


def _certificates(frontend: Frontend, refusals: Refusals) -> Section:
    """A map, or certificates that are referred to: nobody but Google and their owner has their keys."""
    proxy = frontend.proxy
    if proxy.get("certificateMap"):
        if proxy.get("sslCertificates"):
            refusals.add(
                words(path_of(proxy)),
                "sslCertificates",
                "it has a certificate map, which makes Google ignore them.",
                "Clear them (`gcloud compute target-https-proxies update --clear-ssl-certificates`), or clear the map.",
            )
        return {"map": proxy["certificateMap"]}
    links = [path(str(link)) for link in proxy.get("sslCertificates") or ()]
    foreign = [link for link in links if "/global/sslCertificates/" not in link]
    if foreign:
        refusals.add(
            words(path_of(proxy)),
            "sslCertificates",
            f"{words(foreign[0])} is no global certificate of Compute.",
            "Use global certificates of Compute, or a certificate map.",
        )
    return {"existing": [link.rsplit("/", 1)[-1] for link in links]}

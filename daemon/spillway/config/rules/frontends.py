"""Addresses, HTTP and HTTPS."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

from spillway.config.draft import FRONTENDS, Draft
from spillway.config.fields import API, RESOURCE
from spillway.config.frontends import HttpConfig, HttpsConfig
from spillway.config.rules import certificates
from spillway.config.tree import Location

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
_OWN_LABEL = "managed-by"
_HTTPS_PORT = 443
"""Where a redirect to HTTPS leads: its rule names no port (compute v1: HttpRedirectAction.httpsRedirect)."""


def check(draft: Draft) -> None:
    """Judge what clients connect to."""
    _address(draft)
    frontends = draft.frontends
    if frontends is None:
        return
    if not frontends.plain and not frontends.secure:
        draft.error(
            FRONTENDS,
            "there is no frontend: nobody could connect.",
            "Add `http`, `https` or both.",
            uses=((*FRONTENDS, "http"), (*FRONTENDS, "https")),
        )
    plain = tuple(draft.each((*FRONTENDS, "http"), frontends.http))
    secure = tuple(draft.each((*FRONTENDS, "https"), frontends.https))
    for at, http in plain:
        _redirect(draft, http, at)
    _ports(draft, plain, secure)
    for at, https in secure:
        _https(draft, https, at)
    _labels(draft, frontends.labels, (*FRONTENDS, "labels"))


def _redirect(draft: Draft, http: HttpConfig, at: Location) -> None:
    secure = draft.frontends.secure if draft.frontends is not None else ()
    if not http.redirect_to_https:
        return
    if not secure:
        draft.error(
            (*at, "redirect_to_https"),
            "every request is redirected to HTTPS, but there is no HTTPS frontend.",
            "Add `frontends.https` with certificates, or set redirect_to_https to false.",
            uses=((*FRONTENDS, "https"),),
        )
    elif all(https.port != _HTTPS_PORT for https in secure):
        draft.warn(
            (*at, "redirect_to_https"),
            f"the redirect leads to port {_HTTPS_PORT}, and no HTTPS frontend listens there.",
            f"Give an HTTPS frontend port {_HTTPS_PORT}.",
            uses=((*FRONTENDS, "https"),),
        )


def _ports(
    draft: Draft,
    plain: tuple[tuple[Location, HttpConfig], ...],
    secure: tuple[tuple[Location, HttpsConfig], ...],
) -> None:
    taken: dict[int, Location] = {}
    ports = [*((at, http.port) for at, http in plain), *((at, https.port) for at, https in secure)]
    for at, port in ports:
        first = taken.setdefault(port, at)
        if first == at:
            continue
        both = (
            "HTTP and HTTPS" if first[: len(FRONTENDS) + 1] != at[: len(FRONTENDS) + 1] else "two frontends"
        )
        draft.error(
            (*at, "port"),
            f"{both} both listen on port {port} of the same address.",
            "Give each its own port; 80 and 443 are usual.",
            uses=((*first, "port"),),
        )


def _labels(draft: Draft, labels: dict[str, str], at: Location) -> None:
    for key in labels:
        if key == _OWN_LABEL or key.startswith("goog"):
            whose = "Spillway's own" if key == _OWN_LABEL else "reserved by Google"
            draft.error((*at, key), f"the label {key} is {whose}.", "Take another key.")


def _address(draft: Draft) -> None:
    address = draft.address
    _labels(draft, address.labels, (*_ADDRESS, "labels"))
    at = (*_ADDRESS, "ip_version")
    if len(set(address.versions)) < len(address.versions):
        draft.error(at, "a version is listed twice.", "Write IPV4, IPV6 or [IPV4, IPV6].")
    if not address.given:
        return
    places = tuple(draft.each((*_ADDRESS, "existing"), address.existing))
    if address.name is not None and len(address.given) >= len(address.versions):
        draft.error(
            (*_ADDRESS, "name"),
            "`name` is for an address that Spillway reserves, and `existing` says that there is one already.",
            "Remove one of the two.",
            uses=((*_ADDRESS, "existing"),),
        )
    if len(places) > 2:
        draft.error(
            (*_ADDRESS, "existing"),
            f"these are {len(places)} addresses, and a load balancer has one of each version at most.",
            "Keep one IPv4 and one IPv6 address.",
        )
    seen: set[str] = set()
    for place, given in places:
        version = _existing(draft, place, given)
        if version is None:
            continue
        if version in seen:
            draft.error(place, f"there is an address of {version} already.", "Keep one of each version.")
        seen.add(version)


def _existing(draft: Draft, at: Location, existing: str) -> str | None:
    """Judge one address; its version where it is known."""
    if "/" in existing:
        _address_url(draft, at, existing)
        return None
    try:
        given = ip_address(existing)
    except ValueError:
        draft.error(
            at,
            f"{existing!r} is not an IP address.",
            "Write one such as 203.0.113.7, or projects/PROJECT/global/addresses/NAME.",
        )
        return None
    versions = draft.address.versions
    version = f"IPV{given.version}"
    if any(given in network for network in _NOT_ON_THE_INTERNET):
        draft.error(
            at,
            f"{given} is no address that clients on the internet can reach.",
            "Write a global external address that is reserved in this project, or remove the key: then one is reserved.",
        )
    elif version not in versions and (
        len(draft.address.given) == 1 or draft.given((*_ADDRESS, "ip_version"))
    ):
        draft.error(
            at,
            f"this is an IPv{given.version} address, and ip_version is {' and '.join(versions)}.",
            f"Set ip_version to {version}"
            + (f", or to [{versions[0]}, {version}] for one of each." if len(versions) == 1 else "."),
            uses=((*_ADDRESS, "ip_version"),),
        )
    return version


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


def _https(draft: Draft, https: HttpsConfig, at: Location) -> None:
    policy = https.ssl_policy
    if policy is not None and policy.profile == "RESTRICTED" and policy.min_tls != "TLS_1_2":
        draft.error(
            (*at, "ssl_policy", "min_tls"),
            f"profile RESTRICTED has no ciphers for {policy.min_tls}.",
            "Write TLS_1_2, or take profile MODERN.",
            uses=((*at, "ssl_policy", "profile"),),
        )
    certificates.check(draft, https.certificates, (*at, "certificates"))

"""Names of what stands already: each must stand for something that the configuration has, and for one thing alone."""

from __future__ import annotations

from collections.abc import Iterable

from spillway.config.draft import BUCKETS, FRONTENDS, HEALTH_CHECKS, NAMES, SERVICES, Draft
from spillway.config.names import frontend_key, on_address
from spillway.config.suggest import did_you_mean
from spillway.config.tree import Location

_SECTIONS = (
    *("addresses", "rules", "proxies", "ssl_policies"),
    *("services", "lb_policies", "buckets", "health_checks"),
)
"""Sections in which one resource stands for one thing alone."""


def check(draft: Draft) -> None:
    """Judge the section `names`."""
    given = draft.existing
    _known(draft, "services", SERVICES, "service", given.services)
    _known(draft, "lb_policies", SERVICES, "service", given.lb_policies)
    _known(draft, "health_checks", HEALTH_CHECKS, "health check", given.health_checks)
    _known(draft, "buckets", BUCKETS, "bucket", given.buckets)
    for name in given.lb_policies:
        service = draft.services.get(name)
        if service is not None and service.lb_policy != "made":
            draft.error(
                (*NAMES, "lb_policies", name),
                f"the service {name} has `lb_policy: {service.lb_policy}`, so Spillway has no policy of it.",
                f"Remove it here, or `lb_policy` at the service {name}.",
                uses=((*SERVICES, name, "lb_policy"),),
            )
    for section in _SECTIONS:
        _once(draft, section, getattr(given, section))
    _frontends(draft)
    _addresses(draft)


def _known(draft: Draft, section: str, of: Location, what: str, given: Iterable[str]) -> None:
    for name in given:
        if draft.lacks(of, name):
            draft.error(
                (*NAMES, section, name),
                f"there is no {what} called {name!r}.",
                did_you_mean(name, draft.names(of), "Remove it here."),
            )


def _once(draft: Draft, section: str, given: dict[str, str]) -> None:
    seen: dict[str, str] = {}
    for name, resource in given.items():
        if resource in seen:
            draft.error(
                (*NAMES, section, name),
                f"{resource} stands for {seen[resource]} already.",
                "One resource stands for one thing alone: remove it at one of the two.",
            )
        seen.setdefault(resource, name)


def _addresses(draft: Draft) -> None:
    reserved = {place.version for place in draft.address.places if place.existing is None}
    for version in draft.existing.addresses:
        if version not in reserved:
            draft.error(
                (*NAMES, "addresses", version),
                f"there is no {version} address that Spillway reserves.",
                "Remove it here, or name the version in `topology.address.ip_version`.",
                uses=(("topology", "address"),),
            )
    if draft.existing.addresses and draft.address.name is not None:
        draft.error(
            (*NAMES, "addresses"),
            "`topology.address.name` gives the addresses another name.",
            "Keep one of the two.",
            uses=(("topology", "address", "name"),),
        )


def _frontends(draft: Draft) -> None:
    """Rules, proxies and SSL policies belong to frontends, and the redirecting map to one that redirects."""
    given, frontends = draft.existing, draft.frontends
    if frontends is None:
        return
    ports = {
        "http": [http.port for http in frontends.plain],
        "https": [https.port for https in frontends.secure],
    }
    keys = [
        frontend_key(protocol, port if number else None)
        for protocol, of in ports.items()
        for number, port in enumerate(of)
    ]
    rules = [on_address(key, place.suffix) for key in keys for place in draft.address.places]
    protected = [
        frontend_key("https", frontend.port if number else None)
        for number, frontend in enumerate(frontends.secure)
        if frontend.ssl_policy is not None
    ]
    for section, known, what in (
        ("proxies", keys, "frontend"),
        ("rules", rules, "frontend on an address"),
        ("ssl_policies", protected, "HTTPS frontend with an `ssl_policy`"),
    ):
        for key in getattr(given, section):
            if key not in known:
                draft.error(
                    (*NAMES, section, key),
                    f"there is no {what} called {key}.",
                    did_you_mean(key, known, "Remove it here."),
                    uses=(FRONTENDS, ("topology", "address")),
                )
    if given.redirect_map is not None and not any(http.redirect_to_https for http in frontends.plain):
        draft.error(
            (*NAMES, "redirect_map"),
            "no frontend redirects to HTTPS, so there is no such map.",
            "Remove it here, or set `redirect_to_https: true` at the HTTP frontend.",
            uses=((*FRONTENDS, "http"),),
        )

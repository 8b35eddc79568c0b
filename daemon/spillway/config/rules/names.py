"""Names of what stands already: each must stand for something that the configuration has, and for one thing alone."""

from __future__ import annotations

from collections.abc import Iterable

from spillway.config.draft import FRONTENDS, HEALTH_CHECKS, NAMES, SERVICES, Draft
from spillway.config.suggest import did_you_mean
from spillway.config.tree import Location


def check(draft: Draft) -> None:
    """Judge the section `names`."""
    given = draft.existing
    _known(draft, "services", SERVICES, "service", given.services)
    _known(draft, "lb_policies", SERVICES, "service", given.lb_policies)
    _known(draft, "health_checks", HEALTH_CHECKS, "health check", given.health_checks)
    for name in given.lb_policies:
        service = draft.services.get(name)
        if service is not None and service.lb_policy != "made":
            draft.error(
                (*NAMES, "lb_policies", name),
                f"the service {name} has `lb_policy: {service.lb_policy}`, so Spillway has no policy of it.",
                f"Remove it here, or `lb_policy` at the service {name}.",
                uses=((*SERVICES, name, "lb_policy"),),
            )
    for section in ("services", "lb_policies", "health_checks"):
        _once(draft, section, getattr(given, section))
    _frontends(draft)
    if given.address is not None and (draft.address.name or draft.address.existing):
        key = "name" if draft.address.name else "existing"
        draft.error(
            (*NAMES, "address"),
            f"`topology.address.{key}` says which address this is.",
            "Keep one of the two.",
            uses=(("topology", "address", key),),
        )


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


def _frontends(draft: Draft) -> None:
    given, frontends = draft.existing, draft.frontends
    if frontends is None:
        return
    for protocol in ("http", "https"):
        names = getattr(given, protocol)
        if (names.proxy or names.rule) and getattr(frontends, protocol) is None:
            draft.error(
                (*NAMES, protocol),
                f"there is no frontend {protocol}.",
                "Remove it here, or add the frontend.",
                uses=((*FRONTENDS, protocol),),
            )
    redirects = frontends.http is not None and frontends.http.redirect_to_https
    if given.redirect_map is not None and not redirects:
        draft.error(
            (*NAMES, "redirect_map"),
            "no frontend redirects to HTTPS, so there is no such map.",
            "Remove it here, or set `redirect_to_https: true` at the HTTP frontend.",
            uses=((*FRONTENDS, "http"),),
        )
    if given.ssl_policy is not None and (frontends.https is None or frontends.https.ssl_policy is None):
        draft.error(
            (*NAMES, "ssl_policy"),
            "the HTTPS frontend has no `ssl_policy`.",
            "Remove it here, or write the policy's settings there.",
            uses=((*FRONTENDS, "https"),),
        )

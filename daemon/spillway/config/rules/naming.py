"""Names of the resources that will be made: short enough with the prefix in front."""

from __future__ import annotations

from spillway.config import names
from spillway.config.draft import FRONTENDS, HEALTH_CHECKS, SERVICES, Draft
from spillway.config.tree import Location


def check(draft: Draft) -> None:
    """Judge every name that is made of the prefix and a name from the configuration."""
    for name in draft.services:
        _fits(draft, (*SERVICES, name), names.backend_service(draft.name, name), 0)
    for name in draft.health_checks:
        _fits(draft, (*HEALTH_CHECKS, name), names.health_check(draft.name, name), 0)
    https = draft.frontends.https if draft.frontends is not None else None
    given = https.certificates.given if https is not None else None
    for at, certificate in draft.items((*FRONTENDS, "https", "certificates", "given"), given or ()):
        _fits(draft, (*at, "name"), names.certificate(draft.name, certificate.name), names.HASH_LENGTH)


def _fits(draft: Draft, at: Location, resource: str, more: int) -> None:
    excess = len(resource) + more - names.NAME_LIMIT
    if excess > 0:
        suffix = " with the hash of its content" if more else ""
        draft.error(
            at,
            f"its resource would be called {resource}{suffix}: {len(resource) + more} characters, and Google takes {names.NAME_LIMIT}.",
            f"Shorten this name or the `name` at the top by {excess}.",
            uses=(("name",),),
        )

"""Cloud Armor, Identity-Aware Proxy and TLS to endpoints: combinations, and files with secrets."""

from __future__ import annotations

import re
from pathlib import Path

from spillway.config.draft import BUCKETS, SERVICES, Draft
from spillway.config.fields import HOST_LABEL, format_duration
from spillway.config.names import security_policy
from spillway.config.protection import RATE_INTERVALS, IapConfig, RateLimitConfig, TlsSettingsConfig
from spillway.config.reading import read_bounded
from spillway.config.services import ServiceConfig
from spillway.config.tree import Location

_PROJECT = re.compile(r"projects/([^/]+)/")
_HOST = re.compile(rf"{HOST_LABEL}(\.{HOST_LABEL})*")
_NAMED_KEYS = frozenset({"HTTP_HEADER", "HTTP_COOKIE"})
MOST_SECRET = 4096
"""Bytes of a file with a secret; a larger one is another file."""


def check(draft: Draft) -> None:
    """Judge every service and bucket."""
    for name, service in draft.services.items():
        at = (*SERVICES, name)
        _policies(draft, at, service)
        if service.rate_limit is not None:
            draft.check_length((*at, "rate_limit"), security_policy(draft.naming, name))
            _rate_limit(draft, (*at, "rate_limit"), service.rate_limit)
        if service.iap is not None:
            _iap(draft, (*at, "iap"), service.iap)
            _iap_beside(draft, at, service)
        if service.tls_settings is not None:
            _tls(draft, (*at, "tls_settings"), service.tls_settings)
            _tls_protocol(draft, at, service)
    for name, bucket in draft.buckets.items():
        _own_project(draft, (*BUCKETS, name, "edge_security_policy"), bucket.edge_security_policy)


def _policies(draft: Draft, at: Location, service: ServiceConfig) -> None:
    if service.security_policy is not None and service.rate_limit is not None:
        draft.error(
            (*at, "rate_limit"),
            "a service has one security policy, and this one has two: the one that is named, and the one that is made.",
            "Keep one; add the limit to the rules of your own policy.",
            uses=((*at, "security_policy"),),
        )
    _own_project(draft, (*at, "security_policy"), service.security_policy)
    _own_project(draft, (*at, "edge_security_policy"), service.edge_security_policy)


def _own_project(draft: Draft, at: Location, policy: str | None) -> None:
    found = _PROJECT.search(policy or "")
    if found and draft.project is not None and found[1] != draft.project and not found[1].isdigit():
        draft.error(
            at,
            f"the policy is in the project {found[1]}, and Google wants it in the project of the service, {draft.project}.",
            f"Make the policy in {draft.project} and write its name.",
            uses=(("project",),),
        )


def _rate_limit(draft: Draft, at: Location, limit: RateLimitConfig) -> None:
    if limit.interval not in RATE_INTERVALS:
        nearest = min(RATE_INTERVALS, key=lambda seconds: abs(seconds - limit.interval))
        draft.error(
            (*at, "interval"),
            f"Cloud Armor does not count over {format_duration(limit.interval)}.",
            f"Write {format_duration(nearest)}; it counts over {', '.join(map(format_duration, RATE_INTERVALS))}.",
        )
    named = limit.key in _NAMED_KEYS
    uses = ((*at, "key"), (*at, "key_name"))
    if named and limit.key_name is None:
        draft.error(at, f"the key {limit.key} needs a name.", "Add `key_name`, such as x-api-key.", uses=uses)
    elif limit.key_name is not None and not named:
        draft.error(
            (*at, "key_name"),
            f"the key {limit.key} has no name.",
            "Remove it, or write `key: HTTP_HEADER`.",
            uses=uses,
        )


def _iap(draft: Draft, at: Location, iap: IapConfig) -> None:
    client, secret = iap.oauth2_client_id, iap.oauth2_client_secret_file
    uses = ((*at, "oauth2_client_id"), (*at, "oauth2_client_secret_file"))
    if (client is None) != (secret is None):
        draft.error(
            at,
            "an OAuth client of your own has an id and a secret, and one of them is missing.",
            "Write `oauth2_client_id` and `oauth2_client_secret_file`, or neither: then Google's own client is used.",
            uses=uses,
        )
    if secret is not None:
        check_secret(draft, (*at, "oauth2_client_secret_file"), secret)


def check_secret(draft: Draft, at: Location, name: str) -> str | None:
    """What a file with a secret holds, without white space around it; None after a problem. The text is in no message."""
    try:
        content = read_bounded(Path(name), MOST_SECRET)
        text = content.decode("ascii").strip()
    except OSError as error:
        draft.error(
            at,
            f"{name} cannot be read: {error.strerror or error}.",
            "Let the daemon's user, and nobody else, read it.",
        )
        return None
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > MOST_SECRET or len(text.splitlines()) != 1:
        draft.error(at, f"{name} does not hold one line of text.", "Write the secret alone into the file.")
        return None
    return text


def _iap_beside(draft: Draft, at: Location, service: ServiceConfig) -> None:
    if service.iap is None or not service.iap.enabled:
        return
    if service.cdn not in {None, False}:
        draft.error(
            (*at, "cdn"),
            "Google takes no Cloud CDN beside the Identity-Aware Proxy: a cache would answer people who may not ask.",
            "Set `cdn: false`, or serve what may be cached from another service.",
            uses=((*at, "iap"),),
        )
    if draft.frontends is not None and draft.frontends.https is None:
        draft.warn(
            (*at, "iap"),
            "the Identity-Aware Proxy signs people in over HTTPS, and there is no HTTPS frontend.",
            "Add `frontends.https`.",
            uses=(("topology", "frontends"),),
        )


def _tls(draft: Draft, at: Location, tls: TlsSettingsConfig) -> None:
    if tls.sni is not None and not _HOST.fullmatch(tls.sni):
        draft.error((*at, "sni"), f"{tls.sni!r} is not a host name.", "Write one such as api.vendor.example.")
    for where, name in draft.items((*at, "subject_alt_names"), tls.subject_alt_names):
        if "://" not in name and not _HOST.fullmatch(name):
            draft.error(
                where,
                f"{name!r} is neither a host name nor a URI.",
                "Write one such as gpu.internal or spiffe://pool/ns/llm/sa/gpu.",
            )
    if tls.sni is None and not tls.subject_alt_names and tls.authentication_config is None:
        draft.error(at, "it sets nothing.", "Write sni, subject_alt_names or authentication_config.")


def _tls_protocol(draft: Draft, at: Location, service: ServiceConfig) -> None:
    if service.protocol not in {"HTTPS", "HTTP2"}:
        draft.error(
            (*at, "tls_settings"),
            f"protocol {service.protocol} has no TLS to the endpoints.",
            "Write `protocol: HTTPS` or HTTP2, or remove it.",
            uses=((*at, "protocol"),),
        )

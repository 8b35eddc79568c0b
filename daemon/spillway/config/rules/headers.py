"""Headers that the balancer adds: names, variables, and how many (Google, "Create custom headers in backend services")."""

from __future__ import annotations

import re

from spillway.config.affinity import HEADER_NAME
from spillway.config.draft import BUCKETS, SERVICES, Draft
from spillway.config.suggest import did_you_mean
from spillway.config.tree import Location

VARIABLES = frozenset(
    [
        "client_region",
        "client_region_subdivision",
        "client_city",
        "client_city_lat_long",
        "client_rtt_msec",
        "client_ip_address",
        "client_port",
        "client_encrypted",
        "client_protocol",
        "origin_request_header",
        "server_ip_address",
        "server_port",
        "tls_sni_hostname",
        "tls_version",
        "tls_cipher_suite",
        "tls_ja3_fingerprint",
        "tls_ja4_fingerprint",
        "user_agent_family",
        "device_request_type",
        "client_cert_present",
        "client_cert_chain_verified",
        "client_cert_error",
        "client_cert_sha256_fingerprint",
        "client_cert_serial_number",
        "client_cert_spiffe_id",
        "client_cert_uri_sans",
        "client_cert_dnsname_sans",
        "client_cert_valid_not_before",
        "client_cert_valid_not_after",
        "client_cert_issuer_dn",
        "client_cert_subject_dn",
        "client_cert_leaf",
        "client_cert_chain",
    ]
)
"""What the balancer fills in, in requests and answers."""
OF_ANSWERS = frozenset({"cdn_cache_id", "cdn_cache_status"})
"""What it fills in in answers alone."""
MOST = 16
"""Headers of each direction."""
FORBIDDEN = frozenset({"x-user-ip", "cdn-loop", "authority", ":authority"})
"""Headers that nobody may set ("custom headers" of Google's load balancing guides)."""
HOP_BY_HOP = frozenset(
    [
        "keep-alive",
        "transfer-encoding",
        "te",
        "connection",
        "trailer",
        "upgrade",
        "proxy-authorization",
        "proxy-authenticate",
    ]
)
RESERVED_PREFIXES = ("x-google", "x-goog-", "x-gfe", "x-amz-")
_VARIABLE = re.compile(r"\{([^{}]*)\}")


def check(draft: Draft) -> None:
    """Judge the headers of every service and bucket."""
    for name, service in draft.services.items():
        at = (*SERVICES, name)
        _headers(draft, (*at, "custom_request_headers"), service.custom_request_headers, answers=False)
        _headers(draft, (*at, "custom_response_headers"), service.custom_response_headers, answers=True)
    for name, bucket in draft.buckets.items():
        at = (*BUCKETS, name, "custom_response_headers")
        _headers(draft, at, bucket.custom_response_headers, answers=True)


def _headers(draft: Draft, at: Location, headers: tuple[str, ...], *, answers: bool) -> None:
    if len(headers) > MOST:
        draft.error(at, f"there are {len(headers)} headers, and Google takes {MOST}.", f"Keep {MOST}.")
    seen: set[str] = set()
    for where, header in draft.items(at, headers):
        name, colon, value = header.partition(":")
        plain = name.strip().lower()
        if not colon or not re.fullmatch(HEADER_NAME, name.strip()):
            draft.error(
                where,
                f"{header!r} is no header.",
                "Write `Name: value`, such as 'x-client-country: {client_region}'.",
            )
            continue
        if plain in seen:
            draft.error(where, f"the header {name.strip()} is listed twice.", "Keep one.")
        seen.add(plain)
        _name(draft, where, plain, answers=answers)
        _value(draft, where, value, answers=answers)


def _name(draft: Draft, at: Location, name: str, *, answers: bool) -> None:
    if name in FORBIDDEN | HOP_BY_HOP or name.startswith(RESERVED_PREFIXES):
        draft.error(at, f"Google keeps the header {name} to itself.", "Use another name.")
    elif name == "host" and answers:
        draft.error(at, "an answer has no Host header.", "Write it into `custom_request_headers`.")


def _value(draft: Draft, at: Location, value: str, *, answers: bool) -> None:
    known = VARIABLES | OF_ANSWERS if answers else VARIABLES
    for variable in _VARIABLE.findall(value):
        if variable in known:
            continue
        if variable in OF_ANSWERS:
            draft.error(
                at,
                f"{{{variable}}} is known when the answer is sent.",
                "Write it into `custom_response_headers`.",
            )
        else:
            draft.error(
                at,
                f"the balancer has no variable {{{variable}}}.",
                did_you_mean(variable, known, "Use one of Google's."),
            )
    if _VARIABLE.sub("", value).strip("{}") != _VARIABLE.sub("", value) or "{" in _VARIABLE.sub("", value):
        draft.error(at, "a brace is left open.", "Write variables as {client_region}.")

"""Cloud CDN and backend buckets: times to live that go together, keys, and who uses a bucket (discovery: CdnPolicy)."""

from __future__ import annotations

import base64
import binascii

from spillway.config.buckets import BucketConfig
from spillway.config.caching import BucketCdnConfig, CacheKeyConfig, CdnConfig
from spillway.config.draft import BUCKETS, SERVICES, Draft
from spillway.config.fields import format_duration
from spillway.config.names import backend_bucket
from spillway.config.rules.protection import check_secret
from spillway.config.tree import Location

_KEY_BYTES = 16
"""Length of a key that signs URLs (discovery: SignedUrlKey.keyValue)."""
_DEFAULT_TTL = 3600.0
_MAX_TTL = 86400.0
"""Google's own times to live, in seconds."""
_OWN = " (Google's own)"


def check(draft: Draft) -> None:
    """Judge every service and bucket."""
    for name, service in draft.services.items():
        if isinstance(service.cdn, CdnConfig):
            _cdn(draft, (*SERVICES, name, "cdn"), service.cdn)
            _cache_key(draft, (*SERVICES, name, "cdn", "cache_key"), service.cdn.cache_key)
    for name, bucket in draft.buckets.items():
        at = (*BUCKETS, name)
        draft.check_length(at, backend_bucket(draft.name, name))
        if name in draft.services:
            draft.error(
                at,
                f"there is a service called {name} too.",
                "Give one of them another name: routes and people would mix them up.",
                uses=((*SERVICES, name),),
            )
        _bucket(draft, at, bucket)


def _bucket(draft: Draft, at: Location, bucket: BucketConfig) -> None:
    if isinstance(bucket.cdn, BucketCdnConfig):
        _cdn(draft, (*at, "cdn"), bucket.cdn)


def _cdn(draft: Draft, at: Location, cdn: CdnConfig | BucketCdnConfig) -> None:
    mode = (*at, "cache_mode")
    refused = {
        "USE_ORIGIN_HEADERS": ("default_ttl", "max_ttl", "client_ttl"),
        "FORCE_CACHE_ALL": ("max_ttl",),
    }.get(cdn.cache_mode, ())
    for key in refused:
        if getattr(cdn, key) is not None:
            draft.error(
                (*at, key),
                f"cache mode {cdn.cache_mode} takes no {key}.",
                "Remove it, or write `cache_mode: CACHE_ALL_STATIC`.",
                uses=(mode,),
            )
    if cdn.cache_mode == "CACHE_ALL_STATIC":
        most = cdn.max_ttl if cdn.max_ttl is not None else _MAX_TTL
        for key, usual in (("default_ttl", _DEFAULT_TTL), ("client_ttl", _DEFAULT_TTL)):
            given = getattr(cdn, key)
            ttl = given if given is not None else usual
            if ttl > most:
                draft.error(
                    (*at, key) if given is not None else (*at, "max_ttl"),
                    f"{key} {format_duration(ttl)}{'' if given is not None else _OWN} is longer than max_ttl "
                    f"{format_duration(most)}{'' if cdn.max_ttl is not None else _OWN}.",
                    f"Write a max_ttl of {format_duration(ttl)} or more, or a shorter {key}.",
                    uses=(mode, (*at, "max_ttl"), (*at, key)),
                )
    if cdn.negative_caching_policy and not cdn.negative_caching:
        draft.error(
            (*at, "negative_caching_policy"),
            "times for errors hold only where errors are kept.",
            "Write `negative_caching: true`.",
            uses=((*at, "negative_caching"),),
        )
    codes: set[int] = set()
    for where, entry in draft.items((*at, "negative_caching_policy"), cdn.negative_caching_policy):
        if entry.code in codes:
            draft.error((*where, "code"), f"the code {entry.code} is listed twice.", "Keep one.")
        codes.add(entry.code)
    _keys(draft, at, cdn)


def _cache_key(draft: Draft, at: Location, key: CacheKeyConfig | None) -> None:
    if key is None:
        return
    lists = [(name, getattr(key, name)) for name in ("query_string_whitelist", "query_string_blacklist")]
    given = [name for name, parameters in lists if parameters]
    if len(given) == 2:
        draft.error(at, "there is a whitelist of parameters and a blacklist.", "Keep one of the two.")
    elif given and not key.include_query_string:
        draft.error(
            (*at, given[0]),
            "the query string does not count, so none of its parameters does.",
            "Set `include_query_string: true`, or remove it.",
            uses=((*at, "include_query_string"),),
        )


def _keys(draft: Draft, at: Location, cdn: CdnConfig | BucketCdnConfig) -> None:
    names: set[str] = set()
    for where, key in draft.items((*at, "signed_url_keys"), cdn.signed_url_keys):
        if key.name in names:
            draft.error((*where, "name"), f"the key {key.name} is listed twice.", "Keep one.")
        names.add(key.name)
        text = check_secret(draft, (*where, "key_file"), key.key_file)
        if text is not None and not _is_key(text):
            draft.error(
                (*where, "key_file"),
                f"{key.key_file} does not hold 128 bits in base64url.",
                "Make a key with: head -c 16 /dev/urandom | base64 | tr +/ -_",
            )


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, altchars=b"-_", validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False

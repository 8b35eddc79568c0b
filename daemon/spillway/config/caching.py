"""Cloud CDN: what is kept at Google's edge, and for how long. For services and buckets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from spillway.config.fields import Between, Duration, GroupName, Model

_YEAR = "31622400s"
"""Longest time to live that Google takes (discovery: CdnPolicy.maxTtl)."""
Ttl = Annotated[Duration, Between("0s", _YEAR, whole=True)]


class CacheKeyConfig(Model):
    """What makes two requests of a service the same to the cache."""

    include_host: bool = True
    """Cache each host apart."""
    include_protocol: bool = True
    """Cache HTTP and HTTPS apart."""
    include_query_string: bool = True
    """Cache each query string apart."""
    query_string_whitelist: tuple[str, ...] = ()
    """Only these parameters of the query count."""
    query_string_blacklist: tuple[str, ...] = ()
    """All parameters of the query but these count."""
    include_http_headers: tuple[str, ...] = ()
    """Request headers that count."""
    include_named_cookies: tuple[str, ...] = ()
    """Cookies that count."""


class BucketCacheKeyConfig(Model):
    """What makes two requests of a bucket the same to the cache; host and protocol never count there."""

    query_string_whitelist: tuple[str, ...] = ()
    """Parameters of the query that count."""
    include_http_headers: tuple[str, ...] = ()
    """Request headers that count."""


class NegativeCachingConfig(Model):
    """How long one kind of error is kept."""

    code: Literal[300, 301, 302, 307, 308, 404, 405, 410, 421, 451, 501]
    """Status code."""
    ttl: Annotated[Duration, Between("0s", "30m", whole=True)]
    """Time for which the answer is kept."""


class SignedUrlKeyConfig(Model):
    """A key with which URLs are signed."""

    name: GroupName
    """Name of the key, which the signed URL carries."""
    key_file: str
    """File with the key, relative to this configuration file: 128 bits in base64url, as Google's `head -c 16 /dev/urandom | base64 | tr +/ -_` makes them."""


class _PolicyConfig(Model):
    cache_mode: Literal["CACHE_ALL_STATIC", "USE_ORIGIN_HEADERS", "FORCE_CACHE_ALL"] = "CACHE_ALL_STATIC"
    """What is kept: static content by its type, what the origin's headers allow, or everything. DANGER: FORCE_CACHE_ALL also keeps private answers."""
    default_ttl: Ttl | None = None
    """For answers without a time to live; Google's 1h where none is given."""
    max_ttl: Ttl | None = None
    """Longest time to live; Google's 1d where none is given. For CACHE_ALL_STATIC."""
    client_ttl: Ttl | None = None
    """Longest time to live that clients are told; Google's 1h where none is given."""
    serve_while_stale: Annotated[Duration, Between("0s", "7d", whole=True)] | None = None
    """Time for which an old answer is served while a new one is fetched; Google's 1d where none is given."""
    negative_caching: bool | None = None
    """Keep common errors and redirects for a short time."""
    negative_caching_policy: tuple[NegativeCachingConfig, ...] = ()
    """How long each is kept; Google's own times where none is given."""
    request_coalescing: bool | None = None
    """Fetch an answer once for many requests that wait for it."""
    bypass_cache_on_request_headers: Annotated[tuple[str, ...], Field(max_length=5)] = ()
    """Request headers, such as Authorization, with which a request goes past the cache; 5 at most."""
    signed_url_cache_max_age: Annotated[Duration, Between("0s", _YEAR, whole=True)] | None = None
    """Time for which answers to signed requests are kept; Google's 1h where none is given."""
    signed_url_keys: Annotated[tuple[SignedUrlKeyConfig, ...], Field(max_length=3)] = ()
    """Keys that sign URLs, 3 at most."""


class CdnConfig(_PolicyConfig):
    """Cloud CDN before a service."""

    cache_key: CacheKeyConfig | None = None
    """What makes two requests the same."""


class BucketCdnConfig(_PolicyConfig):
    """Cloud CDN before a bucket."""

    cache_key: BucketCacheKeyConfig | None = None
    """What makes two requests the same."""


def _form(value: Any) -> str:
    return "switch" if isinstance(value, bool) else "section"


Cdn = Annotated[
    Annotated[bool, Tag("switch")] | Annotated[CdnConfig, Tag("section")],
    Discriminator(_form),
]
"""`true`, `false`, or a section."""
BucketCdn = Annotated[
    Annotated[bool, Tag("switch")] | Annotated[BucketCdnConfig, Tag("section")],
    Discriminator(_form),
]
"""`true`, `false`, or a section."""

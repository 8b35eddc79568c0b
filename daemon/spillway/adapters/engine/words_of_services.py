"""What surrounds the endpoints of a service, in a person's words: protection, caching, headers, affinity, buckets.

Values of headers are told by nobody: they may be keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spillway.adapters.engine.provider.kinds import Props, last_part

WORDS = {
    "affinityCookieTtlSec": "seconds of the affinity cookie",
    "bucketName": "bucket",
    "compressionMode": "compression",
    "consistentHash.httpHeaderName": "affinity header",
    "consistentHash.minimumRingSize": "ring size",
    "customMetrics": "metrics of the service",
    "edgeSecurityPolicy": "edge policy",
    "enableCdn": "CDN",
    "iap": "Identity-Aware Proxy",
    "iap.enabled": "Identity-Aware Proxy",
    "localityLbPolicy": "locality",
    "logConfig.optionalFields": "logged fields",
    "logConfig.optionalMode": "logged fields",
    "logConfig.sampleRate": "share of requests logged",
    "securityPolicy": "security policy",
    "sessionAffinity": "affinity",
    "tlsSettings": "TLS to endpoints",
}
"""By path: what people call it."""
HEADERS = {"customRequestHeaders": "request headers", "customResponseHeaders": "response headers"}
"""Properties of which only the names of headers are told."""


def header_names(headers: Iterable[Any] | None) -> str:
    """The names of headers, or `none`."""
    return ", ".join(str(header).partition(":")[0].strip() for header in headers or ()) or "none"


def phrases(news: Props) -> Iterator[str]:
    """What a person wants to know of a new service, bucket or security policy beside its endpoints."""
    if news.get("bucketName"):
        yield f"bucket {news['bucketName']}"
    for name, word in (("securityPolicy", "security policy"), ("edgeSecurityPolicy", "edge policy")):
        if news.get(name):
            yield f"{word} {last_part(news[name])}"
    iap = news.get("iap")
    if isinstance(iap, Mapping) and iap.get("enabled"):
        yield "Identity-Aware Proxy"
    if news.get("enableCdn"):
        mode = (news.get("cdnPolicy") or {}).get("cacheMode")
        yield f"CDN {mode}" if mode else "CDN"
    for name, word in HEADERS.items():
        if news.get(name):
            yield f"{word} {header_names(news[name])}"
    yield from _affinity(news)
    if news.get("compressionMode"):
        yield f"compression {news['compressionMode']}"
    tls = news.get("tlsSettings")
    if isinstance(tls, Mapping):
        yield f"TLS to endpoints{' as ' + str(tls['sni']) if tls.get('sni') else ''}"
    for rule in news.get("rules") or ():
        if limit := rule.get("rateLimitOptions"):
            yield _limit(limit, preview=bool(rule.get("preview")))


def _affinity(news: Props) -> Iterator[str]:
    affinity, ring = news.get("sessionAffinity"), news.get("consistentHash") or {}
    if affinity not in {None, "NONE"}:
        cookie = ring.get("httpCookie") or news.get("strongSessionAffinityCookie") or {}
        by = ring.get("httpHeaderName") or cookie.get("name")
        yield f"affinity {affinity}{' by ' + str(by) if by else ''}"
    if news.get("localityLbPolicy"):
        yield f"locality {news['localityLbPolicy']}"
    for metric in news.get("customMetrics") or ():
        yield f"weighs endpoints by {metric['name']}"


def _limit(limit: Mapping[str, Any], *, preview: bool) -> str:
    threshold = limit.get("rateLimitThreshold") or {}
    name = f" {limit['enforceOnKeyName']}" if limit.get("enforceOnKeyName") else ""
    told = (
        f"{threshold.get('count')} requests in {threshold.get('intervalSec')} s of each "
        f"{limit.get('enforceOnKey')}{name}, then {limit.get('exceedAction')}"
    )
    return f"{told} (only logged)" if preview else told

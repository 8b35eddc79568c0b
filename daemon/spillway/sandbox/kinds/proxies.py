"""Target HTTP and HTTPS proxies (Compute API v1 `targetHttpProxies`, `targetHttpsProxies`)."""

from __future__ import annotations

from spillway.sandbox import routing
from spillway.sandbox.kinds.base import CRUD, Action, Draft, Kind, Resource
from spillway.sandbox.kinds.certificate_manager import HOST, OptionalLink, ServiceLink
from spillway.sandbox.refusals import invalid, required
from spillway.sandbox.schema import Link, ListOf, Obj, Shape, choice, whole, words
from spillway.sandbox.shapes import published

_URL_MAP = Link(("urlMaps",))
_CERTIFICATES = ListOf(Link(("sslCertificates",)), most=15)
_MAP = ServiceLink(("certificateMaps",), HOST)
_TLS_POLICY = ServiceLink(("serverTlsPolicies",), "networksecurity.googleapis.com")
_MAP_OR_NONE = OptionalLink(("certificateMaps",), HOST)
_QUIC = choice("NONE ENABLE DISABLE")
_KEEP_ALIVE = whole(5, 1200)


def check_http(draft: Draft) -> None:
    """A URL map is needed."""
    if "urlMap" not in draft.resource:
        raise required("resource.urlMap")


def check_https(draft: Draft) -> None:
    """A URL map without an https redirect, and certificates or a certificate map."""
    check_http(draft)
    proxy = draft.resource
    if not proxy.get("sslCertificates") and "certificateMap" not in proxy:
        raise required("resource.sslCertificates")
    url_map = draft.view.find(proxy["urlMap"]) or {}
    if routing.redirects_to_https(url_map):
        raise invalid(
            "resource.urlMap",
            proxy["urlMap"],
            "A URL map with httpsRedirect may only be used by target HTTP proxies.",
        )


def set_url_map(draft: Draft, body: Resource) -> None:
    """SetUrlMap."""
    if "urlMap" not in body:
        raise required("resource.urlMap")
    draft.resource["urlMap"] = body["urlMap"]


def set_certificates(draft: Draft, body: Resource) -> None:
    """setSslCertificates: replaces the list."""
    draft.resource["sslCertificates"] = body.get("sslCertificates", [])


def set_policy(draft: Draft, body: Resource) -> None:
    """setSslPolicy: an absent policy clears it."""
    draft.resource.pop("sslPolicy", None)
    draft.resource.update(body)


def set_map(draft: Draft, body: Resource) -> None:
    """setCertificateMap: an absent map clears it."""
    draft.resource.pop("certificateMap", None)
    draft.resource.update({name: value for name, value in body.items() if value})


def set_quic(draft: Draft, body: Resource) -> None:
    """SetQuicOverride."""
    draft.resource["quicOverride"] = body.get("quicOverride", "NONE")


TARGET_HTTP_PROXIES = Kind(
    collection="targetHttpProxies",
    singular="targetHttpProxy",
    verbs=CRUD | {"patch", "aggregatedList"},
    fingerprint=True,
    shape=published(
        "TargetHttpProxy",
        {"urlMap": _URL_MAP, "httpKeepAliveTimeoutSec": _KEEP_ALIVE},
        unmodelled="httpFilters proxyBind",
    ),
    check=check_http,
    actions=(
        Action(name="setUrlMap", body=Obj({"urlMap": _URL_MAP}), change=set_url_map, without_scope=True),
    ),
)


def _https_body(**field: Shape) -> Obj:
    """The one field of a call; the gcp provider adds `"serverTlsPolicy": null` to each, and Google takes that."""
    return Obj(field, unmodelled=words("serverTlsPolicy"))


TARGET_HTTPS_PROXIES = Kind(
    collection="targetHttpsProxies",
    singular="targetHttpsProxy",
    verbs=CRUD | {"patch", "aggregatedList"},
    fingerprint=True,
    shape=published(
        "TargetHttpsProxy",
        {
            "urlMap": _URL_MAP,
            "sslCertificates": _CERTIFICATES,
            "certificateMap": _MAP,
            "sslPolicy": Link(("sslPolicies",)),
            "serverTlsPolicy": _TLS_POLICY,
            "httpKeepAliveTimeoutSec": _KEEP_ALIVE,
        },
        unmodelled="authentication authorization authorizationPolicy httpFilters proxyBind",
    ),
    defaults={"quicOverride": "NONE", "tlsEarlyData": "DISABLED"},
    check=check_https,
    actions=(
        Action(name="setUrlMap", body=_https_body(urlMap=_URL_MAP), change=set_url_map, without_scope=True),
        Action(
            name="setSslCertificates",
            body=_https_body(sslCertificates=_CERTIFICATES),
            change=set_certificates,
            without_scope=True,
        ),
        Action(name="setSslPolicy", body=_https_body(sslPolicy=Link(("sslPolicies",))), change=set_policy),
        Action(name="setCertificateMap", body=_https_body(certificateMap=_MAP_OR_NONE), change=set_map),
        Action(name="setQuicOverride", body=_https_body(quicOverride=_QUIC), change=set_quic),
    ),
)

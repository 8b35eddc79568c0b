"""Cloud CDN: rules of its policy, and the keys that sign URLs, for services and buckets (discovery: CdnPolicy, SignedUrlKey)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

from spillway.sandbox.kinds.base import Action, Draft, Resource
from spillway.sandbox.refusals import Refusal, invalid, required
from spillway.sandbox.schema import Scalar, Shape
from spillway.sandbox.shapes import published

POLICY: dict[str, Shape] = {
    **dict.fromkeys(("clientTtl", "defaultTtl", "maxTtl"), Scalar("int32", low=0, high=31622400)),
    "serveWhileStale": Scalar("int32", low=0, high=604800),
    "negativeCachingPolicy.ttl": Scalar("int32", low=0, high=1800),
}
"""Bounds that the documents say in words."""
_DEFAULTS = {
    "CACHE_ALL_STATIC": {"clientTtl": 3600, "defaultTtl": 3600, "maxTtl": 86400},
    "FORCE_CACHE_ALL": {"clientTtl": 3600, "defaultTtl": 3600},
    "USE_ORIGIN_HEADERS": {},
}
_MOST_KEYS = 3
_KEY_BYTES = 16


def check(resource: Resource, enabled: bool) -> None:  # noqa: FBT001 the field's own value
    """What goes together, and what the API writes out where caching is on."""
    policy = resource.get("cdnPolicy")
    if policy is None and enabled:
        policy = resource["cdnPolicy"] = {}
    if policy is None:
        return
    mode = policy.setdefault("cacheMode", "CACHE_ALL_STATIC")
    policy.setdefault("requestCoalescing", True)
    policy.setdefault("serveWhileStale", 86400 if mode != "USE_ORIGIN_HEADERS" else 0)
    policy.setdefault("negativeCaching", mode == "CACHE_ALL_STATIC")
    policy.setdefault("signedUrlCacheMaxAgeSec", "0")
    allowed = _DEFAULTS.get(mode, {})
    for name in ("clientTtl", "defaultTtl", "maxTtl"):
        if name in policy and name not in allowed and policy[name]:
            raise invalid(
                f"resource.cdnPolicy.{name}", policy[name], f"The field cannot be set with cache mode {mode}."
            )
    for name, value in allowed.items():
        policy.setdefault(name, value)
    most = policy.get("maxTtl")
    for name in ("defaultTtl", "clientTtl"):
        if most is not None and policy.get(name, 0) > most:
            raise invalid(f"resource.cdnPolicy.{name}", policy[name], "Value must not exceed max_ttl.")
    if policy.get("negativeCachingPolicy") and not policy["negativeCaching"]:
        raise invalid(
            "resource.cdnPolicy.negativeCachingPolicy",
            "",
            "Negative caching must be enabled to configure it.",
        )


def keep_keys(draft: Draft) -> None:
    """A write of the resource leaves its keys alone: they have methods of their own."""
    before = ((draft.before or {}).get("cdnPolicy") or {}).get("signedUrlKeyNames")
    if before and "signedUrlKeyNames" not in draft.resource.get("cdnPolicy", {}):
        draft.resource.setdefault("cdnPolicy", {})["signedUrlKeyNames"] = before


def _names(draft: Draft) -> list[str]:
    names: list[str] = draft.resource.setdefault("cdnPolicy", {}).setdefault("signedUrlKeyNames", [])
    return names


def _add(draft: Draft, body: Resource) -> None:
    """addSignedUrlKey: the value is checked and not kept."""
    name, value = body.get("keyName"), body.get("keyValue")
    if not name or not value:
        raise required("resource.keyName" if not name else "resource.keyValue")
    names = _names(draft)
    if name in names:
        raise Refusal(409, "alreadyExists", f"The key '{name}' already exists.")
    if len(names) >= _MOST_KEYS:
        raise invalid("resource.keyName", name, f"At most {_MOST_KEYS} keys are allowed.")
    try:
        size = len(base64.b64decode(value, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if size != _KEY_BYTES:
        raise invalid("resource.keyValue", "[redacted]", "The key must be 128 bits in base64url.")
    names.append(name)


def _delete(draft: Draft, body: Resource) -> None:
    """DeleteSignedUrlKey."""
    name = body.pop("?keyName", None)
    names = _names(draft)
    if name not in names:
        raise invalid("keyName", name or "", "There is no such key.")
    names.remove(name)


_KEY = replace(published("SignedUrlKey"), outputs=frozenset({"backendBucket", "backendService"}))
"""The provider also sends whose key it is: the documents have no such field, and the provider works."""

KEY_ACTIONS = (
    Action(name="addSignedUrlKey", body=_KEY, change=_add),
    Action(name="deleteSignedUrlKey", body=None, change=_delete, query=frozenset({"keyName"})),
)

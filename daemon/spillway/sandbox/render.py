"""Resources as the Compute API answers them, and the fingerprints that go with them."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from spillway.sandbox import links
from spillway.sandbox.kinds import KINDS
from spillway.sandbox.kinds.base import Resource, View
from spillway.sandbox.links import Key


def eight_bytes(text: str) -> str:
    """A fingerprint: eight bytes that change with the text, in web-safe base64 (`format: byte` of the documents)."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def label_fingerprint(resource: Resource) -> str:
    """The fingerprint of a resource's labels, which changes with them."""
    return eight_bytes(json.dumps(resource.get("labels", {}), sort_keys=True))


def number(path: str, writes: int) -> str:
    """An id as the API gives them: a 64-bit number, here from the name and the count of writes, so that runs repeat."""
    digest = hashlib.sha256(f"{path}@{writes}".encode()).digest()
    return str(10**18 + int.from_bytes(digest[:8], "big") % (8 * 10**18))


def show(view: View, key: Key, resource: Resource, version: str) -> dict[str, Any]:
    """A resource as the Compute API answers it, with URLs in the version of the request."""
    kind = KINDS[key.collection]
    shown: dict[str, Any] = {"kind": f"compute#{kind.singular}", **kind.shape.show(resource, version)}
    if kind.decorate:
        shown |= kind.decorate(key, resource, view)
        if "users" in shown:
            shown["users"] = [links.url(path, version) for path in shown["users"]]
    if kind.labelled:
        shown["labelFingerprint"] = label_fingerprint(resource)
    shown["selfLink"] = links.url(key.path, version)
    family, _, place = key.scope.partition("/")
    if family in {"zones", "regions"}:
        shown[family[:-1]] = links.url(f"projects/{key.project}/{family}/{place}", version)
    return shown

"""What the stand-in provider must know of one type of resource."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from spillway.adapters.engine.provider.cloud import Body, Request

Props = dict[str, Any]
"""Properties as Pulumi names them (camelCase)."""

PROVISIONED = {"goog-pulumi-provisioned": "true"}
"""The label that the provider adds to what carries labels (measured: not to forwarding rules)."""


ITSELF = ""
"""Key of a set of texts: each is identified by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceKind:
    """One type: where it lives, how properties become bodies and back, what may change in place."""

    token: str
    words: str
    """What people call it."""
    collection: Callable[[Props], str]
    """Path of the collection, from the inputs."""
    body: Callable[[Props], Body]
    """Inputs to the body of a create."""
    live: Callable[[Body], Props]
    """What GET answers, as properties."""
    update: Callable[[str, Props, Props, frozenset[str]], list[Request]] | None = None
    """(id, state, inputs, changed properties) to the calls of an update; None if every change replaces."""
    fixed: frozenset[str] = frozenset({"name", "project"})
    """Properties whose change replaces the resource; with `update` None all do."""
    computed: tuple[str, ...] = ("selfLink", "creationTimestamp")
    """Outputs that are known only after the create."""
    opaque: frozenset[str] = frozenset()
    """Properties that are compared with the last inputs, as the cloud does not give them back as written."""
    watched: tuple[str, ...] = ()
    """Properties whose appearance in the cloud counts as a difference although the program never set them."""
    labelled: bool = False
    """Labels are set by a second call after the create (measured)."""
    query: Callable[[Props], str] = field(default=lambda _: "")
    """Added to the query of a create."""
    keyed: dict[str, str] = field(default_factory=dict)
    """Lists that are sets: property to the field that identifies an element, or `ITSELF` for a set of texts."""
    assumed: dict[str, Props] = field(default_factory=dict)
    """What the provider takes for what an element of a list does not name, by list."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Fields of the API whose property has another name than `property_name` makes of it."""
    repeated: Callable[[Body], Body] = field(default=lambda body: body)
    """What the provider repeats in a PUT of what stands: some settings it has a property for and loses all the same (measured)."""
    references: dict[str, str] = field(default_factory=dict)
    """Properties that no insert and no PUT changes, to the custom method that sets each."""
    recall: Callable[[Props, Props], Props] = field(default=lambda _, outputs: outputs)
    """(inputs, outputs) to the outputs with secrets of which the cloud gives back a hash alone."""


def pick(source: dict[str, Any], *names: str) -> dict[str, Any]:
    """Those of `names` that `source` has and that are not None."""
    return {name: source[name] for name in names if source.get(name) is not None}


def property_name(field_name: str, value: Any, known: Iterable[str]) -> str | None:
    """The property that holds a field of the API; None where the provider has none.

    The bridge writes `enableCdn` for `enableCDN` and puts the names of lists into the plural; `localityLbPolicy`, a text,
    is not `localityLbPolicies`.
    """
    normal = singular if isinstance(value, list) else str.lower
    wanted = normal(field_name)
    return next((name for name in known if normal(name) == wanted), None)


def singular(name: str) -> str:
    """A name in small letters and without the ending of the plural."""
    name = name.lower()
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    return name.removesuffix("s")


def without_zeros(value: Any) -> Any:
    """A copy without fields that are zero, false or empty; elements of lists stay."""
    if isinstance(value, dict):
        parts = {name: without_zeros(part) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part not in (None, False, 0, "", [], {})}
    return [without_zeros(part) for part in value] if isinstance(value, list) else value


def in_set_order(texts: Iterable[str]) -> list[str]:
    """A set of texts in the order in which the provider sends it, by the digits of their hashes (tf: schema.HashString, measured)."""
    return sorted(texts, key=lambda text: str(zlib.crc32(text.encode())))


def in_global(collection: str) -> Callable[[Props], str]:
    """The path of a global collection."""
    return lambda inputs: f"projects/{inputs['project']}/global/{collection}"


def in_zone(collection: str) -> Callable[[Props], str]:
    """The path of a zonal collection."""
    return lambda inputs: f"projects/{inputs['project']}/zones/{inputs['zone']}/{collection}"


_BEFORE_PROJECT = re.compile(r"^(?:https?:)?//[^/]+/(?:.*?/)??(?=projects/)")


def relative(value: str) -> str:
    """A resource's path without host and version, as the provider compares links."""
    return _BEFORE_PROJECT.sub("", value)


def common(live: Body) -> Props:
    """The properties that nearly every resource has."""
    props = pick(live, "name", "description", "selfLink", "creationTimestamp", "fingerprint")
    if match := re.search(r"projects/([^/]+)/", str(live.get("selfLink", ""))):
        props["project"] = match[1]
    return props


def last_part(url: Any) -> str:
    """The name at the end of a URL."""
    return str(url).rsplit("/", 1)[-1]

"""URL maps: how the provider writes and reads them, by the published schema."""

from __future__ import annotations

from functools import cache
from typing import Any

from spillway.adapters.engine.provider.cloud import Body, Request
from spillway.adapters.engine.provider.convert import to_body, to_props
from spillway.adapters.engine.provider.kinds import (
    ITSELF,
    Props,
    ResourceKind,
    common,
    in_global,
    in_set_order,
    without_zeros,
)
from spillway.adapters.program.provider_fields import arguments_of, class_of

_TOKEN = "gcp:compute/uRLMap:URLMap"  # noqa: S105 a type token is no secret
_SETS = frozenset({"hosts", "paths"})
_OWN = ("project", "fingerprint", "deletionPolicy")
"""Properties that are no part of the body, or are added to it by the call."""


@cache
def _arguments() -> type:
    return arguments_of(class_of(_TOKEN))


def map_body(inputs: Props) -> Body:
    """The body of a create; what is zero, false or empty is not sent, whatever the field (tf:resource_compute_url_map.go)."""
    given = {name: value for name, value in inputs.items() if name not in _OWN}
    return to_body("UrlMap", _in_set_order(without_zeros(given)))


def _in_set_order(value: Any) -> Any:
    """A copy with hosts and paths in the order in which the provider sends them."""
    if isinstance(value, dict):
        return {
            name: in_set_order(part) if name in _SETS else _in_set_order(part) for name, part in value.items()
        }
    return [_in_set_order(part) for part in value] if isinstance(value, list) else value


def map_props(live: Body) -> Props:
    """What GET answers, as properties."""
    return {**common(live), **to_props("UrlMap", live, _arguments())}


URL_MAP = ResourceKind(
    token=_TOKEN,
    words="URL map",
    collection=in_global("urlMaps"),
    body=map_body,
    live=map_props,
    update=lambda resource, state, inputs, _: [
        Request(
            method="PUT",
            path=resource,
            body={**map_body(inputs), "fingerprint": state.get("fingerprint", "")},
        )
    ],
    computed=("selfLink", "creationTimestamp", "fingerprint"),
    watched=("defaultService", "defaultUrlRedirect", "hostRules", "pathMatchers"),
    keyed={"pathMatchers": "name", "hostRules": "pathMatcher", **dict.fromkeys(_SETS, ITSELF)},
)

"""Parts that stood before Spillway: the configuration names them, and the engine takes them over instead of making them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spillway.adapters.engine.provider.diff import same
from spillway.adapters.engine.provider.kinds import Props
from spillway.adapters.engine.provider.kinds_backend import BACKEND_SERVICE, HEALTH_CHECK, SERVICE_LB_POLICY
from spillway.adapters.engine.provider.kinds_edge import BACKEND_BUCKET
from spillway.adapters.engine.provider.kinds_frontend import (
    FORWARDING_RULE,
    GLOBAL_ADDRESS,
    HTTP_PROXY,
    HTTPS_PROXY,
    SSL_POLICY,
)
from spillway.adapters.engine.provider.kinds_url_map import URL_MAP
from spillway.adapters.program.kept import Part, group_path
from spillway.config.existing import NamesConfig

UNHASHED = (
    "preference",
    "maxInFlightRequests",
    "maxInFlightRequestsPerInstance",
    "maxInFlightRequestsPerEndpoint",
    "customMetrics",
    "trafficDuration",
)
"""Settings of a backend whose change the provider does not see by itself; see `program.backends`."""
_USUAL = {"preference": "DEFAULT", "trafficDuration": "SHORT"}
"""What Google shows of those where nobody has set them."""


def existing_parts(names: NamesConfig) -> frozenset[Part]:
    """All parts that the configuration names."""
    return frozenset(_named(names))


def _named(names: NamesConfig) -> Iterator[Part]:
    for name in (names.url_map, names.redirect_map):
        if name is not None:
            yield URL_MAP.token, name
    for frontend, name in names.proxies.items():
        yield (HTTPS_PROXY if frontend.startswith("https") else HTTP_PROXY).token, name
    for token, by_name in (
        (GLOBAL_ADDRESS.token, names.addresses),
        (FORWARDING_RULE.token, names.rules),
        (SSL_POLICY.token, names.ssl_policies),
        (BACKEND_BUCKET.token, names.buckets),
        (BACKEND_SERVICE.token, names.services),
        (SERVICE_LB_POLICY.token, names.lb_policies),
        (HEALTH_CHECK.token, names.health_checks),
    ):
        for name in by_name.values():
            yield token, name


def standing_elements(wanted: Props, live: Props) -> Mapping[str, Mapping[str, str | None]]:
    """By group: what stands otherwise than wanted in a backend, and means the same.

    That is a description where all that it tells the provider stands already, and a preference that nobody has set.

    Args:
        wanted: inputs of a backend service.
        live: the same service as it stands.
    """
    there = {group_path(str(backend["group"])): backend for backend in live.get("backends") or ()}
    found: dict[str, Mapping[str, str | None]] = {}
    for backend in wanted.get("backends") or ():
        group = group_path(str(backend["group"]))
        stands = there.get(group)
        if stands is None or not all(_alike(name, backend, stands) for name in UNHASHED):
            continue
        found[group] = {
            **(
                {"description": stands.get("description")} if _differs("description", backend, stands) else {}
            ),
            **({} if "preference" in stands or "preference" not in backend else {"preference": None}),
        }
    return found


def _differs(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (one.get(name) or "") != (other.get(name) or "")


def _alike(name: str, wanted: Mapping[str, Any], stands: Mapping[str, Any]) -> bool:
    usual = _USUAL.get(name)
    one, other = wanted.get(name) or usual, stands.get(name) or usual
    if name == "trafficDuration" and name not in wanted:
        return True
    return one == other or same(one, other)

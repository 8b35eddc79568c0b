"""Services: what they refer to, which groups they combine, how endpoints are chosen and left."""

from __future__ import annotations

from spillway.config.backends import (
    GOOGLES_PORT_NAME,
    GOOGLES_TIMEOUT,
    UNPROBED,
    GroupKind,
    Member,
    region_names,
)
from spillway.config.draft import HEALTH_CHECKS, POLICIES, REGIONS, SERVICES, Draft
from spillway.config.fields import format_duration
from spillway.config.names import backend_service
from spillway.config.services import ServiceConfig
from spillway.config.suggest import did_you_mean, listing
from spillway.config.tree import Location

_HASHING = frozenset({"RING_HASH", "MAGLEV"})
"""Locality policies under which affinity works (pu:BackendServiceArgs.locality_lb_policy)."""
_FAMILIES = {
    GroupKind.INSTANCE_GROUP: "instance groups",
    GroupKind.REGIONAL_INSTANCE_GROUP: "instance groups",
    GroupKind.NEG: "network endpoint groups",
    GroupKind.HYBRID_NEG: "network endpoint groups",
    GroupKind.SERVERLESS_NEG: "serverless groups",
    GroupKind.INTERNET_NEG: "internet groups",
}
"""Kinds that may stand together behind one service (BS)."""


def check(draft: Draft) -> None:
    """Judge every service."""
    for name, service in draft.services.items():
        at = (*SERVICES, name)
        draft.check_length(at, backend_service(draft.naming, name))
        _regions(draft, at, service)
        _references(draft, at, service)
        _affinity(draft, at, service)
        members = draft.members(name)
        _families(draft, at, members)
        _health(draft, at, service, members)
        _ports(draft, at, service, members)
        _timeout(draft, at, service, members)
        _left(draft, at, service)
    _unused(draft)


def _regions(draft: Draft, at: Location, service: ServiceConfig) -> None:
    pool, home = service.regions is not None, service.home is not None
    if pool == home:
        draft.error(
            at,
            "a service is either a pool or pinned, and this one is both."
            if pool
            else "this service has no regions.",
            "Keep `regions` or `home`."
            if pool
            else "Write `regions: all`, `regions: [...]`, or `home: REGION` for a pinned one.",
            uses=((*at, "regions"), (*at, "home")),
        )
    if service.failover and not home:
        draft.error(
            (*at, "failover"),
            "`failover` belongs to a pinned service; a pool spills over by itself.",
            "Name its `home`, or remove `failover`.",
            uses=((*at, "home"),),
        )
    if home and service.home in service.failover:
        draft.error(
            (*at, "failover"),
            f"{service.home} is its own failover.",
            "List other regions.",
            uses=((*at, "home"),),
        )
    lists = (
        ("regions", service.regions if isinstance(service.regions, tuple) else ()),
        ("failover", service.failover),
    )
    for key, listed in lists:
        seen: set[str] = set()
        for where, region in draft.items((*at, key), listed):
            _region(draft, where, region)
            if region in seen:
                draft.error(where, f"{region} is listed twice.", "List it once.")
            seen.add(region)
    if service.home is not None:
        _region(draft, (*at, "home"), service.home)
    wanted = region_names(service, draft.regions)
    for region in service.backends:
        where = (*at, "backends", region)
        if draft.lacks(REGIONS, region):
            _region(draft, where, region)
        elif region not in wanted and (service.regions != "all" or region in draft.regions):
            draft.error(
                where,
                f"{region} is not a region of this service.",
                did_you_mean(region, wanted, "Add it to the service's regions, or remove it here."),
                uses=((*at, "regions"), (*at, "home"), (*at, "failover")),
            )


def _region(draft: Draft, at: Location, region: str) -> None:
    if draft.lacks(REGIONS, region):
        draft.error(
            at,
            f"there is no region {region!r} in `topology.regions`.",
            did_you_mean(region, draft.names(REGIONS), "Add it there."),
        )


def _references(draft: Draft, at: Location, service: ServiceConfig) -> None:
    policies = draft.names(POLICIES) or tuple(draft.policies)
    if POLICIES not in draft.salvage.broken and service.policy not in policies:
        where = (*at, "policy")
        draft.error(
            where if draft.given(where) else at,
            f"there is no policy called {service.policy!r}"
            + ("." if draft.given(where) else ", which a service takes that names none."),
            did_you_mean(service.policy, policies, "Add it to `policies`."),
        )
    checks = draft.names(HEALTH_CHECKS)
    if service.health_check is not None and draft.lacks(HEALTH_CHECKS, service.health_check):
        draft.error(
            (*at, "health_check"),
            f"there is no health check called {service.health_check!r}.",
            did_you_mean(service.health_check, checks, "Add it to `topology.health_checks`."),
        )


def _affinity(draft: Draft, at: Location, service: ServiceConfig) -> None:
    if service.affinity != "NONE" and service.locality is not None and service.locality not in _HASHING:
        draft.error(
            (*at, "locality"),
            f"with locality {service.locality} the affinity {service.affinity} has no effect.",
            "Use MAGLEV or RING_HASH, leave `locality` out, or set affinity to NONE.",
            uses=((*at, "affinity"),),
        )


def _families(draft: Draft, at: Location, members: tuple[Member, ...]) -> None:
    found: dict[str, str] = {}
    for member in members:
        for kind in sorted(member.kinds):
            found.setdefault(_FAMILIES[kind], member.region)
    if len(found) > 1:
        where = listing([f"{family} (in {region})" for family, region in found.items()])
        draft.error(
            at,
            f"one service cannot combine {where}.",
            "Make a service for each kind, or give all regions the same kind.",
            uses=[(*REGIONS, member.region, "groups") for member in members],
        )


def _health(draft: Draft, at: Location, service: ServiceConfig, members: tuple[Member, ...]) -> None:
    kinds = frozenset().union(*(member.kinds for member in members))
    uses = [(*REGIONS, member.region, "groups") for member in members]
    where = (*at, "health_check")
    if kinds & UNPROBED and kinds - UNPROBED:
        return  # `_families` refuses the mixture; what to do here depends on which half stays
    if service.health_check is not None and kinds & UNPROBED:
        kind = min(kinds & UNPROBED)
        draft.error(
            where, f"Google refuses a health check for a {kind}.", "Remove `health_check`.", uses=uses
        )
    elif service.health_check is None and kinds - UNPROBED:
        draft.error(
            at,
            "the service has no health check, and its groups need one.",
            "Add `health_check: NAME` and define it under `topology.health_checks`.",
            uses=(where, *uses),
        )


def _ports(draft: Draft, at: Location, service: ServiceConfig, members: tuple[Member, ...]) -> None:
    where = (*at, "port_name")
    if service.port_name is not None:
        others = [m for m in members if m.kinds and GroupKind.INSTANCE_GROUP not in m.kinds]
        if others:
            draft.error(
                where,
                f"named ports belong to instance groups, and {others[0].region} has none.",
                "Remove `port_name`: endpoints of a NEG carry their port themselves.",
                uses=((*REGIONS, others[0].region, "groups"),),
            )
    name = service.port_name or GOOGLES_PORT_NAME
    for member in members:
        for place, group in draft.items((*REGIONS, member.region, "groups"), member.groups):
            if group.instance_group is None or group.create is None or name in group.create.named_ports:
                continue
            ports = group.create.named_ports
            draft.error(
                where if service.port_name else at,
                f"the instance group {group.instance_group} in {member.region} is made without a port named {name!r}.",
                did_you_mean(name, ports, f"Add `named_ports: {{{name}: 8080}}` to its `create`."),
                uses=((*place, "create"),),
            )


def _timeout(draft: Draft, at: Location, service: ServiceConfig, members: tuple[Member, ...]) -> None:
    where = (*at, "timeout")
    kinds = frozenset().union(*(member.kinds for member in members))
    if GroupKind.SERVERLESS_NEG in kinds and draft.given(where) and service.timeout != GOOGLES_TIMEOUT:
        draft.error(
            where,
            f"Google refuses a timeout of {format_duration(service.timeout)} for a {GroupKind.SERVERLESS_NEG}: "
            "what it runs has a timeout of its own.",
            "Remove `timeout`, and set the request timeout of the Cloud Run service.",
            uses=[(*REGIONS, member.region, "groups") for member in members],
        )


def _left(draft: Draft, at: Location, service: ServiceConfig) -> None:
    """What the service leaves as it stands is not set at the same time."""
    keys = {
        argument: "log_sample_rate" if argument == "log_config" else argument for argument in service.leave
    }
    for where, argument in draft.items((*at, "leave"), service.leave):
        key = (*at, keys[argument])
        if draft.given(key):
            draft.error(
                where,
                f"{argument} is to stay as it stands, and `{key[-1]}` sets it.",
                "Keep one of the two.",
                uses=(key,),
            )
    algorithm = (*at, "algorithm")
    if service.lb_policy != "made" and draft.given(algorithm):
        draft.error(
            algorithm,
            f"the algorithm is a setting of the service LB policy, and with `lb_policy: {service.lb_policy}` Spillway makes none.",
            "Remove it, or write `lb_policy: made`.",
            uses=((*at, "lb_policy"),),
        )


def _unused(draft: Draft) -> None:
    if any(name not in draft.services for name in draft.names(SERVICES)):
        return  # a service with mistakes may be the one that uses them
    used_regions = {r for service in draft.services.values() for r in region_names(service, draft.regions)}
    used_checks = {service.health_check for service in draft.services.values()}
    used_policies = {service.policy for service in draft.services.values()}
    for section, used, what in (
        (REGIONS, used_regions, "region"),
        (HEALTH_CHECKS, used_checks, "health check"),
        (POLICIES, used_policies, "policy"),
    ):
        for name in draft.names(section):
            if name not in used:
                draft.warn(
                    (*section, name),
                    f"no service uses the {what} {name}.",
                    "Remove it, or name it in a service.",
                    uses=(SERVICES,),
                )

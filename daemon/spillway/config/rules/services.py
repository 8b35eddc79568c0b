"""Services: what they refer to, which groups they combine, how endpoints are chosen and left."""

from __future__ import annotations

from spillway.config.backends import (
    GOOGLES_PORT_NAME,
    GOOGLES_TIMEOUT,
    INSTANCE_GROUPS,
    UNPROBED,
    GroupKind,
    Member,
    group_kind,
    region_names,
    takes_policy,
)
from spillway.config.draft import HEALTH_CHECKS, POLICIES, REFERENCES, REGIONS, SERVICES, Draft
from spillway.config.fields import format_duration
from spillway.config.names import backend_service
from spillway.config.services import ServiceConfig
from spillway.config.suggest import did_you_mean, listing
from spillway.config.tree import Location

_LONG = 86400.0
"""Seconds of a timeout past which it deserves a second look."""
_FAMILIES = {
    GroupKind.INSTANCE_GROUP: "instance groups",
    GroupKind.REGIONAL_INSTANCE_GROUP: "instance groups",
    GroupKind.NEG: "network endpoint groups",
    GroupKind.HYBRID_NEG: "network endpoint groups",
    GroupKind.SERVERLESS_NEG: "serverless groups",
    GroupKind.INTERNET_NEG: "internet groups",
    GroupKind.PSC_NEG: "Private Service Connect groups",
}
"""Kinds that may stand together behind one service (BS)."""


def check(draft: Draft) -> None:
    """Judge every service."""
    for name, service in draft.services.items():
        at = (*SERVICES, name)
        draft.check_length(at, backend_service(draft.naming, name))
        _regions(draft, at, service)
        _references(draft, at, service)
        members = draft.members(name)
        _grouped(draft, name, members)
        _families(draft, name, members)
        _health(draft, name, members)
        _ports(draft, name, members)
        _timeout(draft, name, members)
        _algorithm(draft, name, members)
        _logs(draft, at, service)
        _left(draft, at, service)
    _references_apart(draft)
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


def _groups_of(draft: Draft, name: str, members: tuple[Member, ...]) -> list[Location]:
    return [draft.groups_at(name, member.region) for member in members]


def _grouped(draft: Draft, name: str, members: tuple[Member, ...]) -> None:
    for member in members:
        if not member.groups:
            draft.error(
                (*SERVICES, name),
                f"{name} has no groups in {member.region}: the region has none, and the service brings none.",
                f"Add `groups` to the region, or `backends: {{{member.region}: {{groups: [...]}}}}` to the service.",
                uses=((*REGIONS, member.region, "groups"), (*SERVICES, name, "backends")),
            )


def _families(draft: Draft, name: str, members: tuple[Member, ...]) -> None:
    found: dict[str, str] = {}
    for member in members:
        for kind in sorted(member.kinds):
            found.setdefault(_FAMILIES[kind], member.region)
    if len(found) > 1:
        where = listing([f"{family} (in {region})" for family, region in found.items()])
        draft.error(
            (*SERVICES, name),
            f"one service cannot combine {where}.",
            _apart(members) or "Make a service for each kind, or give all regions the same kind.",
            uses=_groups_of(draft, name, members),
        )


def _apart(members: tuple[Member, ...]) -> str | None:
    """How to part kinds that stand in one region's list: each service brings its own groups."""
    for member in members:
        kinds = sorted(member.kinds, key=lambda kind: (kind in UNPROBED, kind))
        other = [kind for kind in kinds if _FAMILIES[kind] != _FAMILIES[kinds[0]]]
        if other and not member.has_own_groups:
            group = next(g for g in member.groups if group_kind(g) is other[0])
            given = group.model_dump(exclude_none=True, exclude={"create"})
            own = ", ".join(f"{key}: {value}" for key, value in given.items())
            return (
                f"Take the {other[0]} out of the groups of {member.region}, and give it to the service that needs it: "
                f"`backends: {{{member.region}: {{groups: [{{{own}}}]}}}}`."
            )
    return None


def _health(draft: Draft, name: str, members: tuple[Member, ...]) -> None:
    at, service = (*SERVICES, name), draft.services[name]
    kinds = frozenset().union(*(member.kinds for member in members))
    uses = _groups_of(draft, name, members)
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


def _ports(draft: Draft, name: str, members: tuple[Member, ...]) -> None:
    at, service = (*SERVICES, name), draft.services[name]
    where = (*at, "port_name")
    if service.port_name is not None:
        others = [m for m in members if m.kinds and not m.kinds & INSTANCE_GROUPS]
        if others:
            draft.error(
                where,
                f"named ports belong to instance groups, and {others[0].region} has none.",
                "Remove `port_name`: endpoints of a NEG carry their port themselves.",
                uses=(draft.groups_at(name, others[0].region),),
            )
    port = service.port_name or GOOGLES_PORT_NAME
    for member in members:
        for place, group in draft.items(draft.groups_at(name, member.region), member.groups):
            if group.instance_group is None or group.create is None or port in group.create.named_ports:
                continue
            ports = group.create.named_ports
            draft.error(
                where if service.port_name else at,
                f"the instance group {group.instance_group} in {member.region} is made without a port named {port!r}.",
                did_you_mean(port, ports, f"Add `named_ports: {{{port}: 8080}}` to its `create`."),
                uses=((*place, "create"),),
            )


def _timeout(draft: Draft, name: str, members: tuple[Member, ...]) -> None:
    service = draft.services[name]
    where = (*SERVICES, name, "timeout")
    kinds = frozenset().union(*(member.kinds for member in members))
    if GroupKind.SERVERLESS_NEG in kinds and draft.given(where) and service.timeout != GOOGLES_TIMEOUT:
        draft.error(
            where,
            f"Google refuses a timeout of {format_duration(service.timeout)} for a {GroupKind.SERVERLESS_NEG}: "
            "what it runs has a timeout of its own.",
            "Remove `timeout`, and set the request timeout of the Cloud Run service.",
            uses=_groups_of(draft, name, members),
        )
    elif service.timeout > _LONG:
        draft.warn(
            where,
            f"a timeout of {format_duration(service.timeout)} is more than a day: a request that hangs is given up so late.",
            "Write the longest answer that there is, unless this is meant.",
        )


def _algorithm(draft: Draft, name: str, members: tuple[Member, ...]) -> None:
    """The algorithm is a part of the service LB policy."""
    at = (*SERVICES, name, "algorithm")
    if draft.services[name].algorithm == "WATERFALL_BY_REGION" or takes_policy(members) or not members:
        return
    draft.error(
        at,
        "the algorithm belongs to the service LB policy, and Google takes none for these groups: it excludes regional "
        "instance groups, and groups without a balancing mode (SLP).",
        "Remove `algorithm`, or use zonal groups.",
        uses=_groups_of(draft, name, members),
    )


def _logs(draft: Draft, at: Location, service: ServiceConfig) -> None:
    if service.log_fields is not None and service.log_sample_rate == 0:
        draft.error(
            (*at, "log_fields"),
            "nothing is logged, so there are no fields to choose.",
            "Write a `log_sample_rate` above 0, or remove it.",
            uses=((*at, "log_sample_rate"),),
        )


def _references_apart(draft: Draft) -> None:
    """Routes name services and references alike."""
    for name in draft.names(REFERENCES):
        if name in draft.names(SERVICES):
            draft.error(
                (*REFERENCES, name),
                f"there is a service called {name} too.",
                "Give one of them another name.",
                uses=((*SERVICES, name),),
            )


def _left(draft: Draft, at: Location, service: ServiceConfig) -> None:
    """What the service leaves as it stands is not set at the same time."""
    keys = {"log_config": ("log_sample_rate", "log_fields")}
    for where, argument in draft.items((*at, "leave"), service.leave):
        for key in keys.get(argument, (argument,)):
            if draft.given((*at, key)):
                draft.error(
                    where,
                    f"{argument} is to stay as it stands, and `{key}` sets it.",
                    "Keep one of the two.",
                    uses=((*at, key),),
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
    steering = [route.steering.policy for _, route in draft.routes if route.steering is not None]
    used_policies = {*steering, *(service.policy for service in draft.services.values())}
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

"""Balancing modes and their targets: which fit which groups (reference: BS, CM)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from spillway.config.backends import INSTANCE_GROUPS, STEERABLE, UNPROBED, GroupKind, Member, group_kind
from spillway.config.balancing import BalancingConfig
from spillway.config.draft import REGIONS, SERVICES, Draft
from spillway.config.groups import GroupConfig
from spillway.config.names import group_key
from spillway.config.suggest import listing
from spillway.config.tree import Location
from spillway.core.values.topology import GroupKey

_RATES = ("max_rate", "max_rate_per_instance", "max_rate_per_endpoint")
_IN_FLIGHT = ("max_in_flight", "max_in_flight_per_instance", "max_in_flight_per_endpoint")
_MOST = 2**31 - 1
"""Largest whole number that Compute's int32 fields hold."""
_EXCLUSIVE = frozenset({"UTILIZATION", "CUSTOM_METRICS"})
"""Modes that a group must have in all its services if it has it in one (BS)."""


def check(draft: Draft) -> None:
    """Judge every target: of regions, of services' exceptions, and both together."""
    for name, region in draft.regions.items():
        at = (*REGIONS, name)
        if region.balancing is not None:
            _target(draft, (*at, "balancing"), region.balancing, _kinds(region.groups), (*at, "groups"))
        _unsteerable(draft, at, _kinds(region.groups), (*at, "groups"))
    for name, service in draft.services.items():
        for place, own in service.backends.items():
            if place not in draft.regions:
                continue
            at, groups_at = (*SERVICES, name, "backends", place), draft.groups_at(name, place)
            kinds = _kinds(own.groups or draft.regions[place].groups)
            if own.balancing is not None:
                _target(draft, (*at, "balancing"), own.balancing, kinds, groups_at)
            elif own.groups:
                _inherited(draft, at, place, kinds)
            _unsteerable(draft, at, kinds, groups_at)
        _of_service(draft, name)
    _shared(draft)


def _given(balancing: BalancingConfig, keys: tuple[str, ...]) -> list[str]:
    return [key for key in keys if getattr(balancing, key) is not None]


def _kinds(groups: tuple[GroupConfig, ...]) -> frozenset[GroupKind]:
    return frozenset(kind for kind in map(group_kind, groups) if kind is not None)


def _target(
    draft: Draft, at: Location, balancing: BalancingConfig, kinds: frozenset[GroupKind], groups_at: Location
) -> None:
    if kinds & UNPROBED:
        return  # `_unsteerable` refuses it as a whole
    _figures(draft, at, balancing)
    _whole_rate(draft, at, balancing)
    _metrics(draft, at, balancing)
    _per_member(draft, at, balancing, kinds, groups_at)
    _duration(draft, at, balancing)
    if GroupKind.REGIONAL_INSTANCE_GROUP in kinds and balancing.max_rate is not None:
        draft.error(
            (*at, "max_rate"),
            "of a regional instance group Google takes the rate of each VM alone (BS).",
            "Write max_rate_per_instance.",
            uses=(groups_at,),
        )
    if balancing.mode == "UTILIZATION" and kinds - INSTANCE_GROUPS:
        draft.error(
            (*at, "mode"),
            "UTILIZATION measures the CPU of instance groups, and this region has network endpoint groups.",
            "Use RATE, IN_FLIGHT for requests longer than a second, or CUSTOM_METRICS.",
            uses=(groups_at,),
        )


def _whole_rate(draft: Draft, at: Location, balancing: BalancingConfig) -> None:
    """`maxRate` is a whole number (int32) in Compute; the rates of single members may have fractions."""
    rate = balancing.max_rate
    if rate is not None and rate != int(rate):
        draft.error(
            (*at, "max_rate"),
            f"a max_rate of {rate:g} is no whole number, and Google takes no other for a whole group.",
            f"Write {max(1, int(rate))} or {int(rate) + 1}, or the rate of each member, which may have a fraction.",
        )
    elif rate is not None and rate > _MOST:
        draft.error((*at, "max_rate"), f"{rate:g} is more than Google takes.", f"Write {_MOST} or less.")


def _inherited(draft: Draft, at: Location, place: str, kinds: frozenset[GroupKind]) -> None:
    """The region's target fits the groups that a service brings without a target of its own."""
    region = draft.regions[place].balancing
    if region is None or kinds & UNPROBED or not kinds:
        return
    instances, endpoints = kinds <= INSTANCE_GROUPS, not kinds & INSTANCE_GROUPS
    unfit = [key for key in _given(region, (*_RATES, *_IN_FLIGHT)) if _misfits(key, instances, endpoints)]
    if region.mode == "UTILIZATION" and not instances:
        unfit.insert(0, "mode UTILIZATION")
    if GroupKind.REGIONAL_INSTANCE_GROUP in kinds and region.max_rate is not None:
        unfit.append("max_rate")
    if unfit:
        draft.error(
            (*at, "groups"),
            f"the balancing of {place} ({unfit[0]}) does not fit the groups that the service brings here.",
            "Add a `balancing` that fits them beside `groups`.",
            uses=((*at, "balancing"), (*REGIONS, place, "balancing")),
        )


def _misfits(key: str, instances: bool, endpoints: bool) -> bool:  # noqa: FBT001 both kinds of members, side by side
    return (instances and key.endswith("_per_endpoint")) or (endpoints and key.endswith("_per_instance"))


def _figures(draft: Draft, at: Location, balancing: BalancingConfig) -> None:
    """Each mode has the figures that it needs, and none that it ignores."""
    rates, flights = _given(balancing, _RATES), _given(balancing, _IN_FLIGHT)
    all_rates = tuple((*at, key) for key in _RATES)
    all_flights = tuple((*at, key) for key in _IN_FLIGHT)
    mode = balancing.mode
    if mode == "RATE" and not rates:
        draft.error(
            at,
            "mode RATE has no rate.",
            "Add max_rate_per_endpoint (NEGs), max_rate_per_instance (instance groups) or max_rate.",
            uses=all_rates,
        )
    if mode == "IN_FLIGHT" and not flights:
        draft.error(
            at,
            "mode IN_FLIGHT has no limit of requests in flight.",
            "Add max_in_flight_per_endpoint (NEGs), max_in_flight_per_instance (instance groups) or max_in_flight.",
            uses=all_flights,
        )
    if mode == "UTILIZATION" and balancing.max_utilization is None:
        draft.error(
            at,
            "mode UTILIZATION has no max_utilization.",
            "Add one, such as 0.8.",
            uses=((*at, "max_utilization"),),
        )
    if mode == "CUSTOM_METRICS" and all(metric.dry_run for metric in balancing.custom_metrics):
        what = "only metrics in dry run" if balancing.custom_metrics else "no metrics"
        draft.error(
            at,
            f"mode CUSTOM_METRICS has {what}.",
            "List at least one under `custom_metrics` that counts.",
            uses=((*at, "custom_metrics"),),
        )
    for group, keys in (("rate", rates), ("in-flight limit", flights)):
        if len(keys) > 1:
            draft.error(
                at,
                f"there are {len(keys)} targets: {listing(keys)}.",
                f"Keep one {group}: per member, or for the whole group.",
            )
    if mode in {"RATE", "UTILIZATION"} and flights:
        draft.error(
            (*at, flights[0]),
            f"mode {mode} knows no limit of requests in flight.",
            "Use mode IN_FLIGHT, or remove it.",
        )
    if mode == "IN_FLIGHT" and rates:
        draft.error((*at, rates[0]), "mode IN_FLIGHT knows no rate.", "Use mode RATE, or remove it.")
    if mode != "UTILIZATION" and balancing.max_utilization is not None:
        draft.error(
            (*at, "max_utilization"),
            f"mode {mode} takes no max_utilization.",
            "Give each metric its own under `custom_metrics`."
            if mode == "CUSTOM_METRICS"
            else "Use mode UTILIZATION, or remove it.",
        )
    if mode != "CUSTOM_METRICS" and balancing.custom_metrics:
        draft.error(
            (*at, "custom_metrics"),
            f"mode {mode} takes no custom metrics.",
            "Use mode CUSTOM_METRICS, or remove them.",
        )


def _metrics(draft: Draft, at: Location, balancing: BalancingConfig) -> None:
    seen: set[str] = set()
    for where, metric in draft.items((*at, "custom_metrics"), balancing.custom_metrics):
        if metric.name in seen:
            draft.error(
                (*where, "name"),
                f"the metric {metric.name} is listed twice.",
                "Keep one: a metric has one limit in a group.",
            )
        seen.add(metric.name)


def _per_member(
    draft: Draft, at: Location, balancing: BalancingConfig, kinds: frozenset[GroupKind], groups_at: Location
) -> None:
    """Instances are members of instance groups, endpoints of NEGs."""
    groups = (groups_at,)
    instances = bool(kinds) and kinds <= INSTANCE_GROUPS
    endpoints = bool(kinds) and kinds <= {GroupKind.NEG, GroupKind.HYBRID_NEG}
    for stem in ("max_rate", "max_in_flight"):
        if endpoints and getattr(balancing, f"{stem}_per_instance") is not None:
            draft.error(
                (*at, f"{stem}_per_instance"),
                "the groups of this region are network endpoint groups: they have endpoints, not instances.",
                f"Write {stem}_per_endpoint.",
                uses=groups,
            )
        if instances and getattr(balancing, f"{stem}_per_endpoint") is not None:
            draft.error(
                (*at, f"{stem}_per_endpoint"),
                "the groups of this region are instance groups: they have instances, not endpoints.",
                f"Write {stem}_per_instance.",
                uses=groups,
            )


def _duration(draft: Draft, at: Location, balancing: BalancingConfig) -> None:
    duration = balancing.traffic_duration
    where = (*at, "traffic_duration")
    long = balancing.mode == "IN_FLIGHT" or bool(_given(balancing, _IN_FLIGHT))
    short = balancing.mode in {"RATE", "UTILIZATION"} or bool(_given(balancing, _RATES))
    if balancing.mode == "CUSTOM_METRICS" and _given(balancing, _IN_FLIGHT) and _given(balancing, _RATES):
        draft.error(
            at,
            "custom metrics go with a rate or with a limit in flight, not with both.",
            "Keep one of the two.",
        )
    elif duration == "SHORT" and long:
        draft.error(
            where,
            "limits of requests in flight are for LONG requests.",
            "Write LONG, or remove the key.",
            uses=((*at, "mode"),),
        )
    elif duration == "LONG" and short:
        draft.error(
            where,
            "rates and utilization are for SHORT requests.",
            "Write SHORT, or use mode IN_FLIGHT.",
            uses=((*at, "mode"),),
        )


def _unsteerable(draft: Draft, at: Location, kinds: frozenset[GroupKind], groups_at: Location) -> None:
    """Serverless, internet and Private Service Connect groups have no scaler, no balancing, no preference; regional instance groups no preference.

    The first three may be a standby all the same: they are attached then.
    """
    if GroupKind.REGIONAL_INSTANCE_GROUP in kinds and draft.value((*at, "preference")) == "PREFERRED":
        draft.error(
            (*at, "preference"),
            "Google takes no preference for a regional instance group (SLP).",
            "Remove `preference`, or use zonal instance groups, one for each zone.",
            uses=(groups_at,),
        )
    if not kinds & UNPROBED or kinds & STEERABLE:
        return  # a mixture is refused as such, for each service that gets it
    kind = min(kinds & UNPROBED)
    reasons = {
        "balancing": "has no balancing mode and no target",
        "scaler": "has no capacity scaler",
        "preference": "has no balancing mode, and preference needs one",
    }
    for key, reason in reasons.items():
        if draft.value((*at, key)) not in {None, False, "DEFAULT"}:
            draft.error(
                (*at, key),
                f"a {kind} {reason}.",
                f"Remove `{key}`; Spillway steers this region by attaching and detaching it.",
                uses=(groups_at,),
            )


def _of_service(draft: Draft, name: str) -> None:
    service = draft.services[name]
    for member in draft.members(name):
        region_at = (*REGIONS, member.region)
        own_at = (*SERVICES, name, "backends", member.region)
        own = (*own_at, "balancing")
        if member.balancing is None:
            if member.kinds & STEERABLE:
                what = (
                    "the groups that the service brings have" if member.has_own_groups else "the region has"
                )
                draft.error(
                    own_at if member.has_own_groups else region_at,
                    f"{what} no `balancing`: without a target there is no ceiling to move.",
                    "Add `balancing: {mode: RATE, max_rate_per_endpoint: 10}` or another mode.",
                    uses=(own, (*region_at, "balancing"), draft.groups_at(name, member.region)),
                )
        elif member.balancing.mode == "UTILIZATION" and service.affinity != "NONE":
            draft.error(
                (*SERVICES, name, "affinity"),
                f"affinity {service.affinity} ties clients to endpoints, and mode UTILIZATION (in {member.region}) works only without.",
                "Set affinity to NONE, or use mode RATE.",
                uses=(own, (*region_at, "balancing")),
            )


def _shared(draft: Draft) -> None:
    """A group in several services: UTILIZATION and CUSTOM_METRICS in one means in all (BS)."""
    first: dict[GroupKey, tuple[str, str]] = {}
    said: set[tuple[str, str, str]] = set()
    for name in draft.services:
        for member in draft.members(name):
            if member.balancing is None:
                continue
            mode = member.balancing.mode
            for key in _keys(member):
                other, before = first.setdefault(key, (name, mode))
                if mode == before or not {mode, before} & _EXCLUSIVE or (name, other, member.region) in said:
                    continue
                said.add((name, other, member.region))
                _mixed_modes(draft, member.region, (name, mode), (other, before))


def _keys(member: Member) -> Iterator[GroupKey]:
    for group in member.groups:
        with suppress(ValueError):  # what it lacks has been said
            yield group_key(member.region, group)


def _mixed_modes(draft: Draft, region: str, one: tuple[str, str], two: tuple[str, str]) -> None:
    (name, mode), (other, before) = one, two
    places = [(*SERVICES, s, "backends", region, "balancing") for s in (name, other)]
    at = next(place for place in (*places, (*REGIONS, region, "balancing")) if draft.given(place))
    draft.error(
        at,
        f"the groups of {region} have mode {mode} in {name} and {before} in {other}; "
        f"{' and '.join(sorted({mode, before} & _EXCLUSIVE))} allows no other mode beside it.",
        f"Give both services the same mode here, or groups of their own (`backends: {{{region}: {{groups: [...]}}}}`).",
        uses=places,
    )

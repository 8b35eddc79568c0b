"""Balancing modes and their targets: which fit which groups (reference: BS, CM)."""

from __future__ import annotations

from spillway.config.backends import STEERABLE, UNPROBED, GroupKind, group_kind
from spillway.config.balancing import BalancingConfig
from spillway.config.draft import REGIONS, SERVICES, Draft
from spillway.config.suggest import listing
from spillway.config.topology import RegionConfig
from spillway.config.tree import Location

_RATES = ("max_rate", "max_rate_per_instance", "max_rate_per_endpoint")
_IN_FLIGHT = ("max_in_flight", "max_in_flight_per_instance", "max_in_flight_per_endpoint")
_EXCLUSIVE = frozenset({"UTILIZATION", "CUSTOM_METRICS"})
"""Modes that a group must have in all its services if it has it in one (BS)."""


def check(draft: Draft) -> None:
    """Judge every target: of regions, of services' exceptions, and both together."""
    for name, region in draft.regions.items():
        at = (*REGIONS, name)
        if region.balancing is not None:
            _target(draft, (*at, "balancing"), region.balancing, region, at)
        _unsteerable(draft, at, region, at)
    for name, service in draft.services.items():
        for place, own in service.backends.items():
            at = (*SERVICES, name, "backends", place)
            region_at = (*REGIONS, place)
            if place in draft.regions and own.balancing is not None:
                _target(draft, (*at, "balancing"), own.balancing, draft.regions[place], region_at)
            if place in draft.regions:
                _unsteerable(draft, at, draft.regions[place], region_at)
        _of_service(draft, name)
    _shared(draft)


def _given(balancing: BalancingConfig, keys: tuple[str, ...]) -> list[str]:
    return [key for key in keys if getattr(balancing, key) is not None]


def _target(
    draft: Draft, at: Location, balancing: BalancingConfig, region: RegionConfig, region_at: Location
) -> None:
    kinds = {kind for kind in map(group_kind, region.groups) if kind is not None}
    if kinds & UNPROBED:
        return  # `_unsteerable` refuses it as a whole
    _figures(draft, at, balancing)
    _metrics(draft, at, balancing)
    _per_member(draft, at, balancing, kinds, region_at)
    _duration(draft, at, balancing)
    if balancing.mode == "UTILIZATION" and kinds - {
        GroupKind.INSTANCE_GROUP,
        GroupKind.REGIONAL_INSTANCE_GROUP,
    }:
        draft.error(
            (*at, "mode"),
            "UTILIZATION measures the CPU of instance groups, and this region has network endpoint groups.",
            "Use RATE, IN_FLIGHT for requests longer than a second, or CUSTOM_METRICS.",
            uses=((*region_at, "groups"),),
        )


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
    draft: Draft, at: Location, balancing: BalancingConfig, kinds: set[GroupKind], region_at: Location
) -> None:
    """Instances are members of instance groups, endpoints of NEGs."""
    groups = ((*region_at, "groups"),)
    instances = bool(kinds) and kinds <= {GroupKind.INSTANCE_GROUP, GroupKind.REGIONAL_INSTANCE_GROUP}
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


def _unsteerable(draft: Draft, at: Location, region: RegionConfig, region_at: Location) -> None:
    """Serverless and internet groups have no scaler, no balancing, no preference. They may be a standby: they are attached then."""
    kinds = {kind for kind in map(group_kind, region.groups) if kind in UNPROBED}
    if not kinds:
        return
    kind = min(kinds)
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
                uses=((*region_at, "groups"),),
            )


def _of_service(draft: Draft, name: str) -> None:
    service = draft.services[name]
    for member in draft.members(name):
        region_at = (*REGIONS, member.region)
        own = (*SERVICES, name, "backends", member.region, "balancing")
        if member.balancing is None:
            if member.kinds & STEERABLE:
                draft.error(
                    region_at,
                    "the region has no `balancing`: without a target there is no ceiling to move.",
                    "Add `balancing: {mode: RATE, max_rate_per_endpoint: 10}` or another mode.",
                    uses=(own, (*region_at, "balancing"), (*region_at, "groups")),
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
    first: dict[str, tuple[str, str]] = {}
    for name in draft.services:
        for member in draft.members(name):
            if member.balancing is None:
                continue
            mode = member.balancing.mode
            other, before = first.setdefault(member.region, (name, mode))
            if mode == before or not {mode, before} & _EXCLUSIVE:
                continue
            places = [(*SERVICES, s, "backends", member.region, "balancing") for s in (name, other)]
            at = next(
                place for place in (*places, (*REGIONS, member.region, "balancing")) if draft.given(place)
            )
            draft.error(
                at,
                f"the groups of {member.region} have mode {mode} in {name} and {before} in {other}; "
                f"{' and '.join(sorted({mode, before} & _EXCLUSIVE))} allows no other mode beside it.",
                "Give both services the same mode here, or groups of their own.",
                uses=places,
            )

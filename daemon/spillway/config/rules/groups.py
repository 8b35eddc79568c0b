"""Groups of endpoints: what each is, where it is, and that none is listed twice."""

from __future__ import annotations

from dataclasses import dataclass

from spillway.config.backends import PREFERABLE, UNPROBED, GroupKind, group_kind
from spillway.config.draft import REGIONS, SERVICES, Draft
from spillway.config.groups import GroupConfig
from spillway.config.names import group_key, parse_group_url
from spillway.config.suggest import listing
from spillway.config.tree import Location
from spillway.core.values.topology import GroupKey

_KINDS = (
    *("neg", "hybrid_neg", "instance_group"),
    *("regional_instance_group", "serverless_neg", "internet_neg", "psc_neg"),
)
_ZONAL = PREFERABLE


def check(draft: Draft) -> None:
    """Judge every group of every region."""
    seen: dict[GroupKey, _Listed] = {}
    for name, region in draft.regions.items():
        at = (*REGIONS, name)
        if (region.latitude is None) != (region.longitude is None):
            given, other = (
                ("latitude", "longitude") if region.longitude is None else ("longitude", "latitude")
            )
            draft.error(
                (*at, given), f"{given} stands alone.", f"Add {other}, or remove both.", uses=((*at, other),)
            )
        _list(draft, (*at, "groups"), name, region.groups, seen)
    for name, service in draft.services.items():
        for place, own in service.backends.items():
            if own.groups is not None:
                _list(draft, (*SERVICES, name, "backends", place, "groups"), place, own.groups, seen)


@dataclass(frozen=True, slots=True)
class _Listed:
    """Where a group was listed first."""

    region: str
    group: GroupConfig
    list_at: Location
    at: Location


def _list(
    draft: Draft,
    at: Location,
    region: str,
    groups: tuple[GroupConfig, ...],
    seen: dict[GroupKey, _Listed],
) -> None:
    """Judge the groups of a region, or those that a service brings there."""
    for where, group in draft.items(at, groups):
        _identity(draft, where, group)
        _place(draft, where, region, group)
        _creation(draft, where, group)
        _once(draft, _Listed(region, group, at, where), seen)
    _one_serverless(draft, at, region, groups)


def _identity(draft: Draft, at: Location, group: GroupConfig) -> None:
    named = [kind for kind in _KINDS if getattr(group, kind) is not None]
    parts = tuple((*at, kind) for kind in (*_KINDS, "url"))
    if group.url is not None:
        extra = [*named, *(["zone"] if group.zone else [])]
        if extra:
            draft.error(
                at,
                f"the group is given by URL and by {listing(extra)}.",
                "Keep the URL alone, or remove it and keep the name and the zone.",
                uses=parts,
            )
        _url(draft, (*at, "url"), group.url)
    elif not named:
        draft.error(
            at,
            "this names no group.",
            f"Write a full `url`, or one of {', '.join(_KINDS)}, with `zone` for the zonal ones.",
            uses=parts,
        )
    elif len(named) > 1:
        draft.error(
            at,
            f"one entry names {len(named)} groups: {listing(named)}.",
            "Make a list entry of its own for each group.",
            uses=parts,
        )


def _url(draft: Draft, at: Location, url: str) -> None:
    parts = parse_group_url(url)
    if parts is None:
        full = "https://www.googleapis.com/compute/v1/projects/P/zones/Z/networkEndpointGroups/N (or .../instanceGroups/N)"
        partial = "projects/" in url and not url.startswith("https://")
        what = "only a part of a URL; Google wants it in full" if partial else "not the URL of a group"
        hint = f"https://www.googleapis.com/compute/v1/{url[url.index('projects/') :]}" if partial else full
        draft.error(at, f"{url!r} is {what}.", f"Write {hint}.")
    elif draft.project is not None and parts.project != draft.project and not parts.project.isdigit():
        draft.error(
            at,
            f"{parts.name} is in the project {parts.project}, and Google wants the groups of a backend service in the "
            f"service's own project, {draft.project}.",
            f"Use a group of {draft.project}. To send requests to a backend service of {parts.project}, list that service "
            "under `topology.references` and name it in a route.",
            uses=(("project",),),
        )


def _place(draft: Draft, at: Location, region: str, group: GroupConfig) -> None:
    kind = group_kind(group)
    if group.url is not None:
        parts = parse_group_url(group.url)
        if parts is not None and parts.zone is not None and not parts.zone.startswith(f"{region}-"):
            draft.error(
                (*at, "url"),
                f"zone {parts.zone} is not in {region}.",
                f"Move the group to the region that its zone is in ({parts.zone[:-2]}).",
            )
        elif parts is not None and parts.region is not None and parts.region != region:
            draft.error(
                (*at, "url"),
                f"the group is in {parts.region}, not in {region}.",
                f"Move it to {parts.region}.",
            )
        return
    if kind is not None and kind not in _ZONAL:
        if group.zone is not None:
            what = "global" if kind is GroupKind.INTERNET_NEG else "regional"
            draft.error((*at, "zone"), f"a {kind} is {what}, so it has no zone.", "Remove `zone`.")
    elif group.zone is None:
        if kind is not None:
            draft.error(
                at, f"the {kind} lacks its zone.", f"Add `zone`, such as {region}-b.", uses=((*at, "zone"),)
            )
    elif not group.zone.startswith(f"{region}-"):
        draft.error(
            (*at, "zone"),
            f"zone {group.zone} is not in {region}.",
            f"Write a zone of {region}, or move the group to {group.zone[:-2]}.",
        )


def _creation(draft: Draft, at: Location, group: GroupConfig) -> None:
    create = group.create
    if create is None:
        return
    kind = group_kind(group)
    where = (*at, "create")
    if group.url is not None:
        draft.error(
            where,
            "a group that has a URL exists already.",
            "Remove `create`, or give zone and name instead of the URL.",
        )
    elif kind in UNPROBED:
        draft.error(
            where,
            f"Spillway makes no {kind}: what it points to is not its business.",
            "Make it with the service that it serves, and remove `create`.",
        )
    elif kind is GroupKind.REGIONAL_INSTANCE_GROUP:
        draft.error(
            where,
            "a regional instance group comes with its managed instance group, and Spillway makes none of these.",
            "Make the managed instance group, and remove `create`.",
        )
    elif kind is GroupKind.INSTANCE_GROUP and create.port is not None:
        draft.error(
            (*where, "port"),
            "an instance group has named ports, not one port.",
            "Write `named_ports: {http: 8080}`.",
        )
    elif kind in {GroupKind.NEG, GroupKind.HYBRID_NEG} and create.named_ports:
        draft.error((*where, "named_ports"), "named ports belong to instance groups.", "Write `port: 8080`.")
    if create.subnetwork is not None and kind in {GroupKind.HYBRID_NEG, GroupKind.INSTANCE_GROUP}:
        draft.error(
            (*where, "subnetwork"),
            f"a {kind} belongs to a network, not to a subnetwork.",
            "Remove `subnetwork`.",
        )


def _one_serverless(draft: Draft, at: Location, name: str, groups: tuple[GroupConfig, ...]) -> None:
    """All groups of a list stand behind one service, and there Google takes one serverless group for each region."""
    first: Location | None = None
    for where, group in draft.items(at, groups):
        if group_kind(group) is not GroupKind.SERVERLESS_NEG:
            continue
        if first is not None:
            draft.error(
                where,
                f"{name} has a {GroupKind.SERVERLESS_NEG} already, and Google takes one for each region of a service.",
                "Keep one; to split its traffic, split it between revisions of the Cloud Run service.",
                uses=(first,),
            )
        first = first or where


def _once(draft: Draft, here: _Listed, seen: dict[GroupKey, _Listed]) -> None:
    """A group stands in a list once, and in one region only; several services may list it, as they may share machines."""
    try:
        key = group_key(here.region, here.group)
    except ValueError:
        return  # without a name or a zone it cannot be compared; `_identity` and `_place` have said so
    first = seen.setdefault(key, here)
    if first is here:
        return
    place = draft.source.place(first.at)
    where = f"in {place.file}:{place.line}"
    if first.list_at == here.list_at:
        draft.error(
            here.at,
            f"the group {key.name} in {key.scope} is listed twice, first {where}.",
            "Remove one of the two.",
            uses=(first.at,),
        )
    elif first.region != here.region:
        draft.error(
            here.at,
            f"the group {key.name} in {key.scope} already belongs to {first.region}, {where}: one group cannot be in two regions.",
            "Keep it in the region where its endpoints run.",
            uses=(first.at,),
        )
    elif here.group.create is not None and first.group.create not in (None, here.group.create):
        draft.error(
            (*here.at, "create"),
            f"the group {key.name} in {key.scope} is made with other settings {where}.",
            "Write the same settings in both places, or `create` in one of them.",
            uses=((*first.at, "create"),),
        )

"""Scalers, standby and lone regions: whether a service has anything to serve with, and anything to move."""

from __future__ import annotations

from spillway.config.backends import Member
from spillway.config.draft import REGIONS, SERVICES, Draft
from spillway.config.tree import Location
from spillway.core.values.topology import Preference


def check(draft: Draft) -> None:
    """Judge the capacity of every service whose regions are all sound."""
    for name in draft.services:
        members = draft.members(name)
        if members and draft.complete(name):
            _serving(draft, name, members)
            if any(route.steer and name in route.services for _, route in draft.routes):
                continue  # the weight is its lever, and the split has the floor
            _levers(draft, name, members)
            _floor(draft, name, members)


def _written(draft: Draft, service: str, region: str, key: str) -> Location:
    """Where the setting of a backend stands: in the service if it has one of its own, else in the region."""
    own = (*SERVICES, service, "backends", region, key)
    return own if draft.given(own) else (*REGIONS, region, key)


def _serving(draft: Draft, name: str, members: tuple[Member, ...]) -> None:
    uses = [_written(draft, name, member.region, key) for member in members for key in ("scaler", "standby")]
    active = [member for member in members if not member.standby]
    if not active:
        draft.error(
            (*SERVICES, name),
            "every region of this service is a standby: at the start nobody serves.",
            "Set `standby: false` for at least one, in the region or in the service's `backends`.",
            uses=uses,
        )
    elif len(members) == 1 and members[0].scaler == 0:
        draft.error(
            _written(draft, name, members[0].region, "scaler"),
            f"{members[0].region} is the only region of {name}, and Google refuses scaler 0 for a single backend.",
            "Write 0.1 to 1.0, or add a second region.",
            uses=uses,
        )
    elif all(member.scaler == 0 for member in active):
        draft.error(
            _written(draft, name, active[0].region, "scaler"),
            f"all regions of {name} that serve at the start have scaler 0: nobody would get an answer.",
            "Give at least one of them 0.1 to 1.0.",
            uses=uses,
        )


def _levers(draft: Draft, name: str, members: tuple[Member, ...]) -> None:
    service = draft.services[name]
    at: Location = (*SERVICES, name)
    if service.home is not None and not service.failover:
        draft.warn(
            (*at, "home"),
            f"{name} lives in {service.home} alone: when that region dies, every path that leads here dies with it, "
            "and its scaler moves nothing.",
            "Add `failover: [REGION]`, unless this is meant.",
            uses=((*at, "failover"),),
        )
    elif service.home is None and len(members) == 1:
        draft.warn(
            (*at, "regions"),
            f"the pool {name} has the single region {members[0].region}: there is nothing to move.",
            "Add a second region.",
            uses=(REGIONS,),
        )
    fixed = [member for member in members if member.kinds and not member.preferable]
    home = next((member for member in fixed if member.region == service.home), None)
    if service.failover and home is not None and (home.balancing is None or home.steerable):
        what = "are regional" if home.steerable else "have no balancing mode"
        draft.error(
            (*at, "failover"),
            f"the groups of {service.home} {what}, so Google takes no preference for them, and a home needs it.",
            "Use zonal groups at home, or make it a pool.",
            uses=[
                *(_written(draft, name, member.region, "balancing") for member in fixed),
                draft.groups_at(name, home.region),
            ],
        )
    for member in members if service.home is None else ():
        if member.steerable and not member.preferable and member.preference is Preference.PREFERRED:
            _inherited_preference(draft, name, member)


def _inherited_preference(draft: Draft, name: str, member: Member) -> None:
    """A region's preference that reaches regional groups which the service brings; others are refused where they stand."""
    own = (*SERVICES, name, "backends", member.region)
    if member.has_own_groups and not draft.given((*own, "preference")):
        draft.error(
            (*own, "groups"),
            f"{member.region} is preferred, and Google takes no preference for a regional instance group (SLP).",
            "Write `preference: DEFAULT` beside `groups`, or use zonal instance groups.",
            uses=((*own, "preference"), (*REGIONS, member.region, "preference")),
        )


def _floor(draft: Draft, name: str, members: tuple[Member, ...]) -> None:
    policy = draft.policies.get(draft.services[name].policy)
    if policy is not None and policy.floors.min_serving_regions > len(members):
        at = ("policies", draft.services[name].policy, "floors", "min_serving_regions")
        draft.error(
            at,
            f"{policy.floors.min_serving_regions} regions must serve, and {name} has {len(members)}: nothing could ever be drained.",
            f"Write {len(members)} or less, or give {name} a policy of its own.",
            uses=((*SERVICES, name),),
        )

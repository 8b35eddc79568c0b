"""Steered splits: what their services must be, so that a weight moves one region's share and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from spillway.config.backends import UNPROBED
from spillway.config.draft import POLICIES, REFERENCES, ROUTES, SERVICES, Draft
from spillway.config.routes import RouteConfig
from spillway.config.splits import LEAST_WEIGHT
from spillway.config.suggest import did_you_mean, listing
from spillway.config.tree import Location

_DEFAULT: Location = ("topology", "default_service")
_ONE_SERVICE = (
    "Put the regions into one service and name it here instead of the split: there each has a scaler, which lets clients "
    "stay near; or take `steer` out."
)


def check(draft: Draft) -> None:
    """Judge every steered split."""
    names: dict[str, Location] = {}
    for at, route in draft.routes:
        steering = route.steering
        if steering is None:
            if any(part.min_weight for part in route.split):
                draft.error(
                    (*at, "split"),
                    "`min_weight` is for weights that the daemon moves, and nobody moves these.",
                    "Write `steer: true` beside the split, or take `min_weight` out.",
                )
            continue
        where = (*at, "steer")
        if len(route.split) < 2:
            draft.error(
                where,
                "there is nothing to steer: requests are shared by weight where a `split` has two services or more.",
                "Write the split with one service for each region, or take `steer` out.",
            )
            continue
        name = steering.name or route.matcher or f"route-{int(at[-1]) + 1}"
        _name(draft, (*where, "name") if steering.name else where, name, names)
        _policy(draft, where, steering.policy, len(route.split), name)
        _parts(draft, at, route)
        if all(part.min_weight == part.weight for part in route.split):
            draft.warn(
                (*at, "split"),
                "each service keeps its whole weight by `min_weight`, so none could ever give anything up.",
                "Lower `min_weight`, or take `steer` out.",
            )
        _alone(draft, at, route)


def _name(draft: Draft, where: Location, name: str, names: dict[str, Location]) -> None:
    if name in draft.names(SERVICES):
        draft.error(
            where,
            f"the split would be called {name}, and so is a service: orders and metrics could not tell them apart.",
            "Give it another name: `steer: {name: NAME}`.",
        )
    elif name in names:
        first = draft.source.place(names[name])
        draft.error(
            where,
            f"another split is called {name}, in {first.file}:{first.line}.",
            "Give each a name of its own: `steer: {name: NAME}`.",
        )
    names.setdefault(name, where)


def _policy(draft: Draft, where: Location, policy: str, count: int, name: str) -> None:
    policies = draft.names(POLICIES) or tuple(draft.policies)
    if POLICIES not in draft.salvage.broken and policy not in policies:
        draft.error(
            (*where, "policy") if draft.given((*where, "policy")) else where,
            f"there is no policy called {policy!r}.",
            did_you_mean(policy, policies, "Add it to `policies`."),
        )
    found = draft.policies.get(policy)
    if found is not None and found.floors.min_serving_regions > count:
        draft.error(
            ("policies", policy, "floors", "min_serving_regions"),
            f"{found.floors.min_serving_regions} regions must serve, and the split {name} has {count}: nothing could ever be emptied.",
            f"Write {count} or less, or give the split a policy of its own: `steer: {{policy: NAME}}`.",
        )


def _parts(draft: Draft, at: Location, route: RouteConfig) -> None:
    regions: dict[str, str] = {}
    for where, part in draft.items((*at, "split"), route.split):
        if part.service in draft.names(REFERENCES):
            draft.error(
                (*where, "service"),
                f"{part.service} belongs to another project, so nobody here knows how its region does.",
                "Write a service of `services`, or take `steer` out.",
            )
            continue
        if part.weight < LEAST_WEIGHT:
            draft.error(
                (*where, "weight"),
                f"a steered weight of {part.weight} has no whole hundredths, and Google takes whole numbers.",
                f"Multiply all weights of this split so that each is {LEAST_WEIGHT} to 1000; the shares stay the same.",
            )
        if part.min_weight > part.weight:
            draft.error(
                (*where, "min_weight"),
                f"the smallest weight of {part.service}, {part.min_weight}, lies above its weight {part.weight}.",
                f"Write {part.weight} or less.",
            )
        if part.service in draft.services and draft.complete(part.service):
            for message, remedy in _part(draft, part.service, regions):
                draft.error((*where, "service"), message, remedy, uses=((*SERVICES, part.service),))


def _part(draft: Draft, name: str, regions: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What keeps a service from being a part of a steered split."""
    members = draft.members(name)
    if len(members) != 1:
        yield (
            f"{name} has {len(members)} regions, so a weight would not move the share of one of them.",
            "Give each region a service of its own in the split, or take `steer` out.",
        )
        return
    (member,) = members
    if not member.kinds or not member.kinds <= UNPROBED:
        yield f"the groups of {name} have a scaler, which is the better lever.", _ONE_SERVICE
    if member.standby:
        yield (
            f"{name} stands by in {member.region}, and a split has no standby: it takes requests by its weight.",
            "Take `standby` out; a small weight is the way to begin with few.",
        )
    other = regions.setdefault(member.region, name)
    if other != name:
        yield (
            f"{name} and {other} are both in {member.region}, and one region has one weight.",
            "Put both groups into one service, or take `steer` out.",
        )


def _alone(draft: Draft, at: Location, route: RouteConfig) -> None:
    """Report services of a split that get requests in another way, too: their load could not be told from the split's."""
    ours = {part.service for part in route.split}
    others: dict[str, list[str]] = {}
    if draft.default_service in ours:
        others.setdefault(str(draft.default_service), []).append("`default_service`")
    for place, other in draft.routes:
        named = f"route {int(place[-1]) + 1}"
        for actions in (other, *other.paths):
            reached = {*actions.services, *([actions.mirror.service] if actions.mirror is not None else [])}
            if actions is not route:
                for service in sorted(ours & reached):
                    others.setdefault(service, []).append(named)
    for where, part in draft.items((*at, "split"), route.split):
        if part.service in others:
            draft.error(
                (*where, "service"),
                f"{part.service} gets requests from {listing(dict.fromkeys(others[part.service]))}, too, so the share of this split could not be told.",
                "Lead a service of its own there; several services may have the same groups. Or take `steer` out.",
                uses=(ROUTES, _DEFAULT),
            )

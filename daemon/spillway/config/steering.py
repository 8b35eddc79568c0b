"""What can be steered of each service, and what cannot, and why: one sentence each, for `spillway check`."""

from __future__ import annotations

from collections.abc import Mapping

from spillway.config.backends import INSTANCE_GROUPS, UNPROBED, GroupKind, Member, members, takes_policy
from spillway.config.model import Config
from spillway.config.services import ServiceConfig
from spillway.config.splits import SteeredSplit, split_services, steered_splits
from spillway.config.suggest import listing

_KINDS = {
    GroupKind.SERVERLESS_NEG: "serverless groups",
    GroupKind.INTERNET_NEG: "internet groups",
    GroupKind.PSC_NEG: "Private Service Connect groups",
}
_TIED = {
    "CLIENT_IP": "a client's address",
    "GENERATED_COOKIE": "a cookie",
    "HEADER_FIELD": "a header",
    "HTTP_COOKIE": "a cookie",
    "STRONG_COOKIE_AFFINITY": "a cookie",
}


def steering(config: Config) -> Mapping[str, str]:
    """One sentence for each service and each steered split of a checked configuration, by name."""
    topology = config.topology
    parts = split_services(topology)
    found = {
        name: f"its weight in the split {parts[name].name} is steered, and nothing else of it."
        if name in parts
        else _sentence(service, members(service, topology.regions))
        for name, service in topology.services.items()
    }
    found |= {split.name: _weights(split) for split in steered_splits(topology)}
    return dict(sorted(found.items()))


def _weights(split: SteeredSplit) -> str:
    """The levers of a steered split."""
    regions = listing([part.member.region for part in split.parts])
    kept = [f"{part.service} {part.min_weight}" for part in split.parts if part.min_weight]
    least = f", never below {listing(kept)}" if kept else ""
    return (
        f"the weights of {listing([part.service for part in split.parts])} are steered{least}: each stands for its region "
        f"({regions}), and requests are shared out wherever they come from."
    )


def _sentence(service: ServiceConfig, given: tuple[Member, ...]) -> str:
    steerable = [member for member in given if member.steerable]
    fixed = [member for member in given if not member.steerable]
    if not steerable:
        return _membership(given)
    parts = [_levers(service, steerable, given)]
    if fixed:
        where = listing([member.region for member in fixed])
        parts.append(f"{where} is served and not steered: its groups have no scaler")
    if not takes_policy(given):
        parts.append(
            "no preference and no failover policy (posture): Google takes neither for regional instance groups"
        )
    elif service.lb_policy != "made":
        stays = (
            "the service has no policy" if service.lb_policy == "none" else "the policy that stands is kept"
        )
        parts.append(f"no failover policy (posture): {stays}, as `lb_policy: {service.lb_policy}` says")
    if any(_by_utilization(member) for member in steerable):
        parts.append(
            "the ceiling of mode UTILIZATION follows the CPU, so moves begin when it has been learned"
        )
    if service.affinity != "NONE":
        parts.append(_affinity(service))
    return "; ".join(parts) + "."


def _membership(given: tuple[Member, ...]) -> str:
    """The lever of a service all of whose regions have groups without a scaler."""
    kinds = listing(sorted({_KINDS[kind] for member in given for kind in member.kinds & UNPROBED}))
    lacks = "no scaler, no preference and no failover policy"
    if len(given) == 1:
        return f"nothing is steered: {given[0].region} is its only region, and {kinds} have {lacks}."
    regions = listing([member.region for member in given])
    return f"the membership of {regions} is steered, each as a whole: {kinds} are attached or detached, and have {lacks}."


def _levers(service: ServiceConfig, steerable: list[Member], given: tuple[Member, ...]) -> str:
    regions = [member.region for member in steerable]
    if len(given) == 1:
        return f"the scaler of {regions[0]} stands alone: there is no other region to send requests to"
    waiting = [member.region for member in steerable if member.standby]
    levers = ["scalers"]
    if waiting or service.failover:
        levers.append("membership")
    if takes_policy(given) and service.lb_policy == "made":
        levers.append("the failover policy")
    return f"{listing(levers)} of {listing(regions)} are steered"


def _by_utilization(member: Member) -> bool:
    balancing = member.balancing
    return (
        balancing is not None
        and balancing.mode == "UTILIZATION"
        and bool(member.kinds & INSTANCE_GROUPS)
        and balancing.max_rate is None
        and balancing.max_rate_per_instance is None
    )


def _affinity(service: ServiceConfig) -> str:
    """What affinity costs: caches stay warm, and load moves later and in lumps."""
    tied = f"affinity by {_TIED[service.affinity]} ties requests to endpoints"
    if service.affinity in {"HEADER_FIELD", "HTTP_COOKIE"}:
        return (
            f"{tied}, which keeps prompt caches warm; when a ceiling falls, whole conversations move and begin with an "
            "empty cache, and one endpoint may be full while its neighbours are not"
        )
    return f"{tied}, so load follows a moved scaler later and in lumps"

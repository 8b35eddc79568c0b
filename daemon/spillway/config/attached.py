"""What is steered of a service whose groups have no scaler, and what is not, and why: one sentence for `spillway check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spillway.config.backends import GroupKind, Member, members
from spillway.config.model import Config
from spillway.config.suggest import listing

_KINDS = {
    GroupKind.SERVERLESS_NEG: "serverless groups",
    GroupKind.INTERNET_NEG: "internet groups",
}
"""Kinds without a scaler, as people say them."""


def membership_levers(config: Config) -> Mapping[str, str]:
    """One sentence for each service of a checked configuration that is steered by membership, by name."""
    topology = config.topology
    given = {name: members(service, topology.regions) for name, service in sorted(topology.services.items())}
    return {
        name: membership_sentence(found)
        for name, found in given.items()
        if found and all(m.attachable for m in found)
    }


def membership_sentence(found: Sequence[Member]) -> str:
    """The lever of a service all of whose regions have groups without a scaler."""
    kinds = frozenset().union(*(member.kinds for member in found))
    what = listing(sorted(_KINDS[kind] for kind in kinds if kind in _KINDS))
    no_posture = "no failover policy, which needs a balancing mode"
    if len(found) == 1:
        return f"nothing is steered: {found[0].region} is its only region, and {what} have no scaler and {no_posture}."
    regions = listing([member.region for member in found])
    return (
        f"the membership of {regions} is steered, each as a whole: {what} are attached or detached, "
        f"and have no scaler and {no_posture}."
    )

"""Steered splits: routes that share their requests by weight between services that stand for one region each.

The core sees such a split as one service with these regions. A scaler of 1 is the weight that the configuration gives, and what is
written is the rounded product of both, so nothing else has to be remembered than of any other service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spillway.config.backends import Member, members

if TYPE_CHECKING:
    from spillway.config.topology import TopologyConfig
    from spillway.core.values.overlay import ServiceSetting

LEAST_WEIGHT = 100
"""Smallest weight of a steered service: hundredths of it are whole numbers, which is all that Google takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPart:
    """One service of a steered split."""

    service: str
    weight: int
    """At a scaler of 1."""
    min_weight: int
    member: Member
    """Its only region."""

    @property
    def least_scaler(self) -> float:
        """The part of its weight that it keeps, in hundredths rounded up."""
        return -(-100 * self.min_weight // self.weight) / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeredSplit:
    """A split whose weights are the daemon's."""

    name: str
    """Under which it is watched, ordered and told."""
    matcher: str
    """Its path matcher in the URL map."""
    policy: str
    parts: tuple[SplitPart, ...]
    """Sorted by region."""

    def weights(self, setting: ServiceSetting) -> dict[str, int]:
        """The weights to be written, by service: 0 for one that is closed or detached."""
        scalers = {b.region: b.scaler if b.member else 0.0 for b in setting.backends}
        return {part.service: round(part.weight * scalers[part.member.region]) for part in self.parts}


def steered_splits(topology: TopologyConfig) -> tuple[SteeredSplit, ...]:
    """The steered splits of a checked configuration, sorted by name."""
    return tuple(sorted(_splits(topology), key=lambda split: split.name))


def _splits(topology: TopologyConfig) -> Iterator[SteeredSplit]:
    for number, route in enumerate(topology.routes, start=1):
        steering = route.steering
        if steering is None:
            continue
        matcher = route.matcher or f"route-{number}"
        parts = [
            SplitPart(
                service=part.service,
                weight=part.weight,
                min_weight=part.min_weight,
                member=members(topology.services[part.service], topology.regions)[0],
            )
            for part in route.split
        ]
        yield SteeredSplit(
            name=steering.name or matcher,
            matcher=matcher,
            policy=steering.policy,
            parts=tuple(sorted(parts, key=lambda part: part.member.region)),
        )


def split_services(topology: TopologyConfig) -> Mapping[str, SteeredSplit]:
    """By the name of a service: the steered split that it is a part of."""
    return {part.service: split for split in steered_splits(topology) for part in split.parts}

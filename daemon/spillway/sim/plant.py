"""What each region can do at a moment: its endpoints under the faults that are active.

The balancer learns of ill endpoints by its health checks, `DETECTION` seconds late; until then it sends them their
share. What it sends to dead endpoints fails at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from spillway.sim.faults import Fault, Schedule
from spillway.sim.service_time import AnyTime, Mixture

DETECTION = 10.0
"""Seconds until health checks notice: interval 5 s x 2 answers in a row, Google's defaults (reference gcp.md 3)."""

ERRING = 0.5
"""Error share from which outlier detection ejects an endpoint: below it, runs of five errors are rare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionPlant:
    """The lasting facts of a region."""

    name: str
    endpoints: int
    zones: int
    target: float
    """Requests/s that Google is told; of a serverless region its capacity, which scripts go by for want of a target."""
    capacity: float
    """Requests/s with ordinary service times and all endpoints."""
    service_time: AnyTime
    timeout: float
    cost: float
    standby: bool
    serverless: bool = False
    """No target, no scaler, no health checks."""

    def zone_sizes(self) -> tuple[int, ...]:
        """Endpoints of each zonal group, as even as they go."""
        each, extra = divmod(self.endpoints, self.zones)
        return tuple(each + (i < extra) for i in range(self.zones))


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionState:
    """What a region does with the requests that reach it; constant until the next change of a fault."""

    dead: float
    """Share of what arrives that meets dead endpoints and fails at once (503)."""
    fast: tuple[tuple[int, float], ...]
    """(code, share) answered at once by endpoints that are up."""
    errors: float
    """Share of answers that are 5xx, after the usual time."""
    quota: float | None
    """Requests/s beyond which answers are 429."""
    slots: float
    """Requests served at the same time."""
    mean: float
    """Seconds of service, over the mix of answers."""
    mixture: Mixture
    zone_share: tuple[float, ...]
    """How the region's requests spread over its zonal groups."""

    @property
    def capacity(self) -> float:
        """Requests/s that it can serve for ever."""
        return self.slots / self.mean


def zone_health(plant: RegionPlant, faults: Schedule, t: float) -> tuple[tuple[int, int], ...]:
    """(passing, all) endpoints of each zonal group, as health checks know at `t`."""
    seen = t - DETECTION
    active = faults.of_region(plant.name, seen)
    return tuple(
        (_passing(size, [f for f in active if f.zone in {None, zone}], seen), size)
        for zone, size in enumerate(plant.zone_sizes())
    )


def _passing(size: int, faults: list[Fault], t: float) -> int:
    passing = float(size)
    for fault in faults:
        if fault.kind == "outage":
            return 0
        if fault.kind == "flapping" and fault.failing(t):
            passing *= 1.0 - fault.ratio
    return round(passing)


@dataclass(slots=True)
class _Zone:
    """One zonal group under its faults."""

    weight: float
    """Share of the region's requests that it gets, not yet normalised."""
    dead: bool = False
    present: float = 1.0
    errors: float = 0.0
    fast: dict[int, float] | None = None
    parts: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    """(share of endpoints, factor on service time)."""

    @property
    def erring(self) -> bool:
        return max(self.errors, sum((self.fast or {}).values())) >= ERRING


def _zone_under(weight: float, faults: list[Fault], t: float) -> _Zone:
    zone = _Zone(weight)
    for fault in faults:
        if fault.kind == "outage":
            zone.dead = True
        elif fault.kind == "capacity-loss":
            zone.present *= 1.0 - fault.ratio
        elif fault.kind == "errors":
            zone.errors = 1.0 - (1.0 - zone.errors) * (1.0 - fault.ratio)
        elif fault.kind == "fast-failures":
            fast = dict(zone.fast or {})
            left = 1.0 - sum(fast.values())
            fast[fault.code] = fast.get(fault.code, 0.0) + left * fault.ratio
            zone.fast = fast
        elif fault.kind in {"slow", "slow-leak"}:
            slow = fault.slowdown(t)
            zone.parts = tuple((share, factor * slow) for share, factor in zone.parts)
        elif fault.kind == "gray":
            zone.parts = tuple(
                (share * part, factor * slow)
                for share, factor in zone.parts
                for part, slow in ((1.0 - fault.ratio, 1.0), (fault.ratio, fault.factor))
                if part > 0
            )
    return zone


def _eject(zones: list[_Zone], limit: float) -> None:
    """Outlier detection takes erring endpoints out of rotation, at most `limit` of all (reference gcp.md 2.4)."""
    total = sum(z.weight for z in zones)
    bad = sum(z.weight for z in zones if z.erring and not z.dead)
    if limit <= 0 or bad <= 0:
        return
    keep = max(0.0, 1.0 - limit * total / bad) if bad > limit * total else 0.0
    for zone in zones:
        if zone.erring and not zone.dead:
            zone.weight *= keep


def region_state(plant: RegionPlant, faults: Schedule, t: float, ejection: float = 0.0) -> RegionState:
    """What `plant` does at `t`.

    Args:
        plant: the region.
        faults: all faults.
        t: seconds since time zero.
        ejection: largest share of endpoints that outlier detection may eject.
    """
    active = faults.of_region(plant.name, t)
    passing = zone_health(plant, faults, t)
    weights = [healthy / plant.endpoints for healthy, _ in passing]
    if sum(weights) <= 0:  # nobody passes: the balancer may still send to all (reference gcp.md 2.1)
        weights = [total / plant.endpoints for _, total in passing]
    zones = [
        _zone_under(weight, [f for f in active if f.zone in {None, i}], t) for i, weight in enumerate(weights)
    ]
    _eject(zones, min(1.0, ejection))
    total = sum(z.weight for z in zones) or 1.0
    quotas = [f.rps for f in active if f.kind == "quota"]
    slots, mixture, power = _serving(plant, zones)
    alive = [
        (z, z.weight * p / power if power > 0 else 0.0) for z, p in zip(zones, _powers(zones), strict=True)
    ]
    fast: dict[int, float] = {}
    living = sum(z.weight for z in zones if not z.dead) or 1.0
    for zone in zones:
        for code, share in (zone.fast or {}).items():
            if not zone.dead:
                fast[code] = fast.get(code, 0.0) + share * zone.weight / living
    return RegionState(
        dead=sum(z.weight for z in zones if z.dead) / total,
        fast=tuple(sorted(fast.items())),
        errors=sum(z.errors * share for z, share in alive),
        quota=min(quotas) if quotas else None,
        slots=slots,
        mean=mixture.mean,
        mixture=mixture,
        zone_share=tuple(z.weight / total for z in zones),
    )


def _powers(zones: list[_Zone]) -> list[float]:
    """For each group: how much it serves for one unit of weight, against ordinary endpoints."""
    return [0.0 if z.dead else z.present * sum(share / factor for share, factor in z.parts) for z in zones]


def _serving(plant: RegionPlant, zones: list[_Zone]) -> tuple[float, Mixture, float]:
    """Slots, mix of answers, and serving power (1 is all endpoints, ordinary times).

    Least request evens out slots in use, so endpoints answer in proportion to 1 / service time.
    """
    base_slots = plant.capacity * plant.service_time.mean
    slots = base_slots * sum(0.0 if z.dead else z.weight * z.present for z in zones)
    by_factor: dict[float, float] = {}
    for zone in zones:
        for share, factor in zone.parts:
            if not zone.dead:
                answers = zone.weight * zone.present * share / factor
                by_factor[factor] = by_factor.get(factor, 0.0) + answers
    power = sum(by_factor.values())
    if power <= 0:
        return 0.0, Mixture(plant.service_time), 0.0
    parts = tuple((answers / power, factor) for factor, answers in sorted(by_factor.items()))
    return slots, Mixture(plant.service_time, parts), power

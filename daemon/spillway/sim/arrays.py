"""The regions' states as arrays, and who asks which service: what the flow of a block of steps is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from spillway.sim.control import RouteControl
from spillway.sim.latency import LatencyTable, columns_at, histogram, table_for
from spillway.sim.places import CONTINENTS
from spillway.sim.plant import RegionPlant, RegionState
from spillway.sim.scenario import Client

Array = NDArray[np.float64]
Index = NDArray[np.int64]

CODES = (200, 429, 500, 503, 504)
"""Answers of a region: good, over quota or limit, error, dead or failing fast, timed out."""

OK, TOO_MANY, ERROR, UNAVAILABLE, TIMED_OUT = range(len(CODES))

UNASSIGNED_CODE = 502
"""Answer where the balancer found no backend: `failed_to_pick_backend` (reference gcp.md 2.1)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Goodness:
    """Where the SLO's latency minus the network time lies among the latency bounds, clients x regions."""

    below: Index
    part: Array
    possible: NDArray[np.bool_]
    """False where the network alone takes longer."""

    @staticmethod
    def of(slo_latency: float, rtt: Array) -> Goodness:
        """For a limit and round trips in seconds."""
        left = slo_latency - rtt
        below, part = columns_at(left)
        return Goodness(below=below, part=part, possible=left > 0)

    def read(self, rows: Array, region: Index) -> Array:
        """Share of good answers by client (n x clients) for cumulative rows (n x bounds + 1) of these regions."""
        below = self.below.T[region]
        each = np.arange(len(rows))[:, None]
        low = rows[each, below]
        within = low + (rows[each, below + 1] - low) * self.part.T[region]
        result: Array = np.where(self.possible.T[region], within, 0.0)
        return result


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionArrays:
    """One value, or row, for each region; constant until the next change."""

    dead: Array
    fast_429: Array
    fast_503: Array
    errors: Array
    quota: Array
    """Requests/s; infinity where there is none."""
    doors_open: bool
    """True where every request may wait for a slot: nobody is dead, fails fast or has a quota."""
    slots: Array
    mean: Array
    scv: Array
    tables: tuple[LatencyTable, ...]
    idle: Array
    """Cumulative latency rows without waiting, regions x (bounds + 1)."""
    idle_histogram: Array
    idle_good: Array
    """Share of good answers without waiting, clients x regions."""
    zone_share: tuple[tuple[float, ...], ...]

    @staticmethod
    def of(states: Sequence[RegionState], plants: Sequence[RegionPlant], goodness: Goodness) -> RegionArrays:
        """From the states of all regions, in order."""
        fast = [dict(s.fast) for s in states]
        tables = tuple(table_for(s.mixture, p.timeout) for s, p in zip(states, plants, strict=True))
        idle = np.array([t.idle for t in tables])
        return RegionArrays(
            dead=np.array([s.dead for s in states]),
            fast_429=np.array([f.get(429, 0.0) for f in fast]),
            fast_503=np.array([f.get(503, 0.0) for f in fast]),
            errors=np.array([s.errors for s in states]),
            doors_open=all(s.dead == 0.0 and not s.fast and s.quota is None for s in states),
            quota=np.array([np.inf if s.quota is None else s.quota for s in states]),
            slots=np.array([s.slots for s in states]),
            mean=np.array([s.mean for s in states]),
            scv=np.array([s.mixture.scv for s in states]),
            tables=tables,
            idle=idle,
            idle_histogram=histogram(idle),
            idle_good=goodness.read(idle, np.arange(len(states))).T.copy(),
            zone_share=tuple(s.zone_share for s in states),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Which client asks which service. Sums are kept for each (service, continent): index service * 3 + continent."""

    services: tuple[str, ...]
    service_of: Index
    """For each client; -1 where no route leads anywhere: such a client has no address to send to."""
    matrix: Array
    """1 where the client belongs to the (service, continent): (services * 3) x clients."""

    @property
    def size(self) -> int:
        """How many (service, continent) pairs there are."""
        return len(self.services) * len(CONTINENTS)

    @staticmethod
    def of(
        services: tuple[str, ...],
        routes: Sequence[RouteControl],
        clients: Sequence[Client],
        continents: Index,
    ) -> Groups:
        """Match every client with the first route that fits; hosts and paths may hold stars."""
        chosen = []
        for client in clients:
            hit = next((r.service for r in routes if _fits(r, client)), None)
            chosen.append(services.index(hit) if hit in services else -1)
        service_of = np.array(chosen, dtype=np.int64)
        matrix = np.zeros((len(services) * len(CONTINENTS), len(clients)))
        known = service_of >= 0
        matrix[service_of[known] * len(CONTINENTS) + continents[known], np.flatnonzero(known)] = 1.0
        return Groups(services=services, service_of=service_of, matrix=matrix)


def _fits(route: RouteControl, client: Client) -> bool:
    prefix = route.path.removesuffix("/*")
    path = fnmatchcase(client.path, route.path) or client.path == prefix
    return fnmatchcase(client.host, route.host) and (path or route.path in {"*", "/*"})

"""The regions' states as arrays, and who asks which service: what the flow of a block of steps is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spillway.sim.control import RouteControl
from spillway.sim.latency import LatencyTable, columns_at, histogram, table_for
from spillway.sim.matching import host_matches, path_matches
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
    """Which client asks which service. Sums are kept for each (service, continent): index service * 3 + continent.

    A client's requests may be parted among services, and copied to another one. So a world has as many streams of each
    client as its routes have parts at most: stream `part * clients + client`. With one part a stream is a client.
    """

    services: tuple[str, ...]
    clients: int
    service_of: Index
    """For each stream; -1 where nothing is sent: a client that no route leads anywhere has no address to send to."""
    share: Array
    """For each stream, the share of the client's requests."""
    copies: NDArray[np.bool_]
    """For each stream, whether it holds copies: requests of which the client knows nothing."""
    matrix: Array
    """1 where the stream belongs to the (service, continent): (services * 3) x streams."""

    @cached_property
    def parts(self) -> int:
        """How many streams each client has."""
        return len(self.share) // max(1, self.clients)

    @cached_property
    def asks(self) -> NDArray[np.bool_]:
        """For each client, whether it sends anything."""
        asked: NDArray[np.bool_] = self.share.reshape(self.parts, self.clients).max(axis=0, initial=0.0) > 0
        return asked

    def spread(self, by_client: Array) -> Array:
        """Requests by client as requests by stream, both in columns."""
        by_part = by_client if self.parts == 1 else np.tile(by_client, (1, self.parts))
        return by_part * self.share

    def gather(self, by_stream: Array) -> Array:
        """What became of streams as what clients see of it, both in columns; copies are left out."""
        if self.parts == 1:
            return by_stream
        seen = np.where(self.copies, 0.0, by_stream)
        result: Array = seen.reshape(len(seen), self.parts, self.clients).sum(axis=1)
        return result

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
        *,
        least: int = 1,
    ) -> Groups:
        """Match every client with the first route that fits; with at least so many parts."""
        hits = [
            next((r for r in routes if host_matches(r.host, c.host) and path_matches(r.path, c.path)), None)
            for c in clients
        ]
        parts = [_parts(hit, services) for hit in hits]
        count = max([least, *map(len, parts)])
        chosen = np.full((count, len(clients)), -1, dtype=np.int64)
        share = np.zeros((count, len(clients)))
        copies = np.zeros((count, len(clients)), dtype=bool)
        for client, its in enumerate(parts):
            for part, (service, portion, is_copy) in enumerate(its):
                chosen[part, client] = service
                share[part, client], copies[part, client] = portion, is_copy
        service_of, places = chosen.ravel(), np.tile(continents[: len(clients)], count)
        matrix = np.zeros((len(services) * len(CONTINENTS), len(service_of)))
        known = service_of >= 0
        matrix[service_of[known] * len(CONTINENTS) + places[known], np.flatnonzero(known)] = 1.0
        return Groups(
            services=services,
            clients=len(clients),
            service_of=service_of,
            share=share.ravel(),
            copies=copies.ravel(),
            matrix=matrix,
        )


def _parts(route: RouteControl | None, services: tuple[str, ...]) -> list[tuple[int, float, bool]]:
    """(service, share, whether it is a copy) of a route; what leads to no service is left out."""
    if route is None:
        return []
    rest = 1.0 - sum(share for _, share in route.others)
    parts = [(route.service, rest, False), *((service, share, False) for service, share in route.others)]
    if route.mirror is not None:
        parts.append((*route.mirror, True))
    return [(services.index(name), share, copy) for name, share, copy in parts if name in services]

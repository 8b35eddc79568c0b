"""How Google spreads demand over regions: WATERFALL_BY_REGION as its documents describe it.

1. A client's requests go to the nearest region by round-trip time, preferred backends before all others
   (reference gcp.md 2.1, 2.3; SLP).
2. A region takes up to its ceiling: target x capacity scaler, and below the failover threshold also x healthy share /
   threshold. What arrives beyond it moves on to the next region with room. Clients that meet at a full
   region get the same share of what is left in it (every front end decides alone; SLP).
3. If all ceilings together are too small, every region is overfilled by the same factor, and the rules above hold
   with the ceilings so raised: as local as possible at the same relative overload (CAP).
4. Ceilings of zero take nothing, ever. If all are zero, nobody is chosen and the request fails (LOGMON:
   `failed_to_pick_backend`).

The rules run in rounds: in round n every client offers what is left of its demand to the n-th region of its order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Order = NDArray[np.int64]


def preference_order(rtt: Array, preferred: NDArray[np.bool_]) -> Order:
    """Regions in the order in which each client tries them: clients x regions.

    Args:
        rtt: round trips, clients x regions, any unit.
        preferred: which regions are PREFERRED.
    """
    return np.lexsort((rtt, np.broadcast_to(~preferred, rtt.shape)), axis=1).astype(np.int64)


def overload_factor(demand: Array, ceilings: Array) -> Array:
    """By how much all ceilings must grow to hold the demand, per step; at least 1, and 1 where all are zero.

    Args:
        demand: steps x clients.
        ceilings: regions, same unit.
    """
    room = float(ceilings.sum())
    total = demand.sum(axis=1) if demand.shape[1] else np.zeros(len(demand))
    return np.maximum(1.0, total / room) if room > 0 else np.ones(len(demand))


def waterfall(demand: Array, ceilings: Array, order: Order) -> Array:
    """Requests of each client that reach each region: steps x clients x regions, in the unit of the demand.

    Args:
        demand: steps x clients.
        ceilings: regions; 0 takes nothing.
        order: from `preference_order`.

    The result sums to the demand unless all ceilings are zero; then it is zero.
    """
    steps, clients = demand.shape
    regions = len(ceilings)
    taken = np.zeros((steps, clients, regions))
    if not clients or float(ceilings.sum()) <= 0:
        return taken
    factor = overload_factor(demand, ceilings)
    room = ceilings[None, :] * factor[:, None]
    left = demand.copy()
    everyone = np.arange(clients)
    base = (np.arange(steps) * regions)[:, None]
    for choice in range(regions):
        target = order[:, choice]
        where = base + target[None, :]
        offered = np.bincount(where.ravel(), left.ravel(), steps * regions)
        # plain division would warn where nothing is offered
        share = np.minimum(1.0, room.ravel() / np.maximum(offered, 1e-300))
        accepted = left * share[where]
        taken[:, everyone, target] += accepted
        room = np.maximum(0.0, room - (offered * share).reshape(steps, regions))
        left = left - accepted
        if not left.any():
            return taken
    return _place_crumbs(taken, left, ceilings, order)


def _place_crumbs(taken: Array, left: Array, ceilings: Array, order: Order) -> Array:
    """Give what rounding left over (some 1e-13 of the demand) to each client's first open region."""
    opened = ceilings[order] > 0
    first = order[np.arange(len(order)), opened.argmax(axis=1)]
    taken[:, np.arange(len(order)), first] += left
    return taken


def health_factor(healthy_share: Array, threshold: float) -> Array:
    """Share of its ceiling that a group keeps: 1 at or above the failover threshold, else share / threshold.

    A threshold of 0 turns failover off (reference gcp.md 2.3; design.md section 7).
    """
    if threshold <= 0:
        return np.ones_like(healthy_share)
    return np.minimum(1.0, healthy_share / threshold)

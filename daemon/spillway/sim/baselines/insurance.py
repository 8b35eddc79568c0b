"""What the next fault would cost: an oracle keeps room for it, where that costs next to nothing.

Nobody knows where the next fault will be; that there will be one, everybody knows. Say it takes a share of a region's machines,
up to one zone of three, behind green health checks. Where what is left cannot carry the load, a queue grows, and all that is
asked there is late until somebody reacts. So a region that is less full than what the loss would leave is safe, and the fuller the
others are, the more likely they are lost. Of plans that are as good as each other in all that is foreseen, the one that overfills
nobody is better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spillway.sim.world import World

Array = NDArray[np.float64]

EVERY = 86400.0
"""Seconds after which a fleet has a new fault, in the mean: one a day. Scenarios have more, as nobody writes down quiet days."""

LOST = 1 / 3
"""Largest share of its machines that a region loses then, one zone of three; all smaller ones have equal chances. With larger
ones, no room would be enough, and a fleet at ease would be rearranged for nothing."""


def able(world: World) -> Array:
    """Good answers/s that each region can give for ever, as it is now; in the order of the set-up."""
    found = []
    for plant in world.setup.regions:
        state = world.state(plant.name)
        capacity = state.capacity if state.dead < 1.0 else 0.0
        found.append(min(capacity, state.quota if state.quota is not None else capacity))
    return np.array(found)


def premium(requests: Array, capacity: Array, seconds: float) -> float:
    """Requests that a fleet must expect to lose to the next fault.

    Args:
        requests: what each region was asked for.
        capacity: requests/s that it can do.
        seconds: the time in which it was asked.
    """
    used = requests > 0
    load = requests[used] / np.maximum(capacity[used] * seconds, 1e-9)
    chance = seconds / EVERY / max(1, len(requests))
    lost = np.clip((load - (1.0 - LOST)) / LOST, 0.0, 1.0)
    return chance * float(requests[used] @ lost)

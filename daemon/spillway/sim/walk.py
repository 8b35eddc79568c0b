"""One region's queue through a block of steps, one by one: for regions near or past saturation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spillway.sim.arrays import RegionArrays
from spillway.sim.queue import Cohort, RegionQueue, Service, waiting_chance

Array = NDArray[np.float64]

CALM_QUEUE = 0.05
"""Largest share of one step's arrivals that may still wait at its end for the queue to count as stationary."""

NO_WAIT = 0.002
"""Mean wait, as a share of the mean service time, below which an answer's latency is its service time."""


@dataclass(eq=False, slots=True)
class Wait:
    """Requests of one step that started after a wait."""

    step: int
    """Within the block."""
    region: int
    amount: float
    waiting: float
    """Share that waits at all, where the wait is chance."""
    mean: float
    """Seconds."""
    certain: float
    """Share of the wait that is a backlog ahead of everybody."""


@dataclass(kw_only=True, eq=False)
class Block:
    """What is known, and what is found out, about the queues of all regions in a block of steps."""

    first: int
    step: float
    joining: Array
    """Requests that join queues, steps x clients x regions."""
    arrived: Array
    """Their sum over clients."""
    load: Array
    """Offered work over slots."""
    calm: NDArray[np.bool_]
    """True where the stationary queue of that step is short."""
    left: Array
    """Share of a step's arrivals that waits at its end, where calm."""
    share: Array
    """Share of requests that wait at all, where calm."""
    started: Array
    """Requests that take a slot, steps x clients x regions."""
    waiting: Array
    """Requests that wait at the end of each step."""
    history: Array
    """What joined before the block, by step modulo its length, x clients x regions."""
    matters: Array
    """Mean wait in seconds from which it shows in latencies, by region."""
    waits: list[Wait] = field(default_factory=list)
    expired: list[tuple[int, int, Array]] = field(default_factory=list)
    """(step in the block, region, requests by client) that passed the time-out in the queue."""

    def joined(self, step: int, region: int) -> Array:
        """What joined the region's queue in `step` (counted from time zero), by client."""
        within = step - self.first
        if within >= 0:
            column: Array = self.joining[within, :, region]
            return column
        past: Array = self.history[step % len(self.history), :, region]
        return past


@dataclass(eq=False, slots=True)
class Rest:
    """What still waits in a region after a step: a share of the last arrivals, or a queue of several steps."""

    left: float = 0.0
    arrived: float = 0.0
    queue: RegionQueue | None = None

    def as_queue(self, step: int) -> RegionQueue:
        """The same as cohorts, where the last step was `step`."""
        if self.queue is not None:
            return self.queue
        queue = RegionQueue()
        if self.left > 0 and self.arrived > 0:
            queue.cohorts.append(Cohort(step, self.arrived, self.left))
        return queue

    @staticmethod
    def after(queue: RegionQueue, step: int) -> Rest:
        """The shorter form where all that waits came in `step` and is little."""
        if not queue.cohorts:
            return Rest()
        last = queue.cohorts[0]
        if last.step == step and last.left <= CALM_QUEUE:
            return Rest(left=last.left, arrived=last.amount)
        return Rest(queue=queue)


def walk(block: Block, region: int, rest: Rest, regions: RegionArrays) -> Rest:
    """Pass the block's steps in `region`, fill in what happens, and return what waits afterwards."""
    service = Service(
        slots=float(regions.slots[region]),
        mean=float(regions.mean[region]),
        scv=float(regions.scv[region]),
        table=regions.tables[region],
    )
    block.started[:, :, region] = 0.0
    for t, calm in enumerate(block.calm[:, region].tolist()):
        step = block.first + t
        if calm and rest.queue is None:
            rest = _calm_step(block, t, region, rest)
            continue
        queue = rest.as_queue(step - 1)
        result = queue.step(step, float(block.arrived[t, region]), service, block.step)
        chance = waiting_chance(result.load, service.slots)
        for came, share, wait in result.started:
            joined = block.joined(came, region)
            block.started[t, :, region] += joined * share
            amount = float(joined.sum()) * share
            block.waits.append(Wait(t, region, amount, chance, wait, result.certain))
        for came, share in result.expired:
            block.expired.append((t, region, block.joined(came, region) * share))
        block.waiting[t, region] = queue.waiting
        rest = Rest.after(queue, step)
    return rest


def _calm_step(block: Block, t: int, region: int, rest: Rest) -> Rest:
    """A step with the stationary queue: what waited goes first, and a little of what came stays."""
    left, arrived = float(block.left[t, region]), float(block.arrived[t, region])
    started = block.joining[t, :, region] * (1.0 - left)
    if rest.left > 0:
        started = started + block.joined(block.first + t - 1, region) * rest.left
    block.started[t, :, region] = started
    block.waiting[t, region] = left * arrived
    wait = left * block.step
    if wait > block.matters[region]:
        share = float(block.share[t, region])
        block.waits.append(Wait(t, region, float(started.sum()), share, wait, 0.0))
    return Rest(left=left, arrived=arrived)

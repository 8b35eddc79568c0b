"""What becomes of the requests that the balancer sends to the regions in a block of steps.

A block has constant faults, controls and health; demand may change in every step. Regions far from saturation are
computed for the whole block at once: their queue is the stationary one of each step. A region whose queue matters
is stepped one by one (`sim.walk`). The rule that decides between the two looks at one step and its state
alone, so how steps are cut into blocks changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spillway.sim.arrays import (
    CODES,
    ERROR,
    OK,
    TIMED_OUT,
    TOO_MANY,
    UNAVAILABLE,
    Goodness,
    Groups,
    RegionArrays,
)
from spillway.sim.latency import BUCKETS, LatencyTable, histogram
from spillway.sim.queue import CALM_LOAD, queue_length, waiting_share
from spillway.sim.walk import CALM_QUEUE, NO_WAIT, Block, Rest, Wait, walk

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(kw_only=True, eq=False)
class Fates:
    """How many of each stream's requests were answered and failed: requests, steps x streams."""

    answered: Array
    failed: Array


@dataclass(kw_only=True, eq=False)
class BlockResult:
    """Sums over clients of what happened in each step; pairs are (service, continent)."""

    first: int
    counts: Array
    """Answers, steps x codes x pairs x regions, in requests."""
    good: Array
    """Answers within the SLO's latency as the client sees it, steps x pairs x regions."""
    started: Array
    """Requests that took a slot, steps x pairs x regions."""
    by_client: Array
    """The same, steps x streams x regions."""
    answered: Array
    """Share of what took a slot that was answered within the time-out, steps x regions."""
    waiting: Array
    """Requests in queues at the end of each step, steps x regions."""
    load: Array
    """Offered work over slots, steps x regions."""
    busy: NDArray[np.bool_]
    """True where the latency is not the idle one, steps x regions."""
    busy_step: Index
    busy_region: Index
    busy_histogram: Array
    """Latency of each busy (step, region): share of the started requests in each bucket."""
    fates: Fates | None = None
    """By client, where they were asked for; what no backend was found for is not among them."""


class Flow:
    """The queues of all regions, and the arrivals of the last steps, from which queues are made up."""

    def __init__(self, *, regions: int, clients: int, step: float, timeout: float) -> None:
        """`timeout` is the longest of all regions, in seconds; no request is older than that."""
        self._step = step
        keep = int(np.ceil(timeout / step)) + 3
        self._history = np.zeros((keep, clients, regions))
        """What joined queues in the last steps, by stream; slot k modulo its length."""
        self._rests = [Rest() for _ in range(regions)]
        self._failed: list[tuple[int, Array]] = []

    def copy(self) -> Flow:
        """An independent copy."""
        twin = object.__new__(Flow)
        twin._step = self._step
        twin._history = self._history.copy()
        twin._rests = [Rest(r.left, r.arrived, r.queue.copy() if r.queue else None) for r in self._rests]
        twin._failed = list(self._failed)
        return twin

    @property
    def waiting(self) -> Array:
        """Requests in each region's queue now."""
        return np.array([r.queue.waiting if r.queue else r.left * r.arrived for r in self._rests])

    def widen(self, streams: int) -> None:
        """Make room for more streams, which have sent nothing so far."""
        more = streams - self._history.shape[1]
        self._history = np.pad(self._history, ((0, 0), (0, more), (0, 0)))
        self._failed = [(region, np.pad(part, (0, more))) for region, part in self._failed]

    def fail_waiting(self, region: int, share: float, step: int) -> None:
        """An outage at the start of `step`: `share` of what waits in `region` fails in that step."""
        queue = self._rests[region].as_queue(step - 1)
        for came, part in queue.fail(share):
            self._failed.append((region, self._history[came % len(self._history), :, region] * part))
        self._rests[region] = Rest.after(queue, step - 1)

    def run(
        self,
        first: int,
        sent: Array,
        regions: RegionArrays,
        groups: Groups,
        goodness: Goodness,
        *,
        by_client: bool = False,
    ) -> BlockResult:
        """Let a block of steps pass.

        Args:
            first: number of the first step.
            sent: requests by stream and region, steps x streams x regions.
            regions: state of the regions, constant in the block.
            groups: sums to keep.
            goodness: for the share of good answers.
            by_client: say what became of each stream's requests, too.
        """
        total = np.matmul(np.ones((1, sent.shape[1])), sent)[:, 0, :]
        counts = np.zeros((len(sent), len(CODES), groups.size, sent.shape[2]))
        if regions.doors_open:
            joins = np.ones_like(total)
            block = self._queues(first, sent, total, regions)
        else:
            joins = self._doors(total, np.matmul(groups.matrix, sent), regions, counts)
            block = self._queues(first, sent * joins[:, None, :], total * joins, regions)
        gone_before, self._failed = self._failed, []
        for region, gone in gone_before:
            counts[0, UNAVAILABLE, :, region] += groups.matrix @ gone
        for t, region, gone in block.expired:
            counts[t, TIMED_OUT, :, region] += groups.matrix @ gone
        result = _outcome(block, counts, regions, groups, goodness)
        if by_client:
            failed = (sent * (1.0 - joins)[:, None, :]).sum(axis=2)
            for _, gone in gone_before:
                failed[0] += gone
            for t, _, gone in block.expired:
                failed[t] += gone
            good = (block.started * (result.answered * (1.0 - regions.errors))[:, None, :]).sum(axis=2)
            failed += block.started.sum(axis=2) - good
            result.fates = Fates(answered=good, failed=failed)
        return result

    def _doors(self, total: Array, reached: Array, regions: RegionArrays, counts: Array) -> Array:
        """Answer at once what never reaches a queue; the share that does, steps x regions."""
        alive = 1.0 - regions.dead
        rate = total * alive / self._step
        over = np.where(rate > regions.quota, 1.0 - regions.quota / np.maximum(rate, 1e-300), 0.0)
        passing = alive * (1.0 - over)
        counts[:, UNAVAILABLE] += reached * (regions.dead + passing * regions.fast_503)[:, None, :]
        counts[:, TOO_MANY] += reached * (alive * over + passing * regions.fast_429)[:, None, :]
        result: Array = passing * np.maximum(0.0, 1.0 - regions.fast_429 - regions.fast_503)
        return result

    def _queues(self, first: int, joining: Array, arrived: Array, regions: RegionArrays) -> Block:
        """Let requests wait and start."""
        load = _load(arrived, regions, self._step)
        safe = np.minimum(load, CALM_LOAD)
        length = np.where(arrived > 0, queue_length(safe, regions.slots, regions.scv), 0.0)
        left = np.minimum(1.0, length / np.maximum(arrived, 1e-300))
        carried, before = np.empty_like(left), np.empty_like(joining)
        carried[0], carried[1:] = [r.left for r in self._rests], left[:-1]
        before[0], before[1:] = self._history[(first - 1) % len(self._history)], joining[:-1]
        block = Block(
            first=first,
            step=self._step,
            joining=joining,
            arrived=arrived,
            load=load,
            calm=np.logical_and(load < CALM_LOAD, left <= CALM_QUEUE),
            left=left,
            share=waiting_share(safe, regions.slots),
            started=joining * (1.0 - left)[:, None, :] + before * carried[:, None, :],
            waiting=left * arrived,
            history=self._history,
            matters=NO_WAIT * regions.mean,
        )
        calm = np.logical_and.reduce(block.calm, axis=0).tolist()
        heavy = {r for r, rest in enumerate(self._rests) if rest.queue is not None or not calm[r]}
        wait = left * self._step  # by Little's law the mean wait is queue over arrival rate
        where = (wait > block.matters).nonzero()
        values = (*where, arrived[where], block.share[where], wait[where])
        for t, r, amount, share, mean in zip(*(v.tolist() for v in values), strict=True):
            if r not in heavy:
                block.waits.append(Wait(t, r, amount, share, mean, 0.0))
        ends = zip(self._rests, left[-1].tolist(), arrived[-1].tolist(), strict=True)
        self._rests = [
            walk(block, r, rest, regions) if r in heavy else Rest(still, came)
            for r, (rest, still, came) in enumerate(ends)
        ]
        keep = min(len(joining), len(self._history))
        last = first + len(joining)
        self._history[np.arange(last - keep, last) % len(self._history)] = joining[len(joining) - keep :]
        return block


def _load(arrived: Array, regions: RegionArrays, step: float) -> Array:
    """Offered work over slots; infinite where there is work and no slot."""
    work = arrived * regions.mean / step
    return np.where(
        regions.slots > 0, work / np.maximum(regions.slots, 1e-300), np.where(work > 0, np.inf, 0.0)
    )


def _outcome(
    block: Block, counts: Array, regions: RegionArrays, groups: Groups, goodness: Goodness
) -> BlockResult:
    """Turn starts and waits into answers, failures and latencies."""
    steps, count = block.waiting.shape
    taken = np.matmul(groups.matrix, block.started)
    answered = np.empty((steps, count))
    answered[:] = regions.idle[:, -1]
    good_share = np.empty((steps, *regions.idle_good.shape))
    good_share[:] = regions.idle_good
    busy = np.zeros((steps, count), dtype=bool)
    step, region, rows = _latency_rows(block.waits, regions.tables)
    if len(rows):
        busy[step, region] = True
        answered[step, region] = rows[:, -1]
        good_share[step, :, region] = goodness.read(rows, region)
    fine = 1.0 - regions.errors
    counts[:, OK] += taken * (answered * fine)[:, None, :]
    if regions.errors.any():
        counts[:, ERROR] += taken * (answered * regions.errors)[:, None, :]
    counts[:, TIMED_OUT] += taken * (1.0 - answered)[:, None, :]
    return BlockResult(
        first=block.first,
        counts=counts,
        good=np.matmul(groups.matrix, block.started * good_share) * fine,
        started=taken,
        by_client=block.started,
        answered=answered,
        waiting=block.waiting,
        load=block.load,
        busy=busy,
        busy_step=step,
        busy_region=region,
        busy_histogram=histogram(rows),
    )


def _latency_rows(waits: list[Wait], tables: tuple[LatencyTable, ...]) -> tuple[Index, Index, Array]:
    """One cumulative row for each (step, region) with a wait: the mean over its parts, by amount."""
    if not waits:
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, np.empty((0, BUCKETS))
    region = np.array([w.region for w in waits])
    values = np.array([(w.amount, w.waiting, w.mean, w.certain) for w in waits])
    rows = np.empty((len(waits), BUCKETS))
    by_table: dict[int, tuple[LatencyTable, list[int]]] = {}
    for i, r in enumerate(region.tolist()):
        by_table.setdefault(id(tables[r]), (tables[r], []))[1].append(i)
    for table, mine in by_table.values():
        rows[mine] = table.rows(values[mine, 1], values[mine, 2], values[mine, 3])
    step = np.array([w.step for w in waits])
    place = step * len(tables) + region
    if bool((place[1:] > place[:-1]).all()):
        return step, region, rows
    where, only, part = np.unique(place, return_index=True, return_inverse=True)
    if len(where) == len(place):
        return where // len(tables), where % len(tables), rows[only]
    weight = np.zeros(len(where))
    amount = np.maximum(values[:, 0], 1e-300)
    np.add.at(weight, part, amount)
    result = np.zeros((len(where), BUCKETS))
    np.add.at(result, part, rows * (amount / weight[part])[:, None])
    return where // len(tables), where % len(tables), result

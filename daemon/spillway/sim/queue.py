"""A region as a queue: waiting grows with load, backlog builds past capacity and drains afterwards.

Below saturation the mean number waiting is that of M/G/c by Sakasegawa's formula, Wq = (1 + scv)/2 * s *
rho^(sqrt(2(c+1)) - 1) / (c (1 - rho)) (H. Sakasegawa, "An approximation formula Lq = alpha rho^beta / (1 - rho)",
Ann. Inst. Stat. Math. 29, 1977; W. Whitt, "Approximations for the GI/G/m queue", Prod. Oper. Manag. 2, 1993), exact
for M/M/1 and M/G/1 (Pollaczek-Khinchine). It holds for fractional c. The number waiting moves towards it by the
pointwise stationary fluid flow approximation (W.-P. Wang, D. Tipper, S. Banerjee, INFOCOM 1996): dQ/dt = arrivals -
capacity * u(Q), with u the load at which the formula gives Q. Past capacity u is 1 and the backlog grows as a fluid.

Requests leave in order. One that has waited w holds its slot for min(S, timeout - w): a late request is cut at the
time-out, so an overloaded region starts more requests than it finishes.
A request is booked as answered, or as failed by time-out in service, in the step in which it takes its slot.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from spillway.sim.latency import LatencyTable

Array = NDArray[np.float64]

CALM_LOAD = 0.98
"""Load up to which a wait counts as chance; past it, what is queued more is a backlog ahead of everybody."""


def exponent(slots: Array) -> Array:
    """Sakasegawa's sqrt(2 (c + 1)) for c slots."""
    return np.sqrt(2.0 * (slots + 1.0))


def queue_length(load: Array, slots: Array, scv: Array) -> Array:
    """Mean number waiting in M/G/c at `load` < 1 (Lq = arrival rate x Wq)."""
    result: Array = (1.0 + scv) / 2.0 * load ** exponent(slots) / (1.0 - load)
    return result


def waiting_share(load: Array, slots: Array) -> Array:
    """Share of requests that find no free slot, consistent with `queue_length`."""
    result: Array = load ** (exponent(slots) - 1.0)
    return result


def waiting_chance(load: float, slots: float) -> float:
    """`waiting_share` of one region."""
    return float(load ** (sqrt(2.0 * (slots + 1.0)) - 1.0))


WHOLE = 0.999
"""Share of the mean service time that a request must have left of its time-out to be served as if there were none."""

PIECE = 1.0 / 60.0
"""Share of the time-out within which arrivals are treated as one where it is near."""

ALIKE = 0.02
"""Seconds by which waits differ that are booked as one."""


@dataclass(slots=True)
class Cohort:
    """Requests that arrived in one step and still wait."""

    step: int
    amount: float
    """Requests that arrived in that step."""
    left: float
    """Share of them that still waits, 0..1; the earliest leave first."""


@dataclass(slots=True, kw_only=True)
class Service:
    """What a region can do in this step."""

    slots: float
    mean: float
    """Seconds of service."""
    scv: float
    table: LatencyTable


@dataclass(slots=True)
class StepResult:
    """What became of a region's queue in one step."""

    started: list[tuple[int, float, float]] = field(default_factory=list)
    """(arrival step, share of that step's arrivals, wait in seconds) of requests that took a slot."""
    expired: list[tuple[int, float]] = field(default_factory=list)
    """(arrival step, share of that step's arrivals) of requests that passed the time-out in the queue."""
    load: float = 0.0
    """The load at which the formula gives this queue."""
    certain: float = 0.0
    """Share of the wait that is backlog."""


def solve_load(available: float, capacity: float, power: float, factor: float) -> float:
    """The load u with factor u^power / (1 - u) + capacity u = available, by Newton from the right.

    The left side is convex and rises on [0, 1), so from a point right of the root Newton only ever moves towards it.
    """
    if available <= 0:
        return 0.0
    u = 1.0 - factor / (available + factor * power)
    if capacity > 0:
        u = min(u, available / capacity)
    for _ in range(60):
        head = factor * u ** (power - 1.0)
        free = 1.0 - u
        value = head * u / free + capacity * u - available
        slope = head * (power + u / free) / free + capacity
        move = value / slope
        u -= move
        if move <= 1e-13 * u:
            break
    return max(u, 0.0)


def _note(result: StepResult, step: int, share: float, wait: float) -> None:
    """Add to what started; pieces of one step's arrivals that waited about as long are one."""
    if result.started and result.started[-1][0] == step:
        _, known, waited = result.started[-1]
        if abs(waited - wait) <= ALIKE:
            together = known + share
            result.started[-1] = (step, together, (known * waited + share * wait) / together)
            return
    result.started.append((step, share, wait))


class RegionQueue:
    """The waiting requests of one region, oldest first."""

    __slots__ = ("cohorts",)

    def __init__(self) -> None:
        self.cohorts: deque[Cohort] = deque()

    def copy(self) -> RegionQueue:
        """An independent copy."""
        twin = RegionQueue()
        twin.cohorts = deque(Cohort(c.step, c.amount, c.left) for c in self.cohorts)
        return twin

    @property
    def waiting(self) -> float:
        """Requests in the queue."""
        return sum(c.amount * c.left for c in self.cohorts)

    def fail(self, share: float) -> list[tuple[int, float]]:
        """Take out `share` of everything that waits: (arrival step, share of that step's arrivals)."""
        gone = [(c.step, c.left * share) for c in self.cohorts]
        if share >= 1.0:
            self.cohorts.clear()
        for cohort in self.cohorts:
            cohort.amount, cohort.left = cohort.amount, cohort.left * (1.0 - share)
        return gone

    def step(self, k: int, arrived: float, service: Service, dt: float) -> StepResult:
        """Advance by step `k` in which `arrived` requests join."""
        result = StepResult()
        if arrived > 0:
            self.cohorts.append(Cohort(k, arrived, 1.0))
        self._expire(k * dt, service.table.timeout, dt, result)
        self._start(k, arrived, service, dt, result)
        self._expire((k + 1) * dt, service.table.timeout, dt, result)
        return result

    def _expire(self, now: float, timeout: float, dt: float, result: StepResult) -> None:
        while self.cohorts:
            cohort = self.cohorts[0]
            oldest = now - timeout
            # the share of the cohort that arrived after `oldest` may still wait
            alive = min(1.0, max(0.0, ((cohort.step + 1) * dt - oldest) / dt))
            if alive >= cohort.left:
                return
            result.expired.append((cohort.step, cohort.left - alive))
            cohort.left = alive
            if alive > 0:
                return
            self.cohorts.popleft()

    def _start(self, k: int, arrived: float, service: Service, dt: float, result: StepResult) -> None:
        available = self.waiting
        if available <= 0 or service.slots <= 0:
            return
        capacity = service.slots / service.mean * dt
        factor, power = (1.0 + service.scv) / 2.0, sqrt(2.0 * (service.slots + 1.0))
        load = solve_load(available, capacity, power, factor)
        starting = min(available, capacity * load)
        head = self.cohorts[0]
        oldest = (k - head.step + head.left) * dt  # at the end of the step
        if service.table.work(oldest) >= WHOLE * service.mean:
            self._take(k, starting, dt, result)
        else:
            self._rush(k, service, dt, result)
        calm = min(CALM_LOAD, arrived * service.mean / (service.slots * dt))
        chance = factor * calm**power / (1.0 - calm)
        left_over = available - starting
        result.load = load
        result.certain = max(0.0, 1.0 - chance / left_over) if left_over > chance else 0.0

    def _rush(self, k: int, service: Service, dt: float, result: StepResult) -> None:
        """Start what the slots' time is enough for where some have waited so long that the time-out will cut them off.

        Each holds its slot for what its own wait leaves it, and the next begins when a slot is free: so the wait settles where
        what is held is as much as the slots can give, just below the time-out, and most that start are cut off.
        """
        slots, table = service.slots, service.table
        given, used = slots * dt, 0.0
        while self.cohorts:
            cohort = self.cohorts[0]
            pieces = max(1, ceil(cohort.left * dt / (table.timeout * PIECE)))
            share = cohort.left / pieces
            amount = cohort.amount * share
            for _ in range(pieces):
                arrived_at = (cohort.step + 1.0 - cohort.left + share / 2.0) * dt
                wait = table.wait_after(k * dt + used / slots - arrived_at, amount / slots)
                holds = amount * min(service.mean, table.work(wait))
                part = 1.0 if used + holds <= given else (given - used) / holds
                _note(result, cohort.step, share * part, wait)
                cohort.left -= share * part
                used += holds
                if part < 1.0:
                    return
            self.cohorts.popleft()

    def _take(self, k: int, starting: float, dt: float, result: StepResult) -> None:
        """Let the oldest `starting` requests begin, evenly over the step."""
        begun = 0.0
        while self.cohorts and begun < starting * (1.0 - 1e-12):
            cohort = self.cohorts[0]
            amount = min(cohort.amount * cohort.left, starting - begun)
            share = amount / cohort.amount
            arrived_at = (cohort.step + 1.0 - cohort.left + share / 2.0) * dt
            begins_at = (k + (begun + amount / 2.0) / starting) * dt
            result.started.append((cohort.step, share, max(0.0, begins_at - arrived_at)))
            begun += amount
            cohort.left -= share
            if cohort.left <= 1e-12:
                self.cohorts.popleft()
            else:
                break

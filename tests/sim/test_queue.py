"""The queue against its formula and against common sense past capacity."""

from __future__ import annotations

import random
from collections import deque
from heapq import heappop, heappush
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sim.worlds import client, region, setup

from spillway.sim.latency import LatencyTable
from spillway.sim.queue import RegionQueue, Service, StepResult, queue_length, solve_load, waiting_share
from spillway.sim.service_time import Mixture, ServiceTime
from spillway.sim.world import World

TIME = ServiceTime(0.9, 2.2)


def service(slots: float, timeout: float = 30.0) -> Service:
    mixture = Mixture(TIME)
    return Service(slots=slots, mean=mixture.mean, scv=mixture.scv, table=LatencyTable(mixture, timeout))


def run(queue: RegionQueue, made: Service, rates: list[float], first: int = 0) -> list[StepResult]:
    return [queue.step(first + k, rate * 10.0, made, 10.0) for k, rate in enumerate(rates)]


def test_the_formula_is_exact_for_one_server() -> None:
    one, half = np.array(1.0), np.array(0.5)
    assert float(queue_length(half, one, np.array(1.0))) == pytest.approx(0.5)  # M/M/1: rho^2 / (1 - rho)
    assert float(queue_length(half, one, np.array(0.0))) == pytest.approx(0.25)  # M/D/1: half of it
    assert float(waiting_share(half, one)) == pytest.approx(0.5)


def erlang_c(servers: int, load: float) -> float:
    """Share that waits in M/M/c, by the exact recursion."""
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = load * servers * blocked / (n + load * servers * blocked)
    return blocked / (1.0 - load * (1.0 - blocked))


@pytest.mark.parametrize("servers", [2, 10, 50, 150])
@pytest.mark.parametrize("load", [0.5, 0.8, 0.9, 0.95])
def test_the_time_in_a_region_is_near_erlangs_exact_one(servers: int, load: float) -> None:
    exact = erlang_c(servers, load) / (servers * (1.0 - load))
    length = float(queue_length(np.array(load), np.array(float(servers)), np.array(1.0)))
    assert 1.0 + length / (load * servers) == pytest.approx(1.0 + exact, rel=0.03)


@pytest.mark.parametrize("capacity", [0.5, 2.0, 20.0, 130.0])
@pytest.mark.parametrize("load", [0.3, 0.7, 0.9, 0.95])
def test_a_region_at_steady_load_waits_as_the_formula_says(capacity: float, load: float) -> None:
    built = setup(
        regions={"europe-west4": region(target_rps=capacity, capacity_rps=capacity, timeout="1h")},
        clients=[client("paris", capacity * load)],
    )
    world = World(built)
    world.advance(2 * 3600.0)
    expected = queue_length(np.array(load), np.array(capacity * TIME.mean), np.array(TIME.scv))
    assert world.waiting[0] == pytest.approx(float(expected), rel=0.05, abs=1e-6)


@given(st.floats(0.001, 1e4), st.floats(0, 1e4), st.floats(1.5, 40), st.floats(0.5, 3))
def test_the_load_that_is_found_solves_its_equation(
    available: float, capacity: float, power: float, factor: float
) -> None:
    u = solve_load(available, capacity, power, factor)
    assert 0.0 <= u < 1.0
    assert factor * u**power / (1.0 - u) + capacity * u == pytest.approx(available, rel=1e-6)


def test_backlog_builds_past_capacity_and_drains_afterwards() -> None:
    made, queue = service(100.0, timeout=600.0), RegionQueue()
    capacity = made.slots / made.mean
    run(queue, made, [capacity * 1.2] * 30)
    assert queue.waiting == pytest.approx(0.2 * capacity * 300.0, rel=0.05)
    run(queue, made, [capacity * 0.5] * 60, first=30)
    assert queue.waiting < 1.0


def test_waits_follow_littles_law() -> None:
    made, queue = service(100.0, timeout=600.0), RegionQueue()
    capacity = made.slots / made.mean
    results = run(queue, made, [capacity * 1.1] * 40)
    last = results[-1].started[-1]
    assert last[2] == pytest.approx(queue.waiting / (1.1 * capacity), rel=0.1)
    assert results[-1].certain > 0.8


def test_an_overloaded_region_cuts_requests_at_their_time_out() -> None:
    made, queue = service(100.0), RegionQueue()
    capacity = made.slots / made.mean
    results = run(queue, made, [capacity * 1.5] * 120)
    waits = [wait for _, _, wait in results[-1].started]
    assert 25.0 < max(waits) <= 30.0
    assert queue.waiting <= capacity * 1.5 * 30.0


def test_without_slots_everything_expires_at_its_time_out() -> None:
    made, queue = service(0.0), RegionQueue()
    results = run(queue, made, [10.0] * 3 + [0.0] * 4)
    assert sum(share for r in results for _, share in r.expired) == pytest.approx(3.0)
    assert not any(r.started for r in results)
    assert queue.waiting == 0.0


def test_an_outage_takes_out_what_waits() -> None:
    made, queue = service(0.0), RegionQueue()
    run(queue, made, [10.0])
    assert queue.fail(0.25) == [(0, 0.25)]
    assert queue.waiting == pytest.approx(75.0)
    assert queue.fail(1.0) == [(0, 0.75)]
    assert queue.waiting == 0.0


def test_a_queue_whose_head_is_about_to_time_out_does_not_leave_at_once() -> None:
    """A region never starts more work than its slots can do, in spite of steps as long as a third of the time-out."""
    made = service(20.0)
    rates = [60.0, 90.0, 30.0, 110.0, 20.0, 90.0] * 20
    held = [
        sum(
            rates[came] * 10.0 * share * min(made.mean, made.table.work(wait))
            for came, share, wait in result.started
        )
        for result in run(RegionQueue(), made, rates)
    ]
    assert max(held) <= made.slots * 10.0 * 1.05


def exactly(rate: float, slots: int, timeout: float, *, seed: int) -> float:
    """Share of requests answered in time, of a queue whose every request is followed (an independent, slow simulation)."""
    draw = random.Random(seed)
    mu, sigma = log(TIME.p50), log(TIME.p95 / TIME.p50) / 1.6449
    busy: list[float] = []
    queue: deque[float] = deque()
    arrives, came, answered = draw.expovariate(rate), 0, 0
    while arrives < 900.0:
        now = min(arrives, busy[0]) if busy else arrives
        if now == arrives:
            queue.append(now)
            came += now > 300.0
            arrives += draw.expovariate(rate)
        else:
            heappop(busy)
        while queue and len(busy) < slots:
            left = timeout - (now - queue.popleft())
            needs = draw.lognormvariate(mu, sigma)
            heappush(busy, now + max(0.0, min(needs, left)))
            answered += now > 300.0 and needs <= left
    return answered / came


@pytest.mark.parametrize("step", [2.0, 10.0])
@pytest.mark.parametrize(("overload", "timeout"), [(1.1, 30.0), (2.0, 30.0), (3.0, 15.0)])
def test_past_capacity_as_many_are_answered_in_time_as_in_an_exact_simulation(
    overload: float, timeout: float, step: float
) -> None:
    """Most that start are cut off, and what they took of the slots is lost: twice the load leaves a sixth of the answers."""
    made, slots = service(40.0, timeout), 40
    rate = overload * slots / made.mean
    queue, answered, steps = RegionQueue(), 0.0, round(900.0 / step)
    for k in range(steps):
        result = queue.step(k, rate * step, made, step)
        if k * step >= 300.0:
            for _, share, wait in result.started:
                row = made.table.rows(np.array([1.0]), np.array([wait]), np.array([1.0]))
                answered += share * float(row[0, -1])
    found = answered / (600.0 / step)
    assert found == pytest.approx(exactly(rate, slots, timeout, seed=3), abs=0.03)

"""What oracles are for: whoever sees less must not lose less. And what they do about faults that nobody foresees."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from tests.bench.library import FOLDER, chosen, line_of
from tests.bench.score import MINE, OPPONENTS, YARDSTICKS, Line
from tests.bench.wilderness import wild
from tests.sim.worlds import client, region, setup

from spillway.sim.backtest.jobs import Job, contenders, perform
from spillway.sim.baselines.insurance import EVERY, able, premium
from spillway.sim.setup import Setup
from spillway.sim.world import World


def case(name: str) -> Setup:
    """A scenario of the library, or a random one."""
    if name.startswith("wild-"):
        return wild(int(name.removeprefix("wild-")))
    (found,) = chosen([name], FOLDER)
    return found


@cache
def line(name: str) -> Line:
    """One scenario with everybody."""
    story = case(name)
    everybody = contenders((), (MINE, *OPPONENTS, *YARDSTICKS), oracles=False)
    jobs = [Job(setup=story, seed=story.scenario.seed, contender=who) for who in everybody]
    return line_of([perform(job).result for job in jobs])


@pytest.mark.parametrize("yardstick", YARDSTICKS)
@pytest.mark.parametrize("name", ["zone-gray-failure", "metrics-missing", "region-slow"])
def test_nobody_who_sees_less_loses_less(name: str, yardstick: str) -> None:
    assert line(name).beaten(yardstick) == ()


def test_an_even_fleet_pays_the_least_premium_and_a_full_region_the_most() -> None:
    capacity = np.array([100.0, 50.0, 50.0])
    even, uneven = np.array([50.0, 25.0, 25.0]), np.array([80.0, 10.0, 10.0])
    chance = 600.0 / EVERY / 3
    # half full, and a loss leaves two thirds at least
    assert premium(600 * even, capacity, 600.0) == 0.0
    # 80 % full: lost by losses of 20 to 33 %, so two times in five
    assert premium(600 * uneven, capacity, 600.0) == pytest.approx(chance * 600 * 80.0 * 0.4)
    # past what a region can do all that it is asked for is lost already, no more
    assert premium(600 * np.array([200.0, 0.0, 0.0]), capacity, 600.0) == pytest.approx(chance * 600 * 200.0)
    assert premium(np.zeros(3), np.zeros(3), 600.0) == 0.0


def test_what_regions_can_do_is_the_truth_under_faults() -> None:
    faults = [
        {"kind": "slow", "region": "europe-west4", "at": "1m", "for": "1h", "factor": 2},
        {"kind": "quota", "region": "us-east4", "at": "1m", "for": "1h", "rps": 30},
        {"kind": "outage", "region": "asia-northeast1", "at": "1m", "for": "1h"},
    ]
    world = World(setup(faults=faults))
    world.advance(30.0)
    assert able(world) == pytest.approx([110.0, 110.0, 85.0])
    world.advance(120.0)
    assert able(world) == pytest.approx([55.0, 30.0, 0.0])


def test_an_oracle_levels_a_full_region_before_it_fails_and_leaves_a_roomy_fleet_alone() -> None:
    near = {"europe-west4": region(), "europe-west1": region(), "europe-west3": region()}
    loss = [{"kind": "capacity-loss", "region": "europe-west4", "at": "20m", "for": "15m", "ratio": 0.3}]
    uneven = setup(regions=near, clients=[client("utrecht", 95.0, 52.1, 5.1)], faults=loss, duration="40m")
    (oracle, google) = contenders((), ("oracle-delayed", "google"), oracles=False)
    levelled, left = (perform(Job(setup=uneven, seed=5, contender=who)).result for who in (oracle, google))
    assert levelled.report.bad_requests < 0.05 * left.report.bad_requests
    clients = [
        client(f"city-{i}", 30.0, *place) for i, place in enumerate(((53.4, 6.8), (50.4, 3.8), (50.1, 8.7)))
    ]
    calm = setup(regions=near, clients=clients, duration="40m")
    assert perform(Job(setup=calm, seed=5, contender=oracle)).result.writes == 0

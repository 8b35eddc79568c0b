"""Conditions that were looked up before are those that would be found anew."""

from __future__ import annotations

import pytest
from tests.sim.random_faults import random_faults
from tests.sim.worlds import setup

from spillway.sim.arrays import Goodness
from spillway.sim.faults import Schedule
from spillway.sim.plant import region_state, zone_health
from spillway.sim.states import MEMORY, States
from spillway.sim.streams import stream
from spillway.sim.world import World

STORY = setup()


@pytest.mark.parametrize("seed", range(12))
def test_a_known_condition_is_what_a_fresh_look_finds(seed: int) -> None:
    plants = STORY.regions
    names = tuple(p.name for p in plants)
    faults = Schedule(random_faults(seed, names, 7200.0, 8))
    states = States(plants, Goodness.of(4.0, STORY.rtt))
    draw = stream(seed, "moments")
    for t in sorted(draw.uniform(0.0, 7200.0, 200).tolist(), key=lambda t: (t % 60.0, t)):
        ejections = tuple(draw.choice((0.0, 0.5), size=len(plants)).tolist())
        found = states.at(faults, t, ejections)
        assert found.states == tuple(
            region_state(p, faults, t, e) for p, e in zip(plants, ejections, strict=True)
        )
        assert found.health == tuple(zone_health(p, faults, t) for p in plants)


def test_what_is_known_stays_bounded_through_a_long_leak() -> None:
    leak = {"kind": "slow-leak", "region": "us-east4", "at": "0s", "for": "12h", "factor": 900}
    states = States(STORY.regions, Goodness.of(4.0, STORY.rtt))
    faults = Schedule(setup(duration="12h", faults=[leak]).faults)
    for minute in range(720):
        states.at(faults, minute * 60.0, (0.0, 0.0, 0.0))
        assert len(states._known) <= MEMORY


def test_a_fork_counts_what_its_world_counts() -> None:
    story = setup(faults=[{"kind": "outage", "region": "us-east4", "at": "8m", "for": "10m"}])
    world = World(story)
    world.advance(300.0)
    twin = world.fork()
    world.advance(1200.0)
    twin.advance(1200.0)
    assert twin.bad_requests() == pytest.approx(world.bad_requests())
    balance = twin.balance()
    assert balance.error < 1e-9
    with pytest.raises(TypeError, match="fork"):
        twin.report()
    with pytest.raises(TypeError, match="fork"):
        twin.trace_hash()

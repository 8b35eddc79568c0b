"""What a floor counts: ceilings as Google has them, and no capacity where a region was found to have none."""

from __future__ import annotations

import pytest
from tests.core.pictures import AT, area, believe, change_of, considered, guards, made, picture_of

from spillway.core.estimate.backend import remember
from spillway.core.model.predict import Region
from spillway.core.model.service import ServiceModel
from spillway.core.values.policy import Floors, Policy
from spillway.core.values.state import BackendMemory

DEMAND = {"a": 75.0, "b": 110.0, "c": 50.0}
"""235 requests/s, where the ceilings add up to 320, and a floor asks for 266."""


def fleet(**a: object) -> ServiceModel:
    regions = (
        area("a", **a),
        area("b", ceiling=150.0, capacity=150.0, proven=False),
        area("c", ceiling=70.0, capacity=70.0, proven=False),
    )
    return picture_of(regions, DEMAND, policy=Policy(floors=Floors(reserve=0.1, receiver_limit=1.0)))


def judged(picture: ServiceModel, after: float) -> tuple[dict[str, float], set[str]]:
    """What is accepted of a cut of region a, and what refuses it."""
    found = considered(picture, [change_of("a", 1.0, after)])
    return made(found), guards(found)


REFUSED: tuple[dict[str, float], set[str]] = ({}, {"floor-capacity"})


def test_a_ceiling_that_a_region_was_found_unable_to_use_may_go_below_the_floor() -> None:
    slow = fleet(capacity=40.0, proven=True)
    assert judged(slow, 0.37) == ({"a": 0.37}, set())


def test_what_was_only_configured_counts_to_the_last_request() -> None:
    well = fleet(capacity=100.0, proven=False)
    assert judged(well, 0.37) == REFUSED
    assert judged(well, 0.46) == REFUSED
    assert judged(well, 0.47) == ({"a": 0.47}, set()), "the deepest cut that keeps the floor"


def test_nor_may_a_cut_take_what_the_region_does_carry() -> None:
    slow = fleet(capacity=40.0, proven=True)
    assert judged(slow, 0.1) == REFUSED
    assert judged(slow, 0.33) == REFUSED
    assert judged(slow, 0.34) == ({"a": 0.34}, set()), (
        "to a hundredth the ceiling from which it counts as open"
    )


@pytest.mark.parametrize(
    ("region", "scaler", "known"),
    [
        (area("a", capacity=40.0, proven=True), 1.0, 40.0),
        (area("a", capacity=40.0, proven=True), 0.35, 40.0),
        (area("a", capacity=40.0, proven=True), 0.2, 20.0),
        (area("a", proven=False), 0.95, 95.0),
        (area("a", capacity=94.0), 0.8, 94.0),
        (area("a", capacity=95.0), 0.81, 81.0),  # no less than was configured, so nothing was found
        (area("a", capacity=110.0), 1.0, 100.0),
        (area("a", scaler=0.5, only_seen=20.0), 0.5, 20.0),  # its size is unknown
        (area("a", scaler=0.5, only_seen=20.0), 1.0, 20.0),
        (area("a", scaler=0.5, only_seen=20.0), 0.25, 10.0),
        (area("a", scaler=0.0, only_seen=20.0), 0.5, 0.0),
        (area("a", scaler=0.5, only_seen=70.0, capacity=40.0), 0.5, 40.0),
        (area("a", proven=False, bad=0.5), 0.9, 45.0),
        (area("a", dead=True), 1.0, 0.0),
        (area("a", capacity=40.0, capacity_nominal=100.0, p_recovered=0.5, proven=True), 1.0, 70.0),
    ],
)
def test_what_is_known_to_be_carried(region: Region, scaler: float, known: float) -> None:
    assert picture_of((region,), {"a": 10.0}).constraints.surely_carried((scaler,)) == pytest.approx(known)


def test_receivers_are_filled_past_their_limit_where_all_together_are_about_short() -> None:
    """Two thirds of one region's machines are gone: 215 requests/s for places for 220. Refusing the cut would keep the trouble."""
    regions = (
        area("a", capacity=30.0, backlog=30.0),
        area("b", ceiling=120.0, capacity=120.0),
        area("c", ceiling=80.0, capacity=80.0),
    )
    demand = {"a": 90.0, "b": 80.0, "c": 45.0}
    short = picture_of(regions, demand, policy=Policy(floors=Floors(reserve=0.05, receiver_limit=0.9)))
    assert short.constraints.tight
    assert short.traffic.forecast < 0.99 * short.traffic.potential < short.constraints.floor
    assert judged(short, 0.27) == ({"a": 0.27}, set())
    loads = short.traffic.predict((0.27, 1.0, 1.0)).flow.loads
    assert loads[1] > 0.9 * 120.0


def test_one_read_of_a_dead_region_is_counted_once() -> None:
    policy = Policy()
    beliefs = believe(area("a", dead=True), BackendMemory(region="a"), 60.0)
    first = remember(beliefs, policy, AT)
    again = remember(beliefs._replace(memory=first), policy, AT)
    assert (first.dead_seen, again.dead_seen) == (1, 1)
    later = remember(beliefs._replace(memory=first, health_at=beliefs.health_at + 15.0), policy, AT + 15.0)
    assert later.dead_seen == 2
    alive = believe(area("a"), later, 0.0)._replace(health_at=AT + 30.0)
    assert remember(alive, policy, AT + 30.0).dead_seen == 0

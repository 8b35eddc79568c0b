"""Floors are judged by what the fleet can truly take: in a true shortage no write could keep one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.sim.worlds import client, region, setup

from spillway.core.values.policy import Floors
from spillway.sim.judge import Judge
from spillway.sim.world import World
from spillway.sim.writes import Written

TWO: dict[str, Any] = {"europe-west4": region(), "us-east4": region()}
"""Targets of 100 requests/s each, and machines for 110."""


def clients(total: float) -> list[dict[str, Any]]:
    return [client("paris", total / 2, 48.9, 2.4), client("ohio", total / 2, 40.0, -83.0)]


def broken(
    total: float,
    scalers: dict[str, float],
    *,
    before: dict[str, float] | None = None,
    floors: Floors = Floors(),  # noqa: B008 - a frozen value
    at: float = 0.0,
    **changes: Any,
) -> int:
    """Floors that one write to `scalers` breaks, with `total` requests/s coming."""
    built = setup(clients=clients(total), **{"regions": TWO, **changes})
    world = World(built)
    if at:
        world.advance(at)
    judge = Judge(world, floors)
    control = built.controls[0]

    def having(wanted: dict[str, float]) -> Any:
        return replace(
            control,
            backends=tuple(replace(b, scaler=wanted.get(b.region, b.scaler)) for b in control.backends),
        )

    judge.take(
        Written(
            begun=at,
            done=at,
            effective=at + 90.0,
            before=(having(before or {}),),
            after=(having(scalers),),
            tickets=(),
        )
    )
    return judge.floors_broken


def test_a_lowered_sum_of_ceilings_breaks_the_floor_where_the_fleet_could_keep_it() -> None:
    assert broken(150.0, {"europe-west4": 0.5}) == 1
    assert broken(150.0, {"europe-west4": 0.7}) == 0


def test_in_a_true_shortage_it_breaks_none() -> None:
    assert broken(210.0, {"europe-west4": 0.5}) == 0


@pytest.mark.parametrize(("reserve", "expected"), [(0.0, 1), (0.09, 1), (0.11, 0)])
def test_the_line_is_where_the_machines_end_and_not_the_targets(reserve: float, expected: int) -> None:
    # 200 requests/s, ceilings of 200, machines for 220
    assert broken(200.0, {"europe-west4": 0.5}, floors=Floors(reserve=reserve)) == expected


def test_lost_machines_behind_passing_checks_are_a_true_shortage() -> None:
    lost = [{"kind": "capacity-loss", "region": "us-east4", "at": "1m", "for": "20m", "ratio": 0.5}]
    assert broken(160.0, {"europe-west4": 0.5}, faults=lost, at=300.0) == 0
    assert broken(160.0, {"europe-west4": 0.5}, faults=lost) == 1


def test_a_raise_breaks_no_floor_even_where_it_stays_below_it() -> None:
    assert broken(150.0, {"europe-west4": 0.5}, before={"europe-west4": 0.3}) == 0


def test_a_shortage_excuses_no_closed_region() -> None:
    floors = Floors(min_serving_regions=2)
    assert broken(210.0, {"europe-west4": 0.0}, floors=floors) == 1
    assert broken(210.0, {"europe-west4": 0.5}, floors=floors) == 0


def test_machines_of_a_dead_region_take_nothing() -> None:
    dead = [{"kind": "outage", "region": "us-east4", "at": "1m", "for": "20m"}]
    assert broken(105.0, {"europe-west4": 0.5}, faults=dead, at=300.0) == 0
    assert broken(80.0, {"europe-west4": 0.5}, faults=dead, at=300.0) == 1


def test_lowering_a_ceiling_that_could_not_be_used_takes_nothing_away() -> None:
    lost = [{"kind": "capacity-loss", "region": "us-east4", "at": "1m", "for": "20m", "ratio": 0.5}]
    three = {**TWO, "us-west1": region()}  # machines for 275, ceilings of 300
    assert broken(248.0, {"us-east4": 0.55}, regions=three, faults=lost, at=300.0) == 0
    assert broken(248.0, {"us-east4": 0.4}, regions=three, faults=lost, at=300.0) == 1
    assert broken(248.0, {"us-east4": 0.55}, regions=three) == 1


def test_what_answers_with_errors_is_no_capacity() -> None:
    failing = [{"kind": "errors", "region": "us-east4", "at": "1m", "for": "20m", "ratio": 1.0}]
    three = {**TWO, "us-west1": region()}
    assert broken(205.0, {"us-east4": 0.0}, regions=three, faults=failing, at=300.0) == 0
    assert broken(205.0, {"us-east4": 0.0}, regions=three) == 1

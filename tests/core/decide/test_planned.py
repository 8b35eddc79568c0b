"""Planned work: room is made first, the region is empty in time, and what will not be is told well before."""

from __future__ import annotations

import pytest
from tests.core.plant import SERVICE as POOL
from tests.core.plant import Client, Plant, Run, Zone, drive

from spillway.core.values.policy import CalendarWindow, Membership, Mode, Policy, Timing

START, END = 7200.0, 10800.0
HOME, OTHER, STANDBY = "europe-west4", "us-east4", "asia-east1"
WORK = CalendarWindow(start=START, end=END, reason="new kernel", region=HOME)
DEAD_TIME = Timing().dead_time


def played(
    rate: float, *, standby: bool, seconds: float = START + 600.0, policy: Policy | None = None
) -> Run:
    """Two regions of 120 requests/s that get `rate` each, and perhaps a standby of the same size."""
    zones = [
        Zone(name=name, latitude=latitude, longitude=0.0, target=120.0, capacity=130.0, standby=waits)
        for name, latitude, waits in ((HOME, 50.0, False), (OTHER, 20.0, False), (STANDBY, 0.0, True))
        if standby or not waits
    ]
    clients = [
        Client(place=place, latitude=latitude, longitude=0.0, rate=lambda _: rate)
        for place, latitude in (("Europe", 49.0), ("America", 21.0))
    ]
    return drive(Plant(zones, clients), seconds, policy or Policy(mode=Mode.ACT, planned=(WORK,)))


def alarmed(run: Run) -> list[float]:
    """When it was told that the region will not be empty in time."""
    return [at for at, r in run.results for a in r.alarms if a.code == "planned-late"]


def scaler(run: Run, region: str) -> float:
    assert run.overlay is not None
    return run.overlay.service(POOL).backend(region).scaler


def test_where_there_is_room_the_region_is_drained_in_time_and_comes_back() -> None:
    run = played(30.0, standby=False, seconds=END + 6000.0)
    drained = next(at for at, what in run.moves if "[drain-planned]" in what)
    assert START - DEAD_TIME - Membership().drain_wait <= drained <= START - DEAD_TIME
    assert alarmed(run) == []
    back = next(at for at, what in run.moves if "[join-planned-end]" in what)
    assert END <= back <= END + 120.0
    assert run.scaler_path(HOME)[-1] >= 0.9


def test_a_standby_makes_the_room_before_a_big_region_is_drained() -> None:
    run = played(60.0, standby=True)
    joined = next(at for at, what in run.moves if f"{STANDBY} membership" in what)
    drained = next(at for at, what in run.moves if "[drain-planned]" in what)
    assert joined <= drained - DEAD_TIME
    assert drained <= START - DEAD_TIME
    assert scaler(run, HOME) == 0.0
    assert alarmed(run) == []
    bad = run.plant.bad_by_minute
    assert bad[-1] - bad[int(joined / 60)] < 0.01 * 120.0 * (run.plant.now - joined), "nobody noticed"


def test_where_no_room_can_be_made_it_is_told_two_dead_times_before_and_drained_as_far_as_the_floors_allow() -> (
    None
):
    run = played(60.0, standby=False)
    told = alarmed(run)
    assert told
    assert min(told) <= START - 2.0 * DEAD_TIME
    assert told[-1] >= START, "and until it is over"
    assert 0.1 <= scaler(run, HOME) < 1.0
    path = run.scaler_path(HOME)
    assert path == sorted(path, reverse=True), "nothing opens it again"
    codes = {what.rpartition("[")[2] for _, what in run.moves if HOME in what}
    assert codes == {"drain-planned-part]"}
    refused = {r.limit for at, result in run.results for r in result.refusals if at >= START - DEAD_TIME}
    assert "floor-capacity" in refused


@pytest.mark.parametrize("rate", [58.0, 75.0, 100.0])
def test_the_floors_hold_under_any_load(rate: float) -> None:
    run = played(rate, standby=True)
    for _, result in run.results:
        setting = result.plan.overlay.service(POOL)
        assert any(b.member and b.scaler > 0.0 for b in setting.backends)
        assert not [a for a in result.alarms if a.code == "unsafe-plan-alarm"]
    if scaler(run, HOME) > 0.0:
        assert alarmed(run)

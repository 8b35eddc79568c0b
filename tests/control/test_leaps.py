"""A clock that jumps by years, ahead or back, costs nothing: no write, no storm of passes, nothing that waits for years."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.control.fakes import START, Rig

from spillway.adapters.ticker import LONGEST_SLEEP, SteadyTrigger, Ticker
from spillway.control.leaps import is_time, without_future
from spillway.control.timing import FIRST_WAIT, LONGEST_WAIT, Backoff
from spillway.core.values.decision import Lever
from spillway.core.values.state import (
    BackendMemory,
    ControllerMemory,
    DayMemory,
    Estimate,
    Flight,
    HealthTrack,
    ServiceMemory,
)

TEN_YEARS = 10 * 365.25 * 86_400.0
EUROPE = "europe-west4"


@pytest.mark.parametrize("leap", [TEN_YEARS, -TEN_YEARS])
def test_a_leap_of_the_clock_writes_nothing(leap: float) -> None:
    rig = Rig().started()
    for _ in range(5):
        rig.loop.tick()
        rig.later()
    writes = len(rig.cloud.applied)
    rig.clock.at += leap
    for _ in range(10):
        report = rig.loop.tick()
        rig.loop.health_pass()
        rig.later()
        assert report.moves == ()
    rig.clock.at -= leap
    for _ in range(10):
        assert rig.loop.tick().moves == ()
        rig.later()
    assert len(rig.cloud.applied) == writes
    assert rig.loop.kept.tick == 25


def passes_until_drained(rig: Rig) -> int:
    rig.cloud.healthy[EUROPE] = 0
    for number in range(60):
        if rig.scaler(EUROPE) == 0.0:
            return number
        rig.loop.health_pass()
        rig.later(15.0)
    raise AssertionError("a dead region is not drained")


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("leap", [TEN_YEARS, -TEN_YEARS])
def test_a_dead_region_is_drained_as_soon_after_a_leap_as_without_one(leap: float, restarted: bool) -> None:
    """Also where that region was moved before: its next move must not wait until the year of the last one."""

    def lived() -> Rig:
        rig = Rig(auto_drain=False).started()
        passes_until_drained(rig)
        rig.cloud.healthy[EUROPE] = 10
        for _ in range(240):
            rig.loop.tick()
            rig.later()
        assert rig.scaler(EUROPE) > 0.0, "it comes back by itself"
        return rig

    usual = passes_until_drained(lived())
    rig = lived()
    rig.clock.at += leap
    if restarted:
        rig.restart()
        rig.started()
    assert passes_until_drained(rig) <= usual + 2


def later_than(value: Any, at: float, place: str = "") -> list[str]:
    """Places of a memory that hold a time after `at`."""
    if is_dataclass(value):
        return [
            found
            for field in fields(value)
            for found in later_than(getattr(value, field.name), at, field.name)
        ]
    if isinstance(value, tuple):
        return [found for part in value for found in later_than(part, at, place)]
    return [place] if isinstance(value, float) and value > at else []


def in_the_future(value: Any, at: float) -> Any:
    """The dataclass with each time set to `at`, and all tuples of its defaults left."""
    changes: dict[str, Any] = {}
    for field in fields(value):
        part = getattr(value, field.name)
        if is_dataclass(part):
            changes[field.name] = in_the_future(part, at)
        elif is_time(field.name) and not isinstance(part, tuple):
            changes[field.name] = at
    return replace(value, **changes)


def test_no_time_in_the_memory_lies_in_the_future() -> None:
    future = START + TEN_YEARS
    estimate = replace(
        in_the_future(Estimate(), future), health=HealthTrack(changes=((future, 0.5),), lowest_at=future)
    )
    backend = in_the_future(BackendMemory(region=EUROPE), future)
    flight = Flight(
        move=None, lever=Lever.SCALER, region=EUROPE, before=1.0, after=0.5, made_at=future,  # type: ignore[arg-type]
        predicted=0.0, otherwise=0.0, seen=0.0, demand=1.0,
    )  # fmt: skip
    service = in_the_future(
        ServiceMemory(
            service="pool",
            backends=(backend,),
            estimates=((EUROPE, estimate),),
            flights=(flight,),
            unknown=(flight,),
            writes=(START - 5.0, future),
            roomy_since=((EUROPE, future),),
            days=(DayMemory(place="x", hour=int(future / 3600)),),
        ),
        future,
    )
    memory = ControllerMemory(services=(service,))
    assert len(later_than(memory, START)) > 18
    clamped = without_future(memory, START)
    assert later_than(clamped, START) == []
    assert clamped.services[0].writes == (START - 5.0,)
    assert clamped.services[0].days[0].hour == -1
    assert without_future(clamped, START) == clamped, "what is not in the future stays"


@pytest.mark.parametrize("urgent", [False, True])
def test_a_failed_write_is_tried_again_within_its_bound_after_the_clock_was_set_back(urgent: bool) -> None:
    backoff = Backoff()
    for _ in range(8):
        backoff.failed(START)
    at = START - TEN_YEARS
    longest = FIRST_WAIT if urgent else LONGEST_WAIT
    assert backoff.waiting(at, urgent=urgent) <= longest
    assert backoff.waiting(at + longest, urgent=urgent) == 0.0
    backoff.failed(START)
    assert backoff.waiting(START + TEN_YEARS) == 0.0


def test_ten_years_ahead_are_one_run_and_not_five_million() -> None:
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    trigger = SteadyTrigger(seconds=60, timezone=UTC)
    years = timedelta(seconds=TEN_YEARS)
    assert trigger.get_next_fire_time(noon, noon + timedelta(seconds=70)) == noon + timedelta(seconds=60)
    assert trigger.get_next_fire_time(noon, noon - years) == noon + timedelta(seconds=60), (
        "`realign` plans it anew"
    )
    runs, due, now = 0, noon, noon + years
    while due <= now:  # as APScheduler lists what is late
        runs, due = runs + 1, trigger.get_next_fire_time(due, now)
        assert runs < 5
    ticker = Ticker()
    ticker._intervals["tick"] = 60.0
    for when in (noon, noon + years, noon + years + timedelta(seconds=60), noon):
        assert ticker._steps("tick", when) == 1
    assert ticker._steps("tick", noon + timedelta(seconds=180)) == 3
    assert timedelta(hours=8) < LONGEST_SLEEP, "a machine that slept over night has missed its ticks"

"""What is usual at an hour is expected once two days have shown it, and only as far as the days agree."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spillway.core.estimate.daytime import (
    DAYS_LEAST,
    DAYS_MOST,
    FULL_HOUR,
    HOURS,
    MOST_PLACES,
    STEEPEST,
    follow_days,
    rise,
)
from spillway.core.estimate.demand import expected
from spillway.core.values.state import DayMemory, OriginMemory, ServiceMemory
from spillway.core.values.units import HOUR

DAY = HOURS * HOUR
START = 20_000 * DAY


def origin(level: float, place: str = "Europe") -> OriginMemory:
    return OriginMemory(place=place, home="europe-west4", level=level)


def lived(*days: dict[int, float], usual: float = 100.0, step: float = 60.0) -> DayMemory:
    """After whole days, each with the rates of the hours that differ from the usual."""
    memory: tuple[DayMemory, ...] = ()
    for number, rates in enumerate(days):
        for minute in range(int(DAY / step)):
            at = START + number * DAY + (minute + 1) * step
            hour = int((minute * step) // HOUR)
            memory = follow_days(memory, (origin(rates.get(hour, usual)),), at)
    (found,) = follow_days(memory, (origin(usual),), START + len(days) * DAY + step)
    return found


OPEN = {8: 200.0, 9: 200.0}
HALF_PAST_EIGHT = START + 8.5 * HOUR


def test_once_is_no_habit_and_twice_is_one() -> None:
    half_past_seven = START + 7.5 * HOUR
    assert rise(lived(OPEN), half_past_seven, HOUR) == 1.0
    twice = lived(OPEN, OPEN)
    assert twice.seen[8] == DAYS_LEAST
    assert rise(twice, half_past_seven, HOUR) == pytest.approx(2.0, rel=1e-3)
    assert rise(twice, half_past_seven, HOUR / 2) == pytest.approx(2.0**0.5, rel=1e-3)
    assert rise(twice, half_past_seven + 5 * DAY, HOUR) == pytest.approx(2.0, rel=1e-3), "any day"
    assert rise(twice, HALF_PAST_EIGHT, HOUR) == 1.0, "as busy as before"


def test_a_fall_is_not_believed_before_it_comes() -> None:
    assert rise(lived(OPEN, OPEN, OPEN), START + 9.5 * HOUR, HOUR) == 1.0


def test_days_that_differ_teach_only_what_they_have_in_common() -> None:
    found = lived({8: 200.0}, {8: 110.0}, {8: 250.0}, {8: 105.0})
    assert rise(found, START + 7.5 * HOUR, HOUR) == 1.0
    close = lived({8: 200.0}, {8: 190.0}, {8: 210.0})
    assert 1.6 < rise(close, START + 7.5 * HOUR, HOUR) < 2.0


def test_hours_of_which_too_little_was_seen_teach_nothing() -> None:
    few = lived(OPEN, OPEN, OPEN, step=HOUR / (FULL_HOUR - 1))
    assert few.seen == ()
    assert rise(few, START + 7.5 * HOUR, HOUR) == 1.0


def test_after_a_gap_no_hour_is_held_against_another() -> None:
    before = lived(OPEN)
    (after,) = follow_days((before,), (origin(900.0),), START + DAY + 5.5 * HOUR)
    assert (after.before, after.minutes, after.rates) == (0.0, 1, 900.0)
    assert after.seen == before.seen


def test_an_origin_is_expected_by_its_trend_or_by_the_habit_of_its_place_whichever_is_more() -> None:
    memory = ServiceMemory(service="pool", origins_at=START + 7.5 * HOUR, days=(lived(OPEN, OPEN),))
    still, other = origin(50.0), origin(50.0, "Asia")
    rising = OriginMemory(place="Asia", home="asia-northeast1", level=50.0, trend=0.1)
    found = expected(memory, (still, other, rising), HOUR, 380.0)
    assert found[:2] == pytest.approx([100.0, 50.0], rel=1e-3)
    assert found[2] > 50.0


def test_no_more_places_are_followed_than_there_can_be() -> None:
    many = [origin(1.0, f"place-{i:02d}") for i in range(2 * MOST_PLACES)]
    assert len(follow_days((), many, START + 60.0)) == MOST_PLACES


@settings(max_examples=20)
@given(
    st.lists(st.lists(st.floats(0.0, 1e6), min_size=24, max_size=24), min_size=1, max_size=4),
    st.floats(0.0, 86_400.0),
)
def test_whatever_was_seen_no_habit_exceeds_the_steepest_hour(days: list[list[float]], at: float) -> None:
    found = lived(*(dict(enumerate(rates)) for rates in days), step=HOUR / FULL_HOUR)
    assert max(found.seen, default=0) <= DAYS_MOST
    assert 1.0 <= rise(found, START + at, HOUR) <= STEEPEST + 0.01
    assert log(rise(found, START + at, 1.0)) <= log(STEEPEST) / HOUR + 1e-3

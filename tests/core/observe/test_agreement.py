"""One look convinces nobody: traffic and health are believed where two passes agree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.observe.fleets import latency

from spillway.core.observe.agreement import (
    Death,
    HealthReadings,
    Minutes,
    Readings,
    agree,
    doubt_health,
    doubt_traffic,
)
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    HealthCount,
    Minute,
    Missing,
    Seen,
    ServiceView,
    Snapshot,
)

NOW = 1_700_000_040.0
_MISSING = Missing(absence=Absence.QUERY_FAILED)
_NOT_ASKED = Missing(absence=Absence.NOT_ASKED)


def minutes(ok: float = 600.0, *, newest: float = NOW - 240.0, many: int = 10, **beliefs: Any) -> Minutes:
    """Minutes that all say the same."""
    said = {"client_error": 0.0, "too_many": 0.0, "server_error": 0.0, "latency": latency(ok), **beliefs}
    return tuple(Minute(end=newest - 60.0 * back, ok=ok, **said) for back in reversed(range(many)))


def snapshot(
    traffic: Minutes | Missing = _MISSING, health: tuple[int, int] | None = None, *, at: float = NOW
) -> Snapshot:
    """One backend."""
    backend = BackendView(
        region="us-east4",
        observed=_MISSING,
        health=_MISSING
        if health is None
        else Seen(value=HealthCount(healthy=health[0], total=health[1]), age=0.0, evidence=health[1]),
        traffic=traffic if isinstance(traffic, Missing) else Seen(value=traffic, age=240.0, evidence=1),
    )
    view = ServiceView(
        service="pool", backends=(backend,), policy=_MISSING, places=_MISSING, unassigned=_MISSING
    )
    return Snapshot(at=at, lag=270.0, services=(view,))


def believed(*passes: Minutes | Missing) -> list[bool]:
    """Of passes a minute apart: whether what each read was believed."""
    readings: Readings[Minutes] = Readings()
    found = []
    for number, traffic in enumerate(passes):
        seen, readings = doubt_traffic(snapshot(traffic, at=NOW + 60.0 * number), readings)
        found.append(isinstance(seen.services[0].backends[0].traffic, Seen))
    return found


def later(known: Minutes, number: int) -> Minutes:
    """The same minutes `number` passes later: the oldest are gone, and new ones are there."""
    newest = known[-1].end
    new = [replace(known[-1], end=newest + 60.0 * (i + 1)) for i in range(number)]
    return (*known, *new)[number:]


@pytest.mark.parametrize(
    "lie",
    [
        minutes(60_000.0),
        minutes(6.0),
        minutes(0.0, latency=None),
        minutes(600.0, latency=latency(600.0, mean=5.0)),
        minutes(300.0, server_error=300.0),
        minutes(newest=NOW - 600.0),
        minutes(newest=NOW + 7200.0),
    ],
    ids=[
        "times 100",
        "times 0.01",
        "zero",
        "ten times as slow",
        "half failed",
        "of another time",
        "of later",
    ],
)
def test_a_reading_that_contradicts_the_ones_before_needs_a_second_one(lie: Minutes) -> None:
    true = minutes()
    assert believed(true, later(lie, 1), later(true, 2)) == [True, False, True], "the truth stays believed"
    assert believed(true, later(lie, 1), later(lie, 2)) == [True, False, True], "two passes say it"
    again = believed(true, later(lie, 1), later(true, 2), later(lie, 3), later(true, 4))
    assert again == [True, False, True, False, True], "every second pass is not two passes"


def test_series_that_are_gone_at_once_need_a_second_look() -> None:
    none = Missing(absence=Absence.NO_SERIES)
    readings: Readings[Minutes] = Readings()
    told = []
    passes: tuple[Minutes | Missing, ...] = (minutes(), none, none)
    for number, traffic in enumerate(passes):
        seen, readings = doubt_traffic(snapshot(traffic, at=NOW + 60.0 * number), readings)
        signal = seen.services[0].backends[0].traffic
        told.append(signal.absence if isinstance(signal, Missing) else None)
    assert told == [None, Absence.GARBAGE, Absence.NO_SERIES]


def test_series_that_end_for_want_of_traffic_are_believed_at_once() -> None:
    idle = minutes(newest=NOW - 900.0)
    assert believed(idle, Missing(absence=Absence.NO_SERIES)) == [True, False]
    readings: Readings[Minutes] = Readings(
        last={("pool", "us-east4"): idle}, believed={("pool", "us-east4"): idle}
    )
    seen, _ = doubt_traffic(snapshot(Missing(absence=Absence.NO_SERIES)), readings)
    assert seen.services[0].backends[0].traffic == Missing(absence=Absence.NO_SERIES)


def test_a_pass_that_could_not_read_agrees_with_all() -> None:
    true = minutes()
    assert believed(true, _MISSING, later(true, 2)) == [True, False, True]
    assert believed(true, _MISSING, later(minutes(60_000.0), 2)) == [True, False, False]


def test_minutes_that_came_late_or_were_corrected_are_believed() -> None:
    true = minutes()
    partial = tuple(
        replace(minute, ok=minute.ok * 0.3, latency=None) if minute.end > NOW - 420.0 else minute
        for minute in true
    )
    assert believed(partial, later(true, 1)) == [True, True]
    gap = true[:4] + true[5:]
    assert believed(gap, later(true, 1)) == [True, True]


def test_latencies_are_compared_with_the_newest_that_were_read() -> None:
    true = minutes()
    untimed = minutes(latency=None)
    slow = minutes(latency=latency(600.0, mean=5.0))
    assert believed(true, later(untimed, 2), later(slow, 4)) == [True, True, False]
    assert believed(true, later(untimed, 2), later(slow, 4), later(slow, 5)) == [True, True, False, True]
    assert believed(true, later(untimed, 2), later(true, 4)) == [True, True, True]
    # most of the minutes that both have were read without latencies
    assert believed(true, later(untimed, 7), later(slow, 8)) == [True, True, False]


def test_a_rise_of_new_minutes_is_news_and_no_contradiction() -> None:
    true = minutes()
    surge = (*true[1:], replace(true[-1], end=true[-1].end + 60.0, ok=9000.0, latency=latency(9000.0)))
    assert believed(true, surge) == [True, True]


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=20),
    st.integers(0, 5),
    st.lists(st.floats(0.8, 1.2), min_size=20, max_size=20),
)
def test_readings_of_one_truth_agree(counts: list[float], shift: int, noise: list[float]) -> None:
    then = tuple(
        Minute(end=60.0 * i, ok=ok, client_error=0.0, too_many=0.0, server_error=0.0, latency=None)
        for i, ok in enumerate(counts)
    )
    now = tuple(replace(m, ok=m.ok * factor) for m, factor in zip(then, noise, strict=False))[shift:]
    now += tuple(replace(then[-1], end=then[-1].end + 60.0 * (i + 1)) for i in range(shift))
    assert agree(now, then, 60.0 * (len(counts) + shift) + 240.0)


def healthy(*passes: tuple[int, int] | None) -> list[bool]:
    """Of health passes: whether what each read was believed."""
    readings = HealthReadings()
    found = []
    for health in passes:
        seen, readings = doubt_health(snapshot(health=health), readings)
        found.append(isinstance(seen.services[0].backends[0].health, Seen))
    return found


@pytest.mark.parametrize(
    ("passes", "expected"),
    [
        (((10, 10), (0, 10), (10, 10)), [True, False, True]),
        (((10, 10), (0, 10), (0, 10)), [True, False, True]),
        (((10, 10), (0, 10), (10, 10), (0, 10)), [True, False, True, False]),
        (((0, 10), (10, 10), (0, 10)), [True, False, True]),
        (((10, 10), (0, 10), None, (0, 10)), [True, False, False, True]),
        (((10, 10), (9, 10), (8, 10), (16, 20)), [True] * 4),
        (((10, 10), (0, 1)), [True, False]),
    ],
)
def test_health_that_is_far_from_the_one_before_needs_a_second_look(
    passes: tuple[tuple[int, int] | None, ...], expected: list[bool]
) -> None:
    assert healthy(*passes) == expected


def dying(after: float) -> list[bool]:
    """Of ticks a minute apart, the first at a death: whether health is believed, as `after` of the answers go on."""
    readings = HealthReadings()
    _, readings = doubt_health(snapshot(minutes(), (10, 10), at=NOW - 10.0), readings)
    found = []
    for number in range(20):
        at = NOW + 60.0 * number
        seen = tuple(
            Minute(
                end=end,
                ok=600.0 if end <= NOW else 600.0 * after,
                client_error=0.0,
                too_many=0.0,
                server_error=0.0,
                latency=None,
            )
            for end in (at - 240.0 - 60.0 * back for back in reversed(range(12)))
        )
        told, readings = doubt_health(snapshot(seen, (0, 10), at=at), readings)
        found.append(isinstance(told.services[0].backends[0].health, Seen))
        # the health pass between two ticks reads no traffic, and says the same
        told, readings = doubt_health(snapshot(_NOT_ASKED, (0, 10), at=at + 15.0), readings)
        found.append(isinstance(told.services[0].backends[0].health, Seen))
    return found


def test_a_region_that_answers_as_before_is_not_dead() -> None:
    assert dying(1.0) == [False, *[True] * 9, *[False] * 30], (
        "from the first minute after the death that is seen"
    )


def test_a_region_whose_answers_end_is_dead() -> None:
    assert dying(0.0) == [False, *[True] * 39]
    assert dying(0.3) == [False, *[True] * 39]


def test_health_that_returns_ends_the_contradiction() -> None:
    place = ("pool", "us-east4")
    before = HealthReadings(
        shares=Readings(last={place: 0.0}, believed={place: 0.0}),
        deaths={place: Death(since=NOW - 600.0, usual=600.0)},
        answering=frozenset({place}),
    )
    _, unread = doubt_health(snapshot(_NOT_ASKED, None), before)
    assert unread.answering == {place}, "what could not be read changes nothing"
    _, first = doubt_health(snapshot(_NOT_ASKED, (10, 10)), unread)
    told, _ = doubt_health(snapshot(_NOT_ASKED, (10, 10)), first)
    assert isinstance(told.services[0].backends[0].health, Seen)
    assert first.deaths == {}


# --- health that does not keep still


def of_ten(*passes: int) -> list[bool]:
    """`healthy` of a region with ten endpoints."""
    return healthy(*((count, 10) for count in passes))


def test_what_falls_in_steps_is_believed_as_soon_as_it_stands() -> None:
    assert of_ten(10, 7, 4, 0, 0) == [True, False, False, False, True]


def test_after_a_blip_a_fall_needs_more_readings() -> None:
    assert of_ten(10, 0, 10, 0, 0, 0, 0, 0, 0) == [True, False, True, *[False] * 5, True]


def test_health_that_goes_up_and_down_is_no_evidence_until_it_stands() -> None:
    restless = (10, 3, 8, 2, 7, 4, 9, 1, 6, 3, 8, 2, 3, 7)
    found = of_ten(*restless, *[3] * 12)
    assert found[0]
    assert not any(found[1 : len(restless) + 5])
    assert found[-1], "twelve that agree are always enough"


def test_what_changes_in_most_regions_at_once_is_the_measurement_until_it_stands() -> None:
    def passes(ill: int) -> int:
        """Passes until four of ten healthy endpoints are believed of the first region."""
        readings = HealthReadings()
        for number in range(20):
            plain = snapshot().services[0]
            (backend,) = plain.backends
            backends = []
            for i in range(5):
                count = 4 if number and i < ill else 10
                seen = Seen(value=HealthCount(healthy=count, total=10), age=0.0, evidence=10)
                backends.append(replace(backend, region=f"r{i}", health=seen))
            told = replace(snapshot(), services=(replace(plain, backends=tuple(backends)),))
            found, readings = doubt_health(told, readings)
            if number and isinstance(found.services[0].backends[0].health, Seen):
                return number
        raise AssertionError("never believed")

    assert [passes(ill) for ill in (1, 2)] == [2, 2]
    assert [passes(ill) for ill in (3, 5)] == [12, 12]

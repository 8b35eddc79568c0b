"""Whose demand it is that shows up elsewhere, and how much of it is to be expected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillway.core.estimate.demand import (
    CHANCE,
    GROWTH_BOUND,
    JUMP,
    LEVEL,
    ONE_PLACE,
    ONSET,
    ONSET_BOUND,
    SHRINK_BOUND,
    SMALLEST_SHARE,
    TREND,
    TREND_NOISE,
    attribute,
    follow,
    forecast,
    onset_demand,
)
from spillway.core.model.waterfall import Origins, pour
from spillway.core.values.state import OriginMemory

NAMES = ("a", "b", "c")
PLACE = "Europe"


def next_of(_: str, home: str) -> tuple[str, ...]:
    """Home first, then in the order of the alphabet."""
    return (home, *(name for name in NAMES if name != home))


def origins(**levels: float) -> tuple[OriginMemory, ...]:
    return tuple(OriginMemory(place=PLACE, home=home, level=level) for home, level in levels.items())


def found(before: tuple[OriginMemory, ...], full: str, **row: float) -> dict[str, float]:
    """What one place's row says, by home."""
    answer = attribute(before, {PLACE: row}, frozenset(full), next_of)
    return {home: rate for (_, home), rate in answer.items()}


def test_where_nothing_is_full_everyone_is_at_home() -> None:
    assert found(origins(a=100.0, b=50.0), "", a=60.0, b=90.0) == {"a": 60.0, "b": 90.0}
    assert found((), "a", a=60.0, b=90.0) == {"a": 60.0, "b": 90.0}


def test_what_a_capped_region_does_not_take_is_found_at_its_neighbour() -> None:
    assert found(origins(a=100.0, b=50.0), "a", a=60.0, b=90.0) == pytest.approx({"a": 100.0, "b": 50.0})


def test_a_closed_region_keeps_its_demand() -> None:
    assert found(origins(a=100.0, b=50.0), "a", b=150.0) == pytest.approx({"a": 100.0, "b": 50.0})


def test_receivers_that_are_full_themselves_are_looked_at_too() -> None:
    before = origins(a=100.0, b=50.0, c=20.0)
    right = {"a": 100.0, "b": 50.0, "c": 20.0}
    assert found(before, "ab", a=60.0, b=80.0, c=30.0) == pytest.approx(right)


def test_a_receivers_own_demand_stays_its_own() -> None:
    # c has lost demand, so there is room in its row; what came of it is no more than what a lacks
    kept = found(origins(a=100.0, b=50.0, c=100.0), "a", a=60.0, b=90.0, c=100.0)
    assert kept["c"] == pytest.approx(100.0)
    assert kept["b"] == pytest.approx(50.0)


def test_a_place_that_was_never_seen_alone_borrows_what_all_places_did() -> None:
    before = (
        OriginMemory(place=ONE_PLACE, home="a", level=100.0),
        OriginMemory(place=ONE_PLACE, home="b", level=50.0),
    )
    assert found(before, "a", a=30.0, b=45.0) == pytest.approx({"a": 50.0, "b": 25.0})


def test_crumbs_are_dropped() -> None:
    assert "b" not in found((), "", a=1000.0, b=SMALLEST_SHARE * 900.0)


rates = st.integers(20, 200).map(float)


@given(rates, rates, rates, rates, rates, rates, st.sets(st.sampled_from(NAMES), min_size=1, max_size=2))
def test_nobody_is_robbed_and_nothing_is_lost(
    a: float, b: float, c: float, x: float, y: float, z: float, full: set[str]
) -> None:
    before, row = {"a": a, "b": b, "c": c}, {"a": x, "b": y, "c": z}
    got = found(origins(**before), "".join(sorted(full)), **row)
    total = sum(row.values())
    assert sum(got.values()) == pytest.approx(total, rel=3 * SMALLEST_SHARE)
    scale = total / sum(before.values())
    for name in set(NAMES) - full:
        assert got.get(name, 0.0) >= min(row[name], before[name] * scale) - SMALLEST_SHARE * total - 1e-9
        assert got.get(name, 0.0) <= row[name] + 1e-9


@given(rates, rates, rates, st.floats(0.1, 1.0), st.floats(0.5, 1.5))
def test_the_same_picture_again_and_again_does_not_drift(
    a: float, b: float, c: float, cap_a: float, cap_b: float
) -> None:
    truth = {"a": a, "b": b, "c": c}
    ceilings = (cap_a * a, cap_b * (a + b), 10_000.0)
    flow = pour(
        Origins(
            rates=(a, b, c), orders=((0, 1, 2), (1, 0, 2), (2, 0, 1)), round_trips=((0.01, 0.02, 0.03),) * 3
        ),
        ceilings,
    )
    row = dict(zip(NAMES, flow.loads, strict=True))
    full = frozenset(
        n for n, load, most in zip(NAMES, flow.loads, ceilings, strict=True) if load >= most - 1e-9
    )
    memory = origins(**truth)
    for _ in range(20):
        memory = follow(memory, attribute(memory, {PLACE: row}, full, next_of), 60.0)
    assert {o.home: o.level for o in memory} == pytest.approx(truth, rel=1e-6)
    assert all(abs(o.trend) < 1e-6 for o in memory)


def test_a_level_follows_and_a_trend_is_learned_slower() -> None:
    (once,) = follow(origins(a=100.0), {(PLACE, "a"): 110.0}, 60.0)
    assert once.level == pytest.approx(100.0 + LEVEL * 10.0)
    assert once.trend == pytest.approx(TREND * 5.0 / 60.0)
    assert TREND < LEVEL
    (same,) = follow(origins(a=100.0), {}, 60.0)
    assert same.level == 100.0  # the place was not seen: nothing is known of it


@pytest.mark.parametrize("rate", [100.0 * (1.0 + JUMP) + 1.0, 100.0 * (1.0 - JUMP) - 1.0])
def test_a_jump_is_believed_at_once(rate: float) -> None:
    (once,) = follow(origins(a=100.0), {(PLACE, "a"): rate}, 60.0)
    assert once.level == rate


def origin(trend: float) -> OriginMemory:
    return OriginMemory(place=PLACE, home="a", level=100.0, trend=trend)


@pytest.mark.parametrize("trend", [0.0, 0.01, -0.01, TREND_NOISE * 100.0 / 300.0 - 1e-6])
def test_a_trend_within_noise_is_ignored(trend: float) -> None:
    assert forecast(origin(trend), 600.0) == 100.0


def test_only_what_goes_beyond_the_noise_is_forecast_and_never_far() -> None:
    assert forecast(origin(0.05), 600.0) == pytest.approx(100.0 + 0.05 * 300.0 - TREND_NOISE * 100.0)
    assert forecast(origin(-0.05), 600.0) == pytest.approx(100.0 - 0.05 * 300.0 + TREND_NOISE * 100.0)
    assert forecast(origin(1.0), 600.0) == GROWTH_BOUND * 100.0
    assert forecast(origin(-1.0), 600.0) == SHRINK_BOUND * 100.0
    assert forecast(origin(1.0), 0.0) == 100.0


@given(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0), st.floats(0.0, 3600.0))
def test_a_steeper_trend_never_forecasts_less(one: float, two: float, seconds: float) -> None:
    low, high = sorted((one, two))
    assert forecast(origin(low), seconds) <= forecast(origin(high), seconds) + 1e-9


def leapt(before: float, after: float, *, seconds: float = 60.0) -> tuple[OriginMemory, ...]:
    """Two equal origins, a minute later."""
    found = {(PLACE, home): after / 2 for home in "ab"}
    return follow(origins(a=before / 2, b=before / 2), found, seconds)


def test_the_first_minute_of_a_surge_shows_where_it_may_lead() -> None:
    grown = leapt(400.0, 460.0)
    assert sum(o.onset for o in grown) == pytest.approx(1.0)
    assert sum(o.level for o in grown) == pytest.approx(430.0), "half believed as a level"
    assert onset_demand(grown, 300.0) == pytest.approx(430.0 + 600.0 * 300.0 / 900.0)
    assert onset_demand(grown, 86_400.0) == pytest.approx(ONSET_BOUND * 430.0)


def test_what_moves_from_place_to_place_is_no_surge() -> None:
    moved = follow(origins(a=300.0, b=100.0), {(PLACE, "a"): 100.0, (PLACE, "b"): 300.0}, 60.0)
    assert max(o.onset for o in moved) > 0.0
    assert onset_demand(moved, 300.0) == 0.0


@pytest.mark.parametrize(
    ("before", "after"), [(400.0, 430.0), (400.0, 300.0), (3.0, 3.6)], ids=["swing", "fall", "chance"]
)
def test_a_swing_a_fall_and_chance_are_no_surge(before: float, after: float) -> None:
    assert after - before < ONSET * before + CHANCE * (before / 60.0) ** 0.5
    assert onset_demand(leapt(before, after), 300.0) == 0.0


def test_what_took_an_hour_to_come_is_no_surge() -> None:
    assert onset_demand(leapt(400.0, 600.0, seconds=3600.0), 300.0) == 0.0


def test_a_surge_that_goes_on_no_faster_is_left_to_the_trend() -> None:
    flat = follow(leapt(400.0, 600.0), {(PLACE, home): 300.0 for home in "ab"}, 60.0)
    assert onset_demand(flat, 300.0) == 0.0

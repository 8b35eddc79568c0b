"""Ceilings near their floor: what is lowered here must be opened there in the same answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.pictures import area, bounds, picture_of

from spillway.core.floors import nominal_of
from spillway.core.picture import Picture
from spillway.core.search import search
from spillway.core.starts import exchange


def near_the_floor() -> Picture:
    """Region a can take half of what it gets; b is lowered, well, and has all the room; both ceilings just keep the floor."""
    regions = (area("a", capacity=50.0), area("b", scaler=0.2, ceiling=200.0, capacity=200.0))
    return picture_of(regions, {"a": 95.0, "b": 25.0})


def test_a_cut_that_the_floor_forbids_is_made_with_a_raise_elsewhere() -> None:
    picture = near_the_floor()
    within = bounds(picture)
    assert within.floor == pytest.approx(nominal_of(picture, picture.model.scalers), rel=0.01), (
        "the floor leaves no room"
    )
    found = search(picture.model, within)
    assert found.best.scalers[0] <= 0.45
    assert nominal_of(picture, found.best.scalers) >= within.floor
    assert found.best.bad < 0.1 * found.base.bad


def test_the_least_doubted_regions_are_opened_first() -> None:
    regions = (
        area("full", capacity=50.0),
        area("doubted", scaler=0.5, capacity=50.0, high=100.0, hope=0.6),
        area("well", scaler=0.5, ceiling=100.0, capacity=100.0),
    )
    picture = picture_of(regions, {"full": 95.0, "doubted": 20.0, "well": 20.0})
    within = bounds(picture, floor=200.0, highest=(1.0, 1.0, 1.0))
    assert exchange(picture.model, within, (True, False, False)) == pytest.approx([0.45, 0.55, 1.0])
    assert exchange(picture.model, bounds(picture, floor=150.0), (True, False, False)) == pytest.approx(
        [0.45, 0.5, 0.55]
    )


def test_no_exchange_where_none_is_needed_or_none_is_enough() -> None:
    picture = near_the_floor()
    full = (True, False)
    assert exchange(picture.model, bounds(picture, floor=0.0), full) is None
    assert exchange(picture.model, bounds(picture, floor=290.0), full) is None
    assert exchange(picture.model, bounds(picture, movable=(True, False)), full) is None


@given(
    floor=st.floats(0.0, 320.0),
    scalers=st.tuples(*[st.sampled_from((0.1, 0.25, 0.5, 0.8, 1.0))] * 3),
    full=st.tuples(*[st.booleans()] * 3),
)
def test_an_exchange_keeps_the_floor_and_the_bounds(
    floor: float, scalers: tuple[float, ...], full: tuple[bool, ...]
) -> None:
    regions = tuple(
        area(name, scaler=s, capacity=60.0) for name, s in zip(("a", "b", "c"), scalers, strict=True)
    )
    picture = picture_of(regions, {"a": 80.0, "b": 30.0, "c": 10.0})
    within = bounds(picture, floor=floor)
    found = exchange(picture.model, within, full)
    if found is None:
        return
    assert sum(s * n for s, n in zip(found, within.nominal, strict=True)) >= floor - 1e-6
    for now, after, low, high, over in zip(scalers, found, within.lowest, within.highest, full, strict=True):
        assert low - 1e-9 <= after <= high + 1e-9
        assert after <= now if over else after >= now

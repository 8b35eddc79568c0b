"""The waterfall against tables worked by hand (reference: gcp.md 2.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillway.core.model.waterfall import Origins, pour

TRIPS = ((0.01, 0.09, 0.2), (0.09, 0.01, 0.15), (0.2, 0.15, 0.01))
ORDERS = ((0, 1, 2), (1, 0, 2), (2, 1, 0))


def origins(*rates: float) -> Origins:
    return Origins(rates=rates, orders=ORDERS[: len(rates)], round_trips=TRIPS[: len(rates)])


@pytest.mark.parametrize(
    ("rates", "ceilings", "loads"),
    [
        ((60.0, 70.0, 30.0), (120.0, 160.0, 80.0), (60.0, 70.0, 30.0)),
        # a ceiling is no weight: 0.7 x 120 = 84 still holds all of 60
        ((60.0, 70.0, 30.0), (84.0, 160.0, 80.0), (60.0, 70.0, 30.0)),
        # pushed below what arrives, the rest goes to the next nearest
        ((60.0, 70.0, 30.0), (12.0, 160.0, 80.0), (12.0, 118.0, 30.0)),
        # the next one is full as well: on to the third
        ((60.0, 70.0, 30.0), (12.0, 100.0, 80.0), (12.0, 100.0, 48.0)),
        # 20 % too much demand: each 20 % over
        ((120.0, 0.0, 0.0), (50.0, 30.0, 20.0), (60.0, 36.0, 24.0)),
        # a drained region takes no part in the overfill
        ((120.0, 0.0, 0.0), (50.0, 50.0, 0.0), (60.0, 60.0, 0.0)),
        # both shares of an offer are cut alike: 40 of room for 60 + 20
        ((60.0, 20.0, 0.0), (0.0, 40.0, 100.0), (0.0, 40.0, 40.0)),
    ],
)
def test_by_hand(rates: tuple[float, ...], ceilings: tuple[float, ...], loads: tuple[float, ...]) -> None:
    assert pour(origins(*rates), ceilings).loads == pytest.approx(loads)


def test_no_open_region_serves_nobody() -> None:
    flow = pour(origins(5.0, 6.0), (0.0, 0.0, 0.0))
    assert flow.unserved == 11.0
    assert flow.loads == (0.0, 0.0, 0.0)


@given(
    st.lists(st.floats(0, 500), min_size=3, max_size=3), st.lists(st.floats(0, 500), min_size=3, max_size=3)
)
def test_nothing_is_lost_and_no_ceiling_passed(rates: list[float], ceilings: list[float]) -> None:
    flow = pour(origins(*rates), ceilings)
    total = sum(rates)
    assert sum(flow.loads) + flow.unserved == pytest.approx(total, abs=1e-6)
    if not flow.overfilled:
        assert all(load <= c + 1e-6 for load, c in zip(flow.loads, ceilings, strict=True))

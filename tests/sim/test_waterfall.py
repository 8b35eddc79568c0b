"""The waterfall against tables worked by hand, and what must hold for any demand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spillway.sim.waterfall import health_factor, overload_factor, preference_order, waterfall

NEAR = np.array([[10.0, 80.0, 150.0], [80.0, 10.0, 120.0], [150.0, 120.0, 10.0]])
"""Client i is nearest to region i."""

NONE = np.zeros(3, dtype=bool)


def spread(
    demand: list[float], ceilings: list[float], preferred: list[bool] | None = None
) -> list[list[float]]:
    order = preference_order(NEAR, np.array(preferred) if preferred else NONE)
    result = waterfall(np.array([demand]), np.array(ceilings), order)[0]
    return [[round(v, 6) for v in row] for row in result.tolist()]


def test_with_room_everybody_stays_at_home() -> None:
    assert spread([60, 50, 40], [100, 100, 80]) == [[60, 0, 0], [0, 50, 0], [0, 0, 40]]


def test_what_exceeds_a_ceiling_goes_to_the_next_region() -> None:
    assert spread([130, 50, 40], [100, 100, 80]) == [[100, 30, 0], [0, 50, 0], [0, 0, 40]]


def test_a_scaler_is_a_ceiling_not_a_weight() -> None:
    assert spread([40, 50, 40], [70, 100, 80]) == spread([40, 50, 40], [100, 100, 80])
    assert spread([40, 50, 40], [30, 100, 80]) == [[30, 10, 0], [0, 50, 0], [0, 0, 40]]


def test_overflow_cascades_past_a_region_that_is_full_as_well() -> None:
    assert spread([130, 90, 40], [100, 100, 80]) == [[100, 10, 20], [0, 90, 0], [0, 0, 40]]


def test_clients_that_meet_share_what_is_left() -> None:
    # 180 want region 1, which takes 30 of each client's 60; the rest goes on by distance
    table = spread([60, 60, 60], [60, 90, 60], [False, True, False])
    assert table == [[30, 30, 0], [30, 30, 0], [0, 30, 30]]


def test_when_all_are_full_all_are_overfilled_alike() -> None:
    table = np.array(spread([200, 60, 40], [100, 80, 70]))
    assert table.sum(axis=0).tolist() == pytest.approx([120, 96, 84])
    assert table.sum(axis=1).tolist() == pytest.approx([200, 60, 40])
    assert table[1].tolist() == pytest.approx([0, 60, 0])  # as local as possible
    assert table[2].tolist() == pytest.approx([0, 0, 40])


def test_preferred_regions_fill_first_whatever_the_distance() -> None:
    assert spread([60, 50, 40], [100, 100, 80], [True, False, False]) == [
        [40, 20, 0],
        [pytest.approx(33.333333), pytest.approx(16.666667), 0],
        [pytest.approx(26.666667), 0, pytest.approx(13.333333)],
    ]


def test_nobody_is_chosen_where_all_ceilings_are_zero() -> None:
    assert spread([60, 50, 40], [0, 0, 0]) == [[0, 0, 0]] * 3


def test_below_the_failover_threshold_a_ceiling_shrinks_in_proportion() -> None:
    share = np.array([1.0, 0.7, 0.35, 0.0])
    assert health_factor(share, 0.7).tolist() == [1.0, 1.0, 0.5, 0.0]
    assert health_factor(share, 0.0).tolist() == [1.0] * 4


WORLDS = st.integers(1, 6).flatmap(
    lambda regions: st.tuples(
        st.lists(st.floats(0, 1000), min_size=1, max_size=7),
        st.lists(st.one_of(st.just(0.0), st.floats(0.1, 500)), min_size=regions, max_size=regions),
        st.lists(st.booleans(), min_size=regions, max_size=regions),
        st.integers(0, 2**32),
    )
)


def case(
    world: tuple[list[float], list[float], list[bool], int],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    demand, ceilings, preferred, seed = world
    rtt = np.random.default_rng(seed).uniform(1, 300, (len(demand), len(ceilings)))
    return np.array([demand]), np.array(ceilings), preference_order(rtt, np.array(preferred))


@given(WORLDS)
def test_nothing_is_lost_and_no_region_passes_its_share(
    world: tuple[list[float], list[float], list[bool], int],
) -> None:
    demand, ceilings, order = case(world)
    result = waterfall(demand, ceilings, order)[0]
    assert (result >= 0).all()
    if ceilings.sum() == 0:
        assert result.sum() == 0
        return
    assert result.sum(axis=1) == pytest.approx(demand[0], rel=1e-9, abs=1e-9)
    limit = ceilings * overload_factor(demand, ceilings)[0]
    assert (result.sum(axis=0) <= limit * (1 + 1e-9) + 1e-9).all()
    assert (result[:, ceilings == 0] == 0).all()


@given(WORLDS)
def test_nobody_leaves_a_region_that_has_room(
    world: tuple[list[float], list[float], list[bool], int],
) -> None:
    demand, ceilings, order = case(world)
    result = waterfall(demand, ceilings, order)[0]
    limit = ceilings * overload_factor(demand, ceilings)[0]
    room = limit - result.sum(axis=0) > 1e-6 * (1 + limit)
    for row, choices in zip(result, order, strict=True):
        for position, region in enumerate(choices):
            further = row[choices[position + 1 :]].sum()
            assert not room[region] or further <= 1e-6 * (1 + row.sum())


@given(WORLDS)
def test_steps_do_not_influence_each_other(world: tuple[list[float], list[float], list[bool], int]) -> None:
    demand, ceilings, order = case(world)
    together = waterfall(np.concatenate((demand, demand * 3, demand)), ceilings, order)
    assert np.array_equal(together[0], waterfall(demand, ceilings, order)[0])
    assert np.array_equal(together[1], waterfall(demand * 3, ceilings, order)[0])
    assert np.array_equal(together[0], together[2])

"""No set of ceilings leaves less bad than the proven least; the search comes near what trying everything finds."""

from __future__ import annotations

from statistics import mean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.bench.bench_search import NEAR, distance, fleet
from tests.core.pictures import area, model_of, picture_of

from spillway.core.model.predict import OVERLOAD_SECONDS, Region, least_bad, parts_of

shares = st.floats(0.0, 1.0)
kinds: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "capacity": st.floats(5.0, 200.0),
        "bad": shares,
        "quota": st.none() | st.floats(1.0, 150.0),
        "p_quota_lifted": shares,
        "p_recovered": shares,
        "proven": st.booleans(),
        "slack": st.floats(-1.0, 10.0),
        "backlog": st.floats(0.0, 20.0),
        "dead": st.sampled_from([False, False, False, True]),
    }
)


def region(name: str, extra: float, fields: dict[str, Any]) -> Region:
    return area(name, **fields, capacity_nominal=fields["capacity"] + extra)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(kinds, st.floats(0.0, 150.0), st.floats(0.1, 1.0), st.floats(0.0, 300.0)),
        min_size=1,
        max_size=5,
    )
)
def test_no_ceilings_get_below_the_least(rows: list[tuple[dict[str, Any], float, float, float]]) -> None:
    regions = tuple(region(f"r{i}", extra, fields) for i, (fields, extra, _, _) in enumerate(rows))
    model = model_of(regions, {f"r{i}": demand for i, (*_, demand) in enumerate(rows)})
    outcome = model.predict([scaler for _, _, scaler, _ in rows])
    assert 0.0 <= least_bad(model) <= outcome.bad + 1e-6 * (1.0 + model.forecast)


def test_parts_are_those_worked_out_by_hand() -> None:
    room = 1.0 + 3.0 / OVERLOAD_SECONDS
    (plain,) = parts_of(area("a", bad=0.2))
    assert plain == pytest.approx((0.8, 100.0 * room))
    proven, hoped = parts_of(area("a", capacity=40.0, capacity_nominal=100.0, p_recovered=0.5))
    assert proven == pytest.approx((1.0, 40.0 * room))
    assert hoped == pytest.approx((0.5, 60.0 * room))
    accepted, lifted = parts_of(area("a", quota=30.0, p_quota_lifted=0.25))
    assert accepted == pytest.approx((1.0, 30.0))
    assert lifted == pytest.approx((0.25, 100.0 * room - 30.0))


def test_the_best_answers_come_first() -> None:
    regions = (area("a", bad=0.5), area("b"), area("c", dead=True), area("d", member=False))
    model = model_of(regions, {"a": 100.0, "c": 50.0})
    room = 1.0 + 3.0 / OVERLOAD_SECONDS
    assert least_bad(model) == pytest.approx(150.0 - 100.0 * room - 0.5 * (150.0 - 100.0 * room))


@pytest.mark.parametrize(
    "fields",
    [
        ({"capacity": 50.0}, {"capacity": 120.0}, {}),
        ({"bad": 0.4}, {}, {"capacity": 60.0}),
        ({"bad": 0.3}, {"bad": 0.1}, {"capacity": 80.0}),
        ({"quota": 40.0}, {}, {}),
        ({"capacity": 30.0, "capacity_nominal": 100.0, "p_recovered": 0.5}, {}, {"capacity": 70.0}),
    ],
    ids=["short-of-machines", "errors", "two-bad", "quota", "hope"],
)
@pytest.mark.parametrize("demand", [120.0, 180.0, 230.0])
def test_the_search_is_as_good_as_trying_everything(
    fields: tuple[dict[str, Any], ...], demand: float
) -> None:
    regions = tuple(area(name, **f) for name, f in zip("abc", fields, strict=True))
    picture = picture_of(regions, {"a": 0.5 * demand, "b": 0.3 * demand, "c": 0.2 * demand})
    found = distance(picture, 0.1)
    assert found.unproven >= -1e-9
    assert found.missed <= NEAR


def test_over_fleets_of_any_trouble_the_search_is_near_the_best() -> None:
    found = [distance(fleet(seed), 0.1) for seed in range(40)]
    assert mean(max(0.0, d.missed) for d in found) < 0.005
    assert sum(d.missed <= NEAR for d in found) >= 0.9 * len(found)
    assert min(d.unproven for d in found) >= -1e-9

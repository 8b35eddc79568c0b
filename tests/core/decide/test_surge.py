"""A surge opens what was lowered before the others are full, by whole steps, and only what is as likely well as not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.pictures import AT, area, context_of, picture_of, proposed

from spillway.core.decide.membership import SURGING, forecast_far
from spillway.core.decide.proposals import propose
from spillway.core.decide.reopen import pre_scale
from spillway.core.estimate.sample import Blind
from spillway.core.loop import PROPOSERS
from spillway.core.model.constraints import CAP_SHARE
from spillway.core.model.service import ServiceModel
from spillway.core.values.policy import Rhythm
from spillway.core.values.snapshot import Absence
from spillway.core.values.state import Estimate, FailureTrack, OriginMemory

UP_STEP = Rhythm().up_step


def rising(
    demand: float = 170.0, slope: float = 0.15, memory: dict[str, Any] | None = None, **changes: Any
) -> ServiceModel:
    """Region a lowered or closed; b and c take 200 requests/s, and get `demand` with `slope` more every second."""
    regions = (area("a", **{"scaler": 0.1, **changes}), area("b"), area("c"))
    half = demand / 2
    picture = picture_of(regions, {"b": half, "c": half}, memories={"a": memory or {}})
    origins = tuple(OriginMemory(place="", home=home, level=half, trend=slope / 2) for home in ("b", "c"))
    return replace(picture, memory=replace(picture.memory, origins=origins))


def closed(hope: float, **memory: Any) -> ServiceModel:
    known = {"empty_since": AT - 1800.0, "estimate": Estimate(failures=FailureTrack(slow=0.9)), **memory}
    picture = rising(memory=known, scaler=0.0, bad=0.9 * (1.0 - hope), p_reopened=hope, fresh=False)
    first, *others = picture.beliefs
    silent = first._replace(window=Blind(absence=Absence.NO_SERIES, why="closed"))
    return replace(picture, beliefs=(silent, *others))


def raised(picture: ServiceModel) -> dict[str, float]:
    return {c.region or "": c.after for c in proposed(pre_scale, picture)}


def test_a_lowered_region_is_raised_by_a_whole_step_before_the_others_are_full() -> None:
    picture = rising()
    assert picture.traffic.base.bad < 0.01 * picture.traffic.demand, "nothing is wrong yet"
    assert raised(picture) == {"a": pytest.approx(0.1 + UP_STEP)}
    (change,) = proposed(pre_scale, picture)
    assert change.reason.code == "foresee"
    assert "towards 204" in change.reason.sentence


@pytest.mark.parametrize(
    ("demand", "slope"), [(170.0, 0.0), (170.0, -0.15), (60.0, 0.05)], ids=["steady", "falling", "room"]
)
def test_without_a_surge_or_with_room_nothing_is_raised(demand: float, slope: float) -> None:
    picture = rising(demand, slope)
    expected = forecast_far(picture)
    assert expected < SURGING * demand or expected <= CAP_SHARE * 200.0
    assert raised(picture) == {}


def test_a_closed_region_is_opened_by_a_step_once_it_is_as_likely_well_as_not() -> None:
    assert raised(closed(0.5)) == {"a": pytest.approx(UP_STEP)}
    assert raised(closed(0.49)) == {}
    assert raised(closed(0.8, well_since=None)) == {}, "its health checks fail"
    assert raised(closed(0.8, leaving=True)) == {}, "it is about to leave"


def test_a_closed_region_that_is_seen_to_be_well_is_opened_whatever_time_has_passed() -> None:
    """Other services on its groups show it, or it was not closed for being bad."""
    assert raised(closed(0.1, estimate=Estimate(failures=FailureTrack(slow=0.0)))) == {
        "a": pytest.approx(UP_STEP)
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"capacity": 30.0, "capacity_nominal": 100.0, "p_recovered": 0.4},
        {"fresh": False},
        {"dead": True},
        {"movable": False},
        {"memory": {"moved_at": AT - 120.0, "direction": 1}},
    ],
    ids=["machines-missing", "not-seen", "dead", "not-movable", "resting"],
)
def test_what_is_probably_not_well_or_rests_is_left(changes: dict[str, Any]) -> None:
    assert raised(rising(**changes)) == {}


def test_machines_that_are_as_likely_back_as_not_are_tried() -> None:
    assert raised(rising(capacity=30.0, capacity_nominal=100.0, p_recovered=0.6)) == {
        "a": pytest.approx(0.1 + UP_STEP)
    }


def test_the_limits_let_it_pass_although_nothing_is_bad_yet() -> None:
    accepted = propose(PROPOSERS, context_of(closed(0.6)))
    assert {c.region: c.after for c in accepted.changes}["a"] == pytest.approx(UP_STEP), accepted.refusals

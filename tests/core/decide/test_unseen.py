"""What cannot be seen: regions without traffic may be given some, and demand out of sight keeps the floors up."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import pytest
from tests.core.pictures import AT, area, change_of, considered, guards, made, picture_of, requirements, space

from spillway.core.decide.search import Found, search
from spillway.core.estimate.belief import is_blind
from spillway.core.estimate.demand import SLOW_SECONDS, slow_average
from spillway.core.estimate.sample import Blind
from spillway.core.model.constraints import DEMAND_SWING_FACTOR
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Purpose
from spillway.core.values.limits import Allowed
from spillway.core.values.snapshot import Absence
from spillway.core.values.state import Estimate, OriginMemory


def with_a_silent_region(served: float, absence: Absence = Absence.NO_SERIES) -> ServiceModel:
    """Region a is full; b is far off, half open and without series; it served so much when it was last seen."""
    regions = (
        area("a", capacity=50.0),
        area("b", scaler=0.2, ceiling=150.0, capacity=150.0, fresh=False, idle=served <= 1.0),
    )
    picture = picture_of(regions, {"a": 95.0}, memories={"b": {"estimate": Estimate(served=served)}})
    first, second = picture.beliefs
    blind = second._replace(window=Blind(absence=absence, why="nothing"))
    return replace(picture, beliefs=(first, blind))


def found_in(picture: ServiceModel) -> Found:
    return search(picture.traffic, requirements(picture), space(picture))


def test_an_idle_region_may_be_opened_and_not_lowered() -> None:
    picture = with_a_silent_region(0.0)
    within = space(picture)
    assert within.movable[1]
    assert within.ranges[1] == Allowed(closed=False, low=0.2, high=0.65)
    assert not is_blind(picture.beliefs[1])
    found = found_in(picture)
    assert found.best.scalers[0] <= 0.45
    assert found.best.scalers[1] > 0.2


def test_a_region_whose_series_are_missing_may_not() -> None:
    picture = with_a_silent_region(40.0)
    assert not space(picture).movable[1]
    assert is_blind(picture.beliefs[1])


@pytest.mark.parametrize(
    ("served", "absence", "after", "refused"),
    [
        (0.0, Absence.NO_SERIES, 0.6, None),
        (0.0, Absence.NO_SERIES, 0.1, "stale-data"),
        (0.0, Absence.GARBAGE, 0.6, "garbage-data"),
        (40.0, Absence.NO_SERIES, 0.6, "stale-data"),
    ],
)
def test_the_limit_of_evidence_knows_idle_from_missing(
    served: float, absence: Absence, after: float, refused: str | None
) -> None:
    picture = with_a_silent_region(served, absence)
    found = considered(picture, [change_of("b", 0.2, after, Purpose.MAKE_ROOM)])
    assert made(found) == ({} if refused else {"b": after})
    assert guards(found) == ({refused} if refused else set())


def test_a_quota_that_may_be_gone_counts_alike_for_search_and_constraint() -> None:
    met = area("a", quota=40.0)
    assert met.receives(0.9) == 40.0
    assert met._replace(p_quota_lifted=0.5).receives(0.9) == 65.0
    assert met._replace(p_quota_lifted=1.0).receives(0.9) == 90.0
    assert area("b", quota=95.0).receives(0.9) == 90.0
    assert area("c").receives(0.9) == 90.0


def test_what_search_sends_to_a_region_with_an_old_quota_the_constraint_lets_through() -> None:
    """Once the search wanted it every minute, and the guard refused it every minute: for half an hour."""
    regions = (
        area("a", capacity=50.0),
        area("b", ceiling=150.0, capacity=150.0, quota=30.0, p_quota_lifted=1.0),
    )
    picture = picture_of(regions, {"a": 95.0, "b": 30.0})
    found = found_in(picture)
    assert found.best.scalers[0] <= 0.45
    cut = considered(picture, [change_of("a", 1.0, found.best.scalers[0])])
    assert cut.refusals == ()
    assert made(cut) == {"a": found.best.scalers[0]}


def origins(*levels: float) -> tuple[OriginMemory, ...]:
    return tuple(OriginMemory(place="Europe", home=f"r{i}", level=level) for i, level in enumerate(levels))


def test_the_usual_demand_follows_slowly_and_does_not_fall_while_something_is_unseen() -> None:
    assert slow_average(0.0, origins(30.0, 70.0), 0.0, may_fall=True) == 100.0
    weight = 1.0 - exp(-60.0 / SLOW_SECONDS)
    assert slow_average(100.0, origins(40.0), 60.0, may_fall=True) == pytest.approx(100.0 - 60.0 * weight)
    assert slow_average(100.0, origins(40.0), 60.0, may_fall=False) == 100.0
    assert slow_average(100.0, origins(160.0), 60.0, may_fall=False) == pytest.approx(100.0 + 60.0 * weight)


def test_a_sudden_fall_of_demand_does_not_lower_the_floor() -> None:
    picture = picture_of((area("a"), area("b")), {"a": 40.0})
    assert picture.at == AT
    reserve = 1.0 + picture.policy.floors.reserve
    assert picture.constraints.floor == pytest.approx(DEMAND_SWING_FACTOR * 40.0 * reserve)
    remembered = replace(picture, memory=replace(picture.memory, slow_average=90.0))
    assert remembered.constraints.floor == pytest.approx(DEMAND_SWING_FACTOR * 90.0 * reserve)

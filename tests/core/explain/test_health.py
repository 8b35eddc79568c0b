"""The health of a region: what the evidence shows, whatever Spillway does to the region."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.pictures import area, picture_of, window

from spillway.core.estimate.belief import BackendBelief
from spillway.core.estimate.sample import Blind
from spillway.core.explain.health import after_health_pass, health_of
from spillway.core.values.decision import BackendState, Health
from spillway.core.values.policy import Policy, Slo
from spillway.core.values.snapshot import Absence
from spillway.core.values.state import BackendMemory, Estimate, SaturationTrack

POLICY = Policy(slo=Slo(latency=4.0, percentile=95.0, availability=0.999))


def belief(rate: float = 50.0, **changes: Any) -> BackendBelief:
    """A region that answers well, but for these fields of its window or of the belief."""
    (plain,) = picture_of((area("a"),), {"a": rate}).beliefs
    seen = {name: value for name, value in changes.items() if name in window(1.0)._fields}
    rest = {name: value for name, value in changes.items() if name not in seen}
    return plain._replace(**{"window": window(rate)._replace(**seen), **rest})


def judged(found: BackendBelief, *, demand_known: bool = True) -> Health:
    return health_of(found, POLICY, demand_known=demand_known)


@pytest.mark.parametrize(
    ("changes", "health"),
    [
        ({}, Health.OK),
        ({"slow": 0.05}, Health.OK),
        ({"slow": 0.06}, Health.SLOW),
        ({"error_ratio": 0.014}, Health.OK),
        ({"error_ratio": 0.015}, Health.FAILING),
        ({"error_ratio": 0.5, "slow": 0.5}, Health.FAILING),
        ({"error_ratio": 0.5, "dead": True}, Health.DEAD),
        ({"too_many_ratio": 0.1}, Health.SATURATED),
        ({"estimate": Estimate(saturation=SaturationTrack(rate=50.0))}, Health.SATURATED),
        ({"estimate": Estimate(saturation=SaturationTrack(rate=50.0)), "slow": 0.2}, Health.SLOW),
    ],
)
def test_the_worst_that_the_evidence_shows_wins(changes: dict[str, Any], health: Health) -> None:
    assert judged(belief(**changes)) is health


def test_a_target_has_room_above_it_and_a_capacity_that_was_learned_has_none() -> None:
    assert judged(belief(105.0)) is Health.OK
    assert judged(belief(112.0)) is Health.SATURATED
    learned = belief(62.0)._replace(capacity=60.0)
    assert judged(learned) is Health.SATURATED
    assert judged(belief(58.0)._replace(capacity=60.0)) is Health.OK


def test_what_spillway_does_changes_nothing() -> None:
    for state in BackendState:
        memory = replace(BackendMemory(region="a"), state=state)
        assert judged(belief(memory=memory)) is Health.OK
        assert judged(belief(memory=memory, dead=True)) is Health.DEAD


def test_a_region_that_is_sent_nothing_is_idle_and_not_ok() -> None:
    nothing = Blind(absence=Absence.NO_SERIES, why="no series")
    assert judged(belief(window=nothing)) is Health.IDLE
    assert judged(belief(window=nothing, serving=False)) is Health.IDLE
    assert judged(belief(window=nothing), demand_known=False) is Health.UNKNOWN, "nobody knows yet"


def test_missing_data_are_neither_health_nor_illness() -> None:
    busy = Estimate(served=40.0)
    for absence in (Absence.QUERY_FAILED, Absence.GARBAGE, Absence.STALE, Absence.NO_SERIES):
        blind = Blind(absence=absence, why="why")
        assert judged(belief(window=blind, estimate=busy)) is Health.UNKNOWN
    few = belief(0.2, estimate=busy)
    assert judged(few) is Health.UNKNOWN
    assert judged(belief(0.2, estimate=Estimate(served=0.2))) is Health.IDLE


def test_a_health_pass_sees_a_death_and_its_end_alone() -> None:
    assert after_health_pass(Health.SLOW, Health.UNKNOWN) is Health.SLOW
    assert after_health_pass(Health.OK, Health.DEAD) is Health.DEAD
    assert after_health_pass(Health.DEAD, Health.UNKNOWN) is Health.UNKNOWN

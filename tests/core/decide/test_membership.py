"""When a standby joins ahead of a surge, and when the others are known well enough to let it go home."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.pictures import AT, area, picture_of, proposed

from spillway.core.decide.membership import memberships
from spillway.core.estimate.belief import IDLE
from spillway.core.estimate.sample import Blind
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Change, Lever
from spillway.core.values.snapshot import Absence
from spillway.core.values.state import OriginMemory


def with_standby(joined: bool, demand: dict[str, float], leap: float = 0.0, **memory: Any) -> ServiceModel:
    """Regions a and b take 200 requests/s together, the standby s as much as each; all of `leap` comes in a."""
    standby = area("s") if joined else area("s", member=False, scaler=0.0)
    picture = picture_of((area("a"), area("b"), standby), demand, memories={"s": memory})
    beliefs = tuple(
        f._replace(backend=replace(f.backend, standby=True)) if f.region == "s" else f
        for f in picture.beliefs
    )
    origins = tuple(
        OriginMemory(place="Europe", home=home, level=level, onset=leap if home == "a" else 0.0)
        for home, level in demand.items()
    )
    return replace(picture, beliefs=beliefs, memory=replace(picture.memory, origins=origins))


def joins(picture: ServiceModel) -> list[Change]:
    return [c for c in proposed(memberships, picture) if c.lever is Lever.MEMBERSHIP and c.up]


def leaves(picture: ServiceModel) -> list[Change]:
    long = replace(picture, memory=replace(picture.memory, roomy_since=(("s", AT - 86_400.0),)))
    return [c for c in proposed(memberships, long) if c.region == "s" and c.down]


def test_a_standby_joins_on_the_first_minute_of_a_surge() -> None:
    calm = with_standby(False, {"a": 55.0, "b": 55.0})
    assert joins(calm) == []
    (change,) = joins(with_standby(False, {"a": 55.0, "b": 55.0}, leap=0.35))
    assert change.region == "s"
    assert change.after == 1.0, "nobody knows how far it goes"
    assert change.reason.code == "join-forecast"


def idle(picture: ServiceModel, *, healthy: float = 1.0) -> ServiceModel:
    """Region b without series."""
    blind = Blind(absence=Absence.NO_SERIES, why="nothing in the judged minutes, unlike its neighbours")
    beliefs = tuple(
        f._replace(window=blind, share=healthy) if f.region == "b" else f for f in picture.beliefs
    )
    return replace(picture, beliefs=beliefs)


def test_a_region_to_which_nobody_is_sent_does_not_hold_a_standby() -> None:
    assert leaves(with_standby(True, {"a": 40.0, "s": 40.0}))
    assert leaves(idle(with_standby(True, {"a": 40.0, "s": 40.0})))


@pytest.mark.parametrize(
    ("demand", "healthy"), [({"a": 40.0, "b": 2.0 * IDLE, "s": 20.0}, 1.0), ({"a": 40.0, "s": 40.0}, 0.2)]
)
def test_a_region_that_should_be_seen_or_is_ill_holds_it(demand: dict[str, float], healthy: float) -> None:
    assert leaves(idle(with_standby(True, demand), healthy=healthy)) == []


def test_a_standby_does_not_wait_for_what_a_closed_region_may_be_again() -> None:
    """Region b was closed for being bad and is as likely well as not; a standby that is well needs no luck."""
    picture = with_standby(False, {"a": 85.0})
    assert joins(picture) == []
    shut = picture.traffic.regions[1]._replace(
        scaler=0.0,
        capacity=30.0,
        capacity_nominal=100.0,
        p_recovered=0.6,
        p_reopened=0.6,
    )
    regions = (picture.traffic.regions[0], shut, picture.traffic.regions[2])
    closed = replace(picture, traffic=replace(picture.traffic, regions=regions))
    assert closed.traffic.potential > 1.5 * closed.traffic.forecast
    (change,) = joins(closed)
    assert change.region == "s"

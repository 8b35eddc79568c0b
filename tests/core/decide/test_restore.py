"""The way back: one step up for what has been well, no further than proven while in doubt, a tenth for what was closed."""

from __future__ import annotations

from dataclasses import replace
from math import log2
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.pictures import (
    AT,
    area,
    change_of,
    context_of,
    flight_of,
    foreign_pin,
    nothing,
    picture_of,
    proposed,
)

from spillway.core.decide.optimise import optimum
from spillway.core.decide.proposals import Proposal, propose
from spillway.core.decide.reopen import (
    COSTLY_PROBE_P_RECOVERED,
    NEEDED_P_RECOVERED,
    OPENED_LOAD_SHARE,
    PROBE_COST_SHARE,
    PROBE_P_RECOVERED,
    QUOTA_CEILING_FACTOR,
    UNSEEN_BAD,
    probes,
    restores,
)
from spillway.core.estimate.capacity import RECOVERY_SECONDS, p_degraded
from spillway.core.estimate.sample import Blind
from spillway.core.model.constraints import CAP_SHARE, capped
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Purpose
from spillway.core.values.policy import Rhythm
from spillway.core.values.snapshot import Absence
from spillway.core.values.state import Estimate, FailureTrack

UP_STEP, UP_WAIT = Rhythm().up_step, Rhythm().up_wait


def lowered(
    scaler: float = 0.4, memory: dict[str, Any] | None = None, demand: float = 60.0, **changes: Any
) -> ServiceModel:
    """Region a lowered, b and c as roomy as ever."""
    regions = (area("a", scaler=scaler, **changes), area("b"), area("c"))
    return picture_of(regions, {"a": demand / 2, "b": demand / 2}, memories={"a": memory or {}})


def raised(picture: ServiceModel) -> dict[str, float]:
    return {c.region or "": c.after for c in proposed(restores, picture)}


def test_what_has_been_well_is_raised_by_one_step() -> None:
    assert raised(lowered()) == {"a": pytest.approx(0.4 + UP_STEP)}
    assert raised(lowered(0.9)) == {"a": 1.0}
    (change,) = proposed(restores, lowered())
    assert change.reason.code == "restore"


@pytest.mark.parametrize(
    "memory",
    [
        {"well_since": None},
        {"well_since": AT - UP_WAIT + 1.0},
        {"moved_at": AT - 300.0, "direction": -1},
        {"pin": foreign_pin()},
    ],
    ids=["not-well", "not-well-for-long", "resting", "held"],
)
def test_what_is_not_well_or_rests_is_left(memory: dict[str, Any]) -> None:
    assert raised(lowered(memory=memory)) == {}


def test_while_machines_may_be_missing_it_feels_its_way_along_what_they_proved() -> None:
    doubted = lowered(capacity=70.0, capacity_nominal=100.0, p_recovered=0.9)
    assert raised(doubted) == {"a": 0.63}
    assert capped(doubted.traffic.regions[0], CAP_SHARE) == 0.63
    assert raised(lowered(0.5, capacity=50.0, capacity_nominal=100.0, p_recovered=0.99)) == {}
    assert raised(lowered()) == {"a": pytest.approx(0.4 + UP_STEP)}


def test_while_a_quota_may_hold_it_goes_little_further_than_it_allows() -> None:
    assert raised(lowered(quota=60.0, p_quota_lifted=0.5)) == {
        "a": pytest.approx(QUOTA_CEILING_FACTOR * 0.6, abs=0.006)
    }


def test_no_region_is_filled_to_the_brim_without_need() -> None:
    crowd = 130.0 / 1.06
    regions = (area("a", scaler=0.8, proven=False), area("b", proven=False), area("c", proven=False))
    picture = picture_of(regions, {"a": crowd, "b": crowd})
    assert raised(picture) == {"a": OPENED_LOAD_SHARE}
    assert raised(lowered(0.8, demand=100.0)) == {"a": 1.0}


def test_a_ceiling_that_would_make_requests_bad_is_not_raised() -> None:
    assert raised(lowered(0.2, demand=190.0, capacity=20.0)) == {}


@given(
    st.integers(10, 99).map(lambda n: n / 100),
    st.floats(5.0, 100.0),
    st.floats(0.0, 0.999),
    st.floats(10.0, 150.0),
)
def test_nothing_goes_past_what_was_proven_while_in_doubt(
    scaler: float, low: float, p_recovered: float, demand: float
) -> None:
    picture = lowered(scaler, demand=demand, capacity=low, capacity_nominal=100.5, p_recovered=p_recovered)
    for after in raised(picture).values():
        assert scaler < after <= min(1.0, max(scaler, capped(picture.traffic.regions[0], CAP_SHARE)))


def closed(
    empty: float,
    *,
    bad: float = 0.5,
    demand: float = 40.0,
    memory: dict[str, Any] | None = None,
    size: float = 100.0,
) -> ServiceModel:
    """Region a, of `size` requests/s, closed `empty` seconds ago with its health checks passing; b is all there is besides."""
    known = {
        "empty_since": AT - empty,
        "estimate": Estimate(failures=FailureTrack(errors=bad)),
        **(memory or {}),
    }
    p_reopened = 1.0 - p_degraded(AT - empty, AT, known.get("backoff", 1.0))
    regions = (
        area("a", scaler=0.0, ceiling=size, bad=bad * (1.0 - p_reopened), p_reopened=p_reopened, fresh=False),
        area("b"),
    )
    picture = picture_of(regions, {"b": demand}, memories={"a": known})
    silent = picture.beliefs[0]._replace(window=Blind(absence=Absence.NO_SERIES, why="closed", age=None))
    return replace(picture, beliefs=(silent, *picture.beliefs[1:]))


SMALL = 0.9 * PROBE_COST_SHARE * 40.0 / (0.1 * UNSEEN_BAD)
"""Requests/s of a region of which a tenth is next to nothing."""


def test_a_small_region_closed_for_being_bad_is_probed_after_two_half_lives() -> None:
    assert waiting_for(PROBE_P_RECOVERED) == pytest.approx(2 * RECOVERY_SECONDS)
    assert proposed(probes, closed(2 * RECOVERY_SECONDS - 1.0, size=SMALL)) == []
    (change,) = proposed(probes, closed(2 * RECOVERY_SECONDS + 1.0, size=SMALL))
    assert (change.region, change.before, change.after, change.reason.code) == ("a", 0.0, 0.1, "probe")


def test_a_large_region_is_probed_when_it_is_nearly_sure_to_be_well() -> None:
    sure = waiting_for(COSTLY_PROBE_P_RECOVERED)
    assert sure > 4 * RECOVERY_SECONDS
    assert proposed(probes, closed(sure - 1.0)) == []
    assert len(proposed(probes, closed(sure + 1.0))) == 1


def waiting_for(p_recovered: float) -> float:
    """Seconds after which a closed region is well with this chance."""
    return -RECOVERY_SECONDS * log2(1.0 - p_recovered)


def test_it_is_probed_sooner_where_the_others_are_short() -> None:
    assert NEEDED_P_RECOVERED < PROBE_P_RECOVERED
    short, roomy = CAP_SHARE * 100.0 + 1.0, CAP_SHARE * 100.0 - 1.0
    soon = waiting_for(NEEDED_P_RECOVERED)
    assert proposed(probes, closed(soon - 1.0, demand=short)) == []
    assert len(proposed(probes, closed(soon + 1.0, demand=short))) == 1
    assert proposed(probes, closed(soon + 1.0, demand=roomy)) == []


def test_others_that_are_only_capped_are_no_shortage() -> None:
    short = CAP_SHARE * 100.0 + 1.0
    picture = closed(waiting_for(NEEDED_P_RECOVERED) + 1.0, demand=short)
    b = picture.traffic.regions[1]._replace(ceiling=200.0, capacity=200.0, scaler=0.5)
    capped = replace(picture, traffic=replace(picture.traffic, regions=(picture.traffic.regions[0], b)))
    assert len(proposed(probes, picture)) == 1
    assert proposed(probes, capped) == [], "they can be raised, which tests nobody's patience"


def test_a_grown_hold_makes_it_wait_longer() -> None:
    held = {"backoff": 3.0, "backoff_at": AT}
    assert proposed(probes, closed(2 * RECOVERY_SECONDS + 1.0, memory=held, size=SMALL)) == []
    assert proposed(probes, closed(6 * RECOVERY_SECONDS - 1.0, memory=held, size=SMALL)) == []
    assert len(proposed(probes, closed(6 * RECOVERY_SECONDS + 1.0, memory=held, size=SMALL))) == 1


def test_a_region_that_was_not_bad_is_probed_once_it_is_rested() -> None:
    assert len(proposed(probes, closed(60.0, bad=0.0))) == 1
    assert proposed(probes, closed(60.0, bad=0.0, memory={"well_since": AT - UP_WAIT + 1.0})) == []
    assert proposed(probes, closed(60.0, bad=0.0, memory={"leaving": True})) == []


def codes(picture: ServiceModel) -> list[str]:
    return [c.reason.code for c in propose((restores, probes, optimum), context_of(picture)).changes]


def test_nothing_is_restored_that_was_changed_before_in_this_step() -> None:
    picture = lowered()
    first = nothing(context_of(picture)).consider(
        Proposal(changes=(change_of("a", 0.4, 0.5, Purpose.OPERATOR),))
    )
    assert list(restores(first.context, first)) == []


def test_nothing_is_restored_while_a_cut_is_in_flight() -> None:
    regions = (area("a", scaler=0.4), area("b"), area("c"))
    demand = {"a": 30.0, "b": 30.0}
    assert codes(picture_of(regions, demand)) == ["restore"]
    cut = flight_of("b", 1.0, 0.8, AT - 60.0)
    assert codes(picture_of(regions, demand, flights=(cut,))) == []
    rise = flight_of("b", 0.8, 1.0, AT - 60.0)
    assert codes(picture_of(regions, demand, flights=(rise,))) == ["restore"]


def test_nothing_is_restored_while_bad_requests_are_expected() -> None:
    demand = {"a": 30.0, "b": 30.0}

    def all_bad(share: float) -> ServiceModel:
        return picture_of(
            (area("a", scaler=0.4, bad=share), area("b", bad=share), area("c", bad=share)), demand
        )

    assert codes(all_bad(0.01)) == ["restore"]
    assert codes(all_bad(0.03)) == []

"""A region that one service has closed and another still uses: what it answers there tells whether it is well again."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import yaml
from tests.bench.library import FOLDER
from tests.bench.varied import varied
from tests.core.estimate.stretches import CALM, PERIOD, Stretch, learned, minutes

from spillway.core.estimate.backend import believe
from spillway.core.estimate.belief import BackendBelief
from spillway.core.model.predict import Region
from spillway.core.model.service import region_of, shown_bad, shown_of
from spillway.core.values.overlay import BackendSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    HealthCount,
    Minute,
    Missing,
    ObservedBackend,
    Seen,
)
from spillway.core.values.state import BackendMemory
from spillway.core.values.topology import Backend, BalancingMode, GroupKey, Preference, Target
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run
from spillway.sim.scenario import Scenario
from spillway.sim.setup import build

BACKEND = Backend(
    service="pool",
    region="a",
    groups=(GroupKey(name="g", scope="a-a"),),
    target=Target(mode=BalancingMode.RATE, per_endpoint=16.0),
)
SLOW: tuple[Stretch, ...] = (CALM, (10, 10.0, 12.0))
"""A quarter of an hour of 75 requests/s in a second each, then ten minutes in which each takes twelve: closed for that."""
CLOSED_AT = PERIOD * 25


def heard(*stretches: Stretch) -> Mapping[float, Minute]:
    """What others sent there after it was closed here."""
    rows = minutes((25, 0.0, 1.0), *stretches)[25:]
    return {minute.end: minute for minute in rows}


def looked(
    others: Mapping[float, Minute] | None,
    *,
    scaler: float = 0.0,
    absence: Absence = Absence.NO_SERIES,
) -> BackendBelief:
    """The region an hour after it was closed for being slow."""
    memory = BackendMemory(region="a", empty_since=CLOSED_AT)
    view = BackendView(
        region="a",
        traffic=Missing(absence=absence, detail=""),
        health=Seen(value=HealthCount(healthy=10, total=10), age=1.0, evidence=10),
        observed=Seen(
            value=ObservedBackend(member=True, scaler=scaler, mixed=False, preference=Preference.DEFAULT),
            age=1.0,
            evidence=1,
        ),
    )
    setting = BackendSetting(region="a", member=True, scaler=scaler)
    at = CLOSED_AT + 3600.0
    load_from_peers = 8.0 if others else 0.0
    return believe(
        BACKEND,
        setting,
        memory,
        view,
        Policy(),
        estimate=learned(*SLOW),
        at=at,
        others=others,
        load_from_peers=load_from_peers,
        newest_end=at - 210.0,
    )


def modelled(beliefs: BackendBelief) -> Region:
    policy = Policy()
    return region_of(
        beliefs,
        shown_of(beliefs, policy.evidence.min_requests),
        policy,
        policy.postures.normal,
        (160.0, 0.0),
        at=CLOSED_AT + 3600.0,
        drained=False,
    )


def test_it_is_well_here_once_it_is_well_for_the_others() -> None:
    assert shown_bad(looked(None)) > 0.9
    beliefs = looked(heard((50, 8.0, 12.0), (8, 8.0, 1.0)))
    assert shown_bad(beliefs) < 0.01
    assert beliefs.capacity == pytest.approx(160.0, rel=0.05)


def test_it_is_bad_as_long_as_it_is_bad_for_the_others() -> None:
    """Time alone is hope only where nothing is seen."""
    alone, seen = looked(None), looked(heard((56, 8.0, 12.0)))
    assert shown_bad(seen) > 0.9
    assert modelled(alone).p_reopened == pytest.approx(0.75, abs=0.01), "two half-lives of the doubt"
    assert modelled(seen).p_reopened == pytest.approx(0.09, abs=0.01), (
        "four minutes since it was seen to be bad"
    )


def test_what_others_send_is_not_its_own_traffic() -> None:
    assert looked(heard((58, 8.0, 1.0))).idle


@pytest.mark.parametrize(
    ("scaler", "absence"), [(0.5, Absence.NO_SERIES), (0.0, Absence.STALE), (0.0, Absence.GARBAGE)]
)
def test_nothing_is_overheard_where_its_own_minutes_are_due_or_broken(
    scaler: float, absence: Absence
) -> None:
    beliefs = looked(heard((58, 8.0, 1.0)), scaler=scaler, absence=absence)
    assert shown_bad(beliefs) > 0.9


def test_a_pool_takes_a_region_back_in_time_because_a_pinned_service_shows_that_it_is_well() -> None:
    """It was closed for slowness, recovered, and stood empty when a region died within a surge: 12.5 % of all requests bad."""
    drawn = varied(yaml.safe_load((FOLDER / "demo.yaml").read_text(encoding="utf-8")), 300)
    result = Run(build(Scenario.model_validate(drawn), FOLDER), Pilot()).go()
    assert result.report.bad_requests < 0.03 * result.report.requests
    assert result.wrong_way_moves == result.floors_broken == 0

"""Which alarms a step sees: only harm, and only as far as Spillway cannot make up for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.pictures import AT, area, picture_of, window

from spillway.core.estimate.sample import Blind
from spillway.core.explain.alarms import BLIND_SECONDS, service_alarms, survival
from spillway.core.explain.reasons import ALARMS, alarm
from spillway.core.model.predict import Region
from spillway.core.model.service import ServiceModel
from spillway.core.values.alarms import Alarm, Severity
from spillway.core.values.policy import CalendarWindow, Mode, Policy
from spillway.core.values.snapshot import Absence, Missing, ServiceView
from spillway.core.values.state import Estimate, OriginMemory

VIEW = ServiceView(
    service="pool",
    backends=(),
    policy=Missing(absence=Absence.NO_SERIES),
    places=Missing(absence=Absence.NO_SERIES),
    unassigned=Missing(absence=Absence.NO_SERIES),
)


def model(*regions: Region, demand: float, policy: Policy | None = None) -> ServiceModel:
    """Regions with all demand at the first; those that are no members wait as standbys."""
    found = picture_of(regions, {regions[0].name: demand}, policy=policy)
    beliefs = tuple(
        f._replace(
            backend=replace(f.backend, standby=not r.member),
            setting=replace(f.setting, member=r.member),
            window=window(10.0),
        )
        for f, r in zip(found.beliefs, regions, strict=True)
    )
    return replace(found, beliefs=beliefs)


def standby(name: str, **changes: Any) -> Region:
    return area(name, **{"member": False, "scaler": 0.0, "idle": True, **changes})


def seen(of: ServiceModel, *, may_join: bool = True) -> dict[str, Alarm]:
    loss = survival(of)[1]
    return {a.code: a for a in service_alarms(of, VIEW, (), may_join=may_join, loss=loss, silent=None)}


def test_all_is_well_without_an_alarm() -> None:
    assert seen(model(area("a"), area("b"), area("c"), demand=150.0)) == {}


def test_a_loss_that_the_standbys_cover_is_no_alarm() -> None:
    bare = model(area("a"), area("b"), demand=120.0)
    assert seen(bare)["no-survival"].severity is Severity.TICKET
    assert survival(bare)[0] is False
    covered = model(area("a"), area("b"), standby("c"), demand=120.0)
    assert seen(covered) == {}
    assert survival(covered)[0] is True
    small = model(area("a"), area("b"), standby("c", ceiling=10.0, capacity=10.0), demand=120.0)
    lost = seen(small)["no-survival"]
    assert lost.sentence == "losing b would leave 110 requests/s for a demand of 120"
    assert lost.region is None, "which region is the largest may change from tick to tick"


@pytest.mark.parametrize(
    ("demand", "code", "told"),
    [
        (100.4, "no-survival", "losing b would leave 100.0 requests/s for a demand of 100.4"),
        (100.04, "no-survival", "losing b would leave 100.00 requests/s for a demand of 100.04"),
        (100.0 + 1e-9, "no-survival", f"losing b would leave 100.0 requests/s for a demand of {100.0 + 1e-9!r}"),
        (110.0, "no-survival", "losing b would leave 100 requests/s for a demand of 110"),
        (200.3, "shortage", "demand of 200.3 requests/s exceeds the 200.0 that all regions can carry"),
    ],
)  # fmt: skip
def test_a_demand_never_reads_as_what_is_left_for_it(demand: float, code: str, told: str) -> None:
    assert seen(model(area("a"), area("b"), demand=demand))[code].sentence == told


def test_a_standby_that_may_not_join_covers_nothing() -> None:
    dead = model(area("a"), area("b"), standby("c", dead=True), demand=120.0)
    assert "no-survival" in seen(dead)
    window_of_work = CalendarWindow(start=AT - 60.0, end=AT + 60.0, reason="work", region="c")
    planned = Policy(mode=Mode.ACT, planned=(window_of_work,))
    assert "no-survival" in seen(model(area("a"), area("b"), standby("c"), demand=120.0, policy=planned))


def test_a_service_with_one_backend_is_no_event() -> None:
    assert seen(model(area("a"), demand=50.0)) == {}
    assert survival(model(area("a"), demand=50.0))[0] is False


def test_a_shortage_that_a_standby_ends_pages_nobody_where_spillway_may_join_it() -> None:
    short = model(area("a"), area("b"), standby("c"), demand=230.0)
    assert "shortage" not in seen(short)
    told = seen(short, may_join=False)["shortage"]
    assert told.severity is Severity.PAGE
    assert told.sentence == "demand of 230 requests/s exceeds the 200 that all regions can carry"
    assert "shortage" in seen(model(area("a"), area("b"), standby("c"), demand=330.0))


def test_dead_regions_are_tickets_and_all_of_them_a_page() -> None:
    one = seen(model(area("a", dead=True), area("b"), area("c"), demand=50.0))
    assert (one["region-dead"].region, one["region-dead"].severity) == ("a", Severity.TICKET)
    assert "all-regions-dead" not in one
    every = seen(model(area("a", dead=True), area("b", dead=True), demand=50.0))
    assert every["all-regions-dead"].severity is Severity.PAGE
    assert every["all-regions-dead"].sentence.endswith("a, b")


@pytest.mark.parametrize(
    ("mode", "age", "codes"),
    [
        (Mode.ACT, 0.0, {"blind"}),
        (Mode.ACT, BLIND_SECONDS + 1.0, {"blind", "blind-long"}),
        (Mode.OBSERVE, BLIND_SECONDS + 1.0, {"blind"}),
    ],
)
def test_blindness_needs_a_person_at_once_only_where_spillway_acts(
    mode: Mode, age: float, codes: set[str]
) -> None:
    policy = Policy(mode=mode)
    found = model(area("a"), area("b"), demand=50.0, policy=policy)
    last = AT - policy.evidence.max_age - age
    blind = Blind(absence=Absence.QUERY_FAILED, why="503")
    found = replace(
        found,
        beliefs=tuple(f._replace(window=blind, estimate=Estimate(last_minute=last)) for f in found.beliefs),
        memory=replace(found.memory, origins=(OriginMemory(place="x", home="a", level=50.0),)),
    )
    raised = seen(found)
    assert set(raised) == codes
    if "blind-long" in codes:
        assert raised["blind-long"].severity is Severity.PAGE
        assert "for 30 min, and it is in mode act" in raised["blind-long"].sentence


def test_an_alarm_of_no_table_is_refused() -> None:
    with pytest.raises(KeyError):
        alarm("no-such-alarm")
    with pytest.raises(KeyError):
        alarm("shed-slow")


@pytest.mark.parametrize("row", ALARMS.values(), ids=lambda row: row.code)
def test_every_alarm_says_what_a_person_needs_at_night(row: Any) -> None:
    assert row.look
    assert row.act
    for text in (row.meaning, row.hurts, row.does, row.ends, *row.look, *row.act):
        assert text == text.strip()
        assert text.endswith((".", "?", ")")), text
    commands = " ".join((*row.look, *row.act))
    assert "TODO" not in commands

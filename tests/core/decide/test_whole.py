"""Backends without a scaler: attached or detached, for the same reasons and within the same limits as ceilings that move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.pictures import (
    AT,
    LONG_WELL,
    change_of,
    considered,
    context_of,
    guards,
    made,
    picture_of,
    proposed,
    whole,
)

from spillway.core.decide.limits import Limits, limits_of
from spillway.core.decide.membership import memberships, with_room_timers
from spillway.core.decide.operators import check_order, operator_orders
from spillway.core.decide.optimise import optimum
from spillway.core.decide.planned import planned_drains
from spillway.core.decide.proposals import Accepted, propose
from spillway.core.decide.relief import relief_joins
from spillway.core.decide.reopen import COSTLY_PROBE_P_RECOVERED, pre_scale, probes
from spillway.core.estimate.sample import Blind
from spillway.core.model.predict import Region
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import BackendState, Change, Lever, Purpose
from spillway.core.values.lifecycle import WHOLE_DWELL, required_dwell
from spillway.core.values.limits import LimitKind
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.policy import CalendarWindow, Floors, Mode, Policy
from spillway.core.values.snapshot import Absence
from spillway.core.values.state import Estimate, FailureTrack

ILL = {"a": {"estimate": Estimate(failures=FailureTrack(errors=0.4))}}
"""What was learned of region a: four of ten requests fail at any load."""

DEMAND = {"a": 60.0, "b": 30.0, "c": 30.0}
TWO_SERVE = Policy(mode=Mode.ACT, floors=Floors(min_serving_regions=2))


def fleet(a: dict[str, Any] | None = None, policy: Policy | None = None) -> ServiceModel:
    """Regions a, b and c without scalers; a fails as in `ILL`."""
    regions = (whole("a", **{"bad": 0.4, **(a or {})}), whole("b"), whole("c"))
    return picture_of(regions, DEMAND, memories=ILL, policy=policy)


def detached(p_reopened: float, moved: float = 7200.0, **others: Any) -> ServiceModel:
    """Region a was detached `moved` seconds ago for failing, and is well again with this chance."""
    regions = (
        whole("a", scaler=0.0, bad=0.4 * (1.0 - p_reopened), p_reopened=p_reopened),
        whole("b", **others),
    )
    memory = {
        **ILL["a"],
        "state": BackendState.DRAINED,
        "moved_at": AT - moved,
        "direction": -1,
        "moved_by": -1.0,
        "empty_since": AT - moved,
        "well_since": LONG_WELL,
    }
    picture = picture_of(regions, {"a": 60.0, "b": 30.0}, memories={"a": memory})
    gone, other = picture.beliefs
    unseen = gone._replace(window=Blind(absence=Absence.NOT_MEMBER, why="detached"))
    return replace(picture, beliefs=(unseen, other))


def standing_by(picture: ServiceModel, *names: str) -> ServiceModel:
    """The same with these regions as standbys."""
    beliefs = tuple(
        f._replace(backend=replace(f.backend, standby=True)) if f.region in names else f
        for f in picture.beliefs
    )
    return replace(picture, beliefs=beliefs)


def waiting(name: str) -> Region:
    """A detached standby."""
    return whole(name, scaler=0.0, member=False)


def found(picture: ServiceModel) -> Accepted:
    return propose((optimum,), context_of(picture))


def limits(picture: ServiceModel, orders: Orders | None = None) -> Limits:
    return limits_of(picture, orders or Orders(), None)


def only(changes: list[Change]) -> Change:
    (change,) = changes
    return change


# --- what is allowed


@pytest.mark.parametrize("purpose", [Purpose.RELIEVE, Purpose.OPERATOR, Purpose.CALENDAR])
def test_only_attached_and_detached_are_allowed(purpose: Purpose) -> None:
    bounds = limits(fleet()).of("a")
    assert bounds.active(0.0, purpose) is None
    for part in (0.1, 0.5, 0.99):
        bound = bounds.active(part, purpose)
        assert bound is not None
        assert bound.kind is LimitKind.NO_SCALER
    assert bounds.allowed(purpose).low == 1.0


def test_a_step_smaller_than_the_whole_does_not_keep_it() -> None:
    steps = replace(Policy().rhythm, up_step=0.2, down_step=0.3)
    picture = fleet(policy=Policy(rhythm=steps))
    assert limits(picture).of("a").active(0.0, Purpose.RELIEVE) is None


# --- leaving


def test_a_region_that_fails_is_detached_and_its_load_goes_by_distance() -> None:
    accepted = found(fleet())
    change = only(list(accepted.changes))
    assert (change.region, change.lever, change.member, change.was_member) == (
        "a",
        Lever.MEMBERSHIP,
        False,
        True,
    )
    assert (change.move().before, change.move().after) == ("1.00", "detached")
    assert change.reason.code == "shed-errors"
    assert accepted.traffic.base.flow.loads == (0.0, 90.0, 30.0)


def test_nothing_spills_from_a_region_without_a_target() -> None:
    picture = picture_of((whole("a"), whole("b")), {"a": 5000.0})
    assert picture.traffic.base.flow.loads == (5000.0, 0.0)
    assert picture.traffic.base.bad == 0.0


def test_a_region_that_is_only_short_keeps_what_it_can_carry() -> None:
    accepted = found(fleet({"bad": 0.0, "quota": 40.0, "capacity": 40.0, "capacity_nominal": 40.0}))
    assert accepted.changes == ()
    assert guards(accepted) <= {"keeps-capacity"}
    bound = limits(fleet({"bad": 0.05})).of("a").active(0.0, Purpose.RELIEVE)
    assert bound is not None
    assert bound.kind is LimitKind.KEEPS_CAPACITY


def test_a_region_stays_while_the_others_are_known_to_be_full() -> None:
    full = {"quota": 35.0, "capacity": 35.0, "capacity_nominal": 35.0}
    regions = (whole("a", bad=0.2), whole("b", **full), whole("c", **full))
    assert found(picture_of(regions, DEMAND, memories=ILL)).changes == ()


def test_the_last_region_and_the_floor_of_regions_stay() -> None:
    two = picture_of((whole("a", bad=0.4), whole("b")), {"a": 60.0, "b": 30.0}, memories=ILL)
    assert [c.region for c in found(two).changes] == ["a"]
    floored = replace(two, policy=TWO_SERVE)
    assert found(floored).changes == ()
    refused = considered(floored, [change_of("a", 1.0, 0.0)])
    assert guards(refused) == {"floor-regions"}
    alone = picture_of((whole("a", bad=0.4), whole("b", scaler=0.0)), {"a": 60.0}, memories=ILL)
    assert guards(considered(alone, [change_of("a", 1.0, 0.0)])) == {"last-backend"}


# --- the way back


def test_it_comes_back_whole_by_a_sure_hope_alone() -> None:
    assert proposed(probes, detached(COSTLY_PROBE_P_RECOVERED - 0.01)) == []
    accepted = propose((probes,), context_of(detached(COSTLY_PROBE_P_RECOVERED)))
    change = only(list(accepted.changes))
    assert (change.after, change.lever, change.member, change.was_member) == (
        1.0,
        Lever.MEMBERSHIP,
        True,
        False,
    )
    assert change.reason.code == "probe-attach"
    assert change.move().before == "detached"


def test_it_comes_back_sooner_where_the_others_are_short() -> None:
    short = {"quota": 80.0, "capacity": 80.0, "capacity_nominal": 80.0}
    assert made(propose((probes,), context_of(detached(0.5, **short)))) == {"a": 1.0}
    assert proposed(probes, detached(0.49, **short)) == []


def test_it_dwells_longer_than_a_region_that_can_try_a_tenth() -> None:
    plain = detached(0.99)
    memory = plain.beliefs[0].memory
    dwell = required_dwell(memory, plain.policy, AT, 1, plain.dead_time)
    assert required_dwell(memory, plain.policy, AT, 1, plain.dead_time, whole=True) == WHOLE_DWELL * dwell
    assert proposed(probes, detached(0.99, moved=WHOLE_DWELL * dwell - 1.0)) == []
    early = limits(detached(0.99, moved=WHOLE_DWELL * dwell - 1.0)).of("a").active(1.0, Purpose.PROBE)
    assert early is not None
    assert early.kind is LimitKind.DWELL
    assert made(propose((probes,), context_of(detached(0.99, moved=WHOLE_DWELL * dwell)))) == {"a": 1.0}


def test_a_surge_opens_it_whole() -> None:
    short = {"quota": 80.0, "capacity": 80.0, "capacity_nominal": 80.0}
    picture = detached(0.6, **short)
    rising = replace(picture.traffic, demand=60.0)
    changes = proposed(pre_scale, replace(picture, traffic=rising))
    assert [(c.region, c.after) for c in changes] in ([], [("a", 1.0)])
    assert all(c.after in {0.0, 1.0} for c in changes)


# --- standby


def lonely() -> ServiceModel:
    """Region a fails and serves alone; s stands by."""
    regions = (whole("a", bad=0.4), waiting("s"))
    return standing_by(picture_of(regions, {"a": 60.0}, memories=ILL), "s")


def test_a_standby_joins_whole_for_a_region_that_may_not_leave() -> None:
    change = only(list(propose((relief_joins,), context_of(lonely())).changes))
    assert (change.region, change.after, change.purpose) == ("s", 1.0, Purpose.JOIN)
    assert change.reason.code == "join-for-ill"
    assert "no region would serve" in change.reason.sentence
    regions = (whole("a", bad=0.4), whole("b"), waiting("s"))
    floored = picture_of(regions, {"a": 60.0, "b": 30.0}, memories=ILL, policy=TWO_SERVE)
    floored = standing_by(floored, "s")
    assert [c.region for c in proposed(relief_joins, floored)] == ["s"]


@pytest.mark.parametrize(
    "orders",
    [
        Orders(items=(Order(kind=OrderKind.HOLD, until=AT + 60.0, reason="a test"),)),
        Orders(items=(Order(kind=OrderKind.PIN, until=AT + 60.0, reason="a test", region="a", scaler=1.0),)),
    ],
)
def test_no_standby_joins_for_a_region_that_people_keep(orders: Orders) -> None:
    assert propose((relief_joins,), context_of(lonely(), orders)).changes == ()


def test_no_standby_joins_for_a_region_that_is_well_or_can_leave() -> None:
    well = standing_by(picture_of((whole("a"), waiting("s")), {"a": 60.0}), "s")
    assert proposed(relief_joins, well) == []
    free = (whole("a", bad=0.4), whole("b"), waiting("s"))
    assert (
        proposed(relief_joins, standing_by(picture_of(free, {"a": 60.0, "b": 30.0}, memories=ILL), "s")) == []
    )


def joined(a: Region) -> ServiceModel:
    """The standby s serves beside `a`, and has not been needed for long, if its timer is right."""
    picture = standing_by(picture_of((a, whole("s")), {"a": 60.0, "s": 10.0}), "s")
    timed = with_room_timers(picture)
    return replace(
        picture, memory=replace(timed, roomy_since=tuple((n, AT - 3600.0) for n, _ in timed.roomy_since))
    )


def test_a_standby_leaves_in_one_move() -> None:
    change = only(list(propose((memberships,), context_of(joined(whole("a")))).changes))
    assert (change.region, change.after, change.member, change.leaving) == ("s", 0.0, False, True)
    assert change.reason.code == "leave-unneeded"


def test_a_standby_stays_while_it_stands_in_for_another() -> None:
    assert propose((memberships,), context_of(joined(whole("a", scaler=0.0)))).wanted == ()


# --- people and the calendar


def order(kind: OrderKind, **more: Any) -> Order:
    return Order(**{"kind": kind, "until": AT + 600.0, "reason": "new revision", "region": "a", **more})


def test_an_ordered_drain_detaches() -> None:
    orders = Orders(items=(order(OrderKind.DRAIN),))
    change = only(list(propose((operator_orders,), context_of(fleet({"bad": 0.0}), orders)).changes))
    assert (change.region, change.lever, change.member, change.leaving) == (
        "a",
        Lever.MEMBERSHIP,
        False,
        False,
    )


def test_a_pin_is_0_or_1() -> None:
    check = check_order(context_of(fleet()), order(OrderKind.PIN, scaler=0.5))
    assert check.refused is not None
    assert (check.refused.code, check.forceable, check.leverless) == ("no-scaler", False, False)
    for scaler in (0.0, 1.0):
        assert check_order(context_of(fleet()), order(OrderKind.PIN, scaler=scaler)).refused is None
    check = check_order(context_of(fleet()), order(OrderKind.PIN, scaler=0.0))
    assert "full" not in check.notes[-1], "nobody knows how full a region without a target becomes"


def test_a_pin_at_1_attaches_what_was_detached_and_no_standby() -> None:
    orders = Orders(items=(order(OrderKind.PIN, scaler=1.0),))
    assert check_order(context_of(detached(0.1)), orders.items[0]).refused is None
    assert made(propose((operator_orders,), context_of(detached(0.1), orders))) == {"a": 1.0}
    for_standby = order(OrderKind.PIN, scaler=1.0, region="s")
    refused = check_order(context_of(lonely()), for_standby).refused
    assert refused is not None
    assert refused.code == "no-member"


def test_planned_work_detaches_in_one_move_and_brings_back_whole() -> None:
    window = CalendarWindow(start=AT + 60.0, end=AT + 600.0, reason="new revision", region="a")
    before = fleet({"bad": 0.0}, Policy(mode=Mode.ACT, planned=(window,)))
    change = only(list(propose((planned_drains,), context_of(before)).changes))
    assert (change.after, change.member, change.leaving, change.purpose) == (
        0.0,
        False,
        True,
        Purpose.CALENDAR,
    )
    gone = {"a": {"leaving": True, "state": BackendState.STANDBY}}
    regions = (waiting("a"), whole("b"), whole("c"))
    after = picture_of(regions, DEMAND, memories=gone)
    back = only(list(propose((memberships,), context_of(after)).changes))
    assert (back.region, back.after, back.member, back.reason.code) == ("a", 1.0, True, "join-planned-end")

"""What passes limits: drains of dead regions, operators' orders, and the way back of raises that disappointed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.pictures import (
    AT,
    SERVICE,
    area,
    context_of,
    flight_of,
    guards,
    made,
    nothing,
    picture_of,
    proposed,
)
from tests.core.plant import SERVICE as POOL
from tests.core.plant import Client, Plant, Zone, drive

from spillway.core.decide.operators import operator_orders
from spillway.core.decide.overrides import DEAD_READS, dead_drains, postures, undos, with_posture_timer
from spillway.core.decide.proposals import propose
from spillway.core.estimate.belief import UNSET, failover_settings
from spillway.core.estimate.sample import Blind
from spillway.core.loop import in_force
from spillway.core.model.service import ServiceModel
from spillway.core.model.verify import Finding, Judgement, Review
from spillway.core.values.decision import Change
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.overlay import Posture
from spillway.core.values.policy import CalendarWindow, Mode, Policy, Postures, PostureSet
from spillway.core.values.snapshot import Absence

MANUAL = Postures(normal=PostureSet(auto_drain=False))
"""Google leaves dead regions in service."""


def died(
    memory: dict[str, Any] | None = None, *, dead: int = 1, policy: Policy | None = None
) -> ServiceModel:
    """Of a, b and c, so many have no healthy endpoint left, and nothing but their health is seen of them."""
    known = {"dead_seen": DEAD_READS, **(memory or {})}
    regions = tuple(area(name, dead=i < dead) for i, name in enumerate("abc"))
    picture = picture_of(
        regions,
        {"a": 40.0, "b": 30.0},
        memories={r.name: known for r in regions if r.dead},
        policy=policy or Policy(postures=MANUAL),
    )
    blind = Blind(absence=Absence.STALE, why="nothing")
    return replace(picture, beliefs=tuple(f._replace(window=blind) if f.dead else f for f in picture.beliefs))


def drained(picture: ServiceModel) -> dict[str, float]:
    return made(propose((dead_drains,), context_of(picture)))


def test_a_dead_region_is_drained_although_its_samples_are_missing() -> None:
    assert drained(died()) == {"a": 0.0}


def test_a_dead_region_without_a_failover_policy_is_not_left_to_googles_auto_drain() -> None:
    """Google takes no service LB policy for regional instance groups, so nothing drains by itself there."""
    policies = {"p": Policy()}
    service = replace(died().service, policy="p")
    assert drained(died(policy=in_force(policies, service, Orders()))) == {}, "auto-drain empties it"
    regional = replace(service, has_policy=False)
    assert drained(died(policy=in_force(policies, regional, Orders()))) == {"a": 0.0}


def test_two_dead_regions_are_drained_in_one_pass() -> None:
    assert drained(died(dead=2)) == {"a": 0.0, "b": 0.0}


def test_a_dead_region_is_drained_in_a_freeze_within_its_rest_and_past_the_budget() -> None:
    policy = Policy(
        postures=MANUAL, freezes=(CalendarWindow(start=AT - 60.0, end=AT + 60.0, reason="a holiday"),)
    )
    picture = died({"moved_at": AT - 30.0, "direction": 1, "moved_by": 0.4}, policy=policy)
    spent = replace(picture.memory, writes=(AT - 60.0,) * policy.rhythm.moves_per_hour)
    assert drained(replace(picture, memory=spent)) == {"a": 0.0}


@pytest.mark.parametrize(
    "picture",
    [died({"dead_seen": DEAD_READS - 1}), died(dead=3), died(policy=Policy())],
    ids=["one-read", "nobody-alive", "google-drains"],
)
def test_other_dead_regions_are_left(picture: ServiceModel) -> None:
    assert drained(picture) == {}


def test_the_health_pass_drains_within_two_reads() -> None:
    zones = [
        Zone(name=name, latitude=latitude, longitude=0.0, target=120.0, capacity=130.0)
        for name, latitude in (("europe-west4", 50.0), ("us-east4", 20.0))
    ]
    zones[0].healthy = lambda t: 0.0 if t >= 1210.0 else 1.0
    zones[0].blind = lambda t: 1.0 if t >= 1210.0 else 0.0
    clients = [Client(place="Europe", latitude=49.0, longitude=0.0, rate=lambda _: 60.0)]
    run = drive(Plant(zones, clients, auto_drain=False), 1500.0, Policy(mode=Mode.ACT, postures=MANUAL))
    assert [(at, code) for at, code in run.moves] == [(1240.0, "europe-west4 scaler 1.00->0.00 [drain-dead]")]
    assert run.overlay is not None
    assert run.overlay.service(POOL).backend("europe-west4").scaler == 0.0


def pinned(scaler: float, kind: OrderKind = OrderKind.PIN) -> Orders:
    value = scaler if kind is OrderKind.PIN else None
    return Orders(items=(Order(kind=kind, until=AT + 60.0, reason="a test", region="a", scaler=value),))


def ordered(orders: Orders, picture: ServiceModel | None = None) -> tuple[dict[str, float], set[str]]:
    """What is accepted of the orders, and what refuses the rest."""
    picture = picture or picture_of((area("a"), area("b"), area("c")), {"a": 40.0, "b": 40.0})
    found = propose((operator_orders,), context_of(picture, orders))
    return made(found), guards(found)


def test_an_order_is_carried_out_within_a_rest_and_in_a_panic() -> None:
    assert ordered(pinned(0.5)) == ({"a": 0.5}, set())
    assert ordered(pinned(0.0, OrderKind.DRAIN)) == ({"a": 0.0}, set())
    rests = picture_of(
        (area("a"), area("b"), area("c")), {"a": 40.0}, memories={"a": {"moved_at": AT - 30.0}}
    )
    assert ordered(pinned(0.5), rests) == ({"a": 0.5}, set())


def test_an_order_that_stands_already_is_no_change() -> None:
    assert ordered(pinned(1.0)) == ({}, set())


def test_an_order_breaks_no_floor() -> None:
    full = picture_of((area("a"), area("b")), {"a": 90.0, "b": 80.0})
    assert ordered(pinned(0.1), full) == ({}, {"floor-capacity"})
    alone = picture_of((area("a"), area("b", dead=True)), {"a": 40.0})
    assert ordered(pinned(0.0), alone) == ({}, {"last-backend"})


def test_a_hold_outranks_an_order() -> None:
    hold = Order(kind=OrderKind.HOLD, until=AT + 60.0, reason="hands off", service=SERVICE)
    assert ordered(Orders(items=(*pinned(0.5).items, hold))) == ({}, {"operator-hold"})


def undone(scaler: float = 0.8, before: float = 0.4, **changes: Any) -> list[Change]:
    """What is put back after a raise of region a that disappointed; by now a is known to take 50 requests/s."""
    regions = (area("a", scaler=scaler, **{"capacity": 50.0, **changes}), area("b"), area("c"))
    picture = picture_of(regions, {"a": 90.0, "b": 20.0})
    flight = flight_of("a", before, 0.8, AT - 600.0)
    context = context_of(picture)
    review = Review(
        memory=picture.memory,
        judgements=(Judgement(flight=flight, observed=0.3, demand=100.0, finding=Finding.DISAPPOINTED),),
    )
    context = replace(context, verdicts=review)
    return [c for p in undos(context, nothing(context)) for c in p.changes]


def test_a_raise_that_disappointed_is_put_back() -> None:
    (change,) = undone()
    assert (change.region, change.after, change.reason.code) == ("a", 0.4, "undo")


def test_it_is_put_back_only_as_far_as_does_less_harm() -> None:
    (change,) = undone(before=0.1)
    assert change.after == 0.45, "a tenth less than it can take"


def test_nothing_else_is_put_back() -> None:
    assert undone(before=1.0) == [], "a cut"
    assert undone(scaler=0.7) == [], "moved since"
    assert undone(movable=False) == []
    assert undone(capacity=100.0) == [], "the model does not agree"
    assert proposed(undos, picture_of((area("a"), area("b")), {"a": 40.0})) == []


def test_a_service_that_can_have_no_failover_policy_calls_for_no_posture() -> None:
    full = picture_of((area("a"), area("b")), {"a": 90.0, "b": 100.0})
    regional = replace(full, service=replace(full.service, has_policy=False))
    assert with_posture_timer(full, suspected=False).posture_wanted is Posture.SCARCE
    assert with_posture_timer(regional, suspected=False).posture_wanted is None


def test_a_service_without_a_policy_of_ours_is_called_for_no_posture() -> None:
    """There is nothing to set it by; Google fails over by its own defaults then."""
    full = picture_of((area("a"), area("b")), {"a": 90.0, "b": 100.0})
    bare = replace(full, service=replace(full.service, has_policy=False))
    assert with_posture_timer(bare, suspected=False).posture_wanted is None
    called = replace(full.memory, posture_wanted=Posture.SCARCE, posture_since=AT - 900.0)
    assert proposed(postures, replace(full, memory=called)) != []
    assert proposed(postures, replace(bare, memory=called)) == []
    assert failover_settings(bare.service, full.policy, Posture.SCARCE) == UNSET
    assert (UNSET.failover_threshold, UNSET.auto_drain) == (70, False)


def test_a_suspected_measurement_calls_for_no_posture() -> None:
    full = picture_of((area("a"), area("b")), {"a": 90.0, "b": 100.0})
    called = with_posture_timer(full, suspected=False)
    assert (called.posture_wanted, called.posture_since) == (Posture.SCARCE, AT)
    assert with_posture_timer(full, suspected=True).posture_wanted is None
    before = replace(full, memory=replace(called, posture_since=AT - 200.0))
    assert with_posture_timer(before, suspected=True).posture_wanted is None, (
        "it is called for anew afterwards"
    )

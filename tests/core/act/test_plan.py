"""A plan is ordered, and refused whole if a prefix of it breaks a floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from tests.core.pictures import SERVICE, area, change_of, picture_of
from tests.core.plant import Client, Plant, Zone

from spillway.core import loop
from spillway.core.act.plan import REMEDY, make_plan, scalers_of
from spillway.core.decide.proposals import Accepted, Context, Proposer, propose
from spillway.core.explain.reasons import reason
from spillway.core.loop import StepResult, fresh
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Change, Lever, Purpose
from spillway.core.values.overlay import Overlay, Posture, ServiceSetting, initial_overlay
from spillway.core.values.policy import Mode, Policy
from spillway.errors import UnsafePlan


def setting_of(picture: ServiceModel) -> ServiceSetting:
    return ServiceSetting(
        service=SERVICE, posture=Posture.NORMAL, backends=tuple(f.setting for f in picture.beliefs)
    )


def membership(region: str, purpose: Purpose, before: float, after: float, **more: Any) -> Change:
    why = reason("join-planned-end", region=region)
    return replace(change_of(region, before, after, purpose, **more), lever=Lever.MEMBERSHIP, reason=why)


def posture() -> Change:
    return Change(
        service=SERVICE, region=None, lever=Lever.POSTURE, purpose=Purpose.POSTURE, before=0.0, after=0.0,
        reason=reason("posture", headroom=0.2), posture=Posture.GUARDED, was_posture=Posture.NORMAL,
    )  # fmt: skip


def test_what_adds_capacity_goes_first_and_what_removes_it_last() -> None:
    regions = (
        area("a", scaler=0.5),
        area("b"),
        area("c"),
        area("d"),
        area("e", scaler=0.0),
        area("f", member=False, scaler=0.0),
    )
    picture = picture_of(regions, {"a": 20.0})
    changes = (
        membership("e", Purpose.DETACH, 0.0, 0.0, member=False),
        change_of("d", 1.0, 0.0),
        change_of("c", 1.0, 0.6),
        change_of("b", 1.0, 0.9, ahead=True),
        posture(),
        change_of("a", 0.5, 0.7, Purpose.MAKE_ROOM),
        membership("f", Purpose.JOIN, 0.0, 0.5, was_member=False),
    )
    planned, after = make_plan(setting_of(picture), changes, picture)
    assert planned == changes[::-1]
    assert after.posture is Posture.GUARDED
    assert scalers_of(picture, after) == (0.7, 0.9, 0.6, 0.0, 0.0, 0.5)
    assert [b.member for b in after.backends] == [True, True, True, True, False, True]


def full() -> ServiceModel:
    """Two regions of 100 requests/s for 150."""
    return picture_of((area("a"), area("b")), {"a": 80.0, "b": 70.0})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ((change_of("a", 1.0, 0.1),), "floor-capacity"),
        ((change_of("a", 1.0, 0.0),), "floor-capacity"),
        ((change_of("a", 1.0, 0.0), change_of("b", 1.0, 0.0)), "last-backend"),
        ((membership("a", Purpose.LEAVE, 1.0, 0.0, leaving=True),), "floor-capacity"),
        ((change_of("a", 1.0, 0.0, Purpose.DRAIN_DEAD),), "floor-capacity"),
    ],
    ids=["cut", "closure", "last", "leave", "dead-drain-of-a-live-region"],
)
def test_a_plan_that_breaks_a_floor_refuses_itself(changes: tuple[Change, ...], told: str) -> None:
    picture = full()
    with pytest.raises(UnsafePlan, match=f"breaks {told}") as raised:
        make_plan(setting_of(picture), changes, picture)
    assert raised.value.remedy == REMEDY


def test_all_ceilings_of_a_service_are_one_call() -> None:
    """Region a alone may not be cut, and with the raise of b it may: no prefix of a call is ever written."""
    picture = picture_of((area("a"), area("b", scaler=0.3), area("c")), {"a": 80.0, "b": 70.0})
    cut, rise = change_of("a", 1.0, 0.2), change_of("b", 0.3, 0.8, Purpose.MAKE_ROOM)
    with pytest.raises(UnsafePlan):
        make_plan(setting_of(picture), (cut,), picture)
    planned, _ = make_plan(setting_of(picture), (cut, rise), picture)
    assert planned == (rise, cut)


def test_what_broke_before_may_stay_as_it_is() -> None:
    """All are short: a raise is planned although the floor is missed before and after."""
    picture = picture_of((area("a", scaler=0.3), area("b")), {"a": 150.0, "b": 150.0})
    rise = change_of("a", 0.3, 0.6, Purpose.MAKE_ROOM)
    assert make_plan(setting_of(picture), (rise,), picture)[0] == (rise,)


# --- in a step


def plant() -> Plant:
    """Two regions of 120 requests/s for 160, well for a quarter of an hour."""
    zones = [
        Zone(name=name, latitude=latitude, longitude=0.0, target=120.0, capacity=130.0)
        for name, latitude in (("europe-west4", 50.0), ("us-east4", 20.0))
    ]
    clients = [
        Client(place="Europe", latitude=50.0, longitude=0.0, rate=lambda _: 80.0),
        Client(place="America", latitude=20.0, longitude=0.0, rate=lambda _: 80.0),
    ]
    found = Plant(zones, clients)
    while found.now < 900.0:
        found.advance()
    return found


def stepped(mode: Mode, *changes: Change) -> tuple[StepResult, Overlay]:
    """A step whose proposals let something through that they should not."""

    def careless(proposers: Sequence[Proposer], context: Context) -> Accepted:
        return replace(propose(proposers, context), changes=changes, wanted=changes)

    found = plant()
    fleet = found.fleet()
    overlay = initial_overlay(fleet)
    with patch.object(loop, "propose", careless):
        policies = {"default": Policy(mode=mode)}
        return loop.step(fleet, policies, found.observe(), overlay, fresh()), overlay


@pytest.mark.parametrize("mode", list(Mode))
def test_a_hand_made_plan_that_breaks_a_floor_is_refused_whole_and_raises_the_alarm(mode: Mode) -> None:
    changes = (change_of("europe-west4", 1.0, 0.1), change_of("us-east4", 1.0, 0.9))
    result, overlay = stepped(mode, *changes)
    assert result.plan.empty
    assert result.advice == ()
    assert result.plan.overlay == result.overlay == overlay
    assert [(r.move.region, r.limit) for r in result.refusals] == [
        ("europe-west4", "unsafe-plan"),
        ("us-east4", "unsafe-plan"),
    ]
    (alarm,) = [a for a in result.alarms if a.code == "unsafe-plan-alarm"]
    assert "floor-capacity" in alarm.sentence
    assert "floor-capacity" in result.sentence
    assert result.memory.service(SERVICE).proposed == (), "nothing was promised"


def test_a_hand_made_plan_that_holds_is_made() -> None:
    result, overlay = stepped(Mode.ACT, change_of("europe-west4", 1.0, 0.9))
    assert [(m.region, m.after) for m in result.plan.moves] == [("europe-west4", "0.90")]
    assert result.plan.overlay != overlay
    assert "unsafe-plan-alarm" not in {a.code for a in result.alarms}
    assert len(result.memory.service(SERVICE).proposed) == 1

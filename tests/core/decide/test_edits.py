"""What somebody else has set: left alone while its pin lasts, or put back where the policy says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.core.pictures import area, considered, context_of, foreign_pin, nothing, picture_of, proposed
from tests.core.plant import SERVICE, Client, Plant, Run, Zone, drive

from spillway.core.decide.overrides import edit_reverts
from spillway.core.values.decision import BackendState, Lever, PinnedLever, Purpose
from spillway.core.values.foreign import ForeignPin, ForeignPosture
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.overlay import Posture
from spillway.core.values.policy import Drift, DriftAnswer, Mode, Policy
from spillway.core.values.snapshot import ObservedPolicy

EDITED_AT = 1800.0
SECOND_LOOK = 20.0
"""Seconds after the first pass that sees an edit: the next one is a health pass."""
EUROPE = "europe-west4"
HOUR = 3600.0
REVERT = Policy(mode=Mode.ACT, drift=Drift(levers=DriftAnswer.REVERT))
ALARM = Policy(mode=Mode.ACT, drift=Drift(levers=DriftAnswer.ALARM))
SHORT = Policy(mode=Mode.ACT, drift=Drift(pin_for=1800.0))


def plant(america: float) -> Plant:
    """Two regions of 120 requests/s; Europe sends 80."""
    zones = [
        Zone(name="europe-west4", latitude=53.4, longitude=6.8, target=120, capacity=130),
        Zone(name="us-east4", latitude=39.0, longitude=-77.5, target=120, capacity=130),
    ]
    clients = [
        Client(place="Europe", latitude=48.9, longitude=2.3, rate=lambda _: 80.0),
        Client(place="America", latitude=40.0, longitude=-83.0, rate=lambda _: america),
    ]
    return Plant(zones, clients)


def edit(scaler: float, *, member: bool = True) -> Callable[[Run], None]:
    """Somebody else sets the scaler of Europe's region, or detaches it."""

    def hook(run: Run) -> None:
        assert run.overlay is not None
        setting = run.overlay.service(SERVICE)
        changed = replace(setting.backend(EUROPE), scaler=scaler, member=member)
        run.plant.write(setting.with_backend(changed))

    return hook


def moves(run: Run) -> list[tuple[float, str, str, str]]:
    """(seconds after the edit, before, after, reason) of all moves of the edited region."""
    return [
        (at - EDITED_AT, m.before, m.after, m.reason.code)
        for at, r in run.results
        for m in r.plan.moves
        if m.region == EUROPE
    ]


def pin(run: Run) -> ForeignPin | None:
    return run.memory.services[0].backend(EUROPE).pin


def shown(run: Run) -> tuple[PinnedLever, ...]:
    return run.results[-1][1].assessment[0].foreign_pins


# --- respect


@pytest.mark.parametrize("scaler", [0.0, 0.1, 0.6])
def test_an_edit_is_left_alone_for_as_long_as_the_policy_says_also_in_a_shortage(scaler: float) -> None:
    """A drain by hand used to be undone within 24 minutes, and a ceiling that hurts at once."""
    run = drive(plant(100.0), EDITED_AT + 2 * HOUR, hooks={EDITED_AT: edit(scaler)})
    europe = next(b for b in run.results[-1][1].assessment[0].backends if b.region == EUROPE)
    assert europe.state is BackendState.EDITED
    assert moves(run) == []
    (told,) = shown(run)
    assert (told.region, told.lever, told.value, told.wanted) == (
        EUROPE,
        Lever.SCALER,
        f"{scaler:.2f}",
        "1.00",
    )
    assert (told.since, told.until) == (EDITED_AT + SECOND_LOOK, EDITED_AT + SECOND_LOOK + 2 * HOUR)
    (backend, _) = run.results[-1][1].assessment[0].backends
    assert "foreign-pinned" in {note.code for note in backend.notes}


def test_when_its_time_is_over_the_loop_goes_on_by_its_own_rules() -> None:
    run = drive(plant(20.0), EDITED_AT + HOUR, SHORT, hooks={EDITED_AT: edit(0.6)})
    found = moves(run)
    assert [code for *_, code in found] == ["restore"]
    assert found[0][0] >= 1800.0
    assert pin(run) is None
    assert shown(run) == ()


def test_a_pin_ends_at_once_when_the_value_is_put_back() -> None:
    hooks = {EDITED_AT: edit(0.6), EDITED_AT + 600.0: edit(1.0)}
    run = drive(plant(20.0), EDITED_AT + 700.0, hooks=hooks)
    assert pin(run) is None
    assert run.overlay is not None
    assert run.overlay.service(SERVICE).backend(EUROPE).scaler == 1.0


def test_a_second_edit_is_pinned_anew_and_the_first_value_is_remembered() -> None:
    hooks = {EDITED_AT: edit(0.6), EDITED_AT + 600.0: edit(0.3)}
    run = drive(plant(20.0), EDITED_AT + 700.0, hooks=hooks)
    found = pin(run)
    assert found is not None
    assert (found.scaler, found.wanted_scaler, found.since) == (0.3, 1.0, EDITED_AT + 600.0 + SECOND_LOOK)


def test_an_order_for_the_region_ends_the_pin_and_one_for_another_does_not() -> None:
    from spillway.core.act.reconcile import Reading, reconcile

    run = drive(plant(20.0), EDITED_AT + 120.0, hooks={EDITED_AT: edit(0.6)})
    assert run.overlay is not None
    setting, memory = run.overlay.service(SERVICE), run.memory.services[0]
    view = run.plant.observe().services[0]

    def pinned(region: str) -> bool:
        order = Order(kind=OrderKind.DRAIN, until=1e11, reason="a test", region=region)
        reading = Reading(at=run.plant.now, orders=Orders(items=(order,)))
        found = reconcile(setting, memory, view, Policy(), reading)
        return found.memory.backend(EUROPE).pin is not None

    assert not pinned(EUROPE)
    assert pinned("us-east4")


# --- detachment


def test_a_detachment_by_hand_is_believed_when_its_traffic_has_ended_and_is_never_undone() -> None:
    run = drive(plant(20.0), EDITED_AT + 6 * HOUR, hooks={EDITED_AT: edit(0.0, member=False)})
    assert moves(run) == []
    found = pin(run)
    assert found is not None
    assert (found.member, found.until) == (False, None)
    timing = Policy().timing
    assert found.since - EDITED_AT >= timing.effect + timing.sample_period
    assert found.since - EDITED_AT <= timing.dead_time + 240.0
    assert run.overlay is not None
    assert not run.overlay.service(SERVICE).backend(EUROPE).member
    (told,) = shown(run)
    assert (told.lever, told.value, told.until) == (Lever.MEMBERSHIP, "detached", None)


# --- the dead


def test_a_dead_region_is_drained_through_a_pin_and_that_is_an_alarm() -> None:
    world = plant(20.0)
    world.auto_drain = False
    world.zones[0].healthy = lambda t: 0.0 if t > EDITED_AT + 600.0 else 1.0
    off = replace(Policy().postures.normal, auto_drain=False)
    policy = Policy(mode=Mode.ACT, postures=replace(Policy().postures, normal=off, guarded=off, scarce=off))
    run = drive(world, EDITED_AT + 1500.0, policy, hooks={EDITED_AT: edit(0.6)})
    drained = [m for m in moves(run) if m[3] == "drain-dead"]
    assert [(before, after) for _, before, after, _ in drained] == [("0.60", "0.00")]
    alarms = {a.code for _, r in run.results if r.plan.moves for a in r.alarms}
    assert "pin-passed" in alarms
    assert pin(run) is None


# --- alarm


def test_with_alarm_an_edit_stands_until_a_person_decides_and_each_tick_says_so() -> None:
    run = drive(plant(20.0), EDITED_AT + 5 * HOUR, ALARM, hooks={EDITED_AT: edit(0.6)})
    assert moves(run) == []
    (told,) = shown(run)
    assert told.until is None
    after = [r for at, r in run.results if at >= EDITED_AT + 60.0]
    assert all("foreign-pin-alarm" in {a.code for a in r.alarms} for r in after)


# --- revert


@pytest.mark.parametrize("scaler", [0.0, 0.1, 0.6])
def test_with_revert_an_edit_is_put_back_in_one_step_after_two_looks(scaler: float) -> None:
    run = drive(plant(20.0), EDITED_AT + 900.0, REVERT, hooks={EDITED_AT: edit(scaler)})
    assert moves(run) == [(60.0, f"{scaler:.2f}", "1.00", "revert-edit")]
    assert pin(run) is None


def test_with_revert_a_detached_region_is_attached_again() -> None:
    run = drive(plant(20.0), EDITED_AT + 1500.0, REVERT, hooks={EDITED_AT: edit(0.0, member=False)})
    assert [(before, after, code) for _, before, after, code in moves(run)] == [
        ("detached", "1.00", "revert-edit")
    ]


def reverted(pin: ForeignPin, policy: Policy = REVERT, **changes: Any) -> list[tuple[str, float, bool]]:
    """What is wanted back of region a."""
    regions = (area("a", scaler=pin.scaler, member=pin.member, **changes), area("b"))
    picture = picture_of(regions, {"a": 40.0}, memories={"a": {"pin": pin}}, policy=policy)
    return [(c.region or "", c.after, c.leaving) for c in proposed(edit_reverts, picture)]


def test_the_way_back_leads_to_what_was_wanted_before_the_edit() -> None:
    assert reverted(foreign_pin()) == [("a", 1.0, False)]
    assert reverted(foreign_pin(wanted_scaler=0.8)) == [("a", 0.8, False)]
    assert reverted(foreign_pin(1.0, wanted_scaler=0.0)) == [("a", 0.0, False)]
    assert reverted(foreign_pin(wanted_member=False, wanted_scaler=0.0)) == [("a", 0.0, True)]


def test_nothing_is_put_back_where_the_policy_does_not_say_so_or_the_region_is_dead() -> None:
    assert reverted(foreign_pin(), Policy(mode=Mode.ACT)) == []
    assert reverted(foreign_pin(), ALARM) == []
    assert reverted(foreign_pin(), dead=True) == []


def test_a_way_back_that_breaks_a_floor_is_refused() -> None:
    raised = foreign_pin(1.0, wanted_scaler=0.0)
    regions = (area("a"), area("b"))
    picture = picture_of(regions, {"a": 90.0, "b": 90.0}, memories={"a": {"pin": raised}}, policy=REVERT)
    (change,) = proposed(edit_reverts, picture)
    found = considered(picture, [change])
    assert found.changes == ()
    assert {r.limit for r in found.refusals} == {"floor-capacity"}


def test_a_posture_is_put_back_too() -> None:
    held = ForeignPosture(
        since=0.0,
        until=None,
        found=ObservedPolicy(failover_threshold=50, auto_drain=True),
        wanted=Posture.NORMAL,
    )
    picture = picture_of((area("a"), area("b")), {"a": 40.0}, policy=REVERT)
    picture = replace(picture, posture=Posture.GUARDED, memory=replace(picture.memory, posture_pin=held))
    context = context_of(picture)
    (proposal,) = edit_reverts(context, nothing(context))
    (change,) = proposal.changes
    assert (change.purpose, change.posture) == (Purpose.REVERT_EDIT, Posture.NORMAL)
    assert nothing(context).consider(proposal).changes == (change,)

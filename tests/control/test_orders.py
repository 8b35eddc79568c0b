"""Operators' orders: judged, kept, journalled, carried out by the next pass, ended, undone, expired."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.control.fakes import REGIONS, START, Rig

from spillway.control.orders import OrderDesk
from spillway.control.requests import LONGEST_REASON, POLICY, Answer, Command, Request, Verdict
from spillway.core.values.foreign import ForeignPin
from spillway.core.values.orders import MOST_ORDERS
from spillway.core.values.policy import Mode
from spillway.core.values.state import BackendMemory, ControllerMemory, ServiceMemory
from spillway.core.values.topology import Fleet

ASIA, EUROPE, AMERICA = REGIONS


class Office:
    """A loop that has ticked once, and its desk."""

    def __init__(self, rig: Rig | None = None) -> None:
        self.rig = (rig or Rig()).started()
        self.desk = OrderDesk(self.rig.loop)
        self.rig.loop.tick()

    def ask(self, command: Command, region: str | None = None, **more: object) -> Answer:
        plain = {"reason": "new kernel", "seconds": 7200.0, "by": "ana", "region": region}
        return self.desk.handle(Request(command=command, **{**plain, **more}))  # type: ignore[arg-type]

    def tick(self, seconds: float = 60.0) -> None:
        self.rig.later(seconds)
        self.desk.expire()
        self.rig.loop.tick()


def test_a_drain_is_kept_journalled_and_carried_out_by_the_next_pass() -> None:
    office = Office()
    answer = office.ask(Command.DRAIN, EUROPE)
    assert answer.verdict is Verdict.DONE
    assert answer.sentence == (
        f"order 1, the drain of {EUROPE} in all services, is in force until 2026-11-18 13:06:40 UTC"
    )
    assert any(f"{EUROPE} goes from 1.00 to 0.00" in note for note in answer.notes)
    record = office.rig.journal.records[-1]
    assert (record["kind"], record["by"], record["reason"], record["verdict"]) == (
        "order",
        "ana",
        "new kernel",
        "done",
    )
    office.rig.restart()
    office.rig.loop.restore()
    (order,) = office.rig.loop.kept.holds.items
    assert (order.by, order.reason, order.number, order.until) == ("ana", "new kernel", 1, START + 7200.0)
    office.rig.loop.tick()
    assert office.rig.scaler(EUROPE) == 0.0


def test_an_order_expires_by_itself_and_the_journal_says_so() -> None:
    office = Office()
    office.ask(Command.PIN, EUROPE, scaler=0.5, seconds=600.0)
    office.tick()
    assert office.rig.scaler(EUROPE) == 0.5
    office.tick(540.0)
    assert office.desk.in_force().items == ()
    told = [r["sentence"] for r in office.rig.journal.records if r.get("command") == "expired"]
    assert told == [f"order 1, the pin of {EUROPE} at 0.50 in all services, has expired"]


def test_what_breaks_a_floor_is_refused_by_name_and_can_be_forced() -> None:
    office = Office()
    office.rig.cloud.rate = 150.0
    for _ in range(6):
        office.tick()
    answer = office.ask(Command.DRAIN, EUROPE)
    assert (answer.verdict, answer.guard) == (Verdict.REFUSED, "floor-capacity")
    assert "floor" in answer.sentence
    assert "--force" in answer.remedy
    assert office.rig.journal.records[-1]["guard"] == "floor-capacity"
    assert office.desk.in_force().items == ()
    forced = office.ask(Command.DRAIN, EUROPE, force=True)
    assert forced.verdict is Verdict.DONE
    assert any(note.startswith("by force") for note in forced.notes)
    office.tick()
    assert office.rig.scaler(EUROPE) == 0.0


def test_an_order_without_end_is_said_to_have_none() -> None:
    office = Office()
    answer = office.ask(Command.HOLD, seconds=None)
    assert "until it is taken back" in answer.sentence
    assert "it has no end: it lasts until somebody takes it back" in answer.notes
    office.tick(400 * 86_400.0)
    assert len(office.desk.in_force().items) == 1
    assert office.ask(Command.RELEASE, seconds=None).verdict is Verdict.DONE
    assert office.desk.in_force().items == ()


@pytest.mark.parametrize(
    ("command", "region", "more", "words"),
    [
        (Command.DRAIN, "mars-north1", {}, "there is no region 'mars-north1'"),
        (Command.DRAIN, EUROPE, {"service": "shop"}, "there is no service 'shop'"),
        (Command.DRAIN, None, {}, "must name a region"),
        (Command.PIN, EUROPE, {"scaler": 0.05}, "0 or 0.1 to 1.0"),
        (Command.PIN, EUROPE, {}, "0 or 0.1 to 1.0"),
        (Command.PIN, EUROPE, {"scaler": 0.333}, "in hundredths, not 0.333"),
        (Command.MODE, None, {"mode": "loud"}, "loud"),
        (Command.MODE, None, {}, "observe, recommend or act"),
        (Command.HOLD, None, {"reason": " \n"}, "needs a reason"),
        (Command.HOLD, None, {"reason": "x"}, "the reason 'x' is too short"),
        (Command.HOLD, None, {"seconds": 5.0}, "lasts from 60 s"),
        (Command.HOLD, None, {"seconds": 1e9}, "30 days"),
        (Command.UNDRAIN, None, {}, "undrain needs a region"),
    ],
)
def test_what_makes_no_sense_is_a_mistake(
    command: Command, region: str | None, more: dict[str, object], words: str
) -> None:
    office = Office()
    answer = office.ask(command, region, **more)
    assert answer.verdict is Verdict.MISTAKEN
    assert words in answer.sentence
    assert office.rig.loop.kept.holds.items == ()


def test_a_pin_at_minus_zero_is_one_at_zero() -> None:
    office = Office()
    answer = office.ask(Command.PIN, EUROPE, scaler=-0.0)
    assert f"the pin of {EUROPE} at 0.00 in" in answer.sentence


def test_undrain_and_release_end_what_they_name() -> None:
    office = Office()
    office.ask(Command.DRAIN, EUROPE)
    office.ask(Command.HOLD)
    assert office.ask(Command.UNDRAIN, ASIA).verdict is Verdict.DONE
    assert "comes back step by step" in office.ask(Command.UNDRAIN, EUROPE).notes[0]
    assert [o.kind.value for o in office.desk.in_force().items] == ["hold"]
    narrow = office.ask(Command.RELEASE, service="pool")
    assert narrow.verdict is Verdict.REFUSED
    assert narrow.sentence.endswith("but order 2, the hold of all services, is")
    assert "without --service" in narrow.remedy
    assert office.ask(Command.RELEASE).verdict is Verdict.DONE
    office.ask(Command.PIN, EUROPE, scaler=0.5)
    assert office.ask(Command.UNDRAIN, EUROPE).verdict is Verdict.REFUSED, "a pin is no drain"
    assert office.ask(Command.RELEASE, EUROPE).verdict is Verdict.DONE


@pytest.mark.parametrize(
    ("command", "region", "more", "what"),
    [
        (Command.RELEASE, None, {}, "no hold to end"),
        (Command.RELEASE, None, {"service": "pool"}, "no hold to end"),
        (Command.RELEASE, EUROPE, {}, f"no drain or pin of {EUROPE} to end"),
        (Command.UNDRAIN, EUROPE, {}, f"no drain of {EUROPE} to end"),
        (Command.MODE, None, {"mode": POLICY}, "no mode to end"),
    ],
)
def test_the_end_of_what_is_not_in_force_is_done(
    command: Command, region: str | None, more: dict[str, object], what: str
) -> None:
    """A script that ends an order may run twice; it used to fail the second time."""
    office = Office()
    office.ask(Command.PIN, AMERICA, scaler=0.9)
    before = office.desk.in_force()
    answer = office.ask(command, region, **more)
    assert answer.verdict is Verdict.DONE
    assert answer.sentence == f"nothing is in force: there is {what}"
    assert office.desk.in_force() == before
    assert office.ask(Command.UNDO).verdict is Verdict.DONE, "the order before it is the last one"


def test_an_order_under_a_hold_is_refused_and_says_what_to_do() -> None:
    office = Office()
    office.ask(Command.HOLD)
    answer = office.ask(Command.DRAIN, EUROPE, force=True)
    assert (answer.verdict, answer.guard) == (Verdict.REFUSED, "operator-hold")
    assert "spillway release" in answer.remedy


def test_a_newer_order_on_the_same_lever_ends_the_older() -> None:
    office = Office()
    office.ask(Command.PIN, EUROPE, scaler=0.5)
    office.ask(Command.DRAIN, EUROPE)
    office.ask(Command.PIN, AMERICA, scaler=0.9)
    assert [(o.number, o.kind.value) for o in office.desk.in_force().items] == [(2, "drain"), (3, "pin")]


def test_undo_brings_back_what_was_before_the_last_order() -> None:
    office = Office()
    assert office.ask(Command.UNDO).verdict is Verdict.REFUSED
    office.ask(Command.PIN, EUROPE, scaler=0.5)
    office.ask(Command.DRAIN, EUROPE)
    answer = office.ask(Command.UNDO)
    assert answer.sentence == f"order 2, the drain of {EUROPE} in all services, is undone"
    assert [o.scaler for o in office.desk.in_force().items] == [0.5]
    assert office.ask(Command.UNDO).verdict is Verdict.REFUSED, "only the last one"
    office.ask(Command.RELEASE, EUROPE)
    assert office.ask(Command.UNDO).verdict is Verdict.DONE
    assert [o.scaler for o in office.desk.in_force().items] == [0.5], "the end of an order is undone as well"


def test_an_order_that_has_ended_by_itself_is_not_told_as_undone() -> None:
    office = Office()
    office.ask(Command.HOLD, seconds=600.0)
    office.tick(700.0)
    answer = office.ask(Command.UNDO)
    assert answer.verdict is Verdict.REFUSED
    assert answer.sentence == (
        "there is nothing to undo: order 1, the hold of all services, makes no difference any more"
    )


def test_a_mode_is_in_force_until_it_is_the_policys_again() -> None:
    office = Office(Rig(mode=Mode.OBSERVE))
    assert any("spillway mode act" in n for n in office.ask(Command.DRAIN, EUROPE).notes)
    office.tick()
    assert office.rig.scaler(EUROPE) == 1.0
    answer = office.ask(Command.MODE, mode="act")
    assert answer.notes == ("pool: the policy says observe",)
    office.rig.later()
    report = office.rig.loop.tick()
    assert dict(report.modes) == {"pool": Mode.ACT}
    assert office.rig.scaler(EUROPE) == 0.0
    assert office.ask(Command.MODE, mode=POLICY).notes == ("the mode is the policy's again",)
    assert dict(office.rig.loop.tick().modes) == {"pool": Mode.OBSERVE}


def test_an_order_that_cannot_be_kept_is_not_in_force() -> None:
    office = Office()
    office.rig.store.full = True
    answer = office.ask(Command.DRAIN, EUROPE)
    assert answer.verdict is Verdict.UNAVAILABLE
    assert "no space left" in answer.sentence
    assert office.desk.in_force().items == ()


def test_services_without_a_lever_do_not_stop_an_order_for_all() -> None:
    rig = Rig(services=("europe", "pool"))
    pool = rig.fleet.service("pool")
    fixed = tuple(replace(b, service="europe", movable=False) for b in pool.backends)
    europe = replace(rig.fleet.service("europe"), backends=fixed)
    rig.fleet = Fleet(services=(europe, pool))
    rig.restart()
    office = Office(rig)
    answer = office.ask(Command.DRAIN, EUROPE)
    assert answer.verdict is Verdict.DONE
    assert any(n.startswith(f"europe: stays as it is: {EUROPE} has no scaler") for n in answer.notes)
    assert any(n.startswith(f"pool: {EUROPE} goes from 1.00 to 0.00") for n in answer.notes)
    assert office.ask(Command.DRAIN, EUROPE, service="europe").guard == "not-movable"


def test_nothing_is_judged_before_the_first_tick() -> None:
    rig = Rig().started()
    answer = OrderDesk(rig.loop).handle(
        Request(command=Command.DRAIN, region=EUROPE, reason="new kernel", seconds=600.0)
    )
    assert answer.verdict is Verdict.UNAVAILABLE
    assert OrderDesk(rig.loop).handle(Request(command=Command.HOLD, reason="wait")).verdict is Verdict.DONE


def test_orders_are_bounded_in_number_and_words() -> None:
    office = Office(Rig(services=tuple(f"s{i:02}" for i in range(MOST_ORDERS))))
    for i in range(MOST_ORDERS):
        office.ask(Command.HOLD, service=f"s{i:02}", reason="x" * 5000)
    assert {len(o.reason) for o in office.desk.in_force().items} == {LONGEST_REASON}
    assert office.ask(Command.HOLD).verdict is Verdict.REFUSED
    assert office.ask(Command.HOLD, service="s00").verdict is Verdict.DONE, "it replaces its like"


def test_an_order_ends_the_pin_of_somebodys_edit() -> None:
    office = Office()
    kept = office.rig.loop.kept
    pin = ForeignPin(
        since=START, until=START + 9000.0, member=True, scaler=1.0, wanted_member=True, wanted_scaler=0.5
    )
    edited = BackendMemory(region=EUROPE, member=True, scaler=1.0, pin=pin)
    memory = ControllerMemory(services=(ServiceMemory(service="pool", backends=(edited,)),))
    office.rig.loop.keep(replace(kept, memory=memory))
    assert (
        office.ask(Command.UNDRAIN, EUROPE).sentence == f"somebody's edit of {EUROPE} is no longer left alone"
    )
    assert office.rig.loop.kept.memory.service("pool").backend(EUROPE).pin is None
    office.rig.loop.keep(replace(kept, memory=memory))
    office.ask(Command.PIN, EUROPE, scaler=1.0)
    assert office.rig.loop.kept.memory.service("pool").backend(EUROPE).pin is None

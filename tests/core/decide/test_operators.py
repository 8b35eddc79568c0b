"""Operators' orders: room first, as far as the floors allow, refused by name, forced, and told of while they wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.core.pictures import AT, SERVICE, area, context_of, guards, made, picture_of
from tests.core.plant import SERVICE as POOL
from tests.core.plant import Client, Plant, Run, Zone, drive
from tests.core.strategies import pictures, scalers

from spillway.core.act.plan import make_plan, scalers_of
from spillway.core.decide.operators import check_order, operator_orders, order_alarms
from spillway.core.decide.proposals import propose
from spillway.core.loop import PROPOSERS
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Purpose
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.overlay import ServiceSetting
from spillway.core.values.policy import Mode, Policy, Timing
from spillway.core.values.topology import is_legal_scaler


def drain(region: str = "a", **more: Any) -> Order:
    return Order(
        **{"kind": OrderKind.DRAIN, "until": AT + 600.0, "reason": "new kernel", "region": region, **more}
    )


def pin(scaler: float, region: str = "a", **more: Any) -> Order:
    return drain(region, **{"kind": OrderKind.PIN, "scaler": scaler, **more})


def with_standby(picture: ServiceModel, region: str) -> ServiceModel:
    """The picture with one detached region that waits as a standby."""
    beliefs = tuple(
        f._replace(backend=replace(f.backend, standby=True)) if f.region == region else f
        for f in picture.beliefs
    )
    return replace(picture, beliefs=beliefs)


def full(**standby: Any) -> ServiceModel:
    """Two regions that are needed both, and a standby of the same size."""
    regions = (area("a"), area("b"), area("s", scaler=0.0, member=False, movable=True, **standby))
    return with_standby(picture_of(regions, {"a": 60.0, "b": 50.0}), "s")


def test_a_drain_opens_and_caps_receivers_in_the_same_write() -> None:
    regions = (area("a"), area("b", scaler=0.5), area("c", capacity=80.0), area("d"))
    picture = picture_of(regions, {"a": 60.0, "b": 20.0, "c": 60.0})
    found = propose((operator_orders,), context_of(picture, Orders(items=(drain(),))))
    changes = made(found)
    assert changes["a"] == 0.0
    assert changes["b"] > 0.5, "what was lowered is opened for what comes"
    purposes = {c.region: c.purpose for c in found.changes}
    assert purposes == {r: Purpose.OPERATOR if r == "a" else Purpose.MAKE_ROOM for r in purposes}


def test_a_standby_joins_before_a_drain_for_which_there_is_no_room() -> None:
    found = propose((operator_orders,), context_of(full(), Orders(items=(drain(),))))
    assert made(found) == {"s": 0.5}
    assert guards(found) == {"floor-capacity"}
    check = check_order(context_of(full()), drain())
    assert check.refused is None
    assert "standby s joins first" in check.notes


def joined(seconds: float) -> ServiceModel:
    """Two regions that are needed both, and one that has joined so many seconds ago."""
    regions = (area("a"), area("b"), area("s"))
    return picture_of(regions, {"a": 60.0, "b": 50.0}, memories={"s": {"joined_at": AT - seconds}})


def test_who_has_just_joined_is_counted_on_once_it_can_be_sent_load() -> None:
    orders = Orders(items=(drain(at=AT - 60.0),))
    young = context_of(joined(30.0), orders)
    assert made(propose((operator_orders,), young)) == {}
    assert order_alarms(young, propose((operator_orders,), young)) == []
    assert "it waits until those who have just joined can be sent load" in check_order(young, drain()).notes
    old = context_of(joined(Timing().effect + 10.0), orders)
    assert made(propose((operator_orders,), old))["a"] == 0.0


def test_what_cannot_be_emptied_is_lowered_as_far_as_the_floors_allow() -> None:
    picture = picture_of((area("a"), area("b")), {"a": 70.0, "b": 40.0})
    context = context_of(picture, Orders(items=(drain(),)))
    found = propose((operator_orders,), context)
    (change,) = found.changes
    assert 0.1 <= change.after <= 0.9
    assert change.reason.code == "operator-drain-part"
    assert guards(found) == {"floor-capacity"}
    (alarm,) = order_alarms(context_of(picture, Orders(items=(drain(by="ana"),))), propose((), context))
    assert alarm.code == "order-waits"
    assert "by ana" in alarm.sentence
    # once it is there, it stays: the same view brings no further step
    lowered = picture_of((area("a", scaler=change.after), area("b")), {"a": 70.0, "b": 40.0})
    assert made(propose((operator_orders,), context_of(lowered, Orders(items=(drain(),))))) == {}


def test_an_order_that_breaks_a_floor_is_refused_by_name_and_may_be_forced() -> None:
    picture = picture_of((area("a"), area("b")), {"a": 90.0, "b": 60.0})
    check = check_order(context_of(picture), drain())
    assert check.refused is not None
    assert (check.refused.code, check.forceable) == ("floor-capacity", True)
    forced = check_order(context_of(picture), drain(force=True))
    assert forced.refused is None
    assert any(note.startswith("by force:") for note in forced.notes)
    found = propose((operator_orders,), context_of(picture, Orders(items=(drain(force=True),))))
    assert made(found) == {"a": 0.0}
    backends = tuple(f.setting for f in picture.beliefs)
    setting = ServiceSetting(service=SERVICE, posture=picture.posture, backends=backends)
    _, after = make_plan(setting, found.changes, picture)
    assert scalers_of(picture, after) == (0.0, 1.0)


def test_nobody_closes_the_last_open_region_or_moves_what_has_no_scaler() -> None:
    alone = picture_of((area("a"), area("b", dead=True)), {"a": 40.0})
    check = check_order(context_of(alone), drain(force=True))
    assert check.refused is not None
    assert (check.refused.code, check.forceable) == ("last-backend", False)
    assert made(propose((operator_orders,), context_of(alone, Orders(items=(drain(force=True),))))) == {}
    fixed = picture_of((area("a", movable=False), area("b")), {"a": 40.0})
    check = check_order(context_of(fixed), pin(0.5, force=True))
    assert check.refused is not None
    assert check.refused.code == "not-movable"


def test_an_order_for_all_services_passes_those_by_that_have_no_lever() -> None:
    fixed = picture_of((area("a", movable=False), area("b")), {"a": 40.0})
    assert check_order(context_of(fixed), drain()).leverless
    context = context_of(fixed, Orders(items=(drain(at=AT - 7200.0),)))
    assert order_alarms(context, propose((), context)) == []
    context = context_of(fixed, Orders(items=(drain(at=AT - 7200.0, service=SERVICE),)))
    assert [a.code for a in order_alarms(context, propose((), context))] == ["order-waits"]


def test_an_order_under_a_hold_is_refused_by_the_hold() -> None:
    hold = Order(kind=OrderKind.HOLD, until=None, reason="hands off")
    picture = picture_of((area("a"), area("b"), area("c")), {"a": 40.0})
    check = check_order(context_of(picture, Orders(items=(hold,))), drain(force=True))
    assert check.refused is not None
    assert (check.refused.code, check.forceable) == ("operator-hold", False)


def test_a_pin_of_a_standby_is_refused_and_a_drain_keeps_it_out() -> None:
    check = check_order(context_of(full()), pin(0.5, "s"))
    assert check.refused is not None
    assert check.refused.code == "no-member"
    assert check_order(context_of(full()), drain("s")).notes == ("s is detached and stays so",)
    kept_out = context_of(full(), Orders(items=(drain("s"), drain("a"))))
    assert "s" not in made(propose((operator_orders,), kept_out)), "an order keeps it out"


def test_what_will_happen_is_said_in_sentences() -> None:
    picture = picture_of((area("a"), area("b"), area("c")), {"a": 40.0})
    assert check_order(context_of(picture), pin(1.0)).notes == ("a stands at 1.00 already and stays there",)
    note, told = check_order(context_of(picture), drain()).notes
    assert told.startswith("by the model then: ")
    assert note == "a goes from 1.00 to 0.00; traffic follows about 2 min after the write"
    watching = replace(picture, policy=Policy(mode=Mode.OBSERVE))
    note, _ = check_order(context_of(watching), drain()).notes
    assert "spillway mode act" in note


def test_a_pin_that_stands_in_the_way_is_told_of() -> None:
    pinned = Orders(items=(pin(1.0, by="ana"),))
    well = picture_of((area("a"), area("b"), area("c")), {"a": 40.0})
    context = context_of(well, pinned)
    assert order_alarms(context, propose((), context)) == []
    dead = picture_of((area("a", dead=True), area("b"), area("c")), {"a": 40.0})
    context = context_of(dead, pinned)
    (alarm,) = order_alarms(context, propose(PROPOSERS, context))
    assert alarm.code == "pin-in-the-way"
    assert "0 of its 10 endpoints" in alarm.sentence


@given(st.data())
def test_a_forced_order_leads_to_legal_scalers_and_leaves_somebody_open(data: st.DataObject) -> None:
    picture = data.draw(pictures())
    region = data.draw(st.sampled_from([r.name for r in picture.traffic.regions]))
    order = (
        drain(region, force=True) if data.draw(st.booleans()) else pin(data.draw(scalers), region, force=True)
    )
    accepted = propose(PROPOSERS, context_of(picture, Orders(items=(order,))))
    assert all(is_legal_scaler(s) for s in accepted.scalers)
    serving = picture.constraints.serving
    assert serving(accepted.scalers) > 0 or serving(picture.traffic.scalers) == 0
    backends = tuple(f.setting for f in picture.beliefs)
    setting = ServiceSetting(service=picture.service.name, posture=picture.posture, backends=backends)
    _, after = make_plan(setting, accepted.changes, picture)
    assert scalers_of(picture, after) == accepted.scalers


# --- in a closed loop


def zones(standby: float = 120.0) -> list[Zone]:
    found = [
        Zone(name=name, latitude=latitude, longitude=0.0, target=120.0, capacity=130.0)
        for name, latitude in (("europe-west4", 50.0), ("us-east4", 20.0))
    ]
    if standby:
        found.append(
            Zone(
                name="asia-east1",
                latitude=0.0,
                longitude=0.0,
                target=standby,
                capacity=standby * 1.08,
                standby=True,
            )
        )
    return found


def clients_at(rate: float) -> list[Client]:
    return [
        Client(place=place, latitude=latitude, longitude=0.0, rate=lambda _: rate)
        for place, latitude in (("Europe", 49.0), ("America", 21.0))
    ]


def ordered(run: Run, order: Order) -> None:
    """What the daemon keeps from now on."""
    run.orders = run.orders.with_order(order)


def loop_of(order: Order, rate: float, *, standby: float = 120.0, seconds: float = 4800.0) -> Run:
    return drive(
        Plant(zones(standby), clients_at(rate)),
        seconds,
        Policy(mode=Mode.ACT),
        hooks={1800.0: lambda run: ordered(run, order)},
    )


def test_a_drain_makes_room_holds_and_ends_by_the_restore_steps() -> None:
    run = loop_of(drain("europe-west4", until=7200.0, at=1800.0, by="ana"), 60.0, seconds=14000.0)
    codes = [(at, what) for at, what in run.moves if at >= 1800.0]
    assert codes[0] == (1800.0, "asia-east1 membership detached->0.50 [join-for-drain]")
    drained = next(at for at, what in codes if "europe-west4 scaler 1.00->0.00 [operator-drain]" in what)
    assert 1800.0 + Timing().effect <= drained <= 1800.0 + 2 * Timing().dead_time
    between = [what for at, what in codes if drained < at < 7200.0 and "europe-west4" in what]
    assert between == [], "nothing opens it while the order lasts"
    back = [what for at, what in codes if at >= 7200.0 and "europe-west4" in what]
    assert back[0].endswith("[probe]")
    assert run.scaler_path("europe-west4")[-1] == 1.0


def test_a_drain_without_room_goes_part_of_the_way_and_alarms() -> None:
    run = loop_of(drain("europe-west4", until=None, at=1800.0), 60.0, standby=0.0)
    path = run.scaler_path("europe-west4")
    assert path
    assert min(path) >= 0.1
    told = {a.code for at, r in run.results for a in r.alarms if at >= 1800.0}
    assert "order-waits" in told
    assert all(r.overlay.service(POOL).backend("us-east4").scaler > 0.0 for _, r in run.results)


def test_a_pin_holds_both_ways_through_a_fault() -> None:
    slow = zones(0.0)
    slow[0].errors = lambda t: 0.5 if 3000.0 <= t < 4800.0 else 0.0
    clients = clients_at(30.0)
    order = pin(1.0, "europe-west4", until=None, by="ana")
    run = drive(
        Plant(slow, clients), 6000.0, Policy(mode=Mode.ACT), hooks={1200.0: lambda run: ordered(run, order)}
    )
    assert not [what for _, what in run.moves if "europe-west4 scaler" in what]
    assert "pin-in-the-way" in {a.code for _, r in run.results for a in r.alarms}


def test_a_mode_that_an_operator_orders_is_the_one_in_force() -> None:
    slow = zones(0.0)
    slow[0].errors = lambda t: 0.5 if t >= 1800.0 else 0.0
    clients = clients_at(30.0)
    order = Order(kind=OrderKind.MODE, mode=Mode.RECOMMEND, until=3600.0, reason="a trial")
    run = drive(
        Plant(slow, clients), 4800.0, Policy(mode=Mode.ACT), hooks={600.0: lambda run: ordered(run, order)}
    )
    europe = [at for at, what in run.moves if "europe-west4 scaler" in what]
    assert europe
    assert min(europe) >= 3600.0
    assert [at for at, r in run.results if r.advice and at < 3600.0]


# --- what the answer says of those who take the load


def outlook(picture: ServiceModel, order: Order) -> str:
    """The note about the receivers."""
    (note,) = [
        note for note in check_order(context_of(picture), order).notes if note.startswith("by the model")
    ]
    return note


def test_the_answer_says_who_takes_the_load_and_how_full_they_become() -> None:
    regions = (area("a"), area("b"), area("c"))
    near = outlook(picture_of(regions, {"a": 30.0, "b": 20.0, "c": 60.0}), drain())
    assert near == "by the model then: b 20.0 -> 50.0 requests/s, 50% full"
    none = outlook(picture_of(regions, {"b": 20.0, "c": 60.0}), drain())
    assert none == "by the model then: no other region is sent more"


def test_the_answer_counts_a_standby_that_joins_and_those_who_have_just_joined() -> None:
    told = outlook(full(), drain())
    assert "s 0.0 -> " in told
    assert "s 0.0 -> " in outlook(joined(30.0), drain())


def test_the_answer_to_a_forced_drain_says_how_far_others_are_overfilled() -> None:
    picture = picture_of((area("a"), area("b")), {"a": 90.0, "b": 60.0})
    assert outlook(picture, drain(force=True)) == "by the model then: b 60.0 -> 150.0 requests/s, 150% full"


def test_the_answer_names_a_bounded_number_of_receivers() -> None:
    picture = picture_of(
        (area("a"), *(area(f"r{i}", capacity=10.0, ceiling=10.0) for i in range(12))), {"a": 90.0}
    )
    told = outlook(picture, drain())
    assert told.count("requests/s") == 6
    assert told.endswith("and 4 more")


# --- the word for a region that an order covers


def words(run: Run, region: str) -> list[str]:
    """The states of a region from the order on, each once."""
    seen = [
        b.state.value
        for at, r in run.results
        for b in r.assessment[0].backends
        if b.region == region and at >= 1800.0
    ]
    return [word for i, word in enumerate(seen) if i == 0 or word != seen[i - 1]]


def test_a_region_says_which_order_it_stands_under() -> None:
    run = loop_of(drain("europe-west4", until=None, at=1800.0), 40.0, seconds=2700.0)
    assert words(run, "europe-west4") == ["serving", "draining", "drained"]
    run = loop_of(pin(0.9, "europe-west4", until=2200.0, at=1800.0), 40.0, seconds=2500.0)
    assert words(run, "europe-west4")[:2] == ["pinned", "degraded"]
    hold = Order(kind=OrderKind.HOLD, until=2000.0, reason="a test", at=1800.0)
    assert words(loop_of(hold, 40.0, seconds=2200.0), "us-east4") == ["held", "serving"]


def test_an_order_for_one_region_has_its_word_before_a_hold_of_all() -> None:
    hold = Order(kind=OrderKind.HOLD, until=None, reason="a test", at=2400.0)
    run = drive(
        Plant(zones(120.0), clients_at(40.0)),
        2700.0,
        Policy(mode=Mode.ACT),
        hooks={
            1800.0: lambda run: ordered(run, drain("europe-west4", until=None, at=1800.0)),
            2400.0: lambda run: ordered(run, hold),
        },
    )
    last = {b.region: b.state.value for b in run.results[-1][1].assessment[0].backends}
    assert last["europe-west4"] == "drained"
    assert last["us-east4"] == "held"

"""Proposals are accepted whole or refused whole, in order; a refusal names the limit or the constraint that was active."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.core.pictures import (
    AT,
    SERVICE,
    area,
    change_of,
    considered,
    context_of,
    flight_of,
    foreign_pin,
    guards,
    made,
    nothing,
    picture_of,
)
from tests.core.strategies import pictures

from spillway.core.decide.optimise import optimum
from spillway.core.decide.proposals import Accepted, Context, Proposal, Proposer, each, propose
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import SAME_LOAD_FACTOR
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Change, Lever, Purpose, Reason
from spillway.core.values.limits import LimitKind, Trust
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.policy import CalendarWindow, Mode, Policy, Shortage
from spillway.core.values.state import Estimate, SaturationTrack


def two_full_neighbours(room: float) -> ServiceModel:
    """Regions a and b spill into each other and are both past what they take; c has `room`."""
    regions = (
        area("a", capacity=60.0),
        area("b", capacity=50.0),
        area("c", ceiling=room, capacity=room),
    )
    demand = {"a": 95.0, "b": 80.0, "c": 10.0}
    return picture_of(regions, demand)


CUTS = (change_of("a", 1.0, 0.54), change_of("b", 1.0, 0.45))


def wanting(*changes: Change) -> Proposer:
    """A proposer that wants these changes as one set."""
    return lambda context, accepted, /: [Proposal(changes=changes)]


# --- a set is accepted whole or refused whole


def test_a_set_that_holds_as_a_whole_is_accepted() -> None:
    picture = two_full_neighbours(300.0)
    alone = considered(picture, CUTS[:1])
    assert made(alone) == {}  # what it sheds would land on b, which is full
    assert guards(alone) == {"receiver-limit"}
    both = considered(picture, CUTS)
    assert made(both) == {"a": 0.54, "b": 0.45}
    assert both.refusals == ()


def test_the_order_of_what_is_wanted_does_not_matter() -> None:
    picture = two_full_neighbours(300.0)
    one, other = considered(picture, CUTS), considered(picture, CUTS[::-1])
    assert (made(one), one.scalers, one.refusals) == (made(other), other.scalers, other.refusals)


def test_a_set_that_does_not_hold_is_refused_whole() -> None:
    regions = (
        area("a", capacity=60.0),
        area("b", bad=0.3),
        area("c", ceiling=80.0, capacity=80.0),
        area("d", ceiling=200.0, capacity=200.0),
    )
    picture = picture_of(regions, {"a": 95.0, "b": 30.0, "c": 40.0})
    wanted = (change_of("a", 1.0, 0.54), change_of("b", 1.0, 0.1))
    whole = picture.traffic.predict([0.54, 0.1, 1.0, 1.0]).flow.loads
    assert whole[2] > 0.9 * 80.0  # c would be toppled by both together
    found = considered(picture, wanted)
    assert found.changes == ()
    assert found.scalers == picture.traffic.scalers
    assert [(r.move.region, r.limit) for r in found.refusals] == [
        ("a", "receiver-limit"),
        ("b", "receiver-limit"),
    ]
    assert found.wanted == wanted


def test_a_limit_on_one_change_refuses_its_set() -> None:
    regions = two_full_neighbours(300.0).traffic.regions
    rests = picture_of(regions, {"a": 95.0, "b": 80.0, "c": 10.0}, memories={"b": {"moved_at": AT - 60.0}})
    found = considered(rests, CUTS)
    assert made(found) == {}  # without the other half of the set, a would push b
    assert [(r.move.region, r.limit) for r in found.refusals] == [("b", "resting")]


def test_in_a_panic_no_set_is_accepted() -> None:
    found = considered(
        two_full_neighbours(300.0), CUTS, panic=Reason(code="panic", sentence="too much looks bad")
    )
    assert found.changes == ()
    assert guards(found) == {"panic"}


def test_what_changes_nothing_passes() -> None:
    picture = picture_of((area("a"), area("b", bad=0.05), area("c")), {"a": 60.0, "b": 20.0})
    roomy = change_of("a", 1.0, 0.8)
    found = considered(picture, [roomy])
    assert (found.changes, found.refusals) == ((roomy,), ())


hundredth = st.integers(10, 99).map(lambda n: n / 100)
capacities = st.tuples(*[st.floats(20.0, 120.0)] * 3)
demands = st.tuples(*[st.floats(5.0, 110.0)] * 3)


def random_picture(sizes: tuple[float, ...], rates: tuple[float, ...]) -> ServiceModel:
    regions = tuple(area(n, capacity=c) for n, c in zip("abc", sizes, strict=True))
    return picture_of(regions, dict(zip("abc", rates, strict=True)))


@given(capacities, demands, st.tuples(hundredth, hundredth, hundredth))
def test_whatever_is_wanted_all_of_it_is_made_or_nothing(
    sizes: tuple[float, ...], rates: tuple[float, ...], afters: tuple[float, ...]
) -> None:
    picture = random_picture(sizes, rates)
    wanted = tuple(change_of(n, 1.0, after) for n, after in zip("abc", afters, strict=True))
    found = considered(picture, wanted)
    assert found.changes in ((), wanted)
    assert found.scalers == (afters if found.changes else picture.traffic.scalers)
    assert bool(found.refusals) is not bool(found.changes)
    assert [r.move.region for r in found.refusals] in ([], ["a", "b", "c"])


@given(capacities, demands, hundredth)
def test_no_cut_that_is_made_pushes_a_receiver_past_its_limit_for_nothing(
    sizes: tuple[float, ...], rates: tuple[float, ...], after: float
) -> None:
    picture = random_picture(sizes, rates)
    found = considered(picture, [change_of("a", 1.0, after)])
    before, then = picture.traffic.base, picture.traffic.predict(found.scalers)
    saves = picture.constraints.short and then.bad < 0.95 * before.bad
    for load, was, row in zip(
        then.flow.loads[1:], before.flow.loads[1:], picture.constraints.rows[1:], strict=True
    ):
        assert saves or load <= max(row.receives, was) * SAME_LOAD_FACTOR + 1e-5


@given(capacities, demands)
def test_what_the_optimum_is_accepted_for_makes_fewer_requests_bad(
    sizes: tuple[float, ...], rates: tuple[float, ...]
) -> None:
    picture = random_picture(sizes, rates)
    found = propose((optimum,), context_of(picture))
    if found.changes:
        assert picture.traffic.predict(found.scalers).bad < picture.traffic.base.bad
        assert picture.constraints.against(picture.traffic.base).broken_floor(found.scalers) is None


@given(pictures())
def test_the_search_proposes_nothing_that_is_refused(picture: ServiceModel) -> None:
    assume(picture.policy.shortage is not Shortage.SHARE)
    found = propose((optimum,), context_of(picture))
    assert found.changes == found.wanted or guards(found) == {"one-drain"}


@given(pictures())
def test_what_is_shared_in_a_shortage_is_within_the_limits(picture: ServiceModel) -> None:
    sharing = replace(picture, policy=replace(picture.policy, shortage=Shortage.SHARE))
    found = propose((optimum,), context_of(sharing))
    assert guards(found) <= {"floor-capacity", "receiver-limit", "floor-regions"} or found.wanted == ()


# --- in order: what is accepted is fixed for those that follow


def test_the_first_proposer_is_heard_for_a_region() -> None:
    picture = picture_of((area("a"), area("b"), area("c")), {"a": 40.0})
    first, second = change_of("a", 1.0, 0.8, Purpose.OPERATOR), change_of("a", 1.0, 0.6)
    found = propose((wanting(first), wanting(second)), context_of(picture))
    assert found.changes == found.wanted == (first,)
    assert found.refusals == ()


def test_a_refused_change_does_not_keep_others_from_being_heard() -> None:
    held = picture_of((area("a"), area("b"), area("c")), {"a": 40.0}, memories={"a": {"moved_at": AT - 60.0}})
    first, second = change_of("a", 1.0, 0.8), change_of("a", 1.0, 0.6, Purpose.OPERATOR)
    found = propose((wanting(first), wanting(second)), context_of(held))
    assert found.changes == (second,)
    assert guards(found) == {"resting"}


def test_what_is_left_of_an_optimum_without_a_fixed_region_is_no_optimum() -> None:
    picture = two_full_neighbours(300.0)
    candidate = propose((optimum,), context_of(picture)).candidate
    assert candidate is not None
    fixed = nothing(context_of(picture)).consider(
        Proposal(changes=(change_of("b", 1.0, 0.9, Purpose.OPERATOR),))
    )
    found = fixed.consider(Proposal(changes=CUTS, candidate=candidate))
    assert made(found) == made(fixed)
    assert found.candidate == candidate
    # a proposal without a search is judged by what is left of it
    assert made(fixed.consider(Proposal(changes=(CUTS[1], change_of("c", 1.0, 0.9))))).keys() == {"b", "c"}


def closing(region: str, purpose: Purpose = Purpose.RELIEVE) -> Change:
    return change_of(region, 1.0, 0.0, purpose)


def erring(*names: str) -> ServiceModel:
    """Regions in which every second answer is an error, whatever the load, and two with room for all."""
    regions = (*(area(n, bad=0.5) for n in names), area("y"), area("z"))
    return picture_of(regions, dict.fromkeys(names, 20.0))


def test_the_second_of_two_drains_in_one_step_is_refused() -> None:
    found = propose((wanting(closing("a")), wanting(closing("b"))), context_of(erring("a", "b")))
    assert made(found) == {"a": 0.0}
    assert [(r.move.region, r.limit) for r in found.refusals] == [("b", "one-drain")]
    assert "a" in found.refusals[0].sentence


def test_two_drains_in_one_set_are_refused_whole() -> None:
    found = considered(erring("a", "b"), [closing("a"), closing("b")])
    assert made(found) == {}
    assert [(r.move.region, r.limit) for r in found.refusals] == [("a", "one-drain"), ("b", "one-drain")]


def test_drains_of_dead_regions_do_not_count_as_drains() -> None:
    regions = (area("a", dead=True), area("b", dead=True), area("c", bad=0.5), area("y"), area("z"))
    picture = picture_of(regions, {"a": 20.0, "c": 20.0})
    drains = [closing("a", Purpose.DRAIN_DEAD), closing("b", Purpose.DRAIN_DEAD), closing("c")]
    found = propose((lambda context, accepted, /: each(drains),), context_of(picture))
    assert made(found) == {"a": 0.0, "b": 0.0, "c": 0.0}


def test_an_accepted_cut_is_in_force_for_the_optimum() -> None:
    picture = two_full_neighbours(300.0)
    alone = propose((optimum,), context_of(picture))
    assert made(alone).keys() == {"a", "b"}
    order = change_of("a", 1.0, 0.54, Purpose.OPERATOR)
    context = context_of(two_full_neighbours(300.0))
    fixed = replace(nothing(context), scalers=(0.54, 1.0, 1.0), changes=(order,))
    assert fixed.traffic.scalers == (0.54, 1.0, 1.0)
    (proposal,) = optimum(context, fixed)
    assert [c.region for c in proposal.changes] == ["b"], "a is fixed, and what it sheds is b's trouble"
    assert proposal.candidate is not None
    assert proposal.candidate.bad_now == pytest.approx(fixed.traffic.base.bad / fixed.traffic.forecast)
    found = fixed.consider(proposal)
    assert made(found) == {"a": 0.54, "b": made(alone)["b"]}
    # the order alone would have been refused; with what the optimum adds to it, the receivers are below their limit
    loads = picture.traffic.predict(found.scalers).flow.loads
    assert all(load <= row.receives for load, row in zip(loads, picture.constraints.rows, strict=True))


def joining() -> Change:
    return Change(
        service=SERVICE,
        region="s",
        lever=Lever.MEMBERSHIP,
        purpose=Purpose.JOIN,
        before=0.0,
        after=0.5,
        reason=reason("join-planned-end", region="s"),
        was_member=False,
    )


def with_standby() -> ServiceModel:
    """Region a takes 60 of the 95 requests/s that come to it, b the rest, and s is no member yet."""
    regions = (area("a", capacity=60.0), area("b"), area("s", member=False, scaler=0.0, movable=False))
    picture = picture_of(regions, {"a": 95.0})
    beliefs = tuple(
        f._replace(backend=replace(f.backend, standby=f.region == "s", movable=True)) for f in picture.beliefs
    )
    return replace(picture, beliefs=beliefs)


def test_a_join_is_fixed_but_not_counted_on() -> None:
    context = context_of(with_standby())
    joined = nothing(context).consider(Proposal(changes=(joining(),)))
    assert made(joined) == {"s": 0.5}
    assert "s" in joined.regions
    assert joined.traffic is context.model.traffic, "nobody is sent to what is no member yet"
    assert joined.traffic.scalers == (1.0, 1.0, 0.0)
    (proposal,) = optimum(context, joined)
    (change,) = proposal.changes
    assert change.region == "a"
    assert joined.consider(proposal).changes == (joining(), change)


# --- what is told of an optimum that is held back

PICTURES: list[tuple[str, LimitKind, Callable[[], Context]]] = [
    (
        "freeze",
        LimitKind.FREEZE,
        lambda: context_of(
            slow(
                policy=Policy(
                    mode=Mode.ACT, freezes=(CalendarWindow(start=AT - 1.0, end=AT + 1.0, reason="sale"),)
                )
            )
        ),
    ),
    (
        "operator-hold",
        LimitKind.OPERATOR_HOLD,
        lambda: context_of(
            slow(), Orders(items=(Order(kind=OrderKind.HOLD, until=AT + 60.0, reason="a test"),))
        ),
    ),
    (
        "operator-hold",
        LimitKind.OPERATOR_ORDER,
        lambda: context_of(
            slow(),
            Orders(
                items=(Order(kind=OrderKind.PIN, until=AT + 60.0, reason="a test", region="a", scaler=1.0),)
            ),
        ),
    ),
    ("resting", LimitKind.DWELL, lambda: context_of(slow({"moved_at": AT - 60.0}))),
    ("foreign-pin", LimitKind.FOREIGN_PIN, lambda: context_of(slow({"pin": foreign_pin(1.0)}))),
    (
        "unconfirmed",
        LimitKind.UNCONFIRMED,
        lambda: context_of(slow(), trust=Trust(doubt=reason("unconfirmed", what="b at 0.50"))),
    ),
    ("late-evidence", LimitKind.LATE_EVIDENCE, lambda: context_of(slow(age=600.0))),
    ("panic", LimitKind.PANIC, lambda: context_of(slow(), panic=reason("panic", bad=2, count=2))),
    ("unknown-outcome", LimitKind.UNKNOWN_OUTCOME, lambda: context_of(with_memory(unknown=True))),
    ("budget-spent", LimitKind.BUDGET, lambda: context_of(with_memory(unknown=False))),
]


def slow(memory: dict[str, Any] | None = None, **more: Any) -> ServiceModel:
    """Region a takes 60 of the 95 requests/s that come to it; b has room."""
    known = {"estimate": Estimate(saturation=SaturationTrack(rate=60.0)), **(memory or {})}
    return picture_of((area("a", capacity=60.0), area("b")), {"a": 95.0}, memories={"a": known}, **more)


def with_memory(*, unknown: bool) -> ServiceModel:
    """The same with a write of unknown outcome, or with all writes of the hour spent."""
    picture = slow()
    writes = (AT - 60.0,) * picture.policy.rhythm.moves_per_hour
    flights = (flight_of("b", 1.0, 0.9, AT - 30.0),)
    changes: dict[str, Any] = {"unknown": flights} if unknown else {"writes": writes}
    return replace(picture, memory=replace(picture.memory, **changes))


def refusals(context: Context) -> Accepted:
    return propose((optimum,), context)


def test_nothing_holds_back_the_optimum_of_the_plain_case() -> None:
    found = refusals(context_of(slow()))
    assert made(found).keys() == {"a"}
    assert found.refusals == ()


@pytest.mark.parametrize(("code", "kind", "context"), PICTURES, ids=[str(kind) for _, kind, _ in PICTURES])
def test_a_refusal_names_the_limit_that_holds_back_the_optimum(
    code: str, kind: LimitKind, context: Callable[[], Context]
) -> None:
    given_ = context()
    found = refusals(given_)
    assert found.changes == ()
    assert [(r.move.region, r.limit) for r in found.refusals] == [("a", code)]
    (refusal,) = found.refusals
    bound = given_.limits.of("a").active(float(refusal.move.after), Purpose.RELIEVE)
    assert bound is not None
    assert (bound.kind, bound.reason.sentence) == (kind, refusal.sentence)

"""Ceilings are judged as one set first, piece by piece where that does not hold; late pictures need lasting trouble."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.pictures import area, change_of, picture_of

from spillway.core.decide.limits import LATE_SHARE, Guarded, Situation, fresh, narrow
from spillway.core.model.service import Picture
from spillway.core.values.decision import Change, Reason
from spillway.core.values.orders import Holds
from spillway.core.values.policy import Timing
from spillway.core.values.state import Estimate, FailureTrack


def start_of(picture: Picture, panic: Reason | None = None) -> Situation:
    return Situation(picture=picture, holds=Holds(), panic=panic, scalers=picture.model.scalers)


def two_full_neighbours(room: float) -> Picture:
    """Regions a and b spill into each other and are both past what they take; c has `room`."""
    regions = (
        area("a", capacity=60.0),
        area("b", capacity=50.0),
        area("c", ceiling=room, capacity=room),
    )
    demand = {"a": 95.0, "b": 80.0, "c": 10.0}
    return picture_of(regions, demand)


CUTS = (change_of("a", 1.0, 0.54), change_of("b", 1.0, 0.45))


def left(guarded: Guarded) -> dict[str, float]:
    return {c.region or "": c.after for c in guarded.changes}


def test_a_set_that_holds_as_a_whole_is_let_through() -> None:
    start = start_of(two_full_neighbours(300.0))
    alone = narrow(CUTS[:1], start)
    assert left(alone) != {"a": 0.54}  # what it sheds would land on b, which is full
    assert {r.guard for r in alone.refusals} == {"receiver-limit"}
    both = narrow(CUTS, start)
    assert left(both) == {"a": 0.54, "b": 0.45}
    assert both.refusals == ()


def test_the_order_of_what_is_wanted_does_not_matter() -> None:
    start = start_of(two_full_neighbours(300.0))
    assert narrow(CUTS, start) == narrow(CUTS[::-1], start)


def test_a_set_that_does_not_hold_is_narrowed_piece_by_piece() -> None:
    regions = (area("a", capacity=60.0), area("b", bad=0.3), area("c", ceiling=80.0, capacity=80.0))
    picture = picture_of(regions, {"a": 95.0, "b": 30.0, "c": 40.0})
    start = start_of(picture)
    wanted = (change_of("a", 1.0, 0.54), change_of("b", 1.0, 0.1))
    whole = picture.model.outcome([0.54, 0.1, 1.0]).flow.loads
    assert whole[2] > 0.9 * 80.0  # c would be toppled by both together
    guarded = narrow(wanted, start)
    assert guarded.refusals != ()
    assert left(guarded) != {"a": 0.54, "b": 0.1}
    after = dict(zip("abc", picture.model.scalers, strict=True)) | left(guarded)
    loads = picture.model.outcome([after[n] for n in "abc"]).flow.loads
    before = picture.model.base.flow.loads
    assert loads[2] <= max(0.9 * 80.0, before[2]) * 1.005


def test_guards_that_look_at_one_change_still_do_within_a_set() -> None:
    regions = two_full_neighbours(300.0).model.regions
    held = picture_of(
        regions, {"a": 95.0, "b": 80.0, "c": 10.0}, memories={"b": {"moved_at": 1_000_000.0 - 60.0}}
    )
    guarded = narrow(CUTS, start_of(held))
    assert {r.guard for r in guarded.refusals} >= {"resting"}
    assert "b" not in left(guarded)
    assert left(guarded).get("a") != 0.54  # without the other half of the set it would push b


def test_in_a_panic_no_set_is_let_through() -> None:
    start = start_of(two_full_neighbours(300.0), Reason(code="panic", sentence="too much looks bad"))
    guarded = narrow(CUTS, start)
    assert guarded.changes == ()
    assert {r.guard for r in guarded.refusals} == {"panic"}


def test_what_changes_nothing_passes_and_what_makes_it_worse_is_dropped() -> None:
    regions = (area("a"), area("b", bad=0.05), area("c"))
    start = start_of(picture_of(regions, {"a": 60.0, "b": 20.0}))
    roomy = change_of("a", 1.0, 0.8)
    assert narrow((roomy,), start) == Guarded(changes=(roomy,), refusals=())
    harmful = narrow((change_of("a", 1.0, 0.4),), start)
    assert harmful.changes == ()
    assert [r.guard for r in harmful.refusals] == ["no-gain"]


hundredth = st.integers(10, 99).map(lambda n: n / 100)


@given(
    st.tuples(*[st.floats(20.0, 120.0)] * 3),
    st.tuples(*[st.floats(5.0, 110.0)] * 3),
    st.tuples(hundredth, hundredth, hundredth),
)
def test_what_is_left_of_a_set_only_narrows_and_pushes_nobody(
    capacities: tuple[float, ...], rates: tuple[float, ...], afters: tuple[float, ...]
) -> None:
    regions = tuple(area(n, capacity=c) for n, c in zip("abc", capacities, strict=True))
    picture = picture_of(regions, dict(zip("abc", rates, strict=True)))
    wanted = tuple(change_of(n, 1.0, after) for n, after in zip("abc", afters, strict=True))
    guarded = narrow(wanted, start_of(picture))
    for change, wish in ((c, w) for c in guarded.changes for w in wanted if c.region == w.region):
        assert wish.after - 1e-9 <= change.after < change.before
    after = dict.fromkeys("abc", 1.0) | left(guarded)
    before, then = picture.model.base, picture.model.outcome([after[n] for n in "abc"])
    assert then.bad <= before.bad + 0.001 * picture.model.forecast + 1e-9


TIMING = Timing()
FRESH = TIMING.visibility_delay + 2.0 * TIMING.sample_period
"""Seconds of age up to which a picture is not late."""


def judged(age: float, bad_minutes: int, change: Change | None = None) -> str | None:
    """The code of the objection to `change`, a cut of a by default, in a picture of this age."""
    regions = (area("a", capacity=60.0), area("b"))
    known: dict[str, Any] = {"estimate": Estimate(failures=FailureTrack(bad_minutes=bad_minutes))}
    picture = picture_of(regions, {"a": 90.0}, memories={"a": known}, age=age)
    ruling = fresh(change or change_of("a", 1.0, 0.54), start_of(picture))
    return None if ruling is None else ruling.why.code


def test_a_picture_that_is_not_late_is_acted_on_at_once() -> None:
    assert judged(FRESH, 0) is None
    assert judged(FRESH + 1.0, 0) == "late-evidence"


@pytest.mark.parametrize("late", [60.0, 300.0, 540.0])
def test_a_late_picture_needs_trouble_that_has_lasted(late: float) -> None:
    needed = LATE_SHARE * late / TIMING.sample_period
    enough = int(needed) + 1
    assert judged(FRESH + late, enough) is None
    assert judged(FRESH + late, enough - 1) == "late-evidence"


def test_late_pictures_raise_nothing_but_to_make_room() -> None:
    late = FRESH + 300.0
    assert judged(late, 9, change_of("a", 0.5, 0.9, "restore")) == "late-evidence"
    assert judged(late, 0, change_of("a", 0.5, 0.9, "make-room")) is None
    assert judged(late, 0, change_of("a", 0.5, 0.9, "undo")) is None
    assert judged(late, 0, change_of("a", 1.0, 0.9, ahead=True)) is None
    assert judged(late, 0, change_of("a", 1.0, 0.0, ordered=True)) is None

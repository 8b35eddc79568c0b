"""Limits: allowed values before anything is searched, each bound with its reason, and who may pass which."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.pictures import (
    AT,
    area,
    change_of,
    considered,
    flight_of,
    foreign_pin,
    guards,
    picture_of,
)
from tests.core.strategies import scalers

from spillway.core.decide.limits import LATE_SHARE, Limits, limits_of
from spillway.core.decide.optimise import lifted_range, search_range
from spillway.core.estimate.sample import Blind, Window
from spillway.core.explain.reasons import reason
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import BackendState, Change, Lever, Purpose, Reason
from spillway.core.values.foreign import ForeignPosture
from spillway.core.values.limits import (
    EVERYTHING,
    PASSES,
    Allowed,
    Bound,
    LimitKind,
    ScalerLimits,
    Trust,
    at_least,
    at_most,
    only,
)
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.overlay import Posture
from spillway.core.values.policy import CalendarWindow, Policy, Rhythm, Timing
from spillway.core.values.snapshot import Absence, ObservedPolicy
from spillway.core.values.state import Estimate, FailureTrack
from spillway.core.values.topology import SCALER_FLOOR, is_legal_scaler

LEGAL = (0.0, *(n / 100 for n in range(10, 101)))
"""All scalers that Google takes, in hundredths."""


# --- allowed values are two pieces: 0, and a range within [0.1, 1]


@st.composite
def alloweds(draw: st.DrawFn) -> Allowed:
    plain = st.sampled_from((only, at_least, at_most))
    if draw(st.booleans()):
        return draw(plain)(draw(scalers))
    low, high = sorted((draw(scalers), draw(scalers)))
    return Allowed(closed=draw(st.booleans()), low=max(SCALER_FLOOR, low), high=high)


def test_zero_and_the_range_are_two_pieces() -> None:
    assert [s for s in LEGAL if EVERYTHING.allows(s)] == list(LEGAL)
    open_only = Allowed(closed=False, low=0.3, high=0.6)
    assert [open_only.allows(s) for s in (0.0, 0.1, 0.29, 0.3, 0.6, 0.61, 1.0)] == [
        False,
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    closed_only = Allowed(closed=True, low=1.0, high=0.0)
    assert [s for s in LEGAL if closed_only.allows(s)] == [0.0]
    either = Allowed(closed=True, low=0.9)
    assert [s for s in LEGAL if either.allows(s)] == [0.0, *(n / 100 for n in range(90, 101))]
    assert not any(EVERYTHING.allows(s) for s in (0.001, 0.05, 0.099, 1.01))


@given(scalers)
def test_one_scaler_what_is_above_and_what_is_below(scaler: float) -> None:
    assert [s for s in LEGAL if only(scaler).allows(s)] == [scaler]
    assert [s for s in LEGAL if at_least(scaler).allows(s)] == [s for s in LEGAL if s >= scaler]
    assert [s for s in LEGAL if at_most(scaler).allows(s)] == [s for s in LEGAL if s <= scaler]


@given(alloweds(), alloweds())
def test_what_both_allow_is_what_each_allows(one: Allowed, other: Allowed) -> None:
    both = one.both(other)
    for scaler in LEGAL:
        assert both.allows(scaler) == (one.allows(scaler) and other.allows(scaler))
    assert both.both(EVERYTHING) == both


@st.composite
def limits(draw: st.DrawFn) -> ScalerLimits:
    """Bounds of any kind round a scaler; as in the core, each of them allows it."""
    now = draw(scalers)
    bounds = []
    for kind in draw(st.lists(st.sampled_from(list(LimitKind)), max_size=6)):
        allowed = draw(alloweds())
        if not allowed.allows(now):
            allowed = draw(st.sampled_from((only, at_least, at_most)))(now)
        bounds.append(Bound(kind=kind, allowed=allowed, reason=Reason(code=kind.value, sentence=kind.value)))
    return ScalerLimits(region="a", now=now, bounds=tuple(bounds))


@given(limits(), st.sampled_from(list(Purpose)))
def test_what_is_allowed_is_exactly_what_no_limit_refuses(found: ScalerLimits, purpose: Purpose) -> None:
    allowed = found.allowed(purpose)
    for scaler in LEGAL:
        if scaler != found.now:
            assert allowed.allows(scaler) == (found.active(scaler, purpose) is None)
    assert allowed.allows(found.now)


@given(limits(), scalers, st.sampled_from(list(Purpose)))
def test_the_limit_that_is_named_is_the_first_that_the_purpose_may_not_pass(
    found: ScalerLimits, scaler: float, purpose: Purpose
) -> None:
    named = found.active(scaler, purpose)
    for bound in found.bounds:
        if bound is named:
            break
        assert bound.kind in PASSES[purpose] or bound.allowed.allows(scaler)
    if named is not None:
        assert named.kind not in PASSES[purpose]


def test_what_keeps_a_region_as_it_is_keeps_its_membership_too() -> None:
    why = Reason(code="freeze", sentence="frozen")
    frozen = ScalerLimits(
        region="a", now=0.0, bounds=(Bound(kind=LimitKind.FREEZE, allowed=only(0.0), reason=why),)
    )
    assert frozen.active(0.0, Purpose.DETACH) is not None
    rising = replace(frozen, bounds=(replace(frozen.bounds[0], allowed=at_most(0.0)),))
    assert rising.active(0.0, Purpose.DETACH) is None


# --- every kind of limit is produced by some situation

HOLD = Order(kind=OrderKind.HOLD, until=AT + 60.0, reason="a test", region="a")
PIN = Order(kind=OrderKind.PIN, until=AT + 60.0, reason="a test", region="a", scaler=0.5)
FROZEN = Policy(freezes=(CalendarWindow(start=AT - 60.0, end=AT + 60.0, reason="a sale"),))
PLANNED = Policy(planned=(CalendarWindow(start=AT + 60.0, end=AT + 600.0, reason="new kernel", region="a"),))
SMALL_STEPS = Policy(rhythm=Rhythm(up_step=0.2, down_step=0.3))
PANIC = reason("panic", bad=2, count=3)


def three(memory: dict[str, Any] | None = None, more: dict[str, Any] | None = None, **a: Any) -> ServiceModel:
    """Regions a, b and c with room for all; fields of region a, of its memory and of the picture."""
    regions = (area("a", **a), area("b"), area("c"))
    known = {"state": BackendState.SERVING, **(memory or {})}
    return picture_of(regions, {"a": 60.0, "b": 20.0}, memories={"a": known}, **(more or {}))


def bad(**memory: Any) -> ServiceModel:
    """Region a answers with errors."""
    return three({"estimate": Estimate(failures=FailureTrack(errors=0.5)), **memory}, bad=0.5)


def alone() -> ServiceModel:
    return picture_of((area("a"), area("b", member=False, scaler=0.0)), {"a": 60.0})


def keeping(picture: ServiceModel) -> ServiceModel:
    """Region a keeps at least 0.3 of its weight."""
    first, *others = picture.beliefs
    kept = first._replace(backend=replace(first.backend, least_scaler=0.3))
    return replace(picture, beliefs=(kept, *others))


def unseen(picture: ServiceModel, absence: Absence = Absence.STALE, served: float = 50.0) -> ServiceModel:
    """The same without samples of region a."""
    first, *others = picture.beliefs
    estimate = replace(first.estimate, served=served)
    blind = first._replace(window=Blind(absence=absence, why="a test"), estimate=estimate)
    return replace(picture, beliefs=(blind, *others))


def thin(picture: ServiceModel) -> ServiceModel:
    first, *others = picture.beliefs
    assert isinstance(first.window, Window)
    return replace(picture, beliefs=(first._replace(window=first.window._replace(answers=10.0)), *others))


def unread(picture: ServiceModel) -> ServiceModel:
    first, *others = picture.beliefs
    return replace(picture, beliefs=(first._replace(health=None), *others))


def remembered(picture: ServiceModel, **changes: Any) -> ServiceModel:
    return replace(picture, memory=replace(picture.memory, **changes))


def draining() -> ServiceModel:
    """Region b is being emptied."""
    regions = (area("a", bad=0.5), area("b", scaler=0.0), area("c"))
    return picture_of(regions, {"a": 20.0}, memories={"b": {"state": BackendState.DRAINING}})


def awaited() -> ServiceModel:
    """A cut of region a to 0.3 was written so long ago that its effect should be seen, and is not."""
    picture = three(scaler=0.3)
    flight = flight_of("a", 1.0, 0.3, AT - picture.dead_time - 60.0)
    return remembered(picture, flights=(flight,))


Situation = tuple[ServiceModel, Orders, Reason | None, Trust]
LIE = reason("listing-panic", why="a test says so")
ONE_LOOK = reason("unconfirmed", what="a at 0.50")
UNREAD = reason("unread", what="the listing", region="a")


def plain(picture: ServiceModel) -> Situation:
    return picture, Orders(), None, Trust()


def doubting(**trust: Any) -> Situation:
    return three(), Orders(), None, Trust(**trust)


SITUATIONS: list[tuple[LimitKind, str, Situation, float, Purpose]] = [
    (LimitKind.OPERATOR_HOLD, "operator-hold", (three(), Orders(items=(HOLD,)), None, Trust()), 0.5, Purpose.OPERATOR),
    (LimitKind.OPERATOR_ORDER, "operator-hold", (three(), Orders(items=(PIN,)), None, Trust()), 0.7, Purpose.CALENDAR),
    (LimitKind.FREEZE, "freeze", plain(three(more={"policy": FROZEN})), 0.5, Purpose.RELIEVE),
    (
        LimitKind.PLANNED,
        "planned-work",
        plain(three(scaler=0.5, more={"policy": PLANNED})),
        0.8,
        Purpose.RESTORE,
    ),
    (
        LimitKind.UNKNOWN_OUTCOME,
        "unknown-outcome",
        plain(remembered(three(), unknown=(flight_of("b", 1.0, 0.5, AT - 60.0),))),
        0.0,
        Purpose.DRAIN_DEAD,
    ),
    (LimitKind.LISTING_PANIC, "listing-panic", doubting(panic=LIE), 0.0, Purpose.DRAIN_DEAD),
    (LimitKind.LISTING_PANIC, "listing-panic", doubting(panic=LIE), 0.5, Purpose.OPERATOR),
    (LimitKind.DOUBTED, "unconfirmed", doubting(doubt=ONE_LOOK, doubted=frozenset("a")), 0.0, Purpose.DRAIN_DEAD),
    (LimitKind.UNCONFIRMED, "unconfirmed", doubting(doubt=ONE_LOOK, doubted=frozenset("b")), 0.5, Purpose.OPERATOR),
    (LimitKind.FOREIGN_PIN, "foreign-pin", plain(three({"pin": foreign_pin()}, scaler=0.5)), 0.3, Purpose.RELIEVE),
    (LimitKind.FOREIGN_PIN, "foreign-pin", plain(three({"pin": foreign_pin()}, scaler=0.5)), 0.7, Purpose.MAKE_ROOM),
    (LimitKind.FOREIGN_PIN, "foreign-pin", plain(three({"pin": foreign_pin()}, scaler=0.5)), 0.0, Purpose.CALENDAR),
    (LimitKind.UNREAD, "unread", doubting(unread=(("a", UNREAD),)), 0.0, Purpose.LEAVE),
    (LimitKind.PANIC, "panic", (three(), Orders(), PANIC, Trust()), 0.0, Purpose.DRAIN_DEAD),
    (LimitKind.NOT_MOVABLE, "not-movable", plain(three(movable=False)), 0.5, Purpose.OPERATOR),
    (LimitKind.NO_SCALER, "no-scaler", plain(three(graded=False)), 0.5, Purpose.OPERATOR),
    (LimitKind.UNREAD, "unread", (three(graded=False, bad=0.5), Orders(), None, Trust(unread=(("a", UNREAD),))), 0.0, Purpose.RELIEVE),
    (LimitKind.ALONE, "alone", plain(alone()), 0.5, Purpose.OPERATOR),
    (LimitKind.EVIDENCE, "stale-data", plain(unseen(three())), 0.5, Purpose.RELIEVE),
    (LimitKind.EVIDENCE, "garbage-data", plain(unseen(three(), Absence.GARBAGE)), 0.5, Purpose.RELIEVE),
    (LimitKind.EVIDENCE, "thin-evidence", plain(thin(three())), 0.5, Purpose.RELIEVE),
    (LimitKind.EVIDENCE, "stale-data", plain(unread(three(scaler=0.0))), 0.1, Purpose.PROBE),
    (LimitKind.LATE_EVIDENCE, "late-evidence", plain(three(more={"age": 600.0})), 0.5, Purpose.RELIEVE),
    (LimitKind.DWELL, "resting", plain(three({"moved_at": AT - 60.0})), 0.5, Purpose.RELIEVE),
    (LimitKind.NOT_WELL_YET, "not-well-yet", plain(three({"well_since": None}, scaler=0.5)), 0.7, Purpose.RESTORE),
    (LimitKind.EFFECT_AWAITED, "effect-awaited", plain(awaited()), 0.2, Purpose.RELIEVE),
    (LimitKind.STEP, "step-limit", plain(three(more={"policy": SMALL_STEPS})), 0.6, Purpose.RELIEVE),
    (LimitKind.STEP, "step-limit", plain(three(more={"policy": SMALL_STEPS}, scaler=0.5)), 0.8, Purpose.RESTORE),
    (
        LimitKind.BUDGET,
        "budget-spent",
        plain(remembered(three(), writes=(AT - 60.0,) * Rhythm().moves_per_hour)),
        0.5,
        Purpose.RELIEVE,
    ),
    (LimitKind.ONE_DRAIN, "one-drain", plain(draining()), 0.0, Purpose.OPERATOR),
    (LimitKind.LEAST_SHARE, "least-share", plain(keeping(three())), 0.2, Purpose.OPERATOR),
    (LimitKind.KEEPS_CAPACITY, "keeps-capacity", plain(three()), 0.0, Purpose.RELIEVE),
]  # fmt: skip


def of(situation: Situation) -> Limits:
    return limits_of(*situation)


@pytest.mark.parametrize(
    ("kind", "code", "situation", "scaler", "purpose"),
    SITUATIONS,
    ids=[f"{kind}-{code}-{scaler}" for kind, code, _, scaler, _ in SITUATIONS],
)
def test_a_limit_refuses_with_its_reason(
    kind: LimitKind, code: str, situation: Situation, scaler: float, purpose: Purpose
) -> None:
    bound = of(situation).of("a").active(scaler, purpose)
    assert bound is not None
    assert (bound.kind, bound.reason.code) == (kind, code)
    picture, orders, panic, trust = situation
    now = picture.traffic.regions[0].scaler
    found = considered(picture, [change_of("a", now, scaler, purpose)], orders, panic, trust)
    assert (found.changes, guards(found)) == ((), {code})


def test_every_kind_of_limit_has_a_situation() -> None:
    assert {kind for kind, *_ in SITUATIONS} == set(LimitKind)


@pytest.mark.parametrize("situation", [s for _, _, s, _, _ in SITUATIONS])
def test_the_present_value_is_in_every_bound_and_range(situation: Situation) -> None:
    found = of(situation)
    for i, bounds in enumerate(found.scalers):
        assert all(b.allowed.allows(bounds.now) for b in bounds.bounds)
        assert all(bounds.allowed(purpose).allows(bounds.now) for purpose in Purpose)
        within = search_range(found, i)
        assert within.allows(bounds.now) or bounds.now == 0.0
        assert bounds.now == 0.0 or lifted_range(found, i).allows(bounds.now)


@pytest.mark.parametrize("situation", [s for _, _, s, _, _ in SITUATIONS])
def test_the_search_may_do_just_what_its_purposes_may(situation: Situation) -> None:
    found = of(situation)
    for i, bounds in enumerate(found.scalers):
        within = search_range(found, i)
        for scaler in LEGAL:
            if scaler == bounds.now:
                continue
            purpose = Purpose.RELIEVE if scaler < bounds.now else Purpose.MAKE_ROOM
            assert within.allows(scaler) == (bounds.active(scaler, purpose) is None)


def test_a_calm_region_has_no_limit_but_that_it_is_not_closed() -> None:
    bounds = of(plain(three())).of("a")
    assert bounds.allowed(Purpose.RELIEVE) == Allowed(closed=False)
    assert of(plain(bad())).of("a").allowed(Purpose.RELIEVE) == EVERYTHING


def test_the_posture_has_limits_of_its_own() -> None:
    change = Change(
        service="pool", region=None, lever=Lever.POSTURE, purpose=Purpose.POSTURE, before=0.0, after=0.0,
        reason=reason("posture", headroom=0.2), posture=Posture.GUARDED, was_posture=Posture.NORMAL,
    )  # fmt: skip
    assert considered(three(), [change]).changes == (change,)
    everything = Order(kind=OrderKind.HOLD, until=AT + 60.0, reason="a test")
    found_policy = ForeignPosture(
        since=AT - 60.0,
        until=AT + 60.0,
        found=ObservedPolicy(failover_threshold=65, auto_drain=True),
        wanted=Posture.NORMAL,
    )
    for code, (picture, orders, panic, trust) in {
        "operator-hold": (three(), Orders(items=(everything,)), None, Trust()),
        "listing-panic": doubting(panic=LIE),
        "unconfirmed": doubting(doubt=ONE_LOOK),
        "foreign-pin": plain(remembered(three(), posture_pin=found_policy)),
        "unread": (three(), Orders(), None, Trust(unread=(("b", UNREAD),))),
        "freeze": plain(three(more={"policy": FROZEN})),
        "unknown-outcome": plain(remembered(three(), unknown=(flight_of("b", 1.0, 0.5, AT - 60.0),))),
        "panic": (three(), Orders(), PANIC, Trust()),
        "budget-spent": plain(remembered(three(), writes=(AT,) * Rhythm().moves_per_hour)),
    }.items():
        found = considered(picture, [change], orders, panic, trust)
        assert (found.changes, guards(found)) == ((), {code})
    over = plain(remembered(three(), posture_pin=replace(found_policy, until=AT)))
    assert considered(over[0], [change]).changes == (change,)
    # a region's hold, pin or freeze is none of its
    assert considered(three(), [change], Orders(items=(HOLD, PIN))).changes == (change,)


# --- who may pass which limit

PEOPLE = {Purpose.OPERATOR, Purpose.CALENDAR}
MEMBERSHIPS = {Purpose.JOIN, Purpose.LEAVE, Purpose.DETACH}
DEAD = {Purpose.DRAIN_DEAD}
WRONGS = {Purpose.UNDO, Purpose.REVERT_EDIT}

PASSERS: list[tuple[LimitKind, str, set[Purpose]]] = [
    (LimitKind.OPERATOR_HOLD, "a hold stops everybody", set()),
    (LimitKind.OPERATOR_ORDER, "a pin stops all but the order itself", {Purpose.OPERATOR}),
    (LimitKind.FREEZE, "a freeze stops all but people and the dead", PEOPLE | DEAD),
    (LimitKind.PLANNED, "only people open what planned work wants empty", PEOPLE),
    (LimitKind.UNKNOWN_OUTCOME, "nobody writes before the last write is known", set()),
    (LimitKind.LISTING_PANIC, "a listing that is not believed stops everybody", set()),
    (LimitKind.DOUBTED, "what is listed otherwise than wanted is moved by nobody", set()),
    (LimitKind.UNCONFIRMED, "while one region is in doubt, only dead ones are drained elsewhere", DEAD),
    (LimitKind.FOREIGN_PIN, "an edit is left alone by all but the dead and the policy", DEAD | {Purpose.REVERT_EDIT}),
    (
        LimitKind.UNREAD,
        "only scalers move while listing, policies or health cannot be read",
        set(Purpose) - MEMBERSHIPS - {Purpose.CALENDAR, Purpose.REVERT_EDIT, Purpose.POSTURE},
    ),
    (LimitKind.PANIC, "in a panic only people act", PEOPLE),
    (LimitKind.NOT_MOVABLE, "what no lever reaches is not moved", set()),
    (LimitKind.NO_SCALER, "nobody sets a part of what has no scaler", set()),
    (LimitKind.ALONE, "the only backend is left by membership alone", MEMBERSHIPS | {Purpose.CALENDAR, Purpose.REVERT_EDIT}),
    (LimitKind.EVIDENCE, "people, memberships and the dead need no samples", PEOPLE | MEMBERSHIPS | DEAD),
    (
        LimitKind.LATE_EVIDENCE,
        "late samples suffice to make room and to undo",
        PEOPLE | MEMBERSHIPS | DEAD | {Purpose.MAKE_ROOM, Purpose.UNDO},
    ),
    (LimitKind.DWELL, "wrongs are put right within a rest", PEOPLE | DEAD | WRONGS | {Purpose.DETACH}),
    (
        LimitKind.NOT_WELL_YET,
        "only restores and probes wait until a region looks well, and cuts have nothing to wait for",
        set(Purpose)
        - {Purpose.RELIEVE, Purpose.RESTORE, Purpose.PROBE, Purpose.DRAIN_DEAD, Purpose.POSTURE},
    ),
    (LimitKind.EFFECT_AWAITED, "only people and the dead go before an effect is seen", PEOPLE | DEAD),
    (LimitKind.STEP, "the loop's own tuning goes by steps", PEOPLE | MEMBERSHIPS | DEAD | WRONGS),
    (LimitKind.BUDGET, "people and the dead are not counted", PEOPLE | DEAD),
    (LimitKind.ONE_DRAIN, "a dead region is empty already", DEAD),
    (LimitKind.LEAST_SHARE, "nobody takes the share that the configuration keeps", set()),
    (LimitKind.KEEPS_CAPACITY, "the loop's own tuning closes nothing that is only short of machines",
     PEOPLE | MEMBERSHIPS | DEAD | WRONGS),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "passers"), [(k, p) for k, _, p in PASSERS], ids=[w for _, w, _ in PASSERS])
def test_who_passes_a_limit(kind: LimitKind, passers: set[Purpose]) -> None:
    assert {purpose for purpose in Purpose if kind in PASSES[purpose]} == passers


def test_the_table_is_whole() -> None:
    assert set(PASSES) == set(Purpose)
    assert [kind for kind, _, _ in PASSERS] == list(LimitKind)


# --- late samples

TIMING = Timing()
FRESH = TIMING.visibility_delay + 2.0 * TIMING.sample_period
"""Seconds of age up to which a sample is not late."""


def judged(
    age: float, bad_minutes: int, scaler: float = 0.54, purpose: Purpose = Purpose.RELIEVE, now: float = 1.0
) -> str | None:
    """The code of what refuses a change of region a, by default a cut, by samples of this age; 90 requests/s come to it."""
    regions = (area("a", capacity=60.0, scaler=now), area("b"))
    known: dict[str, Any] = {"estimate": Estimate(failures=FailureTrack(bad_minutes=bad_minutes))}
    picture = picture_of(regions, {"a": 90.0}, memories={"a": known}, age=age)
    bound = of(plain(picture)).of("a").active(scaler, purpose)
    return None if bound is None else bound.reason.code


def test_samples_that_are_not_late_are_acted_on_at_once() -> None:
    assert judged(FRESH, 0) is None
    assert judged(FRESH + 1.0, 0) == "late-evidence"


@pytest.mark.parametrize("late", [60.0, 300.0, 540.0])
def test_late_samples_need_trouble_that_has_lasted(late: float) -> None:
    needed = LATE_SHARE * late / TIMING.sample_period
    enough = int(needed) + 1
    assert judged(FRESH + late, enough) is None
    assert judged(FRESH + late, enough - 1) == "late-evidence"


def test_late_samples_raise_nothing_but_to_make_room() -> None:
    late = FRESH + 300.0
    assert judged(late, 9, 0.9, Purpose.RESTORE, now=0.5) == "late-evidence"
    assert judged(late, 0, 0.9, Purpose.MAKE_ROOM, now=0.5) is None
    assert judged(late, 0, 0.9, Purpose.UNDO, now=0.5) is None
    assert judged(late, 0, 0.0, Purpose.OPERATOR) is None


def test_a_cap_above_the_present_load_needs_no_lasting_trouble() -> None:
    late = FRESH + 300.0
    assert judged(late, 0, 0.91) is None
    assert judged(late, 0, 0.9) == "late-evidence"


# --- a region that rests


def resting(ago: float, scaler: float, *, now: float = 0.5, **memory: Any) -> str | None:
    """What refuses a change of region a, so many seconds after its last cut, which had flapped; it was proven to take 90."""
    known = {
        "moved_at": AT - ago,
        "direction": -1,
        "moved_by": -0.5,
        "backoff": 4.0,
        "backoff_at": AT,
        **memory,
    }
    picture = picture_of((area("a", scaler=now), area("b")), {"a": 40.0}, memories={"a": known})
    purpose = Purpose.MAKE_ROOM if scaler > now else Purpose.RELIEVE
    bound = of(plain(picture)).of("a").active(scaler, purpose)
    return None if bound is None else bound.reason.code


@pytest.mark.parametrize(
    ("ago", "scaler", "code"),
    [
        (Rhythm().dwell - 1.0, 0.4, "resting"),
        (Rhythm().dwell - 1.0, 0.6, "resting"),
        (Rhythm().dwell + 1.0, 0.4, None),
        (Rhythm().dwell + 1.0, 0.9, None),
        (Rhythm().dwell + 1.0, 0.95, "resting"),
        (4.0 * Rhythm().dwell - 60.0, 0.95, "resting"),
        (4.0 * Rhythm().dwell, 0.95, None),
    ],
)
def test_down_rests_for_the_plain_dwell_and_up_past_what_was_proven_for_the_grown_one(
    ago: float, scaler: float, code: str | None
) -> None:
    assert Rhythm().dwell > Timing().dead_time
    assert resting(ago, scaler) == code


def test_a_small_raise_does_not_keep_from_a_cut() -> None:
    raised: dict[str, Any] = {"direction": 1, "moved_by": 0.1}
    assert resting(60.0, 0.4, **raised) is None
    assert resting(60.0, 0.6, **raised) == "resting"


@given(
    st.fixed_dictionaries(
        {
            "moved_at": st.none() | st.floats(AT - 8000.0, AT),
            "moved_by": st.sampled_from((-0.5, -0.05, 0.05, 0.5)),
            "direction": st.sampled_from((-1, 1)),
            "backoff": st.sampled_from((1.0, 2.0, 6.0)),
            "pin": st.sampled_from((None, foreign_pin())),
            "well_since": st.none() | st.floats(AT - 2000.0, AT),
            "state": st.sampled_from((BackendState.SERVING, BackendState.DRAINING)),
            "estimate": st.builds(Estimate, failures=st.builds(FailureTrack, bad_minutes=st.integers(0, 9))),
        }
    ),
    scalers,
    st.sampled_from((210.0, 400.0, 800.0)),
    st.tuples(st.sampled_from((0.05, 0.2, 0.45)), st.sampled_from((0.25, 0.3, 1.0))),
    st.sampled_from((0.0, 0.07, 0.5)),
)
def test_limits_of_any_memory_hold_the_present_value_and_legal_scalers_alone(
    memory: dict[str, Any], scaler: float, age: float, steps: tuple[float, float], share: float
) -> None:
    policy = Policy(rhythm=Rhythm(up_step=steps[0], down_step=steps[1]))
    picture = three(memory, {"age": age, "policy": policy}, scaler=scaler, bad=share)
    found = of(plain(picture))
    bounds = found.of("a")
    assert all(b.allowed.allows(scaler) for b in bounds.bounds)
    for purpose in Purpose:
        allowed = bounds.allowed(purpose)
        assert all(is_legal_scaler(n / 100) for n in range(101) if allowed.allows(n / 100))
        for value in LEGAL:
            if value != scaler:
                assert allowed.allows(value) == (bounds.active(value, purpose) is None)
    within = search_range(found, 0)
    for value in LEGAL:
        purpose = Purpose.RELIEVE if value < scaler else Purpose.MAKE_ROOM
        if value != scaler:
            assert within.allows(value) == (bounds.active(value, purpose) is None)

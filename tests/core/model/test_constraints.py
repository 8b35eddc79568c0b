"""The constraints: what a set of ceilings may not break, against an independent count of the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.core.pictures import area, picture_of, requirements
from tests.core.strategies import pictures, sets_of

from spillway.core.model.constraints import (
    BREACH_PRICE,
    DEMAND_SWING_FACTOR,
    ROUNDING,
    SAME_LOAD_FACTOR,
    Violation,
    hundredths,
)
from spillway.core.model.service import ServiceModel
from spillway.core.values.policy import Floors, Policy
from spillway.core.values.topology import is_legal_scaler


@st.composite
def sets(draw: st.DrawFn) -> tuple[ServiceModel, tuple[float, ...]]:
    """A picture and any set for it."""
    picture = draw(pictures())
    return picture, draw(sets_of(picture))


# --- an independent count


def loads_of(picture: ServiceModel, scalers: tuple[float, ...]) -> tuple[float, ...]:
    return picture.traffic.predict(scalers).flow.loads


def serving(picture: ServiceModel, scalers: tuple[float, ...]) -> int:
    return len([s for s, f in zip(scalers, picture.beliefs, strict=True) if s > 0.0 and not f.dead])


def ceilings(picture: ServiceModel, scalers: tuple[float, ...]) -> float:
    """Target x scaler x healthy share, as Google has it."""
    total = 0.0
    for scaler, beliefs in zip(scalers, picture.beliefs, strict=True):
        total += 0.0 if beliefs.dead else scaler * (beliefs.target or 0.0) * beliefs.share
    return total


def surely(picture: ServiceModel, scalers: tuple[float, ...]) -> float:
    """What is known to be carried well; of less than was configured and found, the last 15 % need not be open."""
    total = 0.0
    for scaler, region, beliefs in zip(scalers, picture.traffic.regions, picture.beliefs, strict=True):
        opened, expected = scaler * region.ceiling, region.capacity_expected
        if (
            beliefs.target is None
        ):  # its size is unknown: its part of what it is seen to serve, and never more
            served = min(expected, region.only_seen or 0.0)
            part = served * min(1.0, scaler / region.scaler) if region.scaler > 0.0 else 0.0
        else:
            found = region.proven and expected < 0.95 * beliefs.target * beliefs.share
            part = expected if opened >= (0.85 if found else 1.0) * expected else opened
        total += 0.0 if region.dead else part * (1.0 - region.bad)
    return total


def carried(picture: ServiceModel, scalers: tuple[float, ...]) -> float:
    """What is carried well; where the ceilings do not hold all requests, a region's load is its ceiling."""
    model, total = picture.traffic, 0.0
    opened = [s * r.ceiling for s, r in zip(scalers, model.regions, strict=True)]
    held = sum(opened) >= model.forecast
    parts = opened if held else loads_of(picture, scalers)
    for region, filled in zip(model.regions, parts, strict=True):
        part = region.capacity_expected if filled >= 0.85 * region.capacity_expected else filled
        total += 0.0 if region.dead else part * (1.0 - region.bad)
    return total


def floor(picture: ServiceModel) -> float:
    demand = max(picture.traffic.demand, picture.traffic.forecast, picture.memory.slow_average)
    return 1.03 * demand * (1.0 + picture.policy.floors.reserve)


def ceilings_floor(picture: ServiceModel) -> float:
    """The floor, or none where all regions could not keep it if everything in doubt were well."""
    able = 0.0
    for region, beliefs in zip(picture.traffic.regions, picture.beliefs, strict=True):
        if not region.dead:
            able += max(region.capacity, region.capacity_nominal) * (1.0 if region.proven else 1.1)
            able += 0.0 if region.member else beliefs.target or 0.0
    least = min(picture.traffic.demand, picture.traffic.forecast) * (1.0 + picture.policy.floors.reserve)
    return floor(picture) if able >= least else 0.0


def counted(picture: ServiceModel, scalers: tuple[float, ...], *, dead_drain: bool = False) -> str | None:
    """The code of the first floor that a set breaks against what stands, counted anew."""
    now, most = picture.traffic.scalers, picture.policy.floors.min_serving_regions
    left = serving(picture, scalers)
    if left < min(max(1, most), serving(picture, now)) or (any(now) and not any(scalers)):
        return "floor-regions" if left else "last-backend"
    rounding = 1e-6 * floor(picture)
    shut = ceilings(picture, scalers) < min(ceilings_floor(picture), ceilings(picture, now)) - rounding
    if shut and surely(picture, scalers) < min(floor(picture), surely(picture, now)) - rounding:
        return "floor-capacity"
    lost = carried(picture, scalers) < min(floor(picture), carried(picture, now)) - rounding
    return "floor-capacity" if lost and not dead_drain else None


def code(violation: Violation | None) -> str | None:
    return None if violation is None else violation.code


@given(sets())
def test_floors_are_those_of_an_independent_count(drawn: tuple[ServiceModel, tuple[float, ...]]) -> None:
    picture, scalers = drawn
    rules = picture.constraints
    assert DEMAND_SWING_FACTOR == 1.03
    assert rules.floor == pytest.approx(floor(picture))
    assert rules.ceilings_floor == pytest.approx(ceilings_floor(picture))
    assert rules.serving(scalers) == serving(picture, scalers)
    assert rules.ceilings(scalers) == pytest.approx(ceilings(picture, scalers))
    assert rules.surely_carried(scalers) == pytest.approx(surely(picture, scalers))
    assert rules.carried(scalers) == pytest.approx(carried(picture, scalers))
    assert code(requirements(picture).broken_floor(scalers)) == counted(picture, scalers)


@given(sets())
def test_receivers_are_those_of_an_independent_count(drawn: tuple[ServiceModel, tuple[float, ...]]) -> None:
    picture, scalers = drawn
    model, rules = picture.traffic, picture.constraints
    found = requirements(picture).broken(scalers)
    assume(requirements(picture).broken_floor(scalers) is None)
    limit = picture.policy.floors.receiver_limit
    spare = limit * model.potential < model.forecast or model.potential < floor(picture)
    assert rules.short == spare
    after = model.predict(scalers)
    saves = after.bad < model.base.bad * (1.0 - picture.policy.rhythm.margin)
    pushed = [
        region.name
        for region, load, was in zip(model.regions, after.flow.loads, model.base.flow.loads, strict=True)
        if load > was * SAME_LOAD_FACTOR + 1e-6 and load > region.receives(limit) * SAME_LOAD_FACTOR
    ]
    expected = None if not pushed or (spare and saves) else "receiver-limit"
    assert code(found) == expected
    if found is not None:
        assert found.numbers["receiver"] == pushed[0]
        # who gives load away receives none
        assert code(requirements(picture).broken(scalers, pushed)) is None


# --- what follows


@given(pictures())
def test_what_stands_is_never_broken_against_itself(picture: ServiceModel) -> None:
    assert requirements(picture).broken(picture.traffic.scalers) is None
    assert requirements(picture).broken(picture.traffic.scalers, dead_drain=True) is None


@given(sets())
def test_the_price_lacks_something_just_where_a_floor_is_broken(
    drawn: tuple[ServiceModel, tuple[float, ...]],
) -> None:
    picture, scalers = drawn
    rules, outcome = requirements(picture), picture.traffic.predict(scalers)
    lacking = (rules.price(outcome, 0.0) - outcome.score) / BREACH_PRICE
    broken, rounding = code(rules.broken_floor(scalers)), ROUNDING * picture.constraints.floor
    if lacking > 3.0 * rounding + 1e-6:
        assert broken is not None
    if lacking <= 0.0:
        assert broken is None
    if broken is not None:
        assert lacking > 0.9 * rounding


@given(sets(), st.floats(0.1, 100.0))
def test_the_price_of_pushed_receivers_is_what_they_get_past_their_limit(
    drawn: tuple[ServiceModel, tuple[float, ...]], price: float
) -> None:
    picture, scalers = drawn
    rules, outcome = requirements(picture), picture.traffic.predict(scalers)
    over = sum(outcome.flow.loads[i] - picture.constraints.rows[i].receives for i, _ in rules.pushed(outcome))
    assert rules.price(outcome, price) - rules.price(outcome, 0.0) == pytest.approx(price * over, abs=1e-3)


@given(sets())
def test_the_cap_of_a_pushed_receiver_is_what_it_may_get(
    drawn: tuple[ServiceModel, tuple[float, ...]],
) -> None:
    picture, scalers = drawn
    rules, outcome = requirements(picture), picture.traffic.predict(scalers)
    for i, cap in rules.pushed(outcome):
        region, receives = picture.traffic.regions[i], picture.constraints.rows[i].receives
        assert outcome.flow.loads[i] > receives
        assert is_legal_scaler(cap)
        assert cap == hundredths(cap)
        assert cap * region.ceiling <= receives + 1e-6 or cap == 0.1


@given(sets())
def test_opening_ceilings_breaks_no_floor(drawn: tuple[ServiceModel, tuple[float, ...]]) -> None:
    picture, scalers = drawn
    opened = tuple(max(pair) for pair in zip(scalers, picture.traffic.scalers, strict=True))
    rules, before = picture.constraints, picture.traffic.scalers
    assert rules.serving(opened) >= rules.serving(before)
    assert rules.ceilings(opened) >= rules.ceilings(before) - 1e-9
    assert rules.surely_carried(opened) >= rules.surely_carried(before) - 1e-9
    if not picture.traffic.base.flow.overfilled:
        assert requirements(picture).broken_floor(opened) is None


@given(sets())
def test_refilled_ceilings_keep_their_floor_or_all_cuts_are_given_back(
    drawn: tuple[ServiceModel, tuple[float, ...]],
) -> None:
    picture, wish = drawn
    rules, before, least = picture.constraints, picture.traffic.scalers, requirements(picture)
    found = tuple(least.refilled(list(wish)))
    lacking = min(
        least.ceilings_least - rules.ceilings(wish), least.surely_least - rules.surely_carried(wish)
    )
    if lacking <= 0.0:
        assert found == wish
    # what is given back is part of a cut, in hundredths
    for after, wished, now in zip(found, wish, before, strict=True):
        assert is_legal_scaler(after)
        assert wished <= after <= max(wished, now)
    given_back = rules.ceilings(found) - rules.ceilings(wish)
    every = all(
        after >= now or nominal == 0.0
        for after, now, nominal in zip(found, before, rules.nominal, strict=True)
    )
    assert given_back >= lacking - 1e-6 or every
    surely_lacking = least.surely_least - rules.surely_carried(wish)
    if 0.0 < least.ceilings_least - rules.ceilings(wish) <= surely_lacking:
        assert rules.ceilings(found) >= least.ceilings_least - 1e-6 or every


@st.composite
def with_dead(draw: st.DrawFn) -> tuple[ServiceModel, int]:
    """A picture and one of its regions, which is dead."""
    picture = draw(pictures())
    i = draw(st.integers(0, len(picture.beliefs) - 1))
    regions, beliefs = list(picture.traffic.regions), list(picture.beliefs)
    regions[i] = regions[i]._replace(dead=True)
    beliefs[i] = beliefs[i]._replace(dead=True, share=0.0)
    model = replace(picture.traffic, regions=tuple(regions))
    return replace(picture, traffic=model, beliefs=tuple(beliefs)), i


@given(with_dead())
def test_the_drain_of_a_dead_region_is_judged_by_serving_regions_and_ceilings_alone(
    drawn: tuple[ServiceModel, int],
) -> None:
    picture, dead = drawn
    scalers = tuple(0.0 if i == dead else s for i, s in enumerate(picture.traffic.scalers))
    found = requirements(picture).broken(scalers, dead_drain=True)
    assert code(found) == counted(picture, scalers, dead_drain=True)
    left_open = any(scalers) or not any(picture.traffic.scalers)
    assert code(found) == (None if left_open else "last-backend"), "it counted for nothing before"


@given(sets())
def test_any_set_of_drains_is_judged_by_the_same_count(drawn: tuple[ServiceModel, tuple[float, ...]]) -> None:
    picture, scalers = drawn
    found = requirements(picture).broken(scalers, dead_drain=True)
    assert code(found) == counted(picture, scalers, dead_drain=True)


# --- by hand


def two(reserve: float = 0.0, **a: object) -> ServiceModel:
    """Regions a and b of 100 requests/s each for 100 requests/s from a."""
    policy = Policy(floors=Floors(reserve=reserve, receiver_limit=1.0))
    return picture_of((area("a", **a), area("b")), {"a": 100.0}, policy=policy)


@pytest.mark.parametrize(
    ("picture", "scalers", "expected"),
    [
        (two(), (0.0, 0.0), "last-backend"),
        (two(), (0.0, 1.0), "floor-capacity"),  # 100 for 103
        (two(), (0.1, 1.0), None),
        (two(reserve=0.1), (0.1, 1.0), "floor-capacity"),  # 110 for 113.3
        (two(reserve=0.1), (0.14, 1.0), None),
        (two(capacity=10.0), (0.09 + 0.01, 1.0), None),  # all that it takes
        (two(scaler=0.1), (0.0, 1.0), "floor-capacity"),  # 110 stood, 103 were needed
        (two(scaler=0.0), (0.0, 1.0), None),  # no worse than before
        (two(dead=True), (0.0, 1.0), None),
    ],
)
def test_a_floor_by_hand(picture: ServiceModel, scalers: tuple[float, ...], expected: str | None) -> None:
    assert code(requirements(picture).broken_floor(scalers)) == expected


def test_so_many_regions_stay_open_as_the_policy_wants_or_as_were_open() -> None:
    regions = (area("a"), area("b"), area("c"))
    picture = picture_of(
        regions, {"a": 10.0}, policy=Policy(floors=Floors(min_serving_regions=2, receiver_limit=1.0))
    )
    rules = requirements(picture)
    assert rules.broken_floor((0.0, 1.0, 1.0)) is None
    found = rules.broken_floor((0.0, 0.0, 1.0))
    assert found == Violation(code="floor-regions", numbers={"left": 1, "floor": 2})
    one = replace(picture.traffic, regions=(area("a"), area("b", scaler=0.0), area("c", scaler=0.0)))
    alone = requirements(replace(picture, traffic=one))
    assert alone.broken_floor((0.0, 1.0, 0.0)) is None
    assert code(alone.broken_floor((0.0, 0.0, 0.0))) == "last-backend"


def test_where_demand_overfills_all_ceilings_opening_a_bad_region_may_cost_what_is_carried() -> None:
    regions = (area("a", capacity=200.0), area("b", scaler=0.1, bad=0.9))
    picture = picture_of(regions, {"a": 200.0}, policy=Policy(floors=Floors(reserve=0.0)))
    assert picture.traffic.base.flow.overfilled
    assert code(requirements(picture).broken_floor((1.0, 1.0))) == "floor-capacity"


def lacking(picture: ServiceModel, scalers: tuple[float, ...]) -> float:
    """Requests/s that the search sees lacking of the floors."""
    outcome = picture.traffic.predict(scalers)
    return (requirements(picture).price(outcome, 0.0) - outcome.score) / BREACH_PRICE


def test_ceilings_alone_are_not_enough_where_less_is_carried() -> None:
    """b was found to take 10 requests/s: its raised ceiling makes up for the cut of a, and carries nothing. The floor is 103."""
    regions = (area("a"), area("b", scaler=0.1, capacity=10.0))
    picture = picture_of(regions, {"a": 100.0}, policy=Policy(floors=Floors(reserve=0.0)))
    rules, cut = picture.constraints, (0.84, 1.0)
    assert rules.ceilings(cut) == pytest.approx(184.0)
    assert rules.carried(cut) == pytest.approx(94.0)
    assert code(requirements(picture).broken_floor(cut)) == "floor-capacity"
    assert lacking(picture, cut) == pytest.approx(9.0)
    enough = (0.85, 1.0)
    assert requirements(picture).broken_floor(enough) is None
    assert lacking(picture, enough) == 0.0


def test_a_region_of_unknown_size_makes_up_for_no_cut() -> None:
    """a and b stand for 105 requests/s where 103 are needed, of which b serves 5."""
    regions = (area("a"), area("b", only_seen=5.0))
    picture = picture_of(regions, {"a": 100.0}, policy=Policy(floors=Floors(reserve=0.0)))
    assert code(requirements(picture).broken_floor((0.5, 1.0))) == "floor-capacity"
    assert lacking(picture, (0.5, 1.0)) == pytest.approx(48.0)
    assert requirements(picture).broken_floor((0.98, 1.0)) is None
    assert code(requirements(picture).broken_floor((0.97, 1.0))) == "floor-capacity"


def test_a_dead_region_has_no_ceiling() -> None:
    """A sixth of the endpoints of b is healthy, and what they are made for makes up for no cut of a."""
    picture = picture_of((area("a", proven=False), area("b", dead=True)), {"a": 100.0})
    beliefs = (picture.beliefs[0], picture.beliefs[1]._replace(share=1.0 / 6.0))
    rules = replace(picture, beliefs=beliefs).constraints
    assert rules.ceilings((1.0, 1.0)) == 100.0
    assert code(rules.against(picture.traffic.base).broken_floor((0.9, 1.0))) == "floor-capacity"

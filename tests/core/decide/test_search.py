"""The search for the best ceilings: receivers capped in the same answer, floors kept, a region shed only on evidence."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.pictures import area, picture_of, requirements, space

from spillway.core.decide.search import SOFT_PRICE, Found, Search, Space, Start, search
from spillway.core.model.constraints import Requirements
from spillway.core.model.predict import Region
from spillway.core.model.service import ServiceModel
from spillway.core.values.policy import Floors, Policy
from spillway.core.values.topology import is_legal_scaler


def chain_of_three() -> ServiceModel:
    """Region a can take half of its ceiling, b, where it spills to, is about full, and c has room for all."""
    regions = (
        area("a", capacity=50.0),
        area("b", capacity=70.0),
        area("c", ceiling=300.0, capacity=300.0),
    )
    return picture_of(regions, {"a": 90.0, "b": 55.0, "c": 30.0})


def tried(
    picture: ServiceModel,
    scalers: Sequence[float],
    within: Space | None = None,
    rules: Requirements | None = None,
) -> Search:
    run = Search(picture.traffic, rules or requirements(picture), within or space(picture))
    run.try_start("a test", list(scalers))
    return run


def test_a_receiver_that_a_cut_pushes_past_its_limit_is_capped_in_the_same_answer() -> None:
    picture = chain_of_three()
    run = tried(picture, [0.45, 1.0, 1.0])
    limit = 0.9 * 70.0
    assert picture.traffic.predict([0.45, 1.0, 1.0]).flow.loads[1] > limit
    assert run.start == Start(label="a test")
    assert run.best.scalers == (0.45, 0.63, 1.0)
    assert run.best.flow.loads == pytest.approx((45.0, 63.0, 67.0))


def test_a_cap_that_fills_the_next_one_is_followed_by_its_cap() -> None:
    regions = (
        area("a", capacity=50.0),
        area("b", capacity=70.0),
        area("c", capacity=50.0),
        area("d", ceiling=300.0, capacity=300.0),
    )
    run = tried(picture_of(regions, {"a": 90.0, "b": 55.0, "c": 30.0}), [0.45, 1.0, 1.0, 1.0])
    assert run.best.scalers == (0.45, 0.63, 0.45, 1.0)


def test_what_may_not_move_is_not_capped() -> None:
    picture = chain_of_three()
    run = tried(picture, [0.45, 1.0, 1.0], space(picture, movable=(True, False, True)))
    assert run.best.scalers[1] == 1.0


def test_a_receiver_without_fresh_samples_is_filled_less() -> None:
    regions = (area("a", capacity=50.0), area("b", fresh=False), area("c", ceiling=300.0, capacity=300.0))
    picture = picture_of(regions, {"a": 90.0, "b": 55.0})
    assert [row.receives for row in picture.constraints.rows] == pytest.approx([45.0, 70.0, 270.0])
    free = space(picture, movable=(True, True, True))
    assert tried(picture, [0.5, 1.0, 1.0], free).best.scalers == (0.5, 0.7, 1.0)


def test_the_whole_search_relieves_without_pushing_anyone() -> None:
    picture = chain_of_three()
    found = found_in(picture)
    assert found.best.bad < 0.1 * found.base.bad
    for region, load, before in zip(
        picture.traffic.regions, found.best.flow.loads, found.base.flow.loads, strict=True
    ):
        assert load <= max(0.9 * region.capacity, before) * 1.005


def test_a_floor_is_kept_by_taking_back_the_deepest_cut() -> None:
    regions = (area("a", bad=0.9), area("b", bad=0.5), area("c", ceiling=300.0, capacity=300.0))
    picture = picture_of(regions, {"a": 50.0, "b": 90.0})

    def kept(**least: float) -> tuple[float, ...]:
        rules = requirements(picture, carried_least=0.0, **least)
        return tried(picture, [0.2, 0.3, 1.0], rules=rules).best.scalers

    assert kept(ceilings_least=0.0, surely_least=0.0) == (0.2, 0.3, 1.0)
    assert kept(ceilings_least=400.0, surely_least=500.0) == (0.7, 0.3, 1.0)
    assert kept(ceilings_least=480.0, surely_least=500.0) == (1.0, 0.8, 1.0)


def found_in(picture: ServiceModel, **changes: bool) -> Found:
    """The search's answer, with some of what it may do replaced."""
    return search(picture.traffic, requirements(picture), space(picture, **changes))


def test_so_many_regions_stay_open_as_the_policy_wants() -> None:
    """Region b answers with errors alone, so it would best be closed; a tenth keeps it open."""
    regions = (area("a"), area("b", bad=0.9))
    least = {n: Policy(floors=Floors(min_serving_regions=n, reserve=0.0, receiver_limit=1.0)) for n in (1, 2)}
    closed, opened = (
        found_in(picture_of(regions, {"b": 50.0}, policy=least[n])).best.scalers for n in (1, 2)
    )
    assert closed == (1.0, 0.0)
    assert opened == (1.0, 0.1)


def starts(
    picture: ServiceModel, monkeypatch: pytest.MonkeyPatch, *, shed: bool, short: bool
) -> dict[Start, tuple[float, ...]]:
    """The whole answers that a search looks at."""
    found: dict[Start, tuple[float, ...]] = {}
    plain = Search.try_start

    def noted(self: Search, label: str, scalers: list[float], sheds: str | None = None) -> None:
        found[Start(label=label, sheds=sheds)] = tuple(scalers)
        plain(self, label, scalers, sheds)

    monkeypatch.setattr(Search, "try_start", noted)
    found_in(picture, shed=shed, short=short)
    return found


def sheds(found: dict[Start, tuple[float, ...]]) -> list[str]:
    """The regions that are shed in some of these answers."""
    return [start.sheds for start in found if start.sheds is not None]


def test_the_starts_are_whole_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    regions = (area("a", bad=0.6), area("b", capacity=50.0), area("c", scaler=0.8))
    picture = picture_of(regions, {"a": 40.0, "b": 60.0})
    found = starts(picture, monkeypatch, shed=False, short=False)
    assert {start.label: scalers for start, scalers in found.items()} == {
        "cap every region at its capacity": (0.9, 0.45, 0.9),
        "open every region": (1.0, 1.0, 1.0),
        "cap the full regions and open the others": (1.0, 0.45, 1.0),
        "relieve the full regions and open the others": (1.0, 0.1, 1.0),
        "close the bad regions and cap the others": (0.0, 0.45, 0.9),
        "close the bad regions": (0.0, 1.0, 0.8),
        "cap the full regions": (1.0, 0.45, 0.8),
    }


def overfilled() -> ServiceModel:
    """Three regions that can take less than what comes."""
    regions = (area("a"), area("b"), area("c"))
    return picture_of(regions, {"a": 150.0, "b": 120.0, "c": 100.0})


def test_a_region_is_shed_only_where_saturation_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = overfilled()
    assert sheds(starts(picture, monkeypatch, shed=False, short=True)) == []
    measured = starts(picture, monkeypatch, shed=True, short=True)
    assert sheds(measured) == ["a", "b", "c"]
    assert [s.label for s in measured if s.sheds] == [f"shed {name} for the others" for name in "abc"]


def test_a_region_is_not_shed_where_a_plain_answer_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = chain_of_three()
    assert sheds(starts(picture, monkeypatch, shed=True, short=False)) == []


def test_shedding_one_region_saves_the_others() -> None:
    picture = overfilled()
    shared = found_in(picture, shed=False, short=True)
    shed = found_in(picture, shed=True, short=True)
    assert shed.best.bad < 0.6 * picture.traffic.base.bad
    assert shed.best.bad <= shared.best.bad
    kept = [load <= 100.0 for load in shed.best.flow.loads]
    assert sorted(kept) == [False, True, True]


hundredth = st.integers(10, 100).map(lambda n: n / 100)


@st.composite
def areas(draw: st.DrawFn, name: str) -> Region:
    return area(
        name,
        scaler=draw(st.one_of(st.just(1.0), hundredth)),
        ceiling=draw(st.sampled_from((60.0, 100.0, 200.0))),
        capacity=draw(st.floats(10.0, 250.0)),
        bad=draw(st.sampled_from((0.0, 0.0, 0.05, 0.6))),
        quota=draw(st.sampled_from((None, None, 40.0))),
        backlog=draw(st.sampled_from((0.0, 10.0))),
        fresh=draw(st.booleans()),
        movable=draw(st.booleans()),
    )


@given(
    st.tuples(areas("a"), areas("b"), areas("c"), areas("d")),
    st.tuples(*[st.floats(1.0, 150.0)] * 4),
    st.booleans(),
)
def test_no_search_leaves_its_space_or_does_worse_than_nothing(
    regions: tuple[Region, ...], rates: tuple[float, ...], shed: bool
) -> None:
    picture = picture_of(regions, dict(zip("abcd", rates, strict=True)))
    within, rules = space(picture, shed=shed), requirements(picture)
    found = search(picture.traffic, rules, within)
    for scaler, allowed, can, now in zip(
        found.best.scalers, within.ranges, within.movable, picture.traffic.scalers, strict=True
    ):
        assert is_legal_scaler(scaler)
        assert allowed.allows(scaler) or scaler == now if can else scaler == now
    assert rules.broken_floor(found.best.scalers) is None
    price = SOFT_PRICE if within.receivers else 0.0
    allowance = 0.0005 * picture.traffic.forecast * (len(regions) + 1)
    assert rules.price(found.best, price) <= rules.price(found.base, price) + allowance

"""The search for the best ceilings: receivers capped in the same answer, floors kept, sacrifices only on evidence."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.pictures import area, bounds, picture_of

from spillway.core.decide.optimise import _Search, search
from spillway.core.model.constraints import Bounds, sure_of
from spillway.core.model.predict import Region
from spillway.core.model.service import Picture
from spillway.core.values.units import is_legal_scaler


def chain_of_three() -> Picture:
    """Region a can take half of its ceiling, b, where it spills to, is about full, and c has room for all."""
    regions = (
        area("a", capacity=50.0),
        area("b", capacity=70.0),
        area("c", ceiling=300.0, capacity=300.0),
    )
    return picture_of(regions, {"a": 90.0, "b": 55.0, "c": 30.0})


def tried(picture: Picture, scalers: Sequence[float], within: Bounds | None = None) -> _Search:
    run = _Search(picture.model, within or bounds(picture))
    run.try_start("a test", list(scalers))
    return run


def test_a_receiver_that_a_cut_pushes_past_its_limit_is_capped_in_the_same_answer() -> None:
    picture = chain_of_three()
    run = tried(picture, [0.45, 1.0, 1.0])
    limit = 0.9 * 70.0
    assert picture.model.outcome([0.45, 1.0, 1.0]).flow.loads[1] > limit
    assert run.name == "a test"
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
    run = tried(picture, [0.45, 1.0, 1.0], bounds(picture, movable=(True, False, True)))
    assert run.best.scalers[1] == 1.0


def test_a_receiver_without_fresh_samples_is_filled_less() -> None:
    regions = (area("a", capacity=50.0), area("b", fresh=False), area("c", ceiling=300.0, capacity=300.0))
    picture = picture_of(regions, {"a": 90.0, "b": 55.0})
    run = _Search(picture.model, bounds(picture))
    assert run.guards.limits == pytest.approx([45.0, 70.0, 270.0])


def test_the_whole_search_relieves_without_pushing_anyone() -> None:
    picture = chain_of_three()
    found = search(picture.model, bounds(picture))
    assert found.best.bad < 0.1 * found.base.bad
    for region, load, before in zip(
        picture.model.regions, found.best.flow.loads, found.base.flow.loads, strict=True
    ):
        assert load <= max(0.9 * region.capacity, before) * 1.005


def test_a_floor_is_kept_by_taking_back_the_deepest_cut() -> None:
    regions = (area("a", bad=0.9), area("b", bad=0.5), area("c", ceiling=300.0, capacity=300.0))
    picture = picture_of(regions, {"a": 50.0, "b": 90.0})
    free = bounds(picture, floor=0.0, carries=0.0)
    assert tried(picture, [0.2, 0.3, 1.0], free).best.scalers == (0.2, 0.3, 1.0)
    one = bounds(picture, floor=400.0, sure=500.0, carries=0.0)
    assert tried(picture, [0.2, 0.3, 1.0], one).best.scalers == (0.7, 0.3, 1.0)
    both = bounds(picture, floor=480.0, sure=500.0, carries=0.0)
    assert tried(picture, [0.2, 0.3, 1.0], both).best.scalers == (1.0, 0.8, 1.0)


def starts(picture: Picture, within: Bounds, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[float, ...]]:
    """The whole answers that a search looks at, by name."""
    found: dict[str, tuple[float, ...]] = {}
    plain = _Search.try_start

    def noted(self: _Search, name: str, scalers: list[float]) -> None:
        found[name] = tuple(scalers)
        plain(self, name, scalers)

    monkeypatch.setattr(_Search, "try_start", noted)
    search(picture.model, within)
    return found


def test_the_starts_are_whole_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    regions = (area("a", bad=0.6), area("b", capacity=50.0), area("c", scaler=0.8))
    picture = picture_of(regions, {"a": 40.0, "b": 60.0})
    assert starts(picture, bounds(picture, measured=False, short=False), monkeypatch) == {
        "cap every region at its capacity": (0.9, 0.45, 0.9),
        "open every region": (1.0, 1.0, 1.0),
        "cap the full regions and open the others": (1.0, 0.45, 1.0),
        "relieve the full regions and open the others": (1.0, 0.1, 1.0),
        "close the bad regions and cap the others": (0.0, 0.45, 0.9),
        "close the bad regions": (0.0, 1.0, 0.8),
        "cap the full regions": (1.0, 0.45, 0.8),
    }


def overfilled() -> Picture:
    """Three regions that can take less than what comes."""
    regions = (area("a"), area("b"), area("c"))
    return picture_of(regions, {"a": 150.0, "b": 120.0, "c": 100.0})


def test_a_region_is_given_up_only_where_saturation_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = overfilled()
    short_of_targets = starts(picture, bounds(picture, measured=False, short=True), monkeypatch)
    assert not [n for n in short_of_targets if n.startswith("give up")]
    measured = starts(picture, bounds(picture, measured=True, short=True), monkeypatch)
    assert [n for n in measured if n.startswith("give up")] == [
        f"give up {name} for the others" for name in ("a", "b", "c")
    ]


def test_a_region_is_not_given_up_where_a_plain_answer_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = chain_of_three()
    names = starts(picture, bounds(picture, measured=True, short=False), monkeypatch)
    assert not [n for n in names if n.startswith("give up")]


def test_giving_up_one_region_saves_the_others() -> None:
    picture = overfilled()
    shared = search(picture.model, bounds(picture, measured=False, short=True))
    given_up = search(picture.model, bounds(picture, measured=True, short=True))
    assert given_up.best.bad < 0.6 * picture.model.base.bad
    assert given_up.best.bad <= shared.best.bad
    kept = [load <= 100.0 for load in given_up.best.flow.loads]
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
def test_no_search_leaves_its_bounds_or_does_worse_than_nothing(
    regions: tuple[Region, ...], rates: tuple[float, ...], measured: bool
) -> None:
    picture = picture_of(regions, dict(zip("abcd", rates, strict=True)))
    within = bounds(picture, measured=measured)
    found = search(picture.model, within)
    for scaler, low, high, can, now in zip(
        found.best.scalers,
        within.lowest,
        within.highest,
        within.movable,
        picture.model.scalers,
        strict=True,
    ):
        assert is_legal_scaler(scaler)
        assert low - 1e-9 <= scaler <= high + 1e-9 if can else scaler == now
    ceilings = sum(s * n for s, n in zip(found.best.scalers, within.nominal, strict=True))
    sure = sure_of(picture, found.best.scalers)
    assert ceilings >= within.floor - 1e-6 or sure >= within.sure - 1e-6
    run = _Search(picture.model, within)
    allowance = 0.0005 * picture.model.forecast * (len(regions) + 1)
    assert run.guards.price(found.best) <= run.guards.price(found.base) + allowance

"""Values made quickly are those that their own constructors make."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields

import pytest

from spillway.core.estimate.backend import Facts
from spillway.core.estimate.sample import Window
from spillway.core.model.predict import Region
from spillway.core.observe.minutes import Built, Tally
from spillway.core.values.decision import BackendAssessment
from spillway.core.values.overlay import BackendSetting
from spillway.core.values.snapshot import BackendView, Minute, PlaceDemand, Seen
from spillway.core.values.state import BackendMemory, Estimate, OriginMemory
from spillway.core.values.units import altered, closed, drafter, maker


@pytest.mark.parametrize(
    "kind",
    [BackendAssessment, BackendView, Built, Facts, Minute, OriginMemory, PlaceDemand, Region, Seen, Window],
)
def test_what_is_made_equals_what_the_constructor_makes(kind: type) -> None:
    arguments = {f.name: f"value of {f.name}" for f in fields(kind)}
    made = maker(kind)(**arguments)
    assert type(made) is kind
    assert made == kind(**arguments)
    assert repr(made) == repr(kind(**arguments))


def test_it_is_as_frozen_as_any_other() -> None:
    made = maker(OriginMemory)(place="Europe", home="europe-west4", level=3.0)
    with pytest.raises(FrozenInstanceError):
        made.level = 4.0  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del made.level
    assert {made, OriginMemory(place="Europe", home="europe-west4", level=3.0)} == {made}
    assert copy.copy(made) == made == pickle.loads(pickle.dumps(made))  # noqa: S301 - just made


def test_defaults_hold_and_what_is_missing_or_unknown_is_refused() -> None:
    make = maker(BackendMemory)
    assert make(region="r") == BackendMemory(region="r")
    assert make(region="r", estimate=Estimate(served=2.0)).estimate.served == 2.0
    with pytest.raises(TypeError, match="region"):
        make()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        make(region="r", colour=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        make("r")  # type: ignore[call-arg]


def test_checks_of_the_class_run() -> None:
    with pytest.raises(ValueError, match="capacity scaler"):
        maker(BackendSetting)(region="r", member=True, scaler=0.05)


def test_what_a_factory_makes_is_new_each_time() -> None:
    make = maker(Tally)
    one, two = make(), make(latencies=[()])
    assert (one, two) == (Tally(), Tally(latencies=[()]))
    one.counts.append(())
    assert two.counts == make().counts == []


def test_fields_may_have_any_name() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Named:
        new: int
        made: int
        Kind: int
        value: int
        self: int = 5

    assert maker(Named)(new=1, made=2, Kind=3, value=4) == Named(new=1, made=2, Kind=3, value=4)
    assert altered(Named(new=1, made=2, Kind=3, value=4), value=9).value == 9


def test_what_no_argument_can_express_is_refused() -> None:
    @dataclass(frozen=True)
    class Loose:
        one: int = 1

    @dataclass(frozen=True, slots=True)
    class Made:
        one: int = field(default=1, init=False)

    for kind in (Loose, Made):
        with pytest.raises(TypeError, match="no dataclass of slots that its constructor takes"):
            maker(kind)


def test_a_draft_is_changed_field_by_field_and_frozen_once_it_is_closed() -> None:
    before = Estimate(served=3.0, errors=0.1)
    draft = drafter(Estimate)(before)
    draft.served = 4.0
    after = closed(draft, Estimate)
    assert after == Estimate(served=4.0, errors=0.1)
    assert type(after) is Estimate
    assert before == Estimate(served=3.0, errors=0.1)
    with pytest.raises(FrozenInstanceError):
        after.served = 5.0  # type: ignore[misc]


def test_there_is_no_draft_of_a_value_without_slots() -> None:
    @dataclass(frozen=True)
    class Open:
        size: int = 1

    with pytest.raises(TypeError, match="Open is no dataclass of slots"):
        drafter(Open)

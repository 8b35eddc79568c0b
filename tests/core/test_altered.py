"""Frozen values with some fields changed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import pytest

from spillway.core.values.histogram import Distribution
from spillway.core.values.state import BackendMemory, Estimate
from spillway.core.values.units import altered


def test_fields_change_and_nothing_else_does() -> None:
    before = Estimate(served=3.0, errors=0.1)
    after = altered(before, served=4.0, slow=0.2)
    assert after == Estimate(served=4.0, errors=0.1, slow=0.2)
    assert before == Estimate(served=3.0, errors=0.1)
    assert hash(after) == hash(Estimate(served=4.0, errors=0.1, slow=0.2))
    with pytest.raises(FrozenInstanceError):
        after.served = 5.0  # type: ignore[misc]


def test_checks_run_and_what_follows_from_the_fields_is_worked_out_anew() -> None:
    spread = Distribution(bounds=(1.0, 2.0), counts=(1.0, 2.0, 0.0), mean=1.2)
    assert spread.edges() == (2.0, 5.0)
    more = altered(spread, counts=(0.0, 4.0, 0.0))
    assert (more.count, more.edges()) == (4.0, (4.0, 8.0))
    with pytest.raises(ValueError, match="negative"):
        altered(spread, counts=(-1.0, 2.0, 0.0))


def test_a_field_that_is_not_there_is_named() -> None:
    with pytest.raises(TypeError, match="BackendMemory has no field colour"):
        altered(BackendMemory(region="r"), colour=1)


def test_values_without_slots_are_altered_too() -> None:
    @dataclass(frozen=True)
    class Open:
        one: int
        two: int

    assert altered(Open(1, 2), two=3) == Open(1, 3)

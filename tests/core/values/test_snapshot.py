"""Minutes of a backend: their sum, and whether they can be true."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from spillway.core.values.histogram import Distribution
from spillway.core.values.snapshot import FEW, SAMPLES_APART_FACTOR, Minute

SPREAD = Distribution(bounds=(0.5, 1.0), counts=(0.0, 100.0, 0.0), mean=0.75)
MINUTE = Minute(end=60.0, ok=100.0, client_error=3.0, too_many=2.0, server_error=1.0, latency=SPREAD)


def test_the_total_is_of_all_classes() -> None:
    assert MINUTE.total == 106.0


def test_what_is_worked_out_once_is_no_part_of_the_value() -> None:
    other = replace(MINUTE)
    assert MINUTE.contradiction is None
    assert other == MINUTE
    assert repr(MINUTE) == repr(other)
    assert replace(MINUTE, ok=-1.0).contradiction is not None, "it does not outlive a change"


@pytest.mark.parametrize("wrong", [-1.0, inf, nan])
@pytest.mark.parametrize("field", ["ok", "client_error", "too_many", "server_error"])
def test_counts_are_numbers_and_none_is_negative(field: str, wrong: float) -> None:
    changed: dict[str, Any] = {field: wrong}
    assert replace(MINUTE, **changed).contradiction == "a count is negative or no number"


def test_as_many_latencies_as_answers_or_so() -> None:
    few = replace(SPREAD, counts=(0.0, 100.0 / SAMPLES_APART_FACTOR - 1.0, 0.0))
    found = replace(MINUTE, latency=few).contradiction
    assert found == "49 latency samples for 100 answers"
    assert replace(MINUTE, ok=FEW - 1.0).contradiction is None, "of few answers chance explains it"
    assert replace(MINUTE, latency=None).contradiction is None


@pytest.mark.parametrize(("mean", "fits"), [(0.4, False), (0.6, True), (1.2, False), (nan, False)])
def test_the_mean_lies_within_the_buckets(mean: float, fits: bool) -> None:
    found = replace(MINUTE, latency=replace(SPREAD, mean=mean)).contradiction
    assert found == (None if fits else "the mean latency lies outside its own buckets")


def test_the_overflow_bucket_has_no_upper_end() -> None:
    over = Distribution(bounds=(0.5, 1.0), counts=(0.0, 50.0, 50.0), mean=90.0)
    assert replace(MINUTE, latency=over).contradiction is None

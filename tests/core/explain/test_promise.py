"""What is said where users do not get what they were promised, above all where no lever helps."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.pictures import area, picture_of, window

from spillway.core.estimate.belief import BackendBelief
from spillway.core.explain.slo import broken, failing
from spillway.core.values.policy import Policy, Slo

POLICY = Policy(slo=Slo(latency=4.0, percentile=95.0, availability=0.999))


def two(first: dict[str, Any], second: dict[str, Any]) -> tuple[BackendBelief, ...]:
    """Regions a and b with windows like these; each answers 100 requests/s."""
    beliefs = picture_of((area("a"), area("b")), {"a": 100.0}).beliefs
    return tuple(
        f._replace(window=window(100.0)._replace(**changes))
        for f, changes in zip(beliefs, (first, second), strict=True)
    )


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ({}, {}, None),
        ({"slow": 0.05}, {"slow": 0.05}, None),
        ({"slow": 0.2}, {}, "10.0% of the answers took longer than 4 s and 0.0% failed"),
        ({"error_ratio": 0.01}, {"error_ratio": 0.01}, None),
        ({"error_ratio": 0.5}, {}, "25.0% failed"),
    ],
)
def test_an_alarm_tells_that_the_promise_is_broken(
    first: dict[str, Any], second: dict[str, Any], told: str | None
) -> None:
    found = broken("pool", two(first, second), POLICY)
    assert (found is None) == (told is None)
    assert told is None or (found is not None and told in found.sentence)


def test_a_few_answers_break_nothing() -> None:
    few = {"slow": 1.0, "answers": 10.0}
    assert broken("pool", two(few, few), POLICY) is None


def test_a_region_that_fails_is_not_called_well_because_no_lever_helps() -> None:
    """A pinned service without failover: half of its answers were errors, and its one region was said to be well."""
    found = failing(two({"error_ratio": 0.5, "bad": 0.5}, {"slow": 0.1, "bad": 0.1}), POLICY.slo)
    assert found is not None
    assert found.sentence == "a answers 0.0% late and fails 50.0%, and moving its requests would save too few"
    assert failing(two({}, {}), POLICY.slo) is None
    closed = tuple(f._replace(serving=False) for f in two({"slow": 1.0}, {"slow": 1.0}))
    assert failing(closed, POLICY.slo) is None

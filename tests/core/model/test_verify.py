"""What became of a move: what was expected, what came, and why it is or is not held against the move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.pictures import AT, area, flight_of, picture_of

from spillway.core.explain.assessment import verdict_of
from spillway.core.model.service import ServiceModel
from spillway.core.model.verify import Finding, Judgement, review


def after(
    bad: float, *, before: float = 0.3, to: float = 0.6, elsewhere: bool = False, **flight: Any
) -> ServiceModel:
    """Region a was raised a quarter of an hour ago at 100 requests/s, and so many of its, or of b's, requests are bad now."""
    made = replace(
        flight_of("a", before, to, AT - 900.0),
        **{"predicted": 0.011, "seen": 0.02, "demand": 100.0, **flight},
    )
    picture = picture_of((area("a", scaler=to), area("b")), {"a": 20.0, "b": 80.0}, flights=(made,))
    ill = "b" if elsewhere else "a"
    beliefs = tuple(
        f._replace(window=f.window._replace(bad=2 * bad if f.region == ill else 0.0))  # type: ignore[union-attr]
        for f in picture.beliefs
    )
    return replace(picture, beliefs=beliefs)


def judged(model: ServiceModel) -> Judgement:
    (found,) = review(model).judgements
    return found


@pytest.mark.parametrize(
    ("model", "finding", "told"),
    [
        (after(0.004), Finding.AS_EXPECTED, "1.1% bad requests were expected and 0.4% came, so it did what it was made for"),
        (
            after(0.163, seen=0.33),
            Finding.NO_WORSE,
            "1.1% bad requests were expected and 16.3% came; it was 33.0% before the move, so it is not held against the move",
        ),
        (
            after(0.163, demand=50.0), Finding.DEMAND_GREW,
            "demand has grown from 50 to 100 requests/s since, so it is not held against the move",
        ),
        (after(0.163, elsewhere=True), Finding.ELSEWHERE, "from regions that the move sent no load to"),
        (
            after(0.163),
            Finding.DISAPPOINTED,
            "it was 2.0% before the move, so it is held against the move: a waits longer before it is raised again",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, Finding) else "",
)  # fmt: skip
def test_a_verdict_says_what_was_expected_what_came_and_why_it_counts(
    model: ServiceModel, finding: Finding, told: str
) -> None:
    found = judged(model)
    assert found.finding is finding
    verdict = verdict_of(found)
    assert verdict.better == (finding is not Finding.DISAPPOINTED)
    assert told in verdict.sentence


def test_only_a_raise_that_disappoints_makes_its_region_wait() -> None:
    def backoff(model: ServiceModel) -> float:
        return review(model).memory.backend("a").backoff

    assert backoff(after(0.163)) > backoff(after(0.004))
    assert backoff(after(0.163, elsewhere=True)) == backoff(after(0.004))

"""What the model holds of a region: what is expected of one that nobody has looked at lately."""

from __future__ import annotations

import pytest

from spillway.core.estimate.queueing import BASELINE_CALM, BASELINE_CALM_UP, BASELINE_UP, usual_pace
from spillway.core.model.service import BAD_GRAIN, _expected_bad


@pytest.mark.parametrize(
    ("bad", "everywhere", "fresh", "expected"),
    [
        (
            0.0,
            0.02,
            False,
            0.02,
        ),  # an idle region is no better than those that are seen, or all load would go there
        (0.0, 0.02, True, 0.0),
        (0.0, 0.5 * BAD_GRAIN, True, 0.5 * BAD_GRAIN),
        (0.3, 0.02, False, 0.3),
        (0.3, 0.02, True, 0.3),
    ],
)
def test_a_region_that_was_not_seen_lately_is_no_better_than_a_typical_one(
    bad: float, everywhere: float, fresh: bool, expected: float
) -> None:
    assert _expected_bad(bad, everywhere, fresh=fresh) == pytest.approx(expected)


def test_a_leak_of_a_percent_a_minute_does_not_take_the_usual_pace_along() -> None:
    baseline, mean = 1.0, 1.0
    for _ in range(30):
        mean *= 1.01
        baseline = usual_pace(baseline, mean, crowded=False)
    assert mean > 1.18 * baseline


def test_the_usual_pace_falls_faster_than_it_rises() -> None:
    assert usual_pace(1.0, 1.1, crowded=False) == pytest.approx(1.0 + 0.1 * BASELINE_CALM_UP)
    assert usual_pace(1.0, 0.9, crowded=False) == pytest.approx(1.0 - 0.1 * BASELINE_CALM)
    assert usual_pace(1.0, 2.0, crowded=False) == pytest.approx(1.0 + BASELINE_UP)
    assert usual_pace(1.0, 2.0, crowded=True) == 1.0

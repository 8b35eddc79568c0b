"""What the model holds of a region: what is expected of one that nobody has looked at lately."""

from __future__ import annotations

import pytest

from spillway.core.model.service import BAD_SHARE_NOISE, _expected_bad


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
        (0.0, 0.5 * BAD_SHARE_NOISE, True, 0.5 * BAD_SHARE_NOISE),
        (0.3, 0.02, False, 0.3),
        (0.3, 0.02, True, 0.3),
    ],
)
def test_a_region_that_was_not_seen_lately_is_no_better_than_a_typical_one(
    bad: float, everywhere: float, fresh: bool, expected: float
) -> None:
    assert _expected_bad(bad, everywhere, fresh=fresh) == pytest.approx(expected)

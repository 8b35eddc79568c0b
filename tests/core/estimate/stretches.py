"""Stretches of like minutes, and what is learned of a region from them."""

from __future__ import annotations

from spillway.core.estimate.capacity import capacity_proven
from spillway.core.estimate.update import Circumstances, learn
from spillway.core.values.histogram import Distribution
from spillway.core.values.policy import Evidence, Slo
from spillway.core.values.snapshot import Minute
from spillway.core.values.state import Estimate

PERIOD = 60.0
SETTING = Circumstances(target=160.0, slo=Slo(), evidence=Evidence(), period=PERIOD)
CALM = (15, 75.0, 1.0)
"""A quarter of an hour below half of the target, a second for each request: a baseline of 1 s, 160 slots."""

Stretch = tuple[int, float, float]
"""(minutes, answers/s, mean seconds)."""


def minute(
    number: int, rate: float, mean: float, *, errors: float = 0.0, refused: float = 0.0, quick: float = 0.0
) -> Minute:
    """A minute of `rate` good answers/s, and so many errors and refusals besides; the share `quick` of them had not to wait."""
    spread = Distribution(
        bounds=(mean * 0.1, mean * 0.9, mean * 1.1),
        counts=(PERIOD * rate * quick, 0.0, PERIOD * rate * (1.0 - quick), 0.0),
        mean=mean * (1.0 - quick) if rate else 0.0,
    )
    return Minute(
        end=PERIOD * number,
        ok=PERIOD * rate,
        client_error=0.0,
        too_many=PERIOD * refused,
        server_error=PERIOD * errors,
        latency=spread,
    )


def minutes(*stretches: Stretch) -> tuple[Minute, ...]:
    rows = [(rate, mean) for count, rate, mean in stretches for _ in range(count)]
    return tuple(minute(i + 1, *row) for i, row in enumerate(rows))


def learned(*stretches: Stretch, setting: Circumstances = SETTING, start: Estimate | None = None) -> Estimate:
    return learn(start or Estimate(), minutes(*stretches), setting)


def takes(estimate: Estimate) -> float:
    found = capacity_proven(estimate, SETTING.target, 1.0)
    assert found is not None
    return found

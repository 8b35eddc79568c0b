"""Faults as they act: which are active at a moment, and when the next change comes.

Everything here is a function of time, so the world may jump from change to change. A slow leak moves once a minute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import exp, floor, inf, log

from spillway.sim.fault_models import FaultModel

LEAK_STEP = 60.0
"""Seconds between the steps in which a slow leak grows."""

LEAK_GRAIN = 0.02
"""Grain of the logarithm of a leak's factor, so that a leak of hours passes tens of states, not hundreds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of any kind; what a kind does not use has its neutral value."""

    kind: str
    at: float
    """Seconds since time zero."""
    until: float
    region: str | None = None
    zone: int | None = None
    service: str | None = None
    factor: float = 1.0
    ratio: float = 0.0
    code: int = 503
    period: float = 0.0
    rps: float = 0.0
    delay: float = 0.0
    scaler: float = 1.0
    by: float = 0.0

    def active(self, t: float) -> bool:
        """True from `at` on, until before `until`."""
        return self.at <= t < self.until

    def next_change(self, t: float) -> float:
        """The first moment after `t` at which this fault starts, ends or changes; infinity if there is none."""
        if t < self.at:
            return self.at
        if t >= self.until:
            return inf
        if self.kind == "flapping":
            half = self.period / 2.0
            return min(self.until, self.at + (floor((t - self.at) / half + 1e-9) + 1) * half)
        if self.kind == "slow-leak":
            return min(self.until, self.at + (floor((t - self.at) / LEAK_STEP + 1e-9) + 1) * LEAK_STEP)
        return self.until

    def slowdown(self, t: float) -> float:
        """Factor on service times at `t` of the kinds slow and slow-leak; 1 while inactive."""
        if not self.active(t):
            return 1.0
        if self.kind == "slow":
            return self.factor
        if self.kind == "slow-leak":
            grown = floor((t - self.at) / LEAK_STEP + 1e-9) * LEAK_STEP
            factor = 1.0 + (self.factor - 1.0) * min(1.0, (grown + LEAK_STEP / 2) / (self.until - self.at))
            return exp(round(log(factor) / LEAK_GRAIN) * LEAK_GRAIN)
        return 1.0

    def failing(self, t: float) -> bool:
        """True while a flapping fault's endpoints fail their checks: the first half of each period."""
        if not self.active(t):
            return False
        phase = (t - self.at) % self.period
        return phase < self.period / 2.0 - 1e-9 or phase > self.period - 1e-9


def from_model(model: FaultModel, *, not_before: float = 0.0) -> Fault:
    """The fault that a file or the fault API describes; it starts at `at`, or at `not_before` where that is past."""
    given = model.model_dump()
    lasts = given.pop("lasts", None)
    start = max(float(given.pop("at")), not_before)
    return Fault(at=start, until=inf if lasts is None else start + lasts, **given)


class Schedule:
    """All faults of a run, in file order, and those injected since."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)

    def with_fault(self, fault: Fault) -> Schedule:
        """This schedule and one more fault."""
        return Schedule((*self.faults, fault))

    def without(self, fault: Fault, now: float) -> Schedule:
        """This schedule with one fault ended at `now`; as if it had never been planned where it has not begun."""
        ended = replace(fault, until=max(now, fault.at))
        return Schedule(ended if known is fault else known for known in self.faults)

    def next_change(self, t: float) -> float:
        """The first moment after `t` at which any fault changes; infinity if none will."""
        return min((f.next_change(t) for f in self.faults), default=inf)

    def of_region(self, region: str, t: float) -> tuple[Fault, ...]:
        """Active faults of the plant in `region`."""
        return tuple(
            f for f in self.faults if f.region == region and f.active(t) and not f.kind.startswith("metrics")
        )

    def metrics(self, t: float) -> tuple[Fault, ...]:
        """Active faults of monitoring."""
        return tuple(f for f in self.faults if f.kind.startswith("metrics") and f.active(t))

    def write(self, t: float) -> Fault | None:
        """The fault that a write begun at `t` meets; the first in the file where there are several."""
        return next((f for f in self.faults if f.kind.startswith("write") and f.active(t)), None)

    def clock(self, t: float) -> float:
        """Seconds by which a controller's clock is ahead at `t`, over all clock steps that are active."""
        return sum(f.by for f in self.faults if f.kind == "clock-step" and f.active(t))

    def edits(self, since: float, until: float) -> tuple[Fault, ...]:
        """Outside edits with since <= at < until, in order of time."""
        found = (f for f in self.faults if f.kind == "outside-edit" and since <= f.at < until)
        return tuple(sorted(found, key=lambda f: f.at))

"""What the table of scenarios comes to: Spillway against the yardstick, and against the best opponent of each scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean

from spillway.sim.baselines.search import noise

MINE = "spillway"
YARDSTICK = "oracle-delayed"
YARDSTICKS = (YARDSTICK, "oracle")
OPPONENTS = ("static", "google", "threshold", "aimd", "pid")

BAR = 1e-4
"""Share of requests added above and below the line of every ratio, and below which a difference is none."""

LOSING = 1e-3
"""Share of requests that the best opponent must lose for a scenario to have something to win."""

HALF = 0.5
"""Share of what the best opponent loses that the yardstick may lose at most, likewise."""

PLENTY = 1.05
"""Ratio to the best opponent from which a scenario counts as lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One scenario; requests are means over the seeds, counts are Spillway's, summed over them."""

    scenario: str
    requests: float
    bad: Mapping[str, float]
    """By policy; those that did not run are absent."""
    wrong_way: int
    floors: int
    reversals: int
    writes: int
    beside: float | None = None
    """Spillway's mean over the yardstick's seeds, where those are not all."""

    @property
    def best(self) -> str | None:
        """The opponent with the fewest bad requests."""
        ran = [name for name in OPPONENTS if name in self.bad]
        return min(ran, key=lambda name: self.bad[name], default=None)

    @property
    def to_delayed(self) -> float | None:
        """Spillway over the yardstick, both with the yardstick's seeds."""
        return self.ratio(YARDSTICK)

    @property
    def mine_beside(self) -> float:
        """Spillway's bad requests with the yardstick's seeds."""
        return self.bad[MINE] if self.beside is None else self.beside

    @property
    def to_best(self) -> float | None:
        """Spillway over the best opponent."""
        return self.ratio(self.best) if self.best is not None else None

    def ratio(self, other: str) -> float | None:
        """Spillway over another; None where one of them did not run."""
        if MINE not in self.bad or other not in self.bad:
            return None
        floor = BAR * self.requests
        mine = self.mine_beside if other == YARDSTICK else self.bad[MINE]
        return (mine + floor) / (self.bad[other] + floor)

    @property
    def winnable(self) -> bool:
        """True where the best opponent loses much, and the yardstick shows that it need not be."""
        if self.best is None or YARDSTICK not in self.bad:
            return False
        lost = self.bad[self.best]
        return lost > LOSING * self.requests and self.bad[YARDSTICK] <= HALF * lost

    @property
    def behind(self) -> bool:
        """True where the best opponent is better by more than nothing."""
        if self.best is None or MINE not in self.bad:
            return False
        mine, other = self.bad[MINE], self.bad[self.best]
        return mine > PLENTY * other and mine - other > BAR * self.requests

    def beaten(self, yardstick: str) -> tuple[str, ...]:
        """Who sees less than this yardstick and loses less, by more than noise: then the yardstick is not finished."""
        if yardstick not in self.bad:
            return ()
        bar = self.bad[yardstick] - noise(self.bad[yardstick], self.requests)
        return tuple(name for name in (MINE, *OPPONENTS) if self.bad.get(name, bar) < bar)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The figures; None where the policies that they need did not run."""

    delayed_mean: float | None
    delayed_sum: float | None
    delayed_worst: tuple[float, str] | None
    best_mean: float | None
    winnable: int
    best_worst: tuple[float, str] | None
    """Over scenarios in which the difference is more than `BAR`."""
    behind: tuple[str, ...]
    wrong_way: int
    floors: int
    reversals: int


def score(lines: Sequence[Line]) -> Score:
    """The figures of these scenarios."""
    measured = [line for line in lines if line.to_delayed is not None]
    yardstick = sum(line.bad[YARDSTICK] for line in measured)
    apart = [
        (line.to_best, line.scenario)
        for line in lines
        if line.to_best is not None
        and line.best is not None
        and abs(line.bad[MINE] - line.bad[line.best]) > BAR * line.requests
    ]
    return Score(
        delayed_mean=_geometric([line.to_delayed for line in measured]),
        delayed_sum=sum(line.mine_beside for line in measured) / yardstick if yardstick > 0 else None,
        delayed_worst=max(((line.to_delayed or 0.0, line.scenario) for line in measured), default=None),
        best_mean=_geometric([line.to_best for line in lines if line.winnable]),
        winnable=sum(line.winnable for line in lines),
        best_worst=max(apart, default=None),
        behind=tuple(line.scenario for line in lines if line.behind),
        wrong_way=sum(line.wrong_way for line in lines),
        floors=sum(line.floors for line in lines),
        reversals=sum(line.reversals for line in lines),
    )


def _geometric(ratios: Sequence[float | None]) -> float | None:
    known = [ratio for ratio in ratios if ratio is not None]
    return exp(fmean(map(log, known))) if known else None

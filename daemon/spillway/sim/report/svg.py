"""Small pieces of SVG. Everything is drawn in units of a chart that is `WIDTH` wide, whatever the screen."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WIDTH = 420.0
"""About the width of a phone, so that text keeps its size there."""

LEFT, RIGHT = 44.0, 8.0
POINTS = 180
"""Most points of a line: more than this nobody sees in `WIDTH`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where data lies in a chart."""

    duration: float
    """Seconds of the time axis."""
    top: float
    height: float
    """Of the plot, without its axis."""
    most: float
    """Value at the top; the bottom is zero."""

    def x(self, seconds: float) -> float:
        """Horizontal place of a moment."""
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, seconds / self.duration))

    def y(self, value: float) -> float:
        """Vertical place of a value."""
        return self.top + self.height * (1.0 - min(1.0, max(0.0, value / self.most)))

    @property
    def bottom(self) -> float:
        """Vertical place of zero."""
        return self.top + self.height


def thin(time: Array, values: Array) -> tuple[Array, Array]:
    """At most `POINTS` points, each the mean of those it stands for; NaN where there is none."""
    group = ceil(len(time) / POINTS)
    if group <= 1:
        return time, values
    kept = len(time) // group * group
    parts = values[:kept].reshape(-1, group)
    known = ~np.isnan(parts)
    sums = np.where(known, parts, 0.0).sum(axis=1)
    means = np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), np.nan)
    return time[:kept].reshape(-1, group).mean(axis=1), means


def line(frame: Frame, time: Array, values: Array, css: str, label: str = "") -> str:
    """A line; gaps where there are no values."""
    return f'<path class="{css}" d="{_points(frame, *thin(time, values))}">{_title(label)}</path>'


def steps(frame: Frame, time: Array, values: Array, css: str, label: str = "") -> str:
    """A line that holds each value until the next."""
    parts: list[str] = []
    for first, last, value in runs(time, values):
        if isfinite(value):
            word = "L" if parts else "M"
            y = _n(frame.y(value))
            parts.append(f"{word}{_n(frame.x(first))} {y}H{_n(frame.x(last))}")
    return f'<path class="{css}" d="{"".join(parts)}">{_title(label)}</path>'


def runs(time: Array, values: Array) -> list[tuple[float, float, float]]:
    """(from, to, value) of each stretch of equal values; rows are told by their end."""
    found: list[tuple[float, float, float]] = []
    start = 0.0
    for end, value in zip(time.tolist(), np.round(values, 3).tolist(), strict=True):
        same = found and (found[-1][2] == value or (value != value and found[-1][2] != found[-1][2]))  # noqa: PLR0124 NaN
        if same:
            found[-1] = (found[-1][0], end, value)
        else:
            found.append((start, end, value))
        start = end
    return found


def area(frame: Frame, time: Array, low: Array, high: Array, css: str, label: str = "") -> str:
    """What lies between two lines."""
    at, top = thin(time, high)
    _, bottom = thin(time, low)
    there = "".join(
        f"{'L' if i else 'M'}{_n(frame.x(t))} {_n(frame.y(v))}"
        for i, (t, v) in enumerate(zip(at, top, strict=True))
    )
    back = "".join(f"L{_n(frame.x(t))} {_n(frame.y(v))}" for t, v in zip(at[::-1], bottom[::-1], strict=True))
    return f'<path class="{css}" d="{there}{back}Z">{_title(label)}</path>'


def band(frame: Frame, first: float, last: float, css: str, label: str) -> str:
    """A stretch of time, from top to bottom; at least a hair wide."""
    left = frame.x(first)
    width = max(1.5, frame.x(min(last, frame.duration)) - left)
    return (
        f'<rect class="{css}" x="{_n(left)}" y="{_n(frame.top)}" width="{_n(width)}" '
        f'height="{_n(frame.height)}">{_title(label)}</rect>'
    )


def text(x: float, y: float, words: str, css: str = "") -> str:
    """Words."""
    return f'<text class="{css}" x="{_n(x)}" y="{_n(y)}">{escape(words)}</text>'


def grid(frame: Frame, unit: str = "", *, count: int = 3, percent: bool = False) -> str:
    """Horizontal lines with round numbers."""
    parts = []
    for value in ticks(frame.most, count):
        y = frame.y(value)
        words = f"{value * 100:g}%" if percent else f"{value:g}{unit}"
        parts.append(f'<path class="grid" d="M{_n(LEFT)} {_n(y)}H{_n(WIDTH - RIGHT)}"/>')
        parts.append(text(LEFT - 5, y + 3.5, words, "tick end"))
    return "".join(parts)


def clock(frame: Frame) -> str:
    """The time axis: hours and minutes since the start, or days."""
    parts = []
    step = _time_step(frame.duration)
    moment = 0.0
    while moment <= frame.duration * 1.0001:
        side = "start" if moment == 0 else "end" if frame.x(moment) > WIDTH - 24 else "mid"
        parts.append(text(frame.x(moment), frame.bottom + 13, elapsed(moment), f"tick {side}"))
        moment += step
    return "".join(parts)


def elapsed(seconds: float) -> str:
    """`1:05` for an hour and five minutes; `2d 6:00` past the second day."""
    minutes = round(seconds / 60)
    days, rest = divmod(minutes, 1440) if minutes >= 2880 else (0, minutes)
    clock_time = f"{rest // 60}:{rest % 60:02d}"
    return clock_time if not days else f"{days}d" if not rest else f"{days}d {clock_time}"


def ticks(most: float, count: int) -> list[float]:
    """Round values from zero to `most`, about `count` of them above zero."""
    raw = most / count
    power = 10.0 ** floor(log10(raw))
    step = next((s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999), raw)
    return [round(i * step, 12) for i in range(floor(most / step * 1.0001) + 1)]


def chart(height: float, body: str, label: str) -> str:
    """A whole chart; `label` is for those who cannot see it."""
    return f'<svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{escape(label)}">{body}</svg>'


def _time_step(duration: float) -> float:
    for step in (300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800):
        if duration / step <= 6:
            return float(step)
    return ceil(duration / 6 / 86400) * 86400.0


def _points(frame: Frame, time: Array, values: Array) -> str:
    parts = []
    pen = "M"
    for t, v in zip(time.tolist(), values.tolist(), strict=True):
        if isfinite(v):
            parts.append(f"{pen}{_n(frame.x(t))} {_n(frame.y(v))}")
            pen = "L"
        else:
            pen = "M"
    return "".join(parts)


def _title(label: str) -> str:
    return f"<title>{escape(label)}</title>" if label else ""


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")

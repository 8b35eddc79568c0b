"""The plots of a scenario: what came, and what each policy made of it. Equal scales within a scenario, to compare."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spillway.sim.backtest.recorder import Series
from spillway.sim.faults import Fault
from spillway.sim.report import svg
from spillway.sim.report.faults import words

Array = NDArray[np.float64]

COLOURS = 8
"""Colours of style.css, c0 to c7; what comes after begins anew."""

MOST_LINES = 12
"""Regions or backends drawn for one policy; all of them are in the CSV."""

HEIGHT = 120.0
REGION_HEIGHT = 46.0
STRIP_HEIGHT = 17.0


class Charts:
    """Plots of the runs of one scenario and seed.

    Args:
        runs: (policy, series), in order.
        faults: of the scenario.
        duration: of the scenario, seconds.
        slo: latency in seconds that counts as good.
    """

    def __init__(
        self, runs: Sequence[tuple[str, Series]], faults: Sequence[Fault], *, duration: float, slo: float
    ) -> None:
        self._runs, self._faults, self._slo, self._duration = tuple(runs), tuple(faults), slo, duration
        first = self._runs[0][1]
        busiest = sorted(
            range(len(first.regions)),
            key=lambda r: -max(float(np.nan_to_num(s.load[:, r]).max()) for _, s in self._runs),
        )
        self._shown = sorted(busiest[:MOST_LINES])
        self._tops = [
            1.15
            * max(
                1.0,
                *(
                    float(np.nan_to_num(column[:, r]).max())
                    for _, s in self._runs
                    for column in (s.load, s.ceiling, s.capacity)
                ),
            )
            for r in range(len(first.regions))
        ]
        self._slowest = max(
            2 * slo, *(min(4 * slo, float(np.nan_to_num(s.fleet_p95).max())) for _, s in self._runs)
        )
        self._worst = min(1.0, max(0.02, *(1.1 * float(bad_share(s).max()) for _, s in self._runs)))

    def demand(self) -> str:
        """Demand by client, stacked; the same for all policies."""
        series = self._runs[0][1]
        total = np.cumsum(series.demand, axis=1)
        frame = self._frame(max(1.0, 1.1 * float(total[:, -1].max())))
        below = np.zeros(len(series.time))
        parts = [svg.grid(frame), svg.clock(frame)]
        for i, name in enumerate(series.clients):
            parts.append(
                svg.area(
                    frame, series.time, below, total[:, i], f"fill c{i % COLOURS}", f"{name}, requests/s"
                )
            )
            below = total[:, i]
        return svg.chart(HEIGHT + 24, "".join((*parts, self._shade(frame))), "Demand by client, requests/s")

    def bad_so_far(self) -> str:
        """Bad requests since the start, a line for each policy."""
        sums = [np.cumsum(s.bad * np.diff(s.time, prepend=0.0)) for _, s in self._runs]
        most = max(1.0, 1.1 * max(float(total[-1]) for total in sums))
        unit, scale = ("M", 1e6) if most >= 2e6 else ("k", 1e3) if most >= 2e3 else ("", 1.0)
        frame = self._frame(most / scale)
        parts = [self._shade(frame), svg.grid(frame, unit), svg.clock(frame)]
        for i, ((name, series), total) in reversed(list(enumerate(zip(self._runs, sums, strict=True)))):
            parts.append(svg.line(frame, series.time, total / scale, f"line c{i % COLOURS}", name))
        return svg.chart(HEIGHT + 24, "".join(parts), "Bad requests so far, by policy")

    def bad(self, policy: int) -> str:
        """Share of requests that failed or came too late."""
        series = self._runs[policy][1]
        frame = self._frame(self._worst, height=70.0)
        parts = [self._shade(frame), svg.grid(frame, count=2, percent=True), svg.clock(frame)]
        share = bad_share(series)
        parts.append(svg.area(frame, series.time, np.zeros_like(share), share, "fill bad", "bad requests"))
        return svg.chart(94, "".join(parts), "Share of bad requests")

    def latency(self, policy: int) -> str:
        """p95 over all regions, against the SLO."""
        series = self._runs[policy][1]
        frame = self._frame(self._slowest, height=70.0)
        y = frame.y(self._slo)
        limit = f'<path class="limit" d="M{svg.LEFT:g} {y:.1f}H{svg.WIDTH - svg.RIGHT:g}"/>'
        parts = [self._shade(frame), svg.grid(frame, " s", count=2), svg.clock(frame), limit]
        parts.append(svg.line(frame, series.time, series.fleet_p95, f"line c{policy % COLOURS}", "p95"))
        return svg.chart(94, "".join(parts), "95th percentile of latency, seconds, against the SLO")

    def regions(self, policy: int) -> str:
        """Load against ceiling and true capacity, one row for each region."""
        series = self._runs[policy][1]
        parts = []
        row = REGION_HEIGHT + 16
        for place, r in enumerate(self._shown):
            frame = self._frame(self._tops[r], top=place * row + 14, height=REGION_HEIGHT)
            zero = np.zeros(len(series.time))
            mine = [f for f in self._faults if f.region in {None, series.regions[r]}]
            most = f"{float(np.nan_to_num(series.load[:, r]).max()):.0f}"
            parts += [
                self._shade(frame, mine),
                f'<path class="grid" d="M{svg.LEFT:g} {frame.bottom:g}H{svg.WIDTH - svg.RIGHT:g}"/>',
                svg.area(
                    frame, series.time, zero, series.load[:, r], "fill load", f"load, up to {most} requests/s"
                ),
                svg.area(frame, series.time, zero, series.failed[:, r], "fill bad", "failed"),
                svg.steps(frame, series.time, series.capacity[:, r], "capacity", "true capacity"),
                svg.steps(frame, series.time, series.ceiling[:, r], "ceiling", "ceiling"),
                svg.text(svg.LEFT, frame.top - 4, series.regions[r], "name"),
                svg.text(svg.LEFT - 5, frame.top + 8, f"{self._tops[r]:.0f}", "tick end"),
                svg.text(svg.LEFT - 5, frame.bottom, "0", "tick end"),
            ]
        height = len(self._shown) * row + 18
        parts.append(svg.clock(frame))
        return svg.chart(height, "".join(parts), "Load against ceiling by region, requests/s")

    def scalers(self, policy: int) -> str:
        """Scalers in effect: the fuller the colour, the higher; empty where it is 0 or no member."""
        series = self._runs[policy][1]
        told = [i for i in range(len(series.backends)) if not np.isnan(series.scaler[:, i]).all()]
        several = len({series.backends[i][0] for i in told}) > 1
        parts = []
        shown = told[:MOST_LINES]
        for place, i in enumerate(shown):
            service, region = series.backends[i]
            top = place * (STRIP_HEIGHT + 15) + 12
            frame = self._frame(1.0, top=top, height=STRIP_HEIGHT)
            parts.append(svg.text(svg.LEFT, top - 3, f"{service} / {region}" if several else region, "name"))
            parts.append(svg.band(frame, 0.0, self._duration, "strip", ""))
            for first, last, value in svg.runs(series.time, series.scaler[:, i]):
                if value > 0:
                    label = f"{value:.2f} from {svg.elapsed(first)} to {svg.elapsed(last)}"
                    made = svg.band(frame, first, last, f"scaler c{policy % COLOURS}", label)
                    parts.append(made.replace("<rect ", f'<rect opacity="{0.12 + 0.88 * value:.2f}" ', 1))
                    if value < 1 and frame.x(last) - frame.x(first) > 28:
                        parts.append(svg.text(frame.x(first) + 4, top + 12.5, f"{value:.2f}", "on"))
        if not shown:
            return ""
        parts.append(svg.clock(frame))
        return svg.chart(len(shown) * (STRIP_HEIGHT + 15) + 18, "".join(parts), "Scalers in effect")

    def _frame(self, most: float, *, top: float = 6.0, height: float = HEIGHT) -> svg.Frame:
        return svg.Frame(duration=self._duration, top=top, height=height, most=most)

    def _shade(self, frame: svg.Frame, faults: Sequence[Fault] | None = None) -> str:
        """The stretches in which something was wrong."""
        return "".join(
            svg.band(frame, f.at, f.until, "fault", words(f))
            for f in (self._faults if faults is None else faults)
            if f.at < self._duration
        )


def bad_share(series: Series) -> Array:
    """Bad requests over those that arrived; what failed late may belong to an earlier row, so it is held to 1."""
    result: Array = np.minimum(1.0, series.bad / np.maximum(series.arrived, 1e-9))
    return result

"""The time series of a run as CSV: one row a simulated minute, one column for each thing that has a number."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from spillway.sim.backtest.recorder import Series


def write_csv(path: Path, series: Series) -> None:
    """Write `path`. Rates are requests/s, latencies seconds; an empty cell means that there is no number."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_header(series))
        writer.writerows(_rows(series))


def _header(series: Series) -> list[str]:
    return [
        "utc",
        "seconds",
        "arrived_rps",
        "bad_rps",
        "p95_s",
        *(f"demand_rps[{name}]" for name in series.clients),
        *(
            f"{kind}[{region}]"
            for kind in ("load_rps", "failed_rps", "ceiling_rps", "capacity_rps", "waiting", "p95_s")
            for region in series.regions
        ),
        *(f"scaler[{service}/{region}]" for service, region in series.backends),
    ]


def _rows(series: Series) -> Iterator[list[str]]:
    regional = (series.load, series.failed, series.ceiling, series.capacity, series.waiting, series.p95)
    for i, time in enumerate(series.time.tolist()):
        moment = datetime.fromtimestamp(series.start + time, UTC)
        values = [
            time,
            float(series.arrived[i]),
            float(series.bad[i]),
            float(series.fleet_p95[i]),
            *series.demand[i].tolist(),
            *(value for column in regional for value in column[i].tolist()),
            *series.scaler[i].tolist(),
        ]
        yield [
            moment.isoformat().replace("+00:00", "Z"),
            *("" if value != value else f"{round(value, 4):g}" for value in values),  # noqa: PLR0124 NaN alone differs from itself
        ]

"""Round-trip times between clients and regions: from the distance, or from a measured matrix."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_KM = 6371.0088
"""Mean radius R1 of the Earth (IUGG)."""

RTT_BASE = 0.0044
"""Seconds. Round trip at distance zero: last mile and equipment."""

RTT_PER_KM = 14.56e-6
"""Seconds for each kilometre of great circle. Light in glass takes 9.8 us there and back; cables make detours.

Both constants are the least-squares line, weighted by 1 / rtt, through the 614 physically possible pairs among the
702 ordered pairs of Google Cloud regions in the public skyplane measurements (2022); 88 pairs claim to be faster
than light in glass (under 10 us a kilometre) and were left out. Quality: median relative error 16 %, median error
18 ms, R squared 0.72. A test repeats the fit where the data are present.
"""


def great_circle_km(
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    to_latitude: NDArray[np.float64],
    to_longitude: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Kilometres along the sphere, by the haversine formula; degrees in, any shapes that broadcast."""
    a, b, c, d = (np.radians(v) for v in (latitude, longitude, to_latitude, to_longitude))
    h = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    result: NDArray[np.float64] = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0)))
    return result


def great_circle_rtt(clients: NDArray[np.float64], regions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round trips in seconds, clients x regions, for places given as rows of (latitude, longitude) in degrees."""
    km = great_circle_km(
        clients[:, 0][:, None], clients[:, 1][:, None], regions[:, 0][None, :], regions[:, 1][None, :]
    )
    return RTT_BASE + RTT_PER_KM * km


def read_matrix(file: Path) -> dict[tuple[str, str], float]:
    """(origin, region) -> seconds, from a CSV with the columns origin, gcp_region, rtt_ms.

    Raises:
        ValueError: a column is missing, or a line holds no number.
        OSError: the file cannot be read.
    """
    result: dict[tuple[str, str], float] = {}
    with file.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        missing = {"origin", "gcp_region", "rtt_ms"} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{file.name} has no column {', '.join(sorted(missing))}")
        for row in reader:
            try:
                rtt = float(row["rtt_ms"])
            except (TypeError, ValueError):
                raise ValueError(
                    f"{file.name}:{reader.line_num}: rtt_ms is {row['rtt_ms']!r}, not a number"
                ) from None
            if not 0 <= rtt < 1e5:
                raise ValueError(f"{file.name}:{reader.line_num}: a round trip of {rtt} ms cannot be")
            result[row["origin"], row["gcp_region"]] = rtt / 1000.0
    return result

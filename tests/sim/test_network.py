"""Round trips: known distances, the matrix file, and the fit where the measurements are present."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from spillway.core.values.geography import REGION_PLACES
from spillway.sim.network import RTT_BASE, RTT_PER_KM, great_circle_km, great_circle_rtt, read_matrix
from spillway.sim.places import CONTINENTS, continent_of


def test_paris_to_new_york_is_5837_km() -> None:
    km = great_circle_km(*(np.array(v) for v in (48.8566, 2.3522, 40.7128, -74.0060)))
    assert float(km) == pytest.approx(5837, abs=3)


def test_a_round_trip_grows_with_distance() -> None:
    rtt = great_circle_rtt(np.array([[48.9, 2.4]]), np.array([[48.9, 2.4], [40.7, -74.0]]))
    assert rtt[0, 0] == pytest.approx(RTT_BASE)
    assert rtt[0, 1] == pytest.approx(RTT_BASE + 5837 * RTT_PER_KM, rel=0.01)


@pytest.mark.parametrize(
    ("longitude", "continent"),
    [(-74.0, "America"), (2.4, "Europe"), (28.0, "Europe"), (139.7, "Asia"), (-175.0, "Asia")],
)
def test_continents_are_googles(longitude: float, continent: str) -> None:
    assert CONTINENTS[continent_of(longitude)] == continent


def test_a_matrix_names_what_is_wrong_with_it(tmp_path: Path) -> None:
    file = tmp_path / "rtt.csv"
    file.write_text("origin,gcp_region,rtt_ms\nparis,us-east4,80.5\n")
    assert read_matrix(file) == {("paris", "us-east4"): 0.0805}
    file.write_text("origin,gcp_region,rtt_ms\nparis,us-east4,far\n")
    with pytest.raises(ValueError, match=r"rtt\.csv:2: rtt_ms is 'far'"):
        read_matrix(file)
    file.write_text("from,to,ms\n")
    with pytest.raises(ValueError, match="no column gcp_region, origin, rtt_ms"):
        read_matrix(file)


@pytest.mark.data
def test_the_fit_is_the_one_in_the_docstring(shared_data: Path) -> None:
    with (shared_data / "gcp_rtt_ms.csv").open() as handle:
        rows = [r for r in csv.DictReader(handle) if r["origin"].startswith("gcp:")]
    pairs = [(r["origin"][4:], r["gcp_region"], float(r["rtt_ms"]) / 1000) for r in rows]
    pairs = [p for p in pairs if p[0] != p[1]]
    a = np.array([REGION_PLACES[p[0]] for p in pairs])
    b = np.array([REGION_PLACES[p[1]] for p in pairs])
    rtt = np.array([p[2] for p in pairs])
    km = great_circle_km(a[:, 0], a[:, 1], b[:, 0], b[:, 1])
    possible = km / rtt < 1e5  # 10 us a kilometre is light in glass, there and back
    km, rtt = km[possible], rtt[possible]
    weight = 1 / rtt
    base, slope = np.linalg.lstsq(np.stack((weight, km * weight), axis=1), rtt * weight, rcond=None)[0]
    assert base == pytest.approx(RTT_BASE, rel=0.15)
    assert slope == pytest.approx(RTT_PER_KM, rel=0.03)
    error = np.abs(RTT_BASE + RTT_PER_KM * km - rtt)
    assert float(np.median(error / rtt)) < 0.18
    assert 1 - float((error**2).sum() / ((rtt - rtt.mean()) ** 2).sum()) > 0.68

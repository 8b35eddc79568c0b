"""The table of places: plausible, in shape, and near what Google's own region picker says."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from spillway.core.values.geography import REGION_PLACES, distance_km

_CONTINENTS = {
    "africa": (-35.0, 38.0, -18.0, 52.0),
    "asia": (-11.0, 46.0, 60.0, 146.0),
    "australia": (-44.0, -10.0, 112.0, 154.0),
    "europe": (35.0, 71.0, -10.0, 40.0),
    "me": (12.0, 42.0, 34.0, 60.0),
    "northamerica": (14.0, 60.0, -140.0, -52.0),
    "southamerica": (-56.0, 13.0, -82.0, -34.0),
    "us": (24.0, 50.0, -125.0, -66.0),
}


@pytest.mark.parametrize("region", sorted(REGION_PLACES))
def test_each_region_lies_on_its_continent(region: str) -> None:
    assert re.fullmatch(r"[a-z]+-[a-z]+[0-9]+", region)
    south, north, west, east = _CONTINENTS[region.split("-", maxsplit=1)[0]]
    latitude, longitude = REGION_PLACES[region]
    assert south <= latitude <= north
    assert west <= longitude <= east


def test_no_two_regions_share_a_place() -> None:
    assert len(set(REGION_PLACES.values())) == len(REGION_PLACES) >= 42


def test_distance_agrees_with_known_ones() -> None:
    assert distance_km((48.86, 2.35), (48.86, 2.35)) == 0
    assert distance_km((51.51, -0.13), (40.71, -74.01)) == pytest.approx(5570, rel=0.005)  # London, New York
    assert distance_km((0.0, 0.0), (0.0, 180.0)) == pytest.approx(20015, rel=0.001)  # half way around


def test_places_agree_with_the_region_picker(shared_data: Path) -> None:
    with (shared_data / "gcp_regions.csv").open() as file:
        rows = {r["region"]: (float(r["latitude"]), float(r["longitude"])) for r in csv.DictReader(file)}
    far = {r: round(distance_km(REGION_PLACES[r], place)) for r, place in rows.items()}
    assert {r: km for r, km in far.items() if km > 250} == {}

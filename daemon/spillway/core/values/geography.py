"""Where Google Cloud's regions are: degrees, for distances between clients and regions.

The towns are those that Google names for each region (cloud.google.com/about/locations); the coordinates are
the towns' own, to two decimals (about a kilometre, which is nothing against a round trip). A region that is
missing here is not wrong, only new: its place is then given in the configuration.

Network time between clients and regions, and where clients are believed to be.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from types import MappingProxyType

from spillway.core.values.units import RegionName

EARTH_RADIUS_KM = 6371.0
"""Mean radius of the earth (IUGG)."""

REGION_PLACES: MappingProxyType[RegionName, tuple[float, float]] = MappingProxyType(
    {
        "africa-south1": (-26.20, 28.05),  # Johannesburg
        "asia-east1": (24.08, 120.54),  # Changhua County
        "asia-east2": (22.32, 114.17),  # Hong Kong
        "asia-northeast1": (35.68, 139.69),  # Tokyo
        "asia-northeast2": (34.69, 135.50),  # Osaka
        "asia-northeast3": (37.57, 126.98),  # Seoul
        "asia-south1": (19.08, 72.88),  # Mumbai
        "asia-south2": (28.61, 77.21),  # Delhi
        "asia-southeast1": (1.34, 103.71),  # Jurong West
        "asia-southeast2": (-6.21, 106.85),  # Jakarta
        "asia-southeast3": (13.76, 100.50),  # Bangkok
        "australia-southeast1": (-33.87, 151.21),  # Sydney
        "australia-southeast2": (-37.81, 144.96),  # Melbourne
        "europe-central2": (52.23, 21.01),  # Warsaw
        "europe-north1": (60.57, 27.20),  # Hamina
        "europe-north2": (59.33, 18.07),  # Stockholm
        "europe-southwest1": (40.42, -3.70),  # Madrid
        "europe-west1": (50.45, 3.82),  # Saint-Ghislain
        "europe-west2": (51.51, -0.13),  # London
        "europe-west3": (50.11, 8.68),  # Frankfurt
        "europe-west4": (53.44, 6.84),  # Eemshaven
        "europe-west6": (47.38, 8.54),  # Zurich
        "europe-west8": (45.46, 9.19),  # Milan
        "europe-west9": (48.86, 2.35),  # Paris
        "europe-west10": (52.52, 13.41),  # Berlin
        "europe-west12": (45.07, 7.69),  # Turin
        "me-central1": (25.29, 51.53),  # Doha
        "me-central2": (26.43, 50.10),  # Dammam
        "me-west1": (32.09, 34.78),  # Tel Aviv
        "northamerica-northeast1": (45.50, -73.57),  # Montreal
        "northamerica-northeast2": (43.65, -79.38),  # Toronto
        "northamerica-south1": (20.59, -100.39),  # Queretaro
        "southamerica-east1": (-23.53, -46.79),  # Osasco
        "southamerica-west1": (-33.45, -70.67),  # Santiago
        "us-central1": (41.26, -95.86),  # Council Bluffs
        "us-east1": (33.20, -80.01),  # Moncks Corner
        "us-east4": (39.04, -77.49),  # Ashburn
        "us-east5": (39.96, -83.00),  # Columbus
        "us-south1": (32.78, -96.80),  # Dallas
        "us-west1": (45.59, -121.18),  # The Dalles
        "us-west2": (34.05, -118.24),  # Los Angeles
        "us-west3": (40.76, -111.89),  # Salt Lake City
        "us-west4": (36.17, -115.14),  # Las Vegas
    }
)
"""(latitude, longitude) in degrees by region."""


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great-circle distance in kilometres between two (latitude, longitude) pairs, by the haversine formula."""
    latitude_a, longitude_a = map(radians, a)
    latitude_b, longitude_b = map(radians, b)
    h = (
        sin((latitude_b - latitude_a) / 2) ** 2
        + cos(latitude_a) * cos(latitude_b) * sin((longitude_b - longitude_a) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(h)))


FIBRE_SECONDS_PER_KM = 2 * 1.6 / 200_000
"""Round trip through fibre at 200,000 km/s over paths 1.6 times the great circle; only differences matter here."""

LAST_MILE_SECONDS = 0.008
"""What even the nearest region costs."""

CONTINENTS: dict[str, tuple[float, float]] = {
    "America": (39.0, -95.0),
    "Europe": (50.0, 8.0),
    "Asia": (28.0, 108.0),
}
"""Centres of the places that Cloud Monitoring tells apart (label `proxy_continent`; latitude, longitude)."""

SAME_PLACE_KM = 5500.0
"""A region this near to its clients' continent counts as lying among them."""

Point = tuple[float, float]


def round_trip(a: Point, b: Point) -> float:
    """Expected network round trip in seconds between two (latitude, longitude) points."""
    return LAST_MILE_SECONDS + distance_km(a, b) * FIBRE_SECONDS_PER_KM


def clients_at(place: str, home: Point | None) -> Point | None:
    """Where the clients of `place` that reach the region at `home` first are believed to be.

    At their home region where that lies on their continent, else at the continent's centre; None where nothing is known.
    """
    centre = CONTINENTS.get(place)
    if home is None or centre is None:
        return home or centre
    return home if distance_km(centre, home) <= SAME_PLACE_KM else centre

"""Where Google Cloud's regions are, how far clients have to them, and in which order they are tried.

The towns are those that Google names for each region (cloud.google.com/about/locations); the coordinates are
the towns' own, to two decimals (about a kilometre, which changes no round trip). A region that is
missing here is new: its place is then given in the configuration.

Home is the region that clients reach first among those that are open. From there preferred regions come before others, and near ones before far
ones (reference: BS, SLP).
"""

from __future__ import annotations

from functools import lru_cache
from math import asin, cos, radians, sin, sqrt
from types import MappingProxyType

from spillway.core.values.topology import RegionName

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
"""Round trip of a client to a region at its own place."""

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
    """Where the clients of `place` are believed to be, if the region at `home` is their first.

    At that region if it lies on their continent, else at the centre of the continent; None where nothing is known.
    """
    centre = CONTINENTS.get(place)
    if home is None or centre is None:
        return home or centre
    return home if distance_km(centre, home) <= SAME_PLACE_KM else centre


FAR_SECONDS = 0.1
"""Round trip assumed where a place is unknown."""


Layout = tuple[tuple[str, bool, bool, Point | None], ...]
"""(region, preferred, standby, place) of each region of a service."""


Route = tuple[tuple[int, ...], tuple[float, ...]]
"""(order in which the regions are tried, round trips in seconds)."""


class Routes:
    """The routes through one layout, each worked out once."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._found: dict[tuple[str, str], Route] = {}

    def route(self, place: str, home: str) -> Route:
        """The route of the clients of `place` at home in `home`, which is one of the regions."""
        key = place, home
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = _route(place, home, self._layout)
        return found


@lru_cache(maxsize=1024)
def routes_through(layout: Layout) -> Routes:
    """The routes through `layout`."""
    return Routes(layout)


def _route(place: str, home: str, layout: Layout) -> Route:
    """(order in which clients of `place` at home in `home` try the regions, round trips in seconds).

    Home is what they reached first among the regions that were open; only a standby may lie nearer.
    """
    points = {name: point for name, _, _, point in layout}
    clients = clients_at(place, points.get(home))
    trips = tuple(
        FAR_SECONDS if clients is None or point is None else round_trip(clients, point)
        for _, _, _, point in layout
    )
    at_home = next(
        (trip for (name, *_), trip in zip(layout, trips, strict=True) if name == home), FAR_SECONDS
    )

    def rank(i: int) -> tuple[bool, float, str]:
        # home comes first, except that standby regions nearer than home come before it
        name, preferred, standby, _ = layout[i]
        nearness = -1.0 if name == home else trips[i] - 2.0 if standby and trips[i] < at_home else trips[i]
        return not preferred, nearness, name

    return tuple(sorted(range(len(layout)), key=rank)), trips

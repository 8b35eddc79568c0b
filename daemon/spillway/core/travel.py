"""Network time between clients and regions, and where clients are believed to be."""

from __future__ import annotations

from spillway.core.geography import distance_km

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

"""Where Google Cloud regions lie, and which continent Google counts a client to.

Coordinates are those of the city that Google names for each region (cloud.google.com/about/locations), to a tenth
of a degree: about 10 km, which is 0.15 ms of round-trip time.
"""

from __future__ import annotations

REGION_PLACES: dict[str, tuple[float, float]] = {
    "africa-south1": (-26.2, 28.0),  # Johannesburg
    "asia-east1": (24.1, 120.5),  # Changhua
    "asia-east2": (22.3, 114.2),  # Hong Kong
    "asia-northeast1": (35.7, 139.7),  # Tokyo
    "asia-northeast2": (34.7, 135.5),  # Osaka
    "asia-northeast3": (37.6, 127.0),  # Seoul
    "asia-south1": (19.1, 72.9),  # Mumbai
    "asia-south2": (28.6, 77.2),  # Delhi
    "asia-southeast1": (1.4, 103.8),  # Singapore
    "asia-southeast2": (-6.2, 106.8),  # Jakarta
    "asia-southeast3": (13.8, 100.5),  # Bangkok
    "australia-southeast1": (-33.9, 151.2),  # Sydney
    "australia-southeast2": (-37.8, 145.0),  # Melbourne
    "europe-central2": (52.2, 21.0),  # Warsaw
    "europe-north1": (60.6, 27.2),  # Hamina
    "europe-north2": (59.3, 18.1),  # Stockholm
    "europe-southwest1": (40.4, -3.7),  # Madrid
    "europe-west1": (50.4, 3.8),  # St. Ghislain
    "europe-west2": (51.5, -0.1),  # London
    "europe-west3": (50.1, 8.7),  # Frankfurt
    "europe-west4": (53.4, 6.8),  # Eemshaven
    "europe-west6": (47.4, 8.5),  # Zurich
    "europe-west8": (45.5, 9.2),  # Milan
    "europe-west9": (48.9, 2.4),  # Paris
    "europe-west10": (52.5, 13.4),  # Berlin
    "europe-west12": (45.1, 7.7),  # Turin
    "me-central1": (25.3, 51.5),  # Doha
    "me-central2": (26.4, 50.1),  # Dammam
    "me-west1": (32.1, 34.8),  # Tel Aviv
    "northamerica-northeast1": (45.5, -73.6),  # Montreal
    "northamerica-northeast2": (43.7, -79.4),  # Toronto
    "northamerica-south1": (20.6, -100.4),  # Queretaro
    "southamerica-east1": (-23.5, -46.6),  # Sao Paulo
    "southamerica-west1": (-33.4, -70.7),  # Santiago
    "us-central1": (41.3, -95.9),  # Council Bluffs
    "us-east1": (33.2, -80.0),  # Moncks Corner
    "us-east4": (39.0, -77.5),  # Ashburn
    "us-east5": (40.0, -83.0),  # Columbus
    "us-south1": (32.8, -96.8),  # Dallas
    "us-west1": (45.6, -121.2),  # The Dalles
    "us-west2": (34.1, -118.2),  # Los Angeles
    "us-west3": (40.8, -111.9),  # Salt Lake City
    "us-west4": (36.2, -115.1),  # Las Vegas
}
"""Region -> (latitude, longitude) in degrees."""

CONTINENTS = ("America", "Europe", "Asia")
"""Values of the metric label `proxy_continent` (reference gcp.md 4.1); index in this tuple is used in arrays."""


def continent_of(longitude: float) -> int:
    """Index in `CONTINENTS` for a client at `longitude` degrees.

    Google publishes no borders. The label names where the front end stood, and front ends for Africa and the Near
    East stand mostly in Europe: so America is west of 30 degrees west, Europe reaches to 60 degrees east,
    and the rest, Oceania with it, is Asia.
    """
    if -170.0 <= longitude < -30.0:
        return 0
    return 1 if -30.0 <= longitude < 60.0 else 2

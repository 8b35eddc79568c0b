"""Which continent Google counts a client to."""

from __future__ import annotations

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

"""The ways through the regions of a service: in which order the clients of a place try them, and how far they lie."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from spillway.core.estimate.backend import BackendBelief
from spillway.core.values.geography import REGION_PLACES, Point, clients_at, round_trip
from spillway.core.values.topology import Preference

FAR_SECONDS = 0.1
"""Round trip assumed where a place is unknown."""


Layout = tuple[tuple[str, bool, bool, Point | None], ...]
"""(region, preferred, standby, place) of each region of a service."""


def layout_of(facts: Sequence[BackendBelief]) -> Layout:
    """Regions with preference and place, in their order."""
    preferred = Preference.PREFERRED
    return tuple(
        [
            (
                f.region,
                f.setting.preference is preferred,
                f.backend.standby,
                REGION_PLACES.get(f.region)
                if f.backend.latitude is None or f.backend.longitude is None
                else (f.backend.latitude, f.backend.longitude),
            )
            for f in facts
        ]
    )


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
        name, preferred, standby, _ = layout[i]
        nearness = -1.0 if name == home else trips[i] - 2.0 if standby and trips[i] < at_home else trips[i]
        return not preferred, nearness, name

    return tuple(sorted(range(len(layout)), key=rank)), trips

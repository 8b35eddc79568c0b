"""Pages of an answer: the token carries place, time and a digest of the request, so the server keeps nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from spillway.sandbox.monitoring.reducers import Series
from spillway.sandbox.monitoring.source import Invalid

PAGE_MAX = 100_000
"""Points (FULL) or series (HEADERS) on one page, also the default (py:ListTimeSeriesRequest)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page begins, and the world's time at which the first page was asked: all see the same data."""

    series: int
    point: int
    now: float


def digest_of(request: bytes) -> str:
    """A digest of a request without its page token and size."""
    return hashlib.sha256(request).hexdigest()[:16]


def token_of(place: Place, digest: str) -> str:
    """The page token for `place`."""
    text = json.dumps([place.series, place.point, place.now, digest])
    return base64.urlsafe_b64encode(text.encode()).decode()


def place_of(token: str, digest: str) -> Place:
    """The place in a page token.

    Raises:
        Invalid: it is no token, or one for another request.
    """
    try:
        series, point, now, made_for = json.loads(base64.urlsafe_b64decode(token.encode()))
        place = Place(series=int(series), point=int(point), now=float(now))
    except (ValueError, TypeError, binascii.Error) as error:
        raise Invalid(f'Field page_token had an invalid value of "{token}".') from error
    if made_for != digest:
        raise Invalid("Field page_token belongs to another request: all other fields must stay the same.")
    return place


def page_size(asked: int) -> int:
    """The effective page size.

    Raises:
        Invalid: it is negative.
    """
    if asked < 0:
        raise Invalid(f'Field page_size had an invalid value of "{asked}": it must be positive.')
    return min(asked, PAGE_MAX) or PAGE_MAX


def page(
    series: Sequence[Series], place: Place, size: int, *, headers: bool
) -> tuple[list[Series], Place | None]:
    """One page and the place of the next, None at the end.

    Points are newest first. In FULL a long series goes on over the next page.

    Args:
        series: the whole answer, points oldest first.
        place: where this page begins; its `point` counts from the newest.
        size: points, or series with `headers`.
        headers: leave all points out.
    """
    if headers:
        end = place.series + size
        shown = [replace(one, points=()) for one in series[place.series : end]]
        return shown, replace(place, series=end) if end < len(series) else None
    shown = []
    room = size
    index, point = place.series, place.point
    while index < len(series) and room > 0:
        newest_first = series[index].points[::-1][point : point + room]
        shown.append(replace(series[index], points=newest_first))
        room -= len(newest_first)
        point += len(newest_first)
        if point >= len(series[index].points):
            index, point = index + 1, 0
    return shown, replace(place, series=index, point=point) if index < len(series) else None

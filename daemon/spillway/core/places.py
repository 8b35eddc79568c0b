"""Demand by client continent: how many requests a second from each reach each region."""

from __future__ import annotations

from collections.abc import Mapping

from spillway.core.built import after
from spillway.core.directory import region_of
from spillway.core.maker import maker
from spillway.core.minutes import Points, absurd, newest_first, wild
from spillway.core.policy import Evidence
from spillway.core.series import Answer, Lag, PlaceRow
from spillway.core.snapshot import Absence, Minute, Missing, PlaceDemand, Seen
from spillway.core.units import RegionName

_APART = 4.0
"""Requests and answers may differ by retries and by what the balancer answered itself, but not by this factor."""

_demand = maker(PlaceDemand)

Traffic = Mapping[RegionName, Seen[tuple[Minute, ...]] | Missing]


def seen_places(
    rows: tuple[PlaceRow, ...],
    answer: Answer[PlaceRow] | Missing,
    traffic: Traffic,
    *,
    at: float,
    lag: Lag,
    evidence: Evidence,
) -> Seen[tuple[PlaceDemand, ...]] | Missing:
    """Mean rates over the newest trusted minutes, as many as the policy judges together.

    Args:
        rows: the service's rows of `answer`.
        answer: the query, for its time and errors.
        traffic: what each region answered, against which these counts are checked.
        at: UTC seconds of the snapshot.
        lag: how late samples are seen.
        evidence: what the policy trusts.
    """
    if isinstance(answer, Missing):
        return answer
    if answer.errors:
        return Missing(absence=Absence.PARTIAL, detail="; ".join(answer.errors))
    parts = _newest(rows, answer.asked - lag.ingest_delay, max(1, evidence.minutes))
    ends = sorted({end for part in parts for end, _ in part})[-max(1, evidence.minutes) :]
    if not ends:
        return Missing(absence=Absence.NO_SERIES)
    age = at - ends[-1]
    if age > evidence.max_age:
        return Missing(absence=Absence.STALE, detail=f"the newest minute ended {age:.0f} s ago")
    sums = _sums(rows, parts, frozenset(ends))
    if sums is None or _contradicts(sums, traffic, ends):
        return Missing(
            absence=Absence.GARBAGE, detail="counts by continent cannot be true, or contradict the answers"
        )
    seconds = len(ends) * lag.sample_period
    return Seen(
        value=tuple(
            _demand(place=place, region=region, rate=total / seconds)
            for (place, region), total in sorted(sums.items())
        ),
        age=max(0.0, age),
        evidence=round(sum(sums.values())),
    )


def _newest(rows: tuple[PlaceRow, ...], newest: float, count: int) -> list[Points]:
    """The `count` newest points of each row up to `newest`, oldest first: no others can be among the newest of all."""
    early = 0
    parts = []
    for row in rows:
        points = row.points
        if not (0 < early < len(points) and points[early][0] <= newest < points[early - 1][0]):
            points = newest_first(points) if points else ()
            early = after(points, newest)
        parts.append(points[early : early + count][::-1])
    return parts


def _sums(
    rows: tuple[PlaceRow, ...], parts: list[Points], ends: frozenset[float]
) -> dict[tuple[str, RegionName], float] | None:
    """Requests by (place, region) in the minutes `ends`, or None if one count cannot be true."""
    sums: dict[tuple[str, RegionName], float] = {}
    for row, part in zip(rows, parts, strict=True):
        values = [value for end, value in part if end in ends]
        if not values:
            continue
        total = sum(values)
        if absurd(total) or min(values) < 0:
            return None
        key = (row.place, region_of(row.scope))
        sums[key] = sums.get(key, 0.0) + total
    return sums


def _contradicts(sums: Mapping[tuple[str, RegionName], float], traffic: Traffic, ends: list[float]) -> bool:
    """Tell if a region's requests and its answers, both known, are too far apart to be both true."""
    by_region: dict[RegionName, float] = {}
    for (_, region), total in sums.items():
        by_region[region] = by_region.get(region, 0.0) + total
    for region, total in by_region.items():
        seen = traffic.get(region)
        if isinstance(seen, Seen):
            minutes = seen.value[-len(ends) :]
            if [minute.end for minute in minutes] != ends:
                minutes = tuple([minute for minute in seen.value if minute.end in ends])
            if len(minutes) == len(ends):
                answered = sum([minute.total for minute in minutes])
                if wild(total, answered, _APART):
                    return True
    return False

"""Demand by client continent: how many requests a second from each reach each region."""

from __future__ import annotations

from collections.abc import Mapping

from spillway.core.built import after
from spillway.core.directory import region_of
from spillway.core.minutes import absurd, newest_first, wild
from spillway.core.policy import Evidence
from spillway.core.series import Answer, Lag, PlaceRow
from spillway.core.snapshot import Absence, Minute, Missing, PlaceDemand, Seen
from spillway.core.units import RegionName

_APART = 4.0
"""Requests and answers may differ by retries and by what the balancer answered itself, but not by this factor."""

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
    minutes = _newest(rows, answer.asked - lag.ingest_delay, max(1, evidence.minutes))
    ends = sorted(set().union(*minutes))[-max(1, evidence.minutes) :]
    if not ends:
        return Missing(absence=Absence.NO_SERIES)
    age = at - ends[-1]
    if age > evidence.max_age:
        return Missing(absence=Absence.STALE, detail=f"the newest minute ended {age:.0f} s ago")
    sums = _sums(rows, minutes, ends)
    if sums is None or _contradicts(sums, traffic, frozenset(ends)):
        return Missing(
            absence=Absence.GARBAGE, detail="counts by continent cannot be true, or contradict the answers"
        )
    seconds = len(ends) * lag.sample_period
    return Seen(
        value=tuple(
            PlaceDemand(place=place, region=region, rate=total / seconds)
            for (place, region), total in sorted(sums.items())
        ),
        age=max(0.0, age),
        evidence=round(sum(sums.values())),
    )


def _newest(rows: tuple[PlaceRow, ...], newest: float, count: int) -> list[dict[float, float]]:
    """The `count` newest points of each row up to `newest`, by their end: no others can be among the newest of all."""
    early = 0
    minutes = []
    for row in rows:
        points = newest_first(row.points) if row.points else ()
        early = after(points, newest, early)
        minutes.append(dict(points[early : early + count]))
    return minutes


def _sums(
    rows: tuple[PlaceRow, ...], minutes: list[dict[float, float]], ends: list[float]
) -> dict[tuple[str, RegionName], float] | None:
    """Requests by (place, region) in the minutes `ends`, or None if one count cannot be true."""
    sums: dict[tuple[str, RegionName], float] = {}
    for row, counts in zip(rows, minutes, strict=True):
        values = [counts[end] for end in ends if end in counts]
        if not values:
            continue
        total = sum(values)
        if absurd(total) or min(values) < 0:
            return None
        key = (row.place, region_of(row.scope))
        sums[key] = sums.get(key, 0.0) + total
    return sums


def _contradicts(
    sums: Mapping[tuple[str, RegionName], float], traffic: Traffic, ends: frozenset[float]
) -> bool:
    """Tell if a region's requests and its answers, both known, are too far apart to be both true."""
    by_region: dict[RegionName, float] = {}
    for (_, region), total in sums.items():
        by_region[region] = by_region.get(region, 0.0) + total
    oldest = min(ends)
    for region, total in by_region.items():
        seen = traffic.get(region)
        if isinstance(seen, Seen):
            answered = []
            for minute in reversed(seen.value):
                if minute.end < oldest:
                    break
                if minute.end in ends:
                    answered.append(minute.total)
            if len(answered) == len(ends) and wild(total, sum(reversed(answered)), _APART):
                return True
    return False

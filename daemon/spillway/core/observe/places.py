"""Where requests go and where they come from: the backend behind a row's labels, and the demand by client continent.

Names and special values of the labels: reference LOGMON, RES.

Demand is how many requests a second from each continent reach each region: a mean over the newest trusted minutes, as many as the policy
judges together. The counts are checked against what the regions answered. Where the two are far apart the measurement is broken, and the
demand of the whole service is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

from spillway.core.observe.minutes import Traffic, TrustedEnds, far_apart, possible
from spillway.core.observe.rows import PlaceRow
from spillway.core.values.decision import span
from spillway.core.values.policy import Evidence
from spillway.core.values.snapshot import Absence, Missing, PlaceDemand, Seen
from spillway.core.values.topology import Fleet, RegionName

SPECIAL_NAMES = frozenset(
    {"", "INVALID_BACKEND", "FRONTEND_5XX", "NO_BACKEND_SELECTED", "MULTIPLE_BACKENDS", "UNKNOWN"}
)
"""What stands in the labels instead of a group or a scope (reference: LOGMON, RES)."""

Place = tuple[int, RegionName]
"""Index of the service in the fleet, and region; region '' stands for the answers that no backend gave."""


class Whose(Enum):
    """Rows that belong to no backend."""

    UNASSIGNED = "unassigned"
    """The balancer found no backend, or does not say which."""
    FOREIGN = "foreign"
    """A group that is not in the configuration answers for one of our services."""
    NOT_OURS = "not-ours"
    """Another load balancer's backend service."""


@lru_cache(maxsize=4096)
def region_of(scope: str) -> RegionName:
    """The region of a zone (its name without the last `-x`) or of a region; empty for special values."""
    if scope in SPECIAL_NAMES:
        return ""
    head, dash, tail = scope.rpartition("-")
    return head if dash and len(tail) == 1 and tail.isalpha() else scope


@dataclass(slots=True, kw_only=True)
class Directory:
    """Places of all backends of a fleet."""

    targets: dict[str, int] = field(default_factory=dict)
    """Index of the service by resource name."""
    exact: dict[tuple[str, str, str], Place] = field(default_factory=dict)
    """By (resource, group name, scope)."""
    by_name: dict[tuple[str, str], Place | None] = field(default_factory=dict)
    """By (resource, group name) where that name stands for one region; None where it stands for several."""

    def find(self, target: str, name: str, scope: str) -> Place | Whose:
        """The backend behind three labels, or why there is none.

        The scope is empty when the group sent no response (LOGMON); the name alone decides then, where
        it means one region.
        """
        place = self.exact.get((target, name, scope))
        if place is not None:
            return place
        if target not in self.targets:
            return Whose.NOT_OURS
        if name in SPECIAL_NAMES:
            return Whose.UNASSIGNED
        if scope in SPECIAL_NAMES:
            return self.by_name.get((target, name)) or Whose.UNASSIGNED
        return Whose.FOREIGN


def directory(fleet: Fleet) -> Directory:
    """The directory of `fleet`."""
    result = Directory()
    for index, service in enumerate(fleet.services):
        result.targets |= dict.fromkeys(service.resources, index)
        for backend in service.backends:
            place = (index, backend.region)
            resource = backend.resource or service.resource
            for group in backend.groups:
                result.exact[resource, group.name, group.scope] = place
                name = (resource, group.name)
                result.by_name[name] = place if result.by_name.get(name, place) == place else None
    return result


_APART = 4.0
"""Requests and answers may differ by retries and by what the balancer answered itself, but not by this factor."""

Requests = dict[tuple[str, RegionName], float]
"""Requests by (continent, region) in the judged minutes."""


def observed_places(
    rows: Sequence[PlaceRow],
    traffic: Mapping[RegionName, Traffic],
    trusted: TrustedEnds,
    *,
    at: float,
    period: float,
    evidence: Evidence,
) -> Seen[tuple[PlaceDemand, ...]] | Missing:
    """Mean rates over the judged minutes, or why they are not known.

    Args:
        rows: the service's rows of a query without errors.
        traffic: what each region answered, against which these counts are checked.
        trusted: which minutes of the rows are trusted.
        at: UTC seconds of the snapshot.
        period: seconds of a sample.
        evidence: what the policy trusts.
    """
    # the judged minutes are the newest trusted ones of all rows together
    known = trusted.of(rows)
    ends = known[-max(1, evidence.minutes) :]
    if not ends:
        return Missing(absence=Absence.NO_SERIES)
    age = at - ends[-1]
    if age > evidence.max_age:
        return Missing(absence=Absence.STALE, detail=f"the newest minute ended {span(age)} ago")
    columns = [trusted.column(row, known, None)[-len(ends) :] for row in rows]
    requests = _requests(rows, columns)
    if requests is None or _contradicted(requests, traffic, ends):
        return Missing(
            absence=Absence.GARBAGE, detail="counts by continent cannot be true, or contradict the answers"
        )
    seconds = len(ends) * period
    return Seen(
        value=tuple(
            [
                PlaceDemand(place=place, region=region, rate=total / seconds)
                for (place, region), total in sorted(requests.items())
            ]
        ),
        age=max(0.0, age),
        evidence=round(sum(requests.values())),
    )


def _requests(rows: Sequence[PlaceRow], columns: Sequence[tuple[float | None, ...]]) -> Requests | None:
    """Requests in the judged minutes, or None if one count cannot be true; `columns` holds what each row says of them."""
    sums: Requests = {}
    for row, column in zip(rows, columns, strict=True):
        values = [count for count in column if count is not None]
        if not values:
            continue
        total = sum(values)
        if min(values) < 0 or not possible(total):
            return None
        key = (row.place, region_of(row.scope))
        sums[key] = sums.get(key, 0.0) + total
    return sums


def _contradicted(requests: Requests, traffic: Mapping[RegionName, Traffic], ends: tuple[float, ...]) -> bool:
    """Tell if a region's requests and its answers, both known, are too far apart to be both true."""
    by_region: dict[RegionName, float] = {}
    for (_, region), total in requests.items():
        by_region[region] = by_region.get(region, 0.0) + total
    for region, total in by_region.items():
        answers = traffic.get(region)
        if not isinstance(answers, Seen):
            continue
        newest = answers.value[-len(ends) :]
        if (
            tuple([minute.end for minute in newest]) != ends
        ):  # they have not all the same minutes: the usual case is that they do
            newest = tuple([minute for minute in answers.value if minute.end in ends])
        judged = [minute.total for minute in newest]
        if len(judged) == len(ends) and far_apart(total, sum(judged), _APART):
            return True
    return False

"""Sentences about what one pass could not read, for people.

Demand by client continent: how many requests a second from each reach each region.

Rows, listing and health reads become one Snapshot. The same function serves the daemon and the backtest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import repeat

from spillway.core.observe.attachments import (
    Attached,
    Directory,
    Listed,
    Shared,
    Whose,
    directory,
    listed_service,
    observed_backend,
    observed_health,
    observed_policy,
    region_of,
)
from spillway.core.observe.minutes import (
    Builder,
    Built,
    Points,
    Tally,
    absurd,
    after,
    newest_first,
    seen_minutes,
    wild,
)
from spillway.core.observe.rows import (
    Answer,
    CountRow,
    HealthReads,
    Lag,
    LatencyRow,
    Listing,
    PlaceRow,
    Policies,
    Readings,
)
from spillway.core.values.policy import Evidence
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    Minute,
    Missing,
    PlaceDemand,
    Seen,
    ServiceView,
    Snapshot,
)
from spillway.core.values.topology import Backend, Fleet, Service
from spillway.core.values.units import RegionName, ServiceName


def unread(
    readings: Readings,
    listing: Listing | Missing,
    policies: Policies | Missing,
    health: HealthReads | Missing,
) -> list[str]:
    """One sentence for each read that failed or came back incomplete; none for what was not asked."""
    sentences: list[str] = []
    for what, read in (
        ("request counts", readings.counts),
        ("latencies", readings.latencies),
        ("demand by continent", readings.places),
        ("backend services", listing),
        ("service LB policies", policies),
        ("health", health),
    ):
        if isinstance(read, Missing):
            if read.absence is not Absence.NOT_ASKED:
                sentences.append(f"{what} could not be read: {read.detail or read.absence.value}")
        elif isinstance(read, HealthReads):
            sentences += _groups(read)
        elif not isinstance(read, Listing | Policies) and read.errors:
            sentences.append(f"{what} may be incomplete: {'; '.join(read.errors)}")
    return sentences


def _groups(health: HealthReads) -> list[str]:
    """One sentence for all groups whose health could not be read."""
    failed = [
        read.detail
        for read in health.groups.values()
        if isinstance(read, Missing) and read.absence is Absence.QUERY_FAILED
    ]
    if not failed:
        return []
    return [f"health of {len(failed)} of {len(health.groups)} groups could not be read: {failed[0]}"]


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
            PlaceDemand(place=place, region=region, rate=total / seconds)
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


_DEFAULT = Evidence()
_NOT_ASKED = Missing(absence=Absence.NOT_ASKED)
_NOT_BUILT = Missing(absence=Absence.NOT_BUILT, detail="its backend service does not exist")

NOTHING_ASKED = Readings(counts=_NOT_ASKED, latencies=_NOT_ASKED, places=_NOT_ASKED)
"""The readings of the fast pass, which asks for no traffic."""

Rows = tuple[PlaceRow, ...]
Place = tuple[int, RegionName]
"""Index of the service and region; region '' collects what no backend answered."""
Minutes = Seen[tuple[Minute, ...]] | Missing


@dataclass(frozen=True, slots=True)
class Past:
    """What one pass made of what it read, for the next one to go on from: most of it does not change any more."""

    built: Mapping[Place, Built] = field(default_factory=dict)
    listed: tuple[Listed, ...] = ()
    """Of each service; empty where the listing could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """All that one pass read, and how to judge it."""

    at: float
    readings: Readings
    listing: Listing | Missing
    policies: Policies | Missing
    health: HealthReads | Missing
    lag: Lag
    problems: list[str]
    built: Mapping[Place, Built]
    untold: Missing | None
    shared: Shared


def observe(
    fleet: Fleet,
    *,
    at: float,
    readings: Readings,
    listing: Listing | Missing,
    policies: Policies | Missing,
    health: HealthReads | Missing,
    lag: Lag = Lag(),  # noqa: B008 a frozen value
    evidence: Mapping[ServiceName, Evidence] | None = None,
    problems: tuple[str, ...] = (),
) -> Snapshot:
    """`follow` for those who look once, or do not care how long it takes; same arguments, without `past`."""
    return follow(
        fleet,
        Past(),
        at=at,
        readings=readings,
        listing=listing,
        policies=policies,
        health=health,
        lag=lag,
        evidence=evidence,
        problems=problems,
    )[0]


def follow(
    fleet: Fleet,
    past: Past,
    *,
    at: float,
    readings: Readings,
    listing: Listing | Missing,
    policies: Policies | Missing,
    health: HealthReads | Missing,
    lag: Lag = Lag(),  # noqa: B008 a frozen value
    evidence: Mapping[ServiceName, Evidence] | None = None,
    problems: tuple[str, ...] = (),
) -> tuple[Snapshot, Past]:
    """Everything that was read, sorted to the backends of `fleet`; what could not be read has its reason.

    A minute is trusted once even its first request is older than `lag.total` at the time of the query,
    which is when its end is older than the ingest delay.

    Args:
        fleet: what should be there.
        past: what the pass before gave back, for the same fleet; it saves time and changes nothing.
        at: UTC seconds of the snapshot; all ages count from here.
        readings: answers of the traffic queries.
        listing: backend services of the project.
        policies: service LB policies of the project.
        health: getHealth of each attached group.
        lag: how late samples are seen.
        evidence: what each service's policy trusts; its defaults where a service is not named.
        problems: sentences about what could not be read, kept in the snapshot.

    Returns:
        The snapshot, and what the next pass may go on from.
    """
    places = directory(fleet)
    found: list[str] = list(problems)
    built = _built(_collect(places, readings, found), readings, lag, past.built)
    demand = _place_rows(places, readings.places)
    found += unread(readings, listing, policies, health)
    seen = _Pass(
        at=at,
        readings=readings,
        listing=listing,
        policies=policies,
        health=health,
        lag=lag,
        problems=found,
        built=built,
        untold=_untold(readings.counts),
        shared=Shared(_age(listing, at), _age(health, at)),
    )
    listed = _listed(fleet, listing, past.listed)
    trusted = evidence or {}
    services = tuple(
        _service_view(seen, index, service, its, demand.get(index, ()), trusted.get(service.name, _DEFAULT))
        for index, (service, its) in enumerate(zip(fleet.services, listed or repeat(None), strict=False))
    )
    snapshot = Snapshot(at=at, lag=lag.total, services=services, problems=tuple(dict.fromkeys(found)))
    return snapshot, Past(built, listed)


def _age(read: Listing | HealthReads | Missing, at: float) -> float:
    """Seconds since something was read; 0 where it could not be."""
    return 0.0 if isinstance(read, Missing) else max(0.0, at - read.at)


def _listed(fleet: Fleet, listing: Listing | Missing, before: tuple[Listed, ...]) -> tuple[Listed, ...]:
    """What the listing says of each service."""
    if isinstance(listing, Missing):
        return ()
    known: tuple[Listed | None, ...] = before or (None,) * len(fleet.services)
    return tuple(listed_service(s, listing, was) for s, was in zip(fleet.services, known, strict=True))


def _built(
    tallies: dict[Place, Tally], readings: Readings, lag: Lag, past: Mapping[Place, Built]
) -> Mapping[Place, Built]:
    """The minutes of every backend, as far as the counts can be trusted at all."""
    counts, latencies = readings.counts, readings.latencies
    if not isinstance(counts, Answer) or counts.errors:
        return {}
    newest = counts.asked - lag.ingest_delay
    with_latency = isinstance(latencies, Answer) and not latencies.errors
    build, before = Builder(newest, with_latency=with_latency).build, past.get
    return {place: build(tally, before(place)) for place, tally in tallies.items()}


def _collect(places: Directory, readings: Readings, problems: list[str]) -> dict[Place, Tally]:
    """Sort count and latency rows to backends; groups of one region come together."""
    tallies: dict[Place, Tally] = {}
    exact = places.exact.get
    if isinstance(readings.counts, Answer):
        for row in readings.counts.rows:
            place = exact((row.target, row.name, row.scope)) or _place(places, row, problems)
            if place is not None:
                tally = tallies.get(place)
                if tally is None:
                    tally = tallies[place] = Tally()
                tally.add(row.code, row.points)
    if isinstance(readings.latencies, Answer):
        for spread in readings.latencies.rows:
            place = exact((spread.target, spread.name, spread.scope)) or _place(places, spread, problems)
            if place is not None:
                tally = tallies.get(place)
                if tally is None:
                    tally = tallies[place] = Tally()
                tally.add_latencies(spread.points)
    return tallies


def _place(places: Directory, row: CountRow | LatencyRow, problems: list[str]) -> Place | None:
    """Where a row belongs that names no group of ours letter by letter; None for one of no backend of ours."""
    place = places.find(row.target, row.name, row.scope)
    if not isinstance(place, Whose):
        return place
    if place is Whose.FOREIGN:
        problems.append(
            f"group {row.name} in {row.scope} answers for {row.target} but is not in the configuration; "
            "add it under topology.regions, or detach it"
        )
    return (places.targets[row.target], "") if place is Whose.UNASSIGNED else None


def _place_rows(places: Directory, answer: Answer[PlaceRow] | Missing) -> dict[int, tuple[PlaceRow, ...]]:
    """Demand rows by service."""
    result: dict[int, list[PlaceRow]] = {}
    if isinstance(answer, Answer):
        for row in answer.rows:
            index = places.targets.get(row.target)
            if index is not None:
                result.setdefault(index, []).append(row)
    return {index: tuple(rows) for index, rows in result.items()}


def _untold(counts: Answer[CountRow] | Missing) -> Missing | None:
    """Why there are no minutes at all; None where there are."""
    if isinstance(counts, Missing):
        return counts
    return Missing(absence=Absence.PARTIAL, detail="; ".join(counts.errors)) if counts.errors else None


def _backend_view(seen: _Pass, backend: Backend, attached: Attached | None, traffic: Minutes) -> BackendView:
    """One backend, and what the listing says of it; None where that could not be read, or there is no such service."""
    if attached is None:
        unlisted = seen.listing if isinstance(seen.listing, Missing) else _NOT_BUILT
        unknown = seen.health if isinstance(seen.health, Missing) else unlisted
        return BackendView(region=backend.region, observed=unlisted, health=unknown, traffic=traffic)
    if attached.sentence:
        seen.problems.append(attached.sentence)
    if not attached.groups and isinstance(traffic, Missing) and traffic.absence is not Absence.NOT_ASKED:
        traffic = Missing(absence=Absence.NOT_MEMBER)
    return BackendView(
        region=backend.region,
        observed=observed_backend(attached, seen.shared),
        health=observed_health(attached, seen.health, seen.shared),
        traffic=traffic,
    )


def _service_view(
    seen: _Pass, index: int, service: Service, listed: Listed | None, rows: Rows, evidence: Evidence
) -> ServiceView:
    """One service with all its backends."""
    if listed is not None and listed.listed is None:
        seen.problems.append(
            f"backend service {service.resource} does not exist; `spillway up` makes it, also if somebody deleted it"
        )
    built, untold, at = seen.built.get, seen.untold, seen.at

    def traffic(region: RegionName) -> Minutes:
        """The trusted minutes, unless the query as a whole cannot be trusted."""
        return untold or seen_minutes(built((index, region)), at=at, evidence=evidence)

    attached = listed.backends if listed is not None else (None,) * len(service.backends)
    views = tuple(
        [
            _backend_view(seen, backend, its, traffic(backend.region))
            for backend, its in zip(service.backends, attached, strict=True)
        ]
    )
    return ServiceView(
        service=service.name,
        backends=views,
        policy=observed_policy(service, seen.listing, seen.policies, at=seen.at),
        places=seen_places(
            rows,
            seen.readings.places,
            {view.region: view.traffic for view in views},
            at=seen.at,
            lag=seen.lag,
            evidence=evidence,
        ),
        unassigned=traffic(""),
    )

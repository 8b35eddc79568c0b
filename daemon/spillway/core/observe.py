"""Rows, listing and health reads become one Snapshot. The same function serves the daemon and the backtest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spillway.core.directory import Directory, Whose, directory
from spillway.core.listed import attached_groups, observed_backend, observed_health, observed_policy
from spillway.core.minutes import Built, Tally, build, seen_minutes
from spillway.core.places import seen_places
from spillway.core.policy import Evidence
from spillway.core.series import (
    Answer,
    CountRow,
    HealthReads,
    Lag,
    LatencyRow,
    ListedGroup,
    Listing,
    PlaceRow,
    Policies,
    Readings,
)
from spillway.core.snapshot import Absence, BackendView, Minute, Missing, Seen, ServiceView, Snapshot
from spillway.core.topology import Backend, Fleet, Service
from spillway.core.units import RegionName, ServiceName
from spillway.core.unread import unread

_DEFAULT = Evidence()
_NOT_ASKED = Missing(absence=Absence.NOT_ASKED)

NOTHING_ASKED = Readings(counts=_NOT_ASKED, latencies=_NOT_ASKED, places=_NOT_ASKED)
"""The readings of the fast pass, which asks for no traffic."""

Place = tuple[int, RegionName]
"""Index of the service and region; region '' collects what no backend answered."""

Past = Mapping[Place, Built]
"""What one pass made of its rows, for the next one to go on from: most minutes of a window do not change any more."""


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
    built: Past


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
        {},
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
    built = _built(_collect(places, readings, found), readings, lag, past)
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
    )
    trusted = evidence or {}
    services = tuple(
        _service_view(
            seen,
            index,
            service,
            demand.get(index, ()),
            trusted.get(service.name, _DEFAULT),
        )
        for index, service in enumerate(fleet.services)
    )
    snapshot = Snapshot(at=at, lag=lag.total, services=services, problems=tuple(dict.fromkeys(found)))
    return snapshot, built


def _built(tallies: dict[Place, Tally], readings: Readings, lag: Lag, past: Past) -> Past:
    """The minutes of every backend, as far as the counts can be trusted at all."""
    counts, latencies = readings.counts, readings.latencies
    if not isinstance(counts, Answer) or counts.errors:
        return {}
    newest = counts.asked - lag.ingest_delay
    with_latency = isinstance(latencies, Answer) and not latencies.errors
    before = past.get
    return {
        place: build(tally, newest=newest, with_latency=with_latency, before=before(place))
        for place, tally in tallies.items()
    }


def _collect(places: Directory, readings: Readings, problems: list[str]) -> dict[Place, Tally]:
    """Sort count and latency rows to backends; groups of one region come together."""
    tallies: dict[Place, Tally] = {}
    if isinstance(readings.counts, Answer):
        for row in readings.counts.rows:
            tally = _tally(tallies, places, row, problems)
            if tally is not None:
                tally.add(row.code, row.points)
    if isinstance(readings.latencies, Answer):
        for spread in readings.latencies.rows:
            tally = _tally(tallies, places, spread, problems)
            if tally is not None:
                tally.add_latencies(spread.points)
    return tallies


def _tally(
    tallies: dict[Place, Tally], places: Directory, row: CountRow | LatencyRow, problems: list[str]
) -> Tally | None:
    """Where a row belongs; None for one of no backend of ours."""
    place = places.exact.get((row.target, row.name, row.scope)) or places.find(
        row.target, row.name, row.scope
    )
    if isinstance(place, Whose):
        if place is Whose.FOREIGN:
            problems.append(
                f"group {row.name} in {row.scope} answers for {row.target} but is not in the configuration; "
                "add it under topology.regions, or detach it"
            )
        if place is not Whose.UNASSIGNED:
            return None
        place = (places.targets[row.target], "")
    tally = tallies.get(place)
    if tally is None:
        tally = tallies[place] = Tally()
    return tally


def _place_rows(places: Directory, answer: Answer[PlaceRow] | Missing) -> dict[int, tuple[PlaceRow, ...]]:
    """Demand rows by service."""
    result: dict[int, list[PlaceRow]] = {}
    if isinstance(answer, Answer):
        for row in answer.rows:
            index = places.targets.get(row.target)
            if index is not None:
                result.setdefault(index, []).append(row)
    return {index: tuple(rows) for index, rows in result.items()}


def _minutes(seen: _Pass, place: Place, evidence: Evidence) -> Seen[tuple[Minute, ...]] | Missing:
    """The trusted minutes of one place, unless the query as a whole cannot be trusted."""
    counts = seen.readings.counts
    if isinstance(counts, Missing):
        return counts
    if counts.errors:
        return Missing(absence=Absence.PARTIAL, detail="; ".join(counts.errors))
    return seen_minutes(seen.built.get(place), at=seen.at, evidence=evidence)


def _backend_view(
    seen: _Pass,
    service: Service,
    backend: Backend,
    groups: tuple[ListedGroup, ...],
    index: int,
    evidence: Evidence,
) -> BackendView:
    """One backend, of which `groups` are attached."""
    traffic = _minutes(seen, (index, backend.region), evidence)
    listing = seen.listing
    if isinstance(listing, Missing):
        unknown = seen.health if isinstance(seen.health, Missing) else listing
        return BackendView(region=backend.region, observed=listing, health=unknown, traffic=traffic)
    observed, sentence = observed_backend(backend, groups, age=max(0.0, seen.at - listing.at))
    if sentence:
        seen.problems.append(sentence)
    if not groups and isinstance(traffic, Missing) and traffic.absence is not Absence.NOT_ASKED:
        traffic = Missing(absence=Absence.NOT_MEMBER)
    health = observed_health(service, groups, seen.health, at=seen.at)
    return BackendView(region=backend.region, observed=observed, health=health, traffic=traffic)


def _service_view(
    seen: _Pass,
    index: int,
    service: Service,
    rows: tuple[PlaceRow, ...],
    evidence: Evidence,
) -> ServiceView:
    """One service with all its backends."""
    if isinstance(seen.listing, Listing) and service.resource not in seen.listing.services:
        seen.problems.append(f"backend service {service.resource} does not exist; `spillway up` makes it")
    groups = attached_groups(service, seen.listing) if isinstance(seen.listing, Listing) else {}
    views = tuple(
        _backend_view(
            seen,
            service,
            backend,
            groups.get(backend.region, ()),
            index,
            evidence,
        )
        for backend in service.backends
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
        unassigned=_minutes(seen, (index, ""), evidence),
    )

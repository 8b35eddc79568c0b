"""Rows, listing and health reads become one Snapshot. The same function serves the daemon and the backtest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import repeat

from spillway.core.built import Builder, Built, seen_minutes
from spillway.core.directory import Directory, Whose, directory
from spillway.core.listed import (
    Attached,
    Listed,
    Shared,
    listed_service,
    observed_backend,
    observed_health,
    observed_policy,
)
from spillway.core.maker import maker
from spillway.core.minutes import Tally
from spillway.core.places import seen_places
from spillway.core.policy import Evidence
from spillway.core.series import (
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
from spillway.core.snapshot import Absence, BackendView, Minute, Missing, Seen, ServiceView, Snapshot
from spillway.core.topology import Backend, Fleet, Service
from spillway.core.units import RegionName, ServiceName
from spillway.core.unread import unread

_DEFAULT = Evidence()
_NOT_ASKED = Missing(absence=Absence.NOT_ASKED)
_NOT_BUILT = Missing(absence=Absence.NOT_BUILT, detail="its backend service does not exist")
_tally = maker(Tally)
_view, _service = maker(BackendView), maker(ServiceView)

NOTHING_ASKED = Readings(counts=_NOT_ASKED, latencies=_NOT_ASKED, places=_NOT_ASKED)
"""The readings of the fast pass, which asks for no traffic."""

Rows = tuple[PlaceRow, ...]
Place = tuple[int, RegionName]
"""Index of the service and region; region '' collects what no backend answered."""
Traffic = Seen[tuple[Minute, ...]] | Missing


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
                    tally = tallies[place] = _tally()
                tally.add(row.code, row.points)
    if isinstance(readings.latencies, Answer):
        for spread in readings.latencies.rows:
            place = exact((spread.target, spread.name, spread.scope)) or _place(places, spread, problems)
            if place is not None:
                tally = tallies.get(place)
                if tally is None:
                    tally = tallies[place] = _tally()
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


def _backend_view(seen: _Pass, backend: Backend, attached: Attached | None, traffic: Traffic) -> BackendView:
    """One backend, and what the listing says of it; None where that could not be read, or there is no such service."""
    if attached is None:
        unlisted = seen.listing if isinstance(seen.listing, Missing) else _NOT_BUILT
        unknown = seen.health if isinstance(seen.health, Missing) else unlisted
        return BackendView(region=backend.region, observed=unlisted, health=unknown, traffic=traffic)
    if attached.sentence:
        seen.problems.append(attached.sentence)
    if not attached.groups and isinstance(traffic, Missing) and traffic.absence is not Absence.NOT_ASKED:
        traffic = Missing(absence=Absence.NOT_MEMBER)
    return _view(
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

    def traffic(region: RegionName) -> Traffic:
        """The trusted minutes, unless the query as a whole cannot be trusted."""
        return untold or seen_minutes(built((index, region)), at=at, evidence=evidence)

    attached = listed.backends if listed is not None else (None,) * len(service.backends)
    views = tuple(
        [
            _backend_view(seen, backend, its, traffic(backend.region))
            for backend, its in zip(service.backends, attached, strict=True)
        ]
    )
    return _service(
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

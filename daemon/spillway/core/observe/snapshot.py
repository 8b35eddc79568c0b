"""Rows, listing and health reads of one pass become one Snapshot. The same function serves the daemon and the backtest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from spillway.core.observe.attachments import (
    Attachment,
    attachments,
    observed_backend,
    observed_health,
    observed_policy,
)
from spillway.core.observe.minutes import Known, Tally, Traffic, TrustedEnds, observed_minutes
from spillway.core.observe.places import Directory, Place, Whose, directory, observed_places
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
    read_errors,
    usable,
)
from spillway.core.values.policy import Evidence
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    MinuteColumns,
    Missing,
    PlaceDemand,
    Seen,
    ServiceView,
    Snapshot,
)
from spillway.core.values.topology import Backend, Fleet, RegionName, Service, ServiceName

Row = TypeVar("Row", CountRow, PlaceRow)

_DEFAULT = Evidence()
_NOT_ASKED = Missing(absence=Absence.NOT_ASKED)
_NOT_BUILT = Missing(absence=Absence.NOT_BUILT, detail="its backend service does not exist")

NOTHING_ASKED = Readings(counts=_NOT_ASKED, latencies=_NOT_ASKED, places=_NOT_ASKED)
"""The readings of the fast pass, which asks for no traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """What one pass read, sorted to services and backends, and how to judge it."""

    at: float
    counts: TrustedEnds | Missing
    """Which minutes of the count rows are trusted, or why none can be used."""
    places: TrustedEnds | Missing
    """The same of the demand by continent."""
    listing: Listing | Missing
    policies: Policies | Missing
    health: HealthReads | Missing
    lag: Lag
    tallies: Mapping[Place, Tally]
    place_rows: Mapping[int, list[PlaceRow]]
    """By the index of the service."""
    known: Mapping[tuple[ServiceName, RegionName], Known]
    """What the snapshot before has of each backend."""
    columns: dict[tuple[ServiceName, RegionName], MinuteColumns]
    """Grows while the pass is judged."""
    problems: list[str]
    """Grows while the pass is judged."""


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
    before: Snapshot | None = None,
) -> Snapshot:
    """Everything that was read, sorted to the backends of `fleet`; what could not be read has its reason.

    A minute is trusted once even its first request is older than `lag.total` at the time of the query,
    which is when its end is older than the ingest delay.

    Args:
        fleet: what should be there.
        at: UTC seconds of the snapshot; all ages count from here.
        readings: answers of the traffic queries.
        listing: backend services of the project.
        policies: service LB policies of the project.
        health: getHealth of each attached group.
        lag: how late samples are seen.
        evidence: what each service's policy trusts; its defaults where a service is not named.
        problems: sentences about what could not be read, kept in the snapshot.
        before: the snapshot before, if there is one. It saves time and changes nothing: a minute of it that says the same
            as the rows do is taken over, where most minutes of a window are those of the pass before.
    """
    # sort the rows to services and backends
    places = directory(fleet)
    found = list(problems)
    tallies = _tallies(places, readings, found)
    place_rows = _place_rows(places, readings.places)
    found += read_errors(readings, listing, policies, health)
    seen = _Pass(
        at=at,
        counts=_trusted(readings.counts, lag),
        places=_trusted(readings.places, lag),
        listing=listing,
        policies=policies,
        health=health,
        lag=lag,
        tallies=tallies,
        place_rows=place_rows,
        known=_known(before),
        columns={},
        problems=found,
    )
    # judge each service by what its policy trusts
    trusted = evidence or {}
    services = tuple(
        [
            _service_view(seen, index, service, trusted.get(service.name, _DEFAULT))
            for index, service in enumerate(fleet.services)
        ]
    )
    return Snapshot(
        at=at,
        lag=lag.total,
        services=services,
        problems=tuple(dict.fromkeys(found)),
        columns=seen.columns,
    )


def _tallies(places: Directory, readings: Readings, problems: list[str]) -> dict[Place, Tally]:
    """Count and latency rows by backend; the groups of one region come together.

    Latencies of a query with errors are left out: no distribution is better than half of one.
    """
    tallies: defaultdict[Place, Tally] = defaultdict(Tally)
    exact = places.exact.get
    if isinstance(readings.counts, Answer):
        for row in readings.counts.rows:
            place = exact((row.target, row.name, row.scope)) or _place(places, row, problems)
            if place is not None and row.ends:
                tallies[place].counts.append(row)
    if isinstance(readings.latencies, Answer):
        complete = not readings.latencies.errors
        for spread in readings.latencies.rows:
            place = exact((spread.target, spread.name, spread.scope)) or _place(places, spread, problems)
            if place is not None and spread.ends and complete:
                tallies[place].latencies.append(spread)
    return tallies


def _trusted(answer: Answer[Row] | Missing, lag: Lag) -> TrustedEnds | Missing:
    """Which minutes of an answer are trusted, or why it cannot be used as a whole."""
    whole = usable(answer)
    return whole if isinstance(whole, Missing) else TrustedEnds(whole.asked - lag.ingest_delay)


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


def _known(before: Snapshot | None) -> dict[tuple[ServiceName, RegionName], Known]:
    """The minutes of the snapshot before, by service and region; region '' for those that no backend answered."""
    known: dict[tuple[ServiceName, RegionName], Known] = {}
    for view in before.services if before is not None else ():
        signals = [("", view.unassigned), *[(backend.region, backend.traffic) for backend in view.backends]]
        for region, traffic in signals:
            columns = before.columns.get((view.service, region)) if before is not None else None
            if isinstance(traffic, Seen) and columns is not None:
                known[view.service, region] = Known(traffic.value, columns)
    return known


def _place_rows(places: Directory, answer: Answer[PlaceRow] | Missing) -> dict[int, list[PlaceRow]]:
    """Rows of the demand by continent, by the index of their service."""
    found: dict[int, list[PlaceRow]] = {}
    if isinstance(answer, Answer):
        for row in answer.rows:
            index = places.targets.get(row.target)
            if index is not None:
                found.setdefault(index, []).append(row)
    return found


def _service_view(seen: _Pass, index: int, service: Service, evidence: Evidence) -> ServiceView:
    """One service with all its backends."""

    def traffic(region: RegionName) -> Traffic:
        """The trusted minutes of one region, unless the query as a whole cannot be used."""
        if isinstance(seen.counts, Missing):
            return seen.counts
        minutes, columns = observed_minutes(
            seen.tallies.get((index, region)),
            seen.known.get((service.name, region)),
            seen.counts,
            seen.at,
            evidence,
        )
        if columns is not None:
            seen.columns[service.name, region] = columns
        return minutes

    attached = _attachments(seen, service)
    views = tuple(
        [
            _backend_view(seen, backend, attachment, traffic(backend.region))
            for backend, attachment in zip(service.backends, attached, strict=True)
        ]
    )
    return ServiceView(
        service=service.name,
        backends=views,
        policy=observed_policy(service, seen.listing, seen.policies, seen.at),
        places=_places(seen, index, views, evidence),
        unassigned=traffic(""),
        fingerprint=_fingerprint(seen.listing, service),
    )


def _fingerprint(listing: Listing | Missing, service: Service) -> str:
    """Of the backend service as listed; empty where it was not read."""
    listed = None if isinstance(listing, Missing) else listing.services.get(service.resource)
    return listed.fingerprint if listed is not None else ""


def _attachments(seen: _Pass, service: Service) -> tuple[Attachment | None, ...]:
    """What the listing says about each backend; None where it could not be read, or the service does not exist.

    A service that does not exist says nothing of its backends: to call them detached would look like an edit.
    """
    unknown = (None,) * len(service.backends)
    if isinstance(seen.listing, Missing):
        return unknown
    listed = seen.listing.services.get(service.resource)
    if listed is None:
        what = "the split" if service.shared_out else "backend service"
        seen.problems.append(
            f"{what} {service.resource} does not exist; `spillway up` makes it, also if somebody deleted it"
        )
        return unknown
    return attachments(service, listed)


def _backend_view(
    seen: _Pass, backend: Backend, attachment: Attachment | None, traffic: Traffic
) -> BackendView:
    """One backend."""
    if attachment is None or isinstance(seen.listing, Missing):
        unlisted = seen.listing if isinstance(seen.listing, Missing) else _NOT_BUILT
        unknown = seen.health if isinstance(seen.health, Missing) else unlisted
        return BackendView(region=backend.region, observed=unlisted, health=unknown, traffic=traffic)
    if attachment.problem:
        seen.problems.append(attachment.problem)
    # nobody measures a detached backend: that it has no traffic is no news
    if not attachment.groups and isinstance(traffic, Missing) and traffic.absence is not Absence.NOT_ASKED:
        traffic = Missing(absence=Absence.NOT_MEMBER)
    return BackendView(
        region=backend.region,
        observed=observed_backend(attachment, max(0.0, seen.at - seen.listing.at)),
        health=observed_health(backend, attachment, seen.health, seen.at),
        traffic=traffic,
    )


def _places(
    seen: _Pass, index: int, views: tuple[BackendView, ...], evidence: Evidence
) -> Seen[tuple[PlaceDemand, ...]] | Missing:
    """Demand by continent, unless the query as a whole cannot be used."""
    if isinstance(seen.places, Missing):
        return seen.places
    return observed_places(
        seen.place_rows.get(index, ()),
        {view.region: view.traffic for view in views},
        seen.places,
        at=seen.at,
        period=seen.lag.sample_period,
        evidence=evidence,
    )

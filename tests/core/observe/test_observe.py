"""Rows to snapshot: what is said, and what is not said and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.observe.fleets import (
    AMERICA,
    EUROPE,
    FLEET,
    NEWEST,
    NO_POLICIES,
    NOW,
    counts,
    ends,
    health,
    latencies,
    latency,
    listing,
    places,
    readings,
)

from spillway.core.observe.places import region_of
from spillway.core.observe.rows import (
    Answer,
    CountRow,
    GroupHealth,
    Lag,
    LatencyRow,
    ListedGroup,
    Listing,
    Policies,
    Readings,
)
from spillway.core.observe.snapshot import NOTHING_ASKED, observe
from spillway.core.values.policy import Evidence
from spillway.core.values.snapshot import (
    Absence,
    Minute,
    Missing,
    ObservedPolicy,
    PlaceDemand,
    Seen,
    Snapshot,
)
from spillway.core.values.topology import GroupKey, Preference


def _observe(read: Readings, **changes: Any) -> Snapshot:
    arguments: dict[str, Any] = {
        "at": NOW + 5.0,
        "readings": read,
        "listing": listing(*EUROPE, *AMERICA),
        "policies": NO_POLICIES,
        "health": health(),
    }
    return observe(FLEET, **(arguments | changes))


def _traffic(
    read: Readings, region: str = "europe-west4", **changes: Any
) -> Seen[tuple[Minute, ...]] | Missing:
    return _observe(read, **changes).service("pool").backend(region).traffic


def _absence(signal: Seen[Any] | Missing) -> Absence | None:
    return signal.absence if isinstance(signal, Missing) else None


def test_groups_of_a_region_come_together_and_codes_fall_into_their_kinds() -> None:
    rows = (
        counts(EUROPE[0], 200, 100.0),
        counts(EUROPE[1], 200, 50.0),
        counts(EUROPE[0], 204, 5.0),
        counts(EUROPE[0], 304, 2.0),
        counts(EUROPE[0], 404, 3.0),
        counts(EUROPE[0], 429, 7.0),
        counts(EUROPE[1], 500, 11.0),
        counts(EUROPE[1], 0, 1.0),
        counts(AMERICA[0], 200, 9.0),
    )
    seen = _traffic(
        readings(rows, (latencies(EUROPE[0], latency(105.0)), latencies(EUROPE[1], latency(50.0, mean=0.7))))
    )
    assert isinstance(seen, Seen)
    assert [minute.end for minute in seen.value] == ends()[::-1], "oldest first"
    newest = seen.value[-1]
    assert (newest.ok, newest.client_error, newest.too_many, newest.server_error) == (157.0, 3.0, 7.0, 12.0)
    assert newest.latency is not None
    assert newest.latency.counts == (0.0, 155.0, 0.0, 0.0)
    assert newest.latency.mean == pytest.approx((105 * 0.5 + 50 * 0.7) / 155)
    assert seen.age == NOW + 5.0 - NEWEST
    assert seen.evidence == 5 * 179


def test_minutes_that_may_still_be_partial_are_left_out() -> None:
    young = [NOW, NOW - 60.0, NOW - 120.0, NOW - 180.0, NOW - 210.0, NOW - 211.0]
    seen = _traffic(readings((counts(EUROPE[0], at=young),)))
    assert isinstance(seen, Seen)
    assert [minute.end for minute in seen.value] == [NOW - 211.0, NOW - 210.0]
    only_young = _traffic(readings((counts(EUROPE[0], at=young[:4]),)))
    assert only_young == Missing(absence=Absence.NO_SERIES, detail="only minutes that may still be partial")


def test_lag_is_what_the_descriptors_say() -> None:
    rows = readings((counts(EUROPE[0], at=[NOW - 60.0, NOW - 120.0]),))
    snapshot = _observe(rows, lag=Lag(sample_period=60.0, ingest_delay=90.0))
    seen = snapshot.services[0].backend("europe-west4").traffic
    assert isinstance(seen, Seen)
    assert [minute.end for minute in seen.value] == [NOW - 120.0]
    assert snapshot.lag == 150.0


def test_gaps_stay_gaps() -> None:
    seen = _traffic(readings((counts(EUROPE[0], at=[NEWEST, NEWEST - 120.0]),)))
    assert isinstance(seen, Seen)
    assert [minute.end for minute in seen.value] == [NEWEST - 120.0, NEWEST]


def test_idle_stale_and_failed_are_three_things() -> None:
    assert _absence(_traffic(readings((counts(AMERICA[0]),)))) is Absence.NO_SERIES
    old = ends(newest=NOW - 960.0)
    assert _absence(_traffic(readings((counts(EUROPE[0], at=old),)))) is Absence.STALE
    trusting = {"pool": Evidence(max_age=1200.0)}
    assert isinstance(_traffic(readings((counts(EUROPE[0], at=old),)), evidence=trusting), Seen)
    failed = Missing(absence=Absence.QUERY_FAILED, detail="deadline")
    snapshot = _observe(replace(readings(), counts=failed))
    view = snapshot.service("pool")
    assert view.backend("europe-west4").traffic == failed
    assert view.unassigned == failed
    assert "request counts could not be read: deadline" in snapshot.problems


def test_execution_errors_make_everything_they_touch_unknown() -> None:
    rows = (counts(EUROPE[0]),)
    partial = _observe(readings(rows, errors=("zone b is late",)))
    assert _absence(partial.services[0].backends[0].traffic) is Absence.PARTIAL
    assert _absence(partial.services[0].unassigned) is Absence.PARTIAL
    assert partial.problems == ("request counts may be incomplete: zone b is late",)
    half = Answer(asked=NOW, rows=(latencies(EUROPE[0], latency(100.0)),), errors=("x",))
    seen = _traffic(replace(readings(rows), latencies=half))
    assert isinstance(seen, Seen)
    assert all(minute.latency is None for minute in seen.value), "no distribution is better than half of one"
    place = Answer(asked=NOW, rows=(places("europe-west4-a", "Europe"),), errors=("x",))
    assert _absence(_observe(replace(readings(rows), places=place)).services[0].places) is Absence.PARTIAL


def test_what_no_backend_answered_is_unassigned() -> None:
    invalid = GroupKey(name="INVALID_BACKEND", scope="INVALID_BACKEND")
    nowhere = GroupKey(name="pool", scope="")
    american = GroupKey(name="pool-us", scope="")
    view = _observe(
        readings(
            (
                counts(invalid, 503, 4.0),
                counts(GroupKey(name="UNKNOWN", scope="UNKNOWN"), 502, 2.0),
                counts(nowhere, 502, 8.0),
                counts(american, 502, 16.0),
                counts(AMERICA[0], 200, 100.0),
            )
        )
    ).service("pool")
    assert isinstance(view.unassigned, Seen)
    assert view.unassigned.value[-1].server_error == 6.0
    assert _absence(_observe(readings()).services[0].unassigned) is Absence.NO_SERIES
    us = view.backend("us-east4").traffic
    assert isinstance(us, Seen)
    assert us.value[-1].server_error == 16.0, (
        "a group that sent no response has no scope, but its name says which"
    )
    europe = view.backend("europe-west4").traffic
    assert isinstance(europe, Seen)
    assert europe.value[-1].server_error == 8.0, "one name in two zones of one region still says which region"


def test_strangers_are_named_and_not_counted() -> None:
    stranger = GroupKey(name="canary", scope="europe-west4-a")
    snapshot = _observe(readings((counts(stranger), counts(EUROPE[0], target="another-service"))))
    assert [_absence(view.traffic) for view in snapshot.services[0].backends] == [Absence.NO_SERIES] * 2
    assert _absence(snapshot.services[0].unassigned) is Absence.NO_SERIES
    assert len(snapshot.problems) == 1
    assert "canary" in snapshot.problems[0]


@pytest.mark.parametrize(
    "row",
    [
        counts(EUROPE[0], 500, -1.0),
        counts(EUROPE[0], 500, float("nan")),
        counts(EUROPE[0], 500, float("inf")),
        counts(EUROPE[0], 500, 1e12),
    ],
    ids=["negative", "nan", "infinite", "absurd"],
)
def test_counts_that_cannot_be_true_are_garbage(row: CountRow) -> None:
    assert _absence(_traffic(readings((counts(EUROPE[0]), row)))) is Absence.GARBAGE


@pytest.mark.parametrize(
    ("count", "of_latency"),
    [(100.0, None), (0.0, latency(100.0)), (1.0, latency(100.0)), (10_000.0, latency(100.0))],
    ids=["parts do not add up", "counts lost", "counts shrunk", "counts blown up"],
)
def test_latencies_and_counts_that_contradict_each_other_are_garbage(count: float, of_latency: Any) -> None:
    read = readings((counts(EUROPE[0], 200, count),), (latencies(EUROPE[0], of_latency),))
    assert _absence(_traffic(read)) is Absence.GARBAGE


@pytest.mark.parametrize("back", [0, 1, 2])
def test_one_bad_minute_among_the_judged_taints_them_all(back: int) -> None:
    rows = (counts(EUROPE[0]), counts(EUROPE[0], 500, -1.0, at=[NEWEST - 60.0 * back]))
    assert _absence(_traffic(readings(rows))) is Absence.GARBAGE


def test_an_older_bad_minute_is_left_out() -> None:
    rows = (counts(EUROPE[0]), counts(EUROPE[0], 500, -1.0, at=[NEWEST - 180.0]))
    seen = _traffic(readings(rows))
    assert isinstance(seen, Seen)
    assert [minute.end for minute in seen.value] == sorted({*ends()} - {NEWEST - 180.0})


def test_layouts_that_differ_are_not_guessed_together() -> None:
    other = replace(latency(50.0), bounds=(0.4, 0.9, 1.6))
    read = readings(
        (counts(EUROPE[0]), counts(EUROPE[1])),
        (latencies(EUROPE[0], latency(100.0)), latencies(EUROPE[1], other)),
    )
    seen = _traffic(read)
    assert isinstance(seen, Seen)
    assert all(minute.latency is None for minute in seen.value)


def test_membership_scaler_and_preference() -> None:
    groups = (
        ListedGroup(key=EUROPE[0], url="a", scaler=1.0, preference=Preference.PREFERRED),
        ListedGroup(key=EUROPE[1], url="b", scaler=0.5, preference=Preference.PREFERRED),
    )
    listed = Listing(
        at=NOW, services={"spillway-pool": replace(listing().services["spillway-pool"], groups=groups)}
    )
    view = _observe(readings((counts(EUROPE[0]),)), listing=listed).services[0]
    europe, america = view.backends
    assert isinstance(europe.observed, Seen)
    assert europe.observed.value.member
    assert europe.observed.value.mixed
    assert europe.observed.value.scaler == 0.75
    assert europe.observed.value.preference is Preference.PREFERRED
    assert europe.observed.age == 5.0
    assert isinstance(america.observed, Seen)
    assert not america.observed.value.member
    assert _absence(america.traffic) is Absence.NOT_MEMBER
    assert _absence(america.health) is Absence.NOT_MEMBER


def test_a_region_attached_in_part_is_mixed_and_said() -> None:
    snapshot = _observe(readings(), listing=listing(EUROPE[0], *AMERICA))
    europe = snapshot.services[0].backends[0].observed
    assert isinstance(europe, Seen)
    assert europe.value.mixed
    assert "pool in europe-west4-b is missing" in snapshot.problems[0]


def test_a_service_that_does_not_exist_says_nothing_of_its_backends() -> None:
    """Somebody deleted a load balancer under a running daemon, which took over that all its regions were detached, for good."""
    snapshot = _observe(readings(), listing=Listing(at=NOW, services={}))
    backends = snapshot.services[0].backends
    assert [_absence(view.observed) for view in backends] == [Absence.NOT_BUILT] * 2
    assert [_absence(view.health) for view in backends] == [Absence.NOT_BUILT] * 2
    assert _absence(snapshot.services[0].policy) is Absence.NO_SERIES
    assert "spillway up" in snapshot.problems[0]


def test_health_adds_up_over_groups_and_is_all_or_nothing() -> None:
    def of(**changes: Any) -> Any:
        return _observe(readings(), **changes).services[0].backends[0].health

    whole = of()
    assert isinstance(whole, Seen)
    assert (whole.value.healthy, whole.value.total) == (6, 8)
    assert (whole.age, whole.evidence) == (5.0, 8)

    def reads(one: GroupHealth | Missing) -> Any:
        groups = dict(health().groups)
        groups["spillway-pool", EUROPE[1]] = one
        return replace(health(), groups=groups)

    empty = Missing(absence=Absence.NOT_PROBED)
    half = of(health=reads(empty))
    assert isinstance(half, Seen)
    assert (half.value.healthy, half.value.total) == (3, 4)
    late = Missing(absence=Absence.QUERY_FAILED, detail="late")
    assert of(health=reads(late)) == late
    assert _absence(of(health=health(0, 0))) is Absence.NOT_PROBED
    assert _absence(of(health=replace(health(), groups={}))) is Absence.QUERY_FAILED
    assert of(health=late) == late


def test_failed_reads_are_told_once_each() -> None:
    late = Missing(absence=Absence.QUERY_FAILED, detail="late")
    groups = dict.fromkeys(health().groups, late)
    snapshot = _observe(readings(), health=replace(health(), groups=groups))
    assert snapshot.problems == ("health of 3 of 3 groups could not be read: late",)
    snapshot = _observe(readings((counts(EUROPE[0]),)), listing=late, policies=late, health=late)
    view = snapshot.services[0].backends[0]
    assert (view.observed, view.health) == (late, late)
    assert isinstance(view.traffic, Seen), "traffic can be known while the listing is not"
    assert snapshot.services[0].policy == late
    assert len(snapshot.problems) == 3


def test_policy_as_it_stands_or_googles_default() -> None:
    policies = Policies(
        at=NOW - 7.0, policies={"pool": ObservedPolicy(failover_threshold=50, auto_drain=True)}
    )
    here = listing(*EUROPE, policy="pool")
    assert _observe(readings(), listing=here, policies=policies).services[0].policy == Seen(
        value=ObservedPolicy(failover_threshold=50, auto_drain=True), age=12.0, evidence=1
    )
    default = _observe(readings(), policies=policies).services[0].policy
    assert isinstance(default, Seen)
    assert default.value == ObservedPolicy(failover_threshold=70, auto_drain=False)
    other = (
        _observe(readings(), listing=listing(*EUROPE, policy="gone"), policies=policies).services[0].policy
    )
    assert _absence(other) is Absence.NO_SERIES


def test_demand_by_continent_is_the_mean_of_the_judged_minutes() -> None:
    rows = (
        places("europe-west4-a", "Europe", 90.0),
        places("europe-west4-b", "Europe", 30.0),
        places("us-east4-a", "Europe", 60.0, at=ends()[:1]),
        places("us-east4-a", "America", 600.0, at=ends()[3:]),
        places("INVALID_BACKEND", "Asia", 6.0),
    )
    seen = _observe(readings(place_rows=rows)).services[0].places
    assert isinstance(seen, Seen)
    assert seen.value == (
        PlaceDemand(place="Asia", region="", rate=0.1),
        PlaceDemand(place="Europe", region="europe-west4", rate=2.0),
        PlaceDemand(place="Europe", region="us-east4", rate=60.0 / 180.0),
    )
    assert seen.evidence == 3 * 126 + 60


@pytest.mark.parametrize(
    ("row", "absence"),
    [
        (places("europe-west4-a", "Europe", -1.0), Absence.GARBAGE),
        (places("europe-west4-a", "Europe", 100_000.0), Absence.GARBAGE),
        (places("europe-west4-a", "Europe", 0.0), Absence.GARBAGE),
        (places("europe-west4-a", "Europe", at=ends(newest=NOW - 1080.0)), Absence.STALE),
        (places("europe-west4-a", "Europe", at=[NOW]), Absence.NO_SERIES),
    ],
)
def test_demand_that_cannot_be_used(row: Any, absence: Absence) -> None:
    read = readings((counts(EUROPE[0]),), place_rows=(row,))
    assert _absence(_observe(read).services[0].places) is absence


def test_the_fast_pass_asks_for_no_traffic_and_complains_about_none() -> None:
    snapshot = _observe(NOTHING_ASKED, policies=Missing(absence=Absence.NOT_ASKED))
    view = snapshot.services[0]
    assert {_absence(view.unassigned), _absence(view.places), _absence(view.backends[0].traffic)} == {
        Absence.NOT_ASKED
    }
    assert isinstance(view.backends[0].health, Seen)
    gone = _observe(NOTHING_ASKED, listing=listing(*EUROPE)).services[0].backends[1]
    assert _absence(gone.traffic) is Absence.NOT_ASKED
    assert snapshot.problems == ()


@pytest.mark.parametrize(
    ("scope", "region"),
    [
        ("europe-west4-a", "europe-west4"),
        ("europe-west4", "europe-west4"),
        ("northamerica-northeast1-b", "northamerica-northeast1"),
        ("", ""),
        ("INVALID_BACKEND", ""),
        ("global", "global"),
    ],
)
def test_region_of_a_scope(scope: str, region: str) -> None:
    assert region_of(scope) == region


_rows = st.lists(
    st.builds(
        counts,
        st.sampled_from(
            [*EUROPE, *AMERICA, GroupKey(name="INVALID_BACKEND", scope=""), GroupKey(name="x", scope="y-a")]
        ),
        st.sampled_from([0, 200, 302, 404, 429, 500, 503]),
        st.integers(0, 10_000).map(float),
        at=st.lists(st.sampled_from(ends(12, NOW)), unique=True, min_size=1),
    ),
    max_size=12,
)


@given(_rows, st.randoms(use_true_random=False))
def test_nothing_is_invented_lost_or_ordered_by_chance(rows: list[CountRow], chance: Any) -> None:
    snapshot = _observe(readings(tuple(rows)))
    shuffled = rows[:]
    chance.shuffle(shuffled)
    assert _observe(readings(tuple(shuffled))).services == snapshot.services
    known = {
        ("pool", "europe-west4-a"),
        ("pool", "europe-west4-b"),
        ("pool-us", "us-east4-a"),
        ("INVALID_BACKEND", ""),
    }
    sent = sum(
        value
        for row in rows
        if (row.name, row.scope) in known
        for end, value in row.points
        if end <= NOW - 210.0
    )
    view = snapshot.services[0]
    signals = [*(b.traffic for b in view.backends), view.unassigned]
    seen = sum(m.total for s in signals if isinstance(s, Seen) for m in s.value)
    stale = any(_absence(s) is Absence.STALE for s in signals)
    assert seen <= sent
    assert stale or seen == sent


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=4),
    st.sampled_from([None, latency(0.0), latency(5.0), latency(1e6)]),
)
def test_no_value_makes_it_fail_or_lie(values: list[float], of_latency: Any) -> None:
    at = tuple(ends())[: len(values)]
    row = CountRow("spillway-pool", "pool", "europe-west4-a", 200, at, tuple(values))
    latency_row = LatencyRow("spillway-pool", "pool", "europe-west4-a", at, (of_latency,) * len(at))
    seen = _traffic(readings((row,), (latency_row,)))
    if isinstance(seen, Seen):
        assert all(0.0 <= minute.total <= 6e9 for minute in seen.value)
    else:
        assert seen.absence in {Absence.GARBAGE, Absence.STALE}

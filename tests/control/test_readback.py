"""What the core was given comes back from the journal as it was, so that a pass can be decided once more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.control.fakes import Rig, drain
from tests.control.journal_files import journal_at, records_in
from tests.exporter import example_report as example

from spillway.adapters.journal.rows import encode
from spillway.control.inputs import MinutesSeen
from spillway.control.readback import InputsReader
from spillway.control.records import CHECKPOINT_SECONDS, Given, pass_record
from spillway.core import loop
from spillway.core.values.decision import Plan
from spillway.core.values.histogram import Distribution
from spillway.core.values.overlay import Overlay, initial_overlay
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    HealthCount,
    Minute,
    Missing,
    ObservedBackend,
    ObservedPolicy,
    PlaceDemand,
    Seen,
    ServiceView,
    Snapshot,
)
from spillway.core.values.topology import Preference

STARTING: Overlay = initial_overlay(example.fleet())
BOUNDS = (0.1, 1.0, 10.0)

numbers = st.floats(0.0, 1e6, allow_nan=False)
ages = st.floats(0.0, 1e5, allow_nan=False)
missing = st.builds(Missing, absence=st.sampled_from(Absence), detail=st.text(max_size=5))


def seen(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return (
        st.builds(
            lambda value, age, evidence: Seen(value=value, age=age, evidence=evidence),
            values,
            ages,
            st.integers(0, 9999),
        )
        | missing
    )


latencies = st.none() | st.builds(
    lambda counts, mean, wide: Distribution(
        bounds=BOUNDS if not wide else (*BOUNDS, 99.0),
        counts=tuple(counts) + ((0.0,) if wide else ()),
        mean=mean,
    ),
    st.lists(st.integers(0, 50).map(float), min_size=4, max_size=4),
    numbers,
    st.booleans(),
)
minutes = st.dictionaries(
    st.integers(1, 20).map(lambda number: 60.0 * number),
    st.tuples(numbers, numbers, numbers, numbers, latencies),
    max_size=8,
).map(
    lambda found: tuple(
        Minute(end=end, ok=ok, client_error=ce, too_many=tm, server_error=se, latency=latency)
        for end, (ok, ce, tm, se, latency) in sorted(found.items())
    )
)
backends = st.tuples(
    seen(
        st.builds(
            ObservedBackend,
            st.booleans(),
            st.sampled_from([0.0, 0.1, 1.0]),
            st.booleans(),
            st.sampled_from(Preference),
        )
    ),
    seen(st.builds(HealthCount, st.integers(0, 9), st.integers(0, 9))),
    seen(minutes),
)
places = seen(
    st.lists(
        st.builds(
            PlaceDemand, st.sampled_from(["Asia", "Europe"]), st.sampled_from(["", "us-east4"]), numbers
        ),
        max_size=3,
    ).map(tuple)
)
policies = seen(st.builds(ObservedPolicy, failover_threshold=st.integers(1, 99), auto_drain=st.booleans()))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    views = []
    for name in ("api", "pool"):
        own = []
        for region in ("eu", "us"):
            observed, health, traffic = draw(backends)
            own.append(BackendView(region=region, observed=observed, health=health, traffic=traffic))  # type: ignore[arg-type]
        views.append(
            ServiceView(
                service=name,
                backends=tuple(own),
                policy=draw(policies),  # type: ignore[arg-type]
                places=draw(places),  # type: ignore[arg-type]
                unassigned=draw(seen(minutes)),  # type: ignore[arg-type]
                fingerprint=draw(st.text(max_size=4)),
            )
        )
    return Snapshot(
        at=draw(ages), lag=270.0, services=tuple(views), problems=draw(st.tuples(st.text(max_size=9)))
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(snapshots(), min_size=1, max_size=5))
def test_every_snapshot_comes_back_as_it_was(observed: list[Snapshot]) -> None:
    """Whatever comes, goes, is late, is corrected or leaves the middle of a window."""
    writer, reader = MinutesSeen(), InputsReader()
    for snapshot in observed:
        report = example.quiet(1, snapshot=snapshot)
        record = pass_record(writer, report, Given(overlay=STARTING), Plan(overlay=STARTING, moves=()))
        found = reader.read(json.loads(encode(record)))
        assert found.snapshot == snapshot
        assert found.whole
        assert found.overlay == STARTING


def test_a_decision_can_be_made_again_from_its_record(tmp_path: Path) -> None:
    """Fleet, policies and memory stand in the first record of an hour, the memory also where something was decided."""
    rig = Rig()
    rig.journal = journal_at(tmp_path / "journal")  # type: ignore[assignment]
    rig.restart()
    rig.started()
    for _ in range(4):
        rig.loop.tick()
        rig.later()
    kept = rig.loop.kept
    rig.loop.keep_later(replace(kept, holds=replace(kept.holds, items=(drain("europe-west4"),))))
    report = rig.loop.tick()
    assert report.moves
    reader = InputsReader()
    passes = [r for r in records_in(tmp_path / "journal") if r["kind"] == "tick"]
    inputs = [reader.read(record) for record in passes]
    first, last = inputs[0], inputs[-1]
    assert first.fleet == rig.fleet
    assert first.policies == {"default": rig.policy}
    assert [found.memory is not None for found in inputs] == [True, False, False, False, True]
    assert first.fleet is not None
    assert first.policies is not None
    assert last.memory is not None
    again = loop.step(
        first.fleet,
        first.policies,
        last.snapshot,
        last.overlay,
        last.memory,
        orders=last.orders,
        edit_told=last.edit_told,
    )
    assert again.plan.moves == report.moves
    assert again.refusals == report.refusals
    assert again.assessment == report.assessments


def test_all_that_a_replay_begins_with_is_written_once_an_hour() -> None:
    rig = Rig().started()
    for _ in range(62):
        rig.loop.tick()
        rig.later()
    ticks = [record for record in rig.journal.records if record["kind"] == "tick"]
    whole = [number for number, record in enumerate(ticks) if record["fleet"] is not None]
    assert whole == [0, int(CHECKPOINT_SECONDS / 60)]
    assert all(ticks[number]["memory"] is not None for number in whole)


def test_after_a_record_that_was_lost_the_next_one_has_all_minutes() -> None:
    rig = Rig().started()
    rig.loop.tick()
    rig.later()
    rig.journal.full = True
    rig.loop.tick()
    rig.later()
    rig.journal.full = False
    rig.loop.tick()
    record = [record for record in rig.journal.records if record["kind"] == "tick"][-1]
    found = InputsReader().read(record)
    assert found.whole, "without the records before it"
    assert found.fleet is not None
    assert replace(found.snapshot, problems=()) == rig.loop.snapshot


def test_a_window_whose_beginning_is_not_kept_is_told() -> None:
    rig = Rig().started()
    for _ in range(2):
        rig.loop.tick()
        rig.later()
    record = [record for record in rig.journal.records if record["kind"] == "tick"][-1]
    assert not InputsReader().read(record).whole


def test_trouble_with_the_journal_is_said_once_and_shown(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig().started()
    rig.loop.tick()
    rig.journal.full = True
    reports = []
    for _ in range(4):
        rig.later()
        reports.append(rig.loop.tick())
    said = [record.getMessage() for record in caplog.records if "no space left" in record.getMessage()]
    assert said == ["no space left. Free some."]
    assert "no space left. Free some." in reports[-1].snapshot.problems
    rig.journal.full = False
    rig.later()
    with caplog.at_level("INFO"):
        rig.loop.tick()
    assert "takes records again; 4 were lost" in caplog.text
    rig.later()
    assert rig.loop.tick().snapshot.problems == ()

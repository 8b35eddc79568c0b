"""The daemon behind a proxy that lies: no move that the truth would not allow, and all is well soon after the last lie.

The whole is `python -m tests.bench lies`: 200 seeds, and each lie told for an hour.
"""

from __future__ import annotations

import pytest
from tests.lies.judge import added, faults, moved
from tests.lies.liar import ANY_REST, HEALTH, LISTING, METRICS, POLICIES
from tests.lies.story import STORIES, TICK, Record, Story, lied, story_of, truth

from spillway.core.explain.assessment import BELIEVE_SECONDS

SEEDS = range(10)


@pytest.mark.parametrize("seed", SEEDS)
def test_lies_move_nothing_that_the_truth_would_not(seed: int) -> None:
    record = lied(seed)
    assert len(record.lies) > 20
    assert faults(record, truth(story_of(seed))) == []


def test_the_lies_are_of_all_kinds_and_the_stories_move_something() -> None:
    told = {lie.kind for seed in SEEDS for lie in lied(seed).lies}
    kinds = {*LISTING, *POLICIES, *HEALTH, *ANY_REST, *METRICS}
    assert len(told) > 0.8 * len(kinds)
    assert {name for name in STORIES if len(truth(name).levers) > 1} == {"dead", "slow", "surge"}


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("listing", "no backends"),
        ("listing", "all scalers 0"),
        ("listing", "503"),
        ("health", "all ill"),
        ("health", "no members"),
        ("health", "some ill"),
        ("backend_request_count", "times 100"),
    ],
)
def test_a_lie_that_lasts_moves_nothing(source: str, kind: str) -> None:
    record = Story("quiet", always=(source, kind), span=(600.0, 1200.0)).run()
    assert {lie.kind for lie in record.lies} == {kind}
    assert moved(record) == []


def test_latencies_that_rise_everywhere_at_once_move_nothing_and_teach_nothing_before_they_are_believed() -> (
    None
):
    span = (600.0, 780.0)
    record = Story("slow", always=("backend_latencies", "ten times as slow"), span=span).run()
    assert len(record.lies) == 3
    assert len(record.levers) > 1
    assert record.levers == truth("slow", span).levers


def test_latencies_that_stay_risen_everywhere_are_believed_after_four_minutes() -> None:
    record = Story("quiet", always=("backend_latencies", "ten times as slow"), span=(600.0, 1200.0)).run()
    first = record.sentences[0][0]
    assert 600.0 + BELIEVE_SECONDS < first < 600.0 + BELIEVE_SECONDS + 3 * TICK


def test_a_run_that_only_adds_capacity_is_told_from_one_that_takes_some_away() -> None:
    place, standby = ("pool", "us-east4"), ("pool", "europe-north1")
    start, joined = {place: 1.0}, {place: 1.0, standby: 0.5}

    def run(*levers: dict[tuple[str, str], float], told: str = "pool/x scaler") -> Record:
        steps = [(60.0 * i, each) for i, each in enumerate(levers)]
        return Record(targets={}, dead_time=360.0, levers=steps, sentences=[(60.0, told)])

    assert added(run(start, joined, start))
    assert not added(run(start, {place: 0.9, standby: 0.5}))
    assert not added(run(start, {standby: 1.0}))
    assert not added(run(start, start, told="pool posture normal -> scarce: headroom is -15%"))

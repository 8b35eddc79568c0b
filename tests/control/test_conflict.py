"""A write that meets an edit by somebody else is given up and decided anew, never written over."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.control.fakes import Rig, drain

from spillway.control.timing import FIRST_WAIT
from spillway.core.values.foreign import ForeignPin
from spillway.ports import Outcome

EUROPE, ASIA = "europe-west4", "asia-east1"


def met(rig: Rig, edit: Callable[[], None]) -> None:
    """Somebody edits between the look and the next write, which is refused."""

    def before_write() -> None:
        rig.cloud.before_write = lambda: None
        edit()

    rig.cloud.before_write = before_write
    rig.cloud.outcomes = [Outcome.CONFLICT]


def pin(rig: Rig, region: str) -> ForeignPin | None:
    return rig.loop.kept.memory.service("pool").backend(region).pin


def test_an_edit_of_the_very_lever_is_taken_over_and_not_written_over() -> None:
    """0.5 by a person used to end at our value, with outcome `done` and no warning."""
    rig = Rig().started(drain(ASIA))
    met(rig, lambda: rig.cloud.edit(EUROPE, 0.5))
    report = rig.loop.tick()
    assert report.conflict
    assert "The write ended conflict" in report.sentence
    assert rig.loop.kept.intent is None
    # at once: the fresh listing is the second look
    second = rig.loop.tick()
    assert second.moves == ()
    assert [a.code for a in second.alarms] == ["outside-edit-alarm"]
    found = pin(rig, EUROPE)
    assert found is not None
    assert found.scaler == 0.5
    # and what was wanted is decided anew, beside what the person has set
    third = rig.loop.tick()
    assert [(m.region, m.after) for m in third.moves] == [(ASIA, "0.00")]
    assert (rig.scaler(EUROPE), rig.scaler(ASIA)) == (0.5, 0.0)


def test_there_is_no_backoff_after_a_conflict() -> None:
    rig = Rig().started(drain(EUROPE))
    met(rig, lambda: None)
    assert rig.loop.tick().conflict
    rig.later(1.0)
    report = rig.loop.tick()
    assert report.applied is not None
    assert report.applied.outcome is Outcome.DONE
    assert rig.scaler(EUROPE) == 0.0
    assert FIRST_WAIT > 1.0


def test_only_the_pass_right_after_a_conflict_believes_one_reading() -> None:
    rig = Rig().started(drain(ASIA))
    met(rig, lambda: None)
    rig.loop.tick()
    rig.loop.tick()
    rig.cloud.edit(EUROPE, 0.5)
    rig.later()
    rig.loop.tick()
    assert pin(rig, EUROPE) is None


def test_an_edit_while_a_first_build_runs_is_read_and_taken_over() -> None:
    rig = Rig().started()
    rig.loop.tick()
    rig.later()
    rig.digest = "two"
    rig.restart()
    rig.loop.restore()
    met(rig, lambda: rig.cloud.edit(EUROPE, 0.5))
    applied = rig.loop.provision()
    assert applied is not None
    assert applied.outcome is Outcome.DONE
    assert applied.foreign_edit, "the counter of foreign edits must hear of it"
    assert rig.scaler(EUROPE) == 0.5
    assert pin(rig, EUROPE) is not None
    assert rig.waits == [], "the fingerprint has told of the edit"


def test_an_edit_while_a_reload_builds_is_read_and_taken_over() -> None:
    rig = Rig().started()
    rig.loop.tick()
    met(rig, lambda: rig.cloud.edit(EUROPE, 0.5))
    applied = rig.loop.swap(rig.parts(digest="two"))
    assert applied is not None
    assert applied.outcome is Outcome.DONE
    assert applied.foreign_edit
    assert rig.loop.parts.digest == "two"
    assert rig.scaler(EUROPE) == 0.5
    assert pin(rig, EUROPE) is not None


@pytest.mark.parametrize("conflicts", [3, 6])
def test_a_build_that_meets_an_edit_each_time_ends(conflicts: int) -> None:
    rig = Rig().started()
    rig.loop.tick()
    rig.cloud.outcomes = [Outcome.CONFLICT] * conflicts
    applied = rig.loop.swap(rig.parts(digest="two"))
    assert applied is not None
    assert applied.outcome is Outcome.CONFLICT
    assert rig.loop.parts.digest == "one"
    assert len(rig.cloud.applied) - 1 == (4 if conflicts == 3 else 6)

"""The loop over fake ports and the real core: what is written, when, and what is kept."""

from __future__ import annotations

import json

import pytest
from tests.control.fakes import Crash, Rig, drain

from spillway.control.memory import Kept, dump
from spillway.control.report import Pass
from spillway.core.values.decision import Lever
from spillway.core.values.policy import Mode
from spillway.errors import TemporaryError
from spillway.ports import Outcome

EUROPE = "europe-west4"


def kept(rig: Rig) -> dict[str, object]:
    assert rig.store.content is not None
    found: dict[str, object] = json.loads(rig.store.content)
    return found


def test_a_quiet_tick_says_why_and_writes_nothing() -> None:
    rig = Rig().started()
    report = rig.loop.tick()
    assert report.kind is Pass.TICK
    assert report.number == 1
    assert report.sentence.startswith("nothing done, because")
    assert report.applied is None
    assert len(rig.cloud.applied) == 1  # the build
    assert [phase for phase, _ in report.durations] == ["observe", "decide", "record"]
    assert rig.journal.records[-1]["sentence"] == report.sentence


def test_a_move_is_intended_written_confirmed_and_recorded_in_that_order() -> None:
    rig = Rig().started(drain(EUROPE))
    order: list[object] = []
    rig.cloud.before_write = lambda: order.append((rig.journal.kinds()[-1], kept(rig)["intent"] is not None))
    report = rig.loop.tick()
    assert order == [("intent", True)]
    assert [move.lever for move in report.moves] == [Lever.SCALER]
    assert report.applied is not None
    assert report.applied.outcome is Outcome.DONE
    assert report.address == "203.0.113.7"
    assert rig.scaler(EUROPE) == 0.0
    assert kept(rig)["intent"] is None
    assert rig.loop.kept.overlay == rig.cloud.overlay
    assert rig.journal.kinds() == ["start", "intent", "build", "intent", "tick"]
    assert [phase for phase, _ in report.durations] == ["observe", "decide", "write", "record"]


def test_a_move_is_written_once() -> None:
    rig = Rig().started(drain(EUROPE))
    for _ in range(5):
        rig.loop.tick()
        rig.later()
    assert len(rig.cloud.applied) == 2


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.RECOMMEND])
def test_other_modes_advise_and_write_nothing(mode: Mode) -> None:
    rig = Rig(mode=mode).started(drain(EUROPE))
    report = rig.loop.tick()
    assert not report.moves
    assert [move.region for move in report.advice] == [EUROPE]
    assert mode.value in report.sentence
    assert dict(report.modes) == {"pool": mode}
    assert rig.scaler(EUROPE) == 1.0
    assert len(rig.cloud.applied) == 1


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.FAILED, Outcome.UNKNOWN])
def test_a_write_that_did_not_work_is_said_and_tried_again_later(outcome: Outcome) -> None:
    rig = Rig().started(drain(EUROPE))
    rig.cloud.carried_out = False
    rig.cloud.outcomes = [outcome]
    report = rig.loop.tick()
    assert f"The write ended {outcome.value}" in report.sentence
    assert kept(rig)["intent"] is None
    assert rig.scaler(EUROPE) == 1.0
    rig.later(30.0)
    waiting = rig.loop.tick()
    if waiting.moves:
        assert "did not work; the next try is in 30 s" in waiting.sentence
    assert len(rig.cloud.applied) == 2
    for _ in range(3):
        rig.later()
        rig.loop.tick()
    assert rig.scaler(EUROPE) == 0.0
    assert len(rig.cloud.applied) == 3


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNKNOWN])
def test_an_unknown_write_that_was_carried_out_is_taken_over_not_repeated(outcome: Outcome) -> None:
    rig = Rig().started(drain(EUROPE))
    rig.cloud.outcomes = [outcome]
    rig.loop.tick()
    assert rig.scaler(EUROPE) == 0.0
    for _ in range(4):
        rig.later(300.0)
        rig.loop.tick()
    assert len(rig.cloud.applied) == 2
    assert rig.loop.kept.overlay == rig.cloud.overlay


def test_after_an_unknown_write_nothing_is_written_before_the_cloud_can_be_read() -> None:
    rig = Rig().started(drain(EUROPE))
    rig.cloud.carried_out = False
    rig.cloud.outcomes = [Outcome.UNKNOWN]
    rig.loop.tick()
    rig.cloud.readable = False
    for _ in range(3):
        rig.later(300.0)
        rig.loop.tick()
    assert len(rig.cloud.applied) == 2
    rig.cloud.readable = True
    for _ in range(2):
        rig.later(300.0)
        rig.loop.tick()
    assert rig.scaler(EUROPE) == 0.0


def test_after_an_unknown_write_the_engine_is_repaired_before_the_next() -> None:
    rig = Rig().started(drain(EUROPE))
    rig.cloud.carried_out = False
    rig.cloud.outcomes = [Outcome.UNKNOWN]
    before = rig.cloud.recovered
    rig.loop.tick()
    for _ in range(3):
        rig.later(300.0)
        rig.loop.tick()
    assert rig.cloud.recovered == before + 1
    assert rig.scaler(EUROPE) == 0.0


def test_writes_that_keep_being_refused_wait_longer_each_time() -> None:
    rig = Rig().started(drain(EUROPE))
    rig.cloud.carried_out = False
    rig.cloud.outcomes = [Outcome.REFUSED] * 50
    for _ in range(60):
        rig.loop.tick()
        rig.later()
    assert 4 <= len(rig.cloud.applied) - 1 <= 8


@pytest.mark.parametrize("victim", ["journal", "store"])
def test_without_room_for_the_intent_nothing_is_written(victim: str) -> None:
    rig = Rig().started(drain(EUROPE))
    setattr(getattr(rig, victim), "full", True)  # noqa: B010 either of two fakes
    report = rig.loop.tick()
    assert "the intent could not be kept" in report.sentence
    assert len(rig.cloud.applied) == 1
    setattr(getattr(rig, victim), "full", False)  # noqa: B010 as above
    for _ in range(3):
        rig.later()
        rig.loop.tick()
    assert rig.scaler(EUROPE) == 0.0


def test_a_health_pass_without_a_dead_region_is_silent() -> None:
    rig = Rig().started(drain(EUROPE))
    assert rig.loop.health_pass() is None
    assert rig.journal.kinds() == ["start", "intent", "build"]


def test_a_health_pass_keeps_what_the_tick_knew_about_traffic() -> None:
    rig = Rig(auto_drain=False).started()
    served = rig.loop.tick().assessments[0].backends[0].served
    assert served is not None
    rig.cloud.healthy = {**rig.cloud.healthy, "us-east4": 0}
    passes = []
    for _ in range(6):
        rig.later(15.0)
        passes.append(rig.loop.health_pass())
    (report,) = [found for found in passes if found is not None]
    assert report.kind is Pass.HEALTH
    assert report.number == 1
    assert [(move.region, move.after, move.urgent) for move in report.moves] == [("us-east4", "0.00", True)]
    assert report.assessments[0].backends[0].served == served
    assert rig.scaler("us-east4") == 0.0
    assert rig.journal.kinds()[-2:] == ["intent", "health"]


def test_an_edit_that_a_health_pass_finds_is_told_and_recorded() -> None:
    """Four of five looks are health passes: what they took over without a word nobody ever heard of."""
    rig = Rig().started()
    rig.loop.tick()
    rig.cloud.edit(EUROPE, 0.7)
    rig.later(15.0)
    first = rig.loop.health_pass()
    assert first is not None
    assert f"one reading shows {EUROPE} at 0.70" in first.sentence
    rig.later(15.0)
    report = rig.loop.health_pass()
    assert report is not None
    assert [alarm.code for alarm in report.assessments[0].alarms] == ["outside-edit-alarm"], (
        "a health pass asks for no traffic, and so misses none"
    )
    assert not any(note.code == "missing" for b in report.assessments[0].backends for note in b.notes)
    assert report.moves == ()
    assert rig.scaler(EUROPE) == 0.7
    assert rig.journal.kinds()[-1] == "health"
    rig.later(15.0)
    assert rig.loop.health_pass() is None, "once is enough"


# crashes


def crash_and_restart(rig: Rig) -> str:
    with pytest.raises(Crash):
        rig.loop.tick()
    rig.later()
    rig.restart()
    sentence = rig.loop.restore()
    rig.loop.provision()
    rig.cloud.before_write = rig.cloud.after_write = lambda: None
    return sentence


def dies() -> None:
    raise Crash


def test_killed_between_intent_and_write_the_move_is_made_once_by_the_next_process() -> None:
    rig = Rig().started(drain(EUROPE))
    rig.cloud.before_write = dies
    assert "in the middle of a write" in crash_and_restart(rig)
    for _ in range(4):
        rig.loop.tick()
        rig.later()
    assert rig.scaler(EUROPE) == 0.0
    assert len(rig.cloud.applied) == 2


def test_killed_after_the_write_it_is_not_made_again() -> None:
    rig = Rig().started(drain(EUROPE))
    rig.cloud.after_write = dies
    assert "in the middle of a write" in crash_and_restart(rig)
    for _ in range(4):
        rig.loop.tick()
        rig.later()
    assert rig.scaler(EUROPE) == 0.0
    assert len(rig.cloud.applied) == 2
    assert rig.loop.kept.overlay == rig.cloud.overlay


def test_a_restart_between_ticks_goes_on_without_a_build() -> None:
    rig = Rig().started(drain(EUROPE))
    rig.loop.tick()
    rig.later()
    rig.restart()
    assert rig.loop.restore() == "Warm start: going on after tick 1."
    assert rig.loop.provision() is None
    assert rig.loop.tick().number == 2
    assert len(rig.cloud.applied) == 2


def test_a_restart_with_another_configuration_builds_it_and_keeps_the_ceilings() -> None:
    rig = Rig().started(drain(EUROPE))
    rig.loop.tick()
    rig.digest = "two"
    rig.restart()
    rig.loop.restore()
    applied = rig.loop.provision()
    assert applied is not None
    assert rig.scaler(EUROPE) == 0.0


def test_without_memory_the_overlay_is_read_back_from_the_cloud() -> None:
    rig = Rig().started(drain(EUROPE))
    rig.loop.tick()
    rig.store.content = None
    rig.restart()
    assert rig.loop.restore() == "Cold start: nothing was kept."
    rig.loop.provision()
    assert rig.scaler(EUROPE) == 0.0


def test_without_memory_and_without_sight_nothing_is_built() -> None:
    rig = Rig()
    rig.cloud.readable = False
    rig.loop.restore()
    with pytest.raises(TemporaryError, match="nobody knows which regions are drained"):
        rig.loop.provision()
    assert not rig.cloud.applied


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"version": 4}', b'{"version": 1, "overlay": {"services": [{"service": 1}]}}', b"\xff\xfe"],
)
def test_a_state_file_that_makes_no_sense_is_kept_aside_and_said(content: bytes) -> None:
    rig = Rig()
    rig.store.content = content
    sentence = rig.loop.restore()
    assert "unreadable" in sentence
    assert rig.store.aside == [content]
    rig.loop.provision()
    assert rig.loop.tick().number == 1


def test_what_is_kept_comes_back_equal() -> None:
    rig = Rig().started(drain(EUROPE))
    for _ in range(12):
        rig.loop.tick()
        rig.later()
    before = rig.loop.kept
    rig.restart()
    rig.loop.restore()
    assert rig.loop.kept == before
    assert dump(Kept()) != rig.store.content


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNKNOWN, Outcome.CONFLICT])
def test_a_build_that_stumbles_is_repaired_and_tried_again(outcome: Outcome) -> None:
    rig = Rig()
    rig.cloud.outcomes = [outcome]
    rig.loop.restore()
    applied = rig.loop.provision()
    assert applied is not None
    assert applied.outcome is Outcome.DONE
    assert len(rig.cloud.applied) == 2


def test_a_build_that_is_refused_is_not_tried_again() -> None:
    rig = Rig()
    rig.cloud.outcomes = [Outcome.REFUSED]
    rig.loop.restore()
    applied = rig.loop.provision()
    assert applied is not None
    assert applied.outcome is Outcome.REFUSED
    assert len(rig.cloud.applied) == 1
    assert rig.loop.kept.provisioned == ""


# reload


def test_a_swap_builds_the_new_parts_and_closes_the_old() -> None:
    rig = Rig().started()
    closed: list[str] = []
    rig.loop.parts = rig.parts(close=lambda: closed.append("old"))
    applied = rig.loop.swap(rig.parts(digest="two", close=lambda: closed.append("new")))
    assert applied is not None
    assert rig.loop.parts.digest == "two"
    assert closed == ["old"]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.FAILED])
def test_a_swap_that_does_not_work_goes_back_to_what_stood_before(outcome: Outcome) -> None:
    rig = Rig().started()
    before = rig.cloud.overlay
    rig.cloud.outcomes = [outcome]
    applied = rig.loop.swap(rig.parts(digest="two"))
    assert applied is not None
    assert applied.outcome is outcome
    assert applied.sentence.endswith("; what stood before is in place")
    assert rig.loop.parts.digest == rig.loop.kept.provisioned == "one"
    assert rig.cloud.applied[-1] == before
    assert rig.loop.mend() is None
    assert rig.loop.tick().number == 1


def test_a_failed_swap_that_cannot_be_taken_back_is_mended_later() -> None:
    rig = Rig().started()
    rig.cloud.outcomes = [Outcome.FAILED, Outcome.FAILED]
    applied = rig.loop.swap(rig.parts(digest="two"))
    assert applied is not None
    assert "did not work either" in applied.sentence
    assert rig.loop.kept.provisioned == ""
    mended = rig.loop.mend()
    assert mended is not None
    assert mended.outcome is Outcome.DONE
    assert rig.loop.kept.provisioned == "one"
    assert rig.loop.mend() is None


def test_a_start_builds_what_somebody_has_deleted_meanwhile() -> None:
    rig = Rig().started()
    rig.restart()
    rig.cloud.built = False
    rig.started()
    assert len(rig.cloud.applied) == 2
    rig.restart()
    rig.cloud.built = True
    rig.started()
    assert len(rig.cloud.applied) == 2, "what stands is not built again"


def test_a_write_whose_intent_cannot_be_kept_is_tried_again_at_the_next_tick() -> None:
    """The cloud was not asked, so there is nothing to back off from."""
    rig = Rig().started(drain(EUROPE))
    rig.journal.full = True
    report = rig.loop.tick()
    assert report.applied is not None
    assert report.applied.outcome is Outcome.REFUSED
    rig.journal.full = False
    rig.later()
    report = rig.loop.tick()
    assert report.applied is not None
    assert report.applied.outcome is Outcome.DONE
    assert rig.scaler(EUROPE) == 0.0


def test_a_swap_for_the_same_digest_is_nothing() -> None:
    rig = Rig().started()
    assert rig.loop.swap(rig.parts()) is None
    assert len(rig.cloud.applied) == 1

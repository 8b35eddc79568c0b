"""Reloads over a fake cloud in virtual time: the verdict, what changed, and what does not exist yet."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from tests.control.fakes import Rig

from spillway.compose.changes import MOST_CHANGES, differences
from spillway.control.requests import Verdict
from spillway.core.values.overlay import Overlay
from spillway.errors import ConfigError, Problem
from spillway.ports import Applied, Outcome
from spillway.service.reload import MOST_TRIES, Reloader
from spillway.service.roles import Candidate, Rhythm

RHYTHM = Rhythm(tick=60.0, health=15.0, stop=20.0, write=60.0)
MISTAKE = Problem(file="s.yaml", line=3, path="policies.default", message="too short", remedy="Write 7m.")


class Office:
    """A reloader over a loop, and what it tells."""

    def __init__(self) -> None:
        self.rig = Rig().started()
        self.digest = "two"
        self.mistakes: tuple[Problem, ...] = ()
        self.absent = False
        self.restart: tuple[str, ...] = ()
        self.told: list[tuple[str, str]] = []
        self.taken = 0
        self.builds = 0
        build = self.rig.cloud.build

        def maybe(overlay: Overlay) -> Applied:
            # what stood before can always be built: it refers to nothing that is absent
            self.builds += 1
            if self.absent and self.builds % 2 == 1:
                return Applied(
                    outcome=Outcome.REFUSED, sentence="refused with 404: no such group", absent=True
                )
            return build(overlay)

        self.rig.cloud.build = maybe  # type: ignore[method-assign]
        self.reload = Reloader(
            loop=self.rig.loop,
            server=self,  # type: ignore[arg-type]
            notifier=self,  # type: ignore[arg-type]
            candidate=self.candidate,
            retime=lambda rhythm: None,
        )

    def reloaded(self, outcome: str) -> None:
        alarms = [a for a in self.rig.loop.active_alarms() if a.code == "config-not-in-force"]
        self.told.append((outcome, alarms[0].sentence if alarms else ""))

    def built(self, applied: Applied) -> None:
        """Nobody counts."""

    def reloading(self) -> None:
        """Nobody listens."""

    def ready(self) -> None:
        """Nobody listens."""

    def candidate(self) -> Candidate:
        if self.mistakes:
            raise ConfigError(self.mistakes)
        return Candidate(
            digest=self.digest,
            restart=self.restart,
            changes=("policies.default.rhythm.dwell: 420.0 -> 500.0",),
            rhythm=RHYTHM,
            build=lambda: replace(self.rig.parts(), digest=self.digest),
            taken=self.take,
        )

    def take(self) -> None:
        self.taken += 1


def test_what_changed_and_what_was_built_is_told() -> None:
    office = Office()
    report = office.reload()
    assert (report.outcome, office.taken) == ("accepted", 1)
    answer = report.answer()
    assert answer.verdict is Verdict.DONE
    assert answer.notes == ("policies.default.rhythm.dwell: 420.0 -> 500.0",)
    assert office.told == [("accepted", "")]


def test_who_comes_after_the_look_at_the_file_hears_what_it_brought(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    office = Office()
    office.reload()
    report = office.reload()
    assert report.outcome == "unchanged"
    assert "it was taken over at" in report.sentence
    assert report.changes == ("policies.default.rhythm.dwell: 420.0 -> 500.0",)
    assert report.answer().notes == (
        "What was changed then:",
        "policies.default.rhythm.dwell: 420.0 -> 500.0",
    )
    assert caplog.text.count("Changed: ") == 1, "the list is in the log once"
    office.rig.later(3600.0)
    assert office.reload().answer().notes == ()


def test_a_change_that_needs_a_restart_is_told_in_a_sentence() -> None:
    office = Office()
    office.restart = ("daemon.listen",)
    answer = office.reload().answer()
    assert answer.verdict is Verdict.FAILED
    assert answer.sentence.startswith("a restart is needed to change daemon.listen; until then")
    assert answer.remedy.startswith("Restart the daemon")


def test_mistakes_are_all_told_and_alarm_until_they_are_mended() -> None:
    office = Office()
    office.mistakes = (MISTAKE, replace(MISTAKE, line=9))
    answer = office.reload().answer()
    assert answer.verdict is Verdict.MISTAKEN
    assert answer.notes == (str(office.mistakes[0]), str(office.mistakes[1]))
    ((outcome, alarm),) = office.told
    assert outcome == "refused"
    assert "2 mistakes" in alarm
    assert str(MISTAKE) in alarm
    office.mistakes = ()
    assert office.reload().good
    assert office.told[-1] == ("accepted", "")


def test_what_does_not_exist_yet_is_tried_again_by_itself() -> None:
    office = Office()
    office.absent = True
    report = office.reload()
    assert report.outcome == "failed"
    assert "tried again in 60 s (try 1 of 20)" in report.sentence
    assert "tried again in 60 s" in office.told[-1][1], "people see it until then"
    office.reload.retry()
    assert len(office.told) == 1, "not before it is due"
    office.rig.later(60.0)
    office.reload.retry()
    assert "tried again in 120 s (try 2 of 20)" in office.told[-1][1]
    office.absent = False
    office.rig.later(120.0)
    office.reload.retry()
    assert office.told[-1] == ("accepted", "")
    assert office.rig.loop.parts.digest == "two"
    office.rig.later(86_400.0)
    office.reload.retry()
    assert len(office.told) == 3, "and no more after that"


def test_it_is_given_up_after_a_bounded_number_of_tries() -> None:
    office = Office()
    office.absent = True
    office.reload()
    for _ in range(3 * MOST_TRIES):
        office.rig.later(1000.0)
        office.reload.retry()
    assert len(office.told) == MOST_TRIES
    assert "is given up" in office.told[-1][1]


def test_a_refusal_for_another_reason_is_not_tried_again() -> None:
    office = Office()
    office.rig.cloud.outcomes = [Outcome.REFUSED]
    office.reload()
    office.rig.later(1000.0)
    office.reload.retry()
    assert len(office.told) == 1


def test_differences_are_told_by_key_in_the_words_of_the_file() -> None:
    one = {"daemon": {"tick": "60s"}, "regions": ["a", "b"], "x-mine": 1}
    two = {"daemon": {"tick": "90s", "operators_group": "ops"}, "regions": ["a"], "x-mine": 2}
    assert differences(one, one) == ()
    assert differences(one, two) == (
        "daemon.operators_group: (not there) -> ops",
        "daemon.tick: 60s -> 90s",
        "regions[1]: b -> (not there)",
    )


def test_differences_are_bounded_and_tell_no_password() -> None:
    told = differences({}, {f"p{i:03}": "v" * 500 for i in range(100)})
    assert len(told) == MOST_CHANGES + 1
    assert told[-1] == "and 60 more"
    assert max(map(len, told)) < 100
    (line,) = differences({"backend": "file:///x"}, {"backend": "postgres://ana:secret@db/state"})
    assert line == "backend: file:///x -> postgres://...@db/state"
    hooks = {"daemon": {"webhooks": [{"url": "https://hooks.example.com/T0-secret", "format": "slack"}]}}
    assert "T0-secret" not in "".join(differences({}, hooks))
    assert "daemon.webhooks[0].url: (not there) -> (not shown)" in differences({}, hooks)

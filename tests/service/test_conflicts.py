"""After a write that met an edit by somebody else, a new pass follows at once; a build that met one is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from tests.control.fakes import Rig, drain
from tests.service.bare import bare_service

from spillway.control.report import TickReport
from spillway.ports import Applied, Outcome
from spillway.service.life import Service
from spillway.service.reload import Reloader
from spillway.service.roles import Candidate, Rhythm

EUROPE = "europe-west4"


class Told:
    """Server and notifier: they remember what they are told."""

    def __init__(self) -> None:
        self.reports: list[TickReport] = []
        self.builds: list[Applied] = []
        self.reloads: list[str] = []

    def report(self, report: TickReport) -> None:
        self.reports.append(report)

    def built(self, applied: Applied) -> None:
        self.builds.append(applied)

    def reloaded(self, outcome: str) -> None:
        self.reloads.append(outcome)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@contextmanager
def serving(rig: Rig, told: Told, folder: Path) -> Iterator[Service]:
    service = bare_service(rig, told, folder)
    try:
        yield service
    finally:
        service._control.stop()
        service._signals.close()


@pytest.mark.parametrize(
    ("conflicts", "outcomes"),
    [
        (0, [Outcome.DONE]),
        (1, [Outcome.CONFLICT, Outcome.DONE]),
        (2, [Outcome.CONFLICT, Outcome.CONFLICT, Outcome.DONE]),
        (9, [Outcome.CONFLICT] * 3),
    ],
)
def test_a_tick_that_meets_edits_is_followed_by_others_at_once_three_in_all(
    conflicts: int, outcomes: list[Outcome], tmp_path: Path
) -> None:
    rig, told = Rig().started(drain(EUROPE)), Told()
    rig.cloud.outcomes = [Outcome.CONFLICT] * conflicts
    with serving(rig, told, tmp_path) as service:
        service._tick()
    assert [r.applied.outcome for r in told.reports if r.applied is not None] == outcomes
    assert len(told.reports) == len(outcomes)


def test_a_health_pass_that_meets_an_edit_is_followed_by_a_full_pass(tmp_path: Path) -> None:
    rig, told = Rig(auto_drain=False).started(), Told()
    rig.loop.tick()
    rig.cloud.healthy = {**rig.cloud.healthy, "us-east4": 0}
    with serving(rig, told, tmp_path) as service:
        rig.later(15.0)
        service._health()
        rig.cloud.outcomes = [Outcome.CONFLICT]
        rig.later(15.0)
        service._health()
    assert [r.kind.value for r in told.reports] == ["health", "tick"]
    assert rig.scaler("us-east4") == 0.0


def test_a_first_build_and_a_reload_that_meet_an_edit_tell_the_counter(tmp_path: Path) -> None:
    rig, told = Rig(), Told()
    rig.cloud.outcomes = [Outcome.CONFLICT]
    with serving(rig, told, tmp_path) as service:
        service._start()
    assert [a.foreign_edit for a in told.builds] == [True]
    rig.cloud.outcomes = [Outcome.CONFLICT]
    candidate = Candidate(
        digest="two",
        restart=(),
        changes=(),
        rhythm=Rhythm(tick=60.0, health=15.0, stop=30.0, write=300.0),
        build=lambda: rig.parts(digest="two"),
        taken=lambda: None,
    )
    whatever = cast("Any", told)
    Reloader(
        loop=rig.loop, server=whatever, notifier=whatever, candidate=lambda: candidate, retime=lambda _: None
    )()
    assert [a.foreign_edit for a in told.builds] == [True, True]
    assert told.reloads == ["accepted"]


def test_a_reload_that_cannot_read_the_cloud_is_told_and_its_parts_are_closed() -> None:
    rig, told = Rig().started(), Told()
    rig.cloud.readable = False
    closed: list[str] = []
    candidate = Candidate(
        digest="two",
        restart=(),
        changes=(),
        rhythm=Rhythm(tick=60.0, health=15.0, stop=30.0, write=300.0),
        build=lambda: rig.parts(digest="two", close=lambda: closed.append("new")),
        taken=lambda: None,
    )
    whatever = cast("Any", told)
    Reloader(
        loop=rig.loop, server=whatever, notifier=whatever, candidate=lambda: candidate, retime=lambda _: None
    )()
    assert told.reloads == ["failed"]
    assert closed == ["new"]
    assert rig.loop.parts.digest == "one"

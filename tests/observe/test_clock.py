"""The time that the daemon goes by: Google's, or the sandbox world's."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from email.utils import formatdate

import pytest
import requests
from tests.observe.fake_compute import FakeCompute, serving

from spillway.adapters.clock import CloudClock, SandboxClock, sandbox_clock
from spillway.adapters.google_http import sandbox_session
from spillway.errors import PermanentError, TemporaryError


class Machine:
    """The machine's two clocks, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.ticks = 1_800_000_000.0, 50.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic", lambda: self.ticks)

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.ticks += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def answer(session: requests.Session, *, date: str | None, took: float = 0.2) -> None:
    """Let `session` get an answer with this Date, `took` seconds after it was asked."""
    response = requests.Response()
    response.elapsed = timedelta(seconds=took)
    if date is not None:
        response.headers["Date"] = date
    for hook in session.hooks["response"]:
        hook(response)


def test_nobody_who_sets_the_machines_clock_moves_the_clouds(machine: Machine) -> None:
    clock = CloudClock()
    assert clock.now() == machine.wall
    machine.wait(60.0)
    machine.wall -= 2400.0
    assert clock.now() == 1_800_000_060.0
    assert clock.monotonic() == 110.0


@pytest.mark.parametrize(
    ("date", "now"),
    [
        (1_800_000_000, 1_800_000_000.0),  # asked at -0.2, dated 0 to 1, answered at 0: nothing contradicts
        (1_799_999_999, 1_800_000_000.0),
        (1_799_999_998, 1_799_999_999.2),  # dated before -1, asked 0.2 before now
        (1_800_000_003, 1_800_000_003.0),
        (1_800_002_400, 1_800_002_400.0),
    ],
)
def test_an_answers_date_bounds_the_clock_from_both_sides(machine: Machine, date: int, now: float) -> None:
    clock, session = CloudClock(), requests.Session()
    clock.heed(session)
    answer(session, date=formatdate(date, usegmt=True))
    assert clock.now() == pytest.approx(now)


def test_a_wrong_machine_is_told_of_once(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    clock, session = CloudClock(), requests.Session()
    clock.heed(session)
    caplog.set_level("INFO")
    right = machine.wall
    for ahead in (0.0, -2400.0, -2400.0, 3600.0, 1.0):
        machine.wall = right + ahead
        answer(session, date=formatdate(right, usegmt=True))
        assert clock.now() == pytest.approx(right)
    assert [record.message.partition(".")[0] for record in caplog.records] == [
        "This machine's clock is 2400 s behind Google's",
        "This machine's clock agrees with Google's again",
    ]


@pytest.mark.parametrize("date", [None, "yesterday", ""])
def test_an_answer_without_a_date_says_nothing(machine: Machine, date: str | None) -> None:
    clock, session = CloudClock(), requests.Session()
    clock.heed(session)
    answer(session, date=date)
    assert clock.now() == machine.wall


def test_dates_are_heard_over_the_wire() -> None:
    ahead = time.time() + 86_400.0
    with serving(FakeCompute(date=formatdate(ahead, usegmt=True))) as fake:
        clock, session = CloudClock(), sandbox_session(1)
        clock.heed(session)
        session.request("GET", f"{fake.base}/compute/v1/projects/p/global/backendServices").close()
        assert clock.now() == pytest.approx(ahead, abs=2.0)
        session.close()


def test_sandbox_time_runs_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1010.0)
    monkeypatch.setattr(time, "monotonic", lambda: 7.0)
    clock = SandboxClock(epoch=5000.0, reference=1000.0, speed=60.0)
    assert clock.now() == 5600.0
    assert clock.monotonic() == 420.0


def test_speed_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        SandboxClock(epoch=0.0, reference=0.0, speed=0.0)


def test_the_sandbox_is_asked_once() -> None:
    reply = {"epoch": 5000.0, "real_reference": time.time(), "speed": 10.0, "now": 5000.0}
    with serving(FakeCompute(failure=(200, reply))) as fake:
        clock = sandbox_clock(f"{fake.base}/")
    assert fake.seen == [("GET", "/sandbox/v1/clock", {})]
    assert clock.speed == 10.0
    first, second = clock.now(), clock.now()
    assert 5000.0 <= first <= second < 5000.0 + 60.0 * 10.0


def test_a_world_that_is_held_has_no_time_yet() -> None:
    reply = {"epoch": 5000.0, "real_reference": time.time() - 100.0, "speed": 10.0, "now": 5000.0}
    with (
        serving(FakeCompute(failure=(200, reply))) as fake,
        pytest.raises(TemporaryError, match="holds") as caught,
    ):
        sandbox_clock(fake.base)
    assert "clock/release" in caught.value.remedy


@pytest.mark.parametrize(
    "reply",
    [
        b"<html>",
        json.dumps({"epoch": 1}).encode(),
        b"[]",
        b'{"epoch":1,"real_reference":1,"now":1,"speed":0}',
    ],
)
def test_something_else_lives_there(reply: bytes) -> None:
    with (
        serving(FakeCompute(failure=(200, reply))) as fake,
        pytest.raises(PermanentError, match="no sandbox clock"),
    ):
        sandbox_clock(fake.base)


def test_nobody_lives_there() -> None:
    with serving(FakeCompute()) as fake:
        base = fake.base
    with pytest.raises(TemporaryError, match="does not answer") as caught:
        sandbox_clock(base)
    assert "spillway sandbox" in caught.value.remedy
    assert str(caught.value).endswith("does not answer: Connection refused"), "no layers of a library"

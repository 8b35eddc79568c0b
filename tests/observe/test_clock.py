"""The time that the daemon goes by: Google's, or the sandbox world's."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path

import pytest
import requests
from tests.control.fakes import FakeCloud, fleet
from tests.observe.fake_compute import FakeCompute, serving
from tests.sandbox.conftest import ToyPlant

from spillway.adapters.clock import CloudClock, SandboxClock, sandbox_clock
from spillway.adapters.google_http import sandbox_session
from spillway.adapters.pausing import PausingDeployer
from spillway.adapters.process import identity, is_gone
from spillway.core.values.overlay import initial_overlay
from spillway.errors import PermanentError, TemporaryError
from spillway.ports import Outcome
from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.server import SandboxServer
from spillway.sandbox.writes import Timing


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


def test_answers_dated_years_away_move_the_clock_only_where_all_say_so_for_long(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """One wrong date used to end every order of the operators and to make all data ten years old."""
    clock, session = CloudClock(), requests.Session()
    clock.heed(session)
    right = machine.wall
    machine.wall = 3e8
    answer(session, date=formatdate(right, usegmt=True))
    assert clock.now() == pytest.approx(right), "the first answer sets it, however wrong the machine is"
    for leap in (3e8, -3e8):
        for _ in range(200):
            answer(session, date=formatdate(right + leap, usegmt=True))
        assert clock.now() == pytest.approx(right), "many at once are one proxy"
        answer(session, date=formatdate(right, usegmt=True))
    assert len([record for record in caplog.records if "not followed" in record.message]) == 2
    for _ in range(100):
        machine.wait(10.0)
        right += 10.0
        answer(session, date=formatdate(right + 3e8, usegmt=True))
    assert clock.now() == pytest.approx(right + 3e8)


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
        b"[" * 200_000,
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


def held_world(holder: str) -> SandboxServer:
    """A sandbox whose world somebody has paused."""
    plant = ToyPlant()
    clock = ScaledClock(speed=60.0, epoch=plant.epoch)
    clock.hold(holder)
    return SandboxServer(plant, clock=clock, timing=Timing())


def test_the_pause_of_a_daemon_that_died_in_a_write_ends_at_the_next_start() -> None:
    """It used to keep every start away for five minutes."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as dead:
        pid = dead.pid
        ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
        dead.kill()
    named = f"{socket.gethostname()} {pid} {ticks}"
    assert is_gone(named)
    begun = time.monotonic()
    with held_world(named) as server:
        clock = sandbox_clock(server.url)
        assert not server.clock.held
        assert abs(clock.now() - server.clock.now()) < 60.0
    assert time.monotonic() - begun < 4.0


def test_the_pause_of_somebody_who_does_not_let_go_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spillway.adapters.clock._TIMEOUT", 0.3)
    assert not is_gone(identity())
    with held_world(identity()) as server:
        assert sandbox_clock(server.url).speed == 60.0
        assert not server.clock.held


def test_a_world_that_a_person_holds_is_theirs() -> None:
    with held_world("") as server:
        with pytest.raises(TemporaryError, match="a person has stopped it") as told:
            sandbox_clock(server.url)
        assert "clock/release" in told.value.remedy
        assert server.clock.held


def test_a_write_pauses_the_world_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spillway.adapters.pausing._RENEW", 0.02)
    plant = ToyPlant()
    with SandboxServer(plant, clock=ScaledClock(speed=60.0, epoch=plant.epoch), timing=Timing()) as server:
        clock = sandbox_clock(server.url)
        cloud = FakeCloud(clock, initial_overlay(fleet()))
        holds: list[str] = []
        hold = server.clock.hold

        def held(holder: str = "") -> None:
            holds.append(holder)
            hold(holder)

        monkeypatch.setattr(server.clock, "hold", held)

        def write() -> None:
            end = time.monotonic() + 10
            while len(holds) < 4:
                assert time.monotonic() < end
                time.sleep(0.01)
            assert server.clock.held

        cloud.before_write = write
        deployer = PausingDeployer(cloud, server.url, clock)
        assert deployer.apply(initial_overlay(fleet())).outcome is Outcome.DONE
        assert set(holds) == {identity()}
        assert not server.clock.held
        assert abs(clock.now() - server.clock.now()) < 60.0

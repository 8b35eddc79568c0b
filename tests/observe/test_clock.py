"""The world's time as the daemon computes it."""

from __future__ import annotations

import json
import time

import pytest
from tests.observe.fake_compute import FakeCompute, serving

from spillway.adapters.clock import SandboxClock, SystemClock, sandbox_clock
from spillway.errors import PermanentError, TemporaryError


def test_system_clock_is_the_machines() -> None:
    clock = SystemClock()
    before = time.time(), time.monotonic()
    now, monotonic = clock.now(), clock.monotonic()
    after = time.time(), time.monotonic()
    assert before[0] <= now <= after[0]
    assert before[1] <= monotonic <= after[1]


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

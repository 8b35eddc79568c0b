"""What the service manager and the reader of standard error get to see."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from spillway.adapters import logs
from spillway.adapters.process import SystemdNotifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


@pytest.fixture
def root_logger() -> Iterator[None]:
    root, spillway = logging.getLogger(), logging.getLogger("spillway")
    handlers, level, own = list(root.handlers), root.level, spillway.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    spillway.setLevel(own)
    logging.captureWarnings(capture=False)


def test_the_service_manager_hears_every_stage(manager: socket.socket) -> None:
    notifier = SystemdNotifier(manager.getsockname())
    notifier.status("tick 1: nothing done,\nbecause all is well")
    notifier.ready()
    notifier.alive()
    notifier.reloading()
    notifier.stopping()
    heard = [manager.recv(4096).decode() for _ in range(5)]
    assert heard[0] == "STATUS=tick 1: nothing done, because all is well"
    assert heard[1:3] == ["READY=1", "WATCHDOG=1"]
    reloading, stamp = heard[3].split("\n")
    assert reloading == "RELOADING=1"
    assert int(stamp.removeprefix("MONOTONIC_USEC=")) > 0
    assert heard[4] == "STOPPING=1"


def test_an_abstract_socket_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0spillway-test-notify")
        listener.settimeout(5)
        SystemdNotifier("@spillway-test-notify").ready()
        assert listener.recv(64) == b"READY=1"


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    SystemdNotifier().ready()
    SystemdNotifier(str(tmp_path / "gone")).ready()


@pytest.mark.usefixtures("root_logger")
def test_text_lines_say_when_how_bad_and_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    stream = io.StringIO()
    handler = logs.setup("info", "text", stream)
    logging.getLogger("spillway.service").info("tick %d: %s", 7, "nothing done")
    logging.getLogger("spillway.service").debug("a detail")
    logging.getLogger("apscheduler.executors").warning("noise")
    handler.close()
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("Z info    tick 7: nothing done")


@pytest.mark.usefixtures("root_logger")
def test_under_journald_the_priority_stands_in_front_of_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    stream = io.StringIO()
    handler = logs.setup("info", "text", stream)
    logging.getLogger("spillway").error("first\nsecond")
    handler.close()
    assert stream.getvalue() == "<3>first\n<3>second\n"


@pytest.mark.usefixtures("root_logger")
def test_json_lines_carry_the_extra_fields_and_the_trace() -> None:
    stream = io.StringIO()
    handler = logs.setup("info", "json", stream)
    logging.getLogger("spillway").error(
        "tick failed", exc_info=ValueError("what went wrong"), extra={"tick": 7}
    )
    handler.close()
    record = json.loads(stream.getvalue())
    assert record["message"] == "tick failed"
    assert record["level"] == "error"
    assert record["tick"] == 7
    assert "what went wrong" in record["trace"]


class Stuck(io.StringIO):
    """A pipe that nobody reads, until `free` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.free = threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        assert self.free.wait(10)
        return super().write(text)


def test_a_reader_that_hangs_costs_lines_and_never_the_loop() -> None:
    stream = Stuck()
    handler = logs.BoundedHandler(stream, logging.Formatter(), limit=3)
    record = logging.makeLogRecord({"msg": "line"})
    handler.emit(record)
    assert stream.entered.wait(10)
    for _ in range(5):
        handler.emit(record)
    assert handler.lost == 2
    stream.free.set()
    handler.close()
    assert "2 log lines were lost" in stream.getvalue()
    assert stream.getvalue().count("line\n") == 4

"""The control socket: real unix sockets, a fake loop; bounds, slow senders, stale files, long paths, who is who."""

from __future__ import annotations

import getpass
import grp
import json
import os
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from spillway.cli.main import main
from spillway.cli.orders import ask
from spillway.control.requests import Answer, Command, Request, Verdict
from spillway.errors import PermanentError, TemporaryError
from spillway.exits import Exit
from spillway.service import control_socket
from spillway.service.control_socket import (
    LONGEST_PATH,
    MOST_CONNECTIONS,
    NAME,
    ControlSocket,
    address_of,
    user_name,
)
from spillway.service.desk import MOST_WAITING, Desk
from spillway.service.protocol import LONGEST_REQUEST, VERSION, decode_request

DRAIN = Request(command=Command.DRAIN, region="us-east4", seconds=7200.0, reason="new kernel")


class Daemon:
    """A socket over a desk whose loop is this test."""

    def __init__(self, folder: Path, *, group: str | None = None, patient: bool = False) -> None:
        self.path = folder / NAME
        self.seen: list[Request] = []
        self.passes = 0
        self.go = threading.Event()
        self.patient = patient
        desk = Desk(handle=self.handle, soon=self.soon, after=self.after)
        self.socket = ControlSocket(self.path, group=group, desk=desk, look=self.look)

    def soon(self, name: str, function: Callable[[], object]) -> None:
        def run() -> None:
            if self.patient:
                self.go.wait(30.0)
            function()

        threading.Thread(target=run, daemon=True).start()

    def after(self) -> None:
        self.passes += 1

    def handle(self, request: Request) -> Answer:
        self.seen.append(request)
        return Answer(verdict=Verdict.DONE, sentence=f"{request.command} {request.region}")

    def look(self, request: Request) -> Answer:
        return Answer(verdict=Verdict.DONE, sentence="no order is in force")

    def started(self) -> Daemon:
        self.socket.bind()
        self.socket.start()
        return self

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(10.0)
        connection.connect(str(self.path))
        return connection

    def say(self, line: bytes) -> dict[str, Any]:
        with self.connect() as connection:
            connection.sendall(line)
            return read(connection)


def read(connection: socket.socket) -> dict[str, Any]:
    with connection.makefile("rb") as file:
        line = file.readline()
    found: dict[str, Any] = json.loads(line) if line else {}
    return found


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    made: list[Daemon] = []

    def daemon(folder: Path | None = None, **settings: Any) -> Daemon:
        made.append(Daemon(folder or tmp_path, **settings))
        return made[-1]

    yield daemon
    for each in made:
        each.go.set()
        each.socket.stop()


Make = Callable[..., Daemon]


def test_an_order_goes_to_the_loop_and_its_answer_comes_back(make: Make) -> None:
    daemon = make().started()
    answer, document = ask(daemon.path, DRAIN, 10.0)
    assert (answer.verdict, answer.sentence) == (Verdict.DONE, "drain us-east4")
    assert document["verdict"] == "done"
    (request,) = daemon.seen
    assert getpass.getuser() in request.by
    assert (request.region, request.seconds, request.reason) == ("us-east4", 7200.0, "new kernel")
    deadline = time.monotonic() + 10.0
    while daemon.passes == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert daemon.passes == 1, "the next pass comes soon"


def test_the_socket_is_for_its_owner_alone(make: Make) -> None:
    daemon = make().started()
    assert stat.S_IMODE(daemon.path.stat().st_mode) == 0o600


def test_a_group_may_be_let_in(make: Make) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    daemon = make(group=group).started()
    assert stat.S_IMODE(daemon.path.stat().st_mode) == 0o660
    assert daemon.path.stat().st_gid == os.getgid()
    assert daemon.path.parent.stat().st_mode & stat.S_IXGRP
    with pytest.raises(PermanentError, match="no group 'nobody-has-this'"):
        make(daemon.path.parent / "other", group="nobody-has-this").socket.bind()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"hello\n", "no request"),
        (b"[]\n", "no request"),
        (b'{"v": 1, "command": "explode"}\n', "explode"),
        (b'{"v": 1, "command": "drain", "force": "yes"}\n', "force"),
        (b'{"v": 2, "command": "drain"}\n', f"version {VERSION}"),
        (b'\xff\xfe{"v": 1}\n', "no request"),
        (b'{"v": 1, "command": "pin", "scaler": 1e999}\n', "no request"),
        (b"x" * (LONGEST_REQUEST + 10), "at most"),
        (b'{"v": 1, "command": "orders", "x": ' + b"[" * 8000 + b"}\n", "nested deeper"),
        (b"[" * 8000 + b"\n", "no request"),
    ],
)
def test_what_is_no_request_is_said_so(make: Make, line: bytes, words: str) -> None:
    daemon = make().started()
    answer = daemon.say(line)
    assert answer["verdict"] == "mistaken"
    assert words in answer["sentence"]
    assert daemon.seen == []
    assert ask(daemon.path, DRAIN, 10.0)[0].verdict is Verdict.DONE, "it serves on"


def test_a_defect_costs_one_sender_and_not_the_socket(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = make().started()
    with monkeypatch.context() as patch:
        patch.setattr(control_socket, "decode_request", lambda *_, **__: 1 // 0)
        with daemon.connect() as connection:
            connection.send(b'{"v": 1, "command": "orders"}\n')
            assert connection.recv(100) == b"", "it is cut off"
    assert ask(daemon.path, DRAIN, 10.0)[0].verdict is Verdict.DONE, "it serves on"


def test_silent_senders_take_nothing_from_others(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    # who waited for one of them to be cut off would wait longer than for its answer
    monkeypatch.setattr(control_socket, "SEND_SECONDS", 60.0)
    daemon = make().started()
    silent = [daemon.connect() for _ in range(3 * MOST_CONNECTIONS)]
    try:
        for connection in silent[::7]:
            # one that has given way to a later sender is closed at its other end
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.send(b'{"v": 1, ')
        assert ask(daemon.path, DRAIN, 10.0)[0].verdict is Verdict.DONE
    finally:
        for connection in silent:
            connection.close()


def test_who_says_nothing_is_cut_off(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_socket, "SEND_SECONDS", 0.2)
    daemon = make().started()
    with daemon.connect() as connection:
        connection.send(b'{"v": 1, "comm')
        assert connection.recv(100) == b""


def test_who_does_not_wait_withdraws_the_order(make: Make) -> None:
    daemon = make(patient=True).started()
    answer, _ = ask(daemon.path, DRAIN, 0.2)
    assert answer.verdict is Verdict.UNAVAILABLE
    assert "middle of a pass" in answer.sentence
    daemon.go.set()
    assert ask(daemon.path, Request(command=Command.HOLD, reason="later"), 10.0)[0].verdict is Verdict.DONE
    assert [r.command for r in daemon.seen] == [Command.HOLD], "the drain was withdrawn for good"


def test_what_is_being_carried_out_is_not_withdrawn(make: Make) -> None:
    daemon = make()
    under_way, end = threading.Event(), threading.Event()

    def slowly(request: Request) -> Answer:
        under_way.set()
        end.wait(30.0)
        return Answer(verdict=Verdict.DONE, sentence="done at last")

    daemon.socket._desk._handle = slowly
    daemon.started()
    answer, _ = ask(daemon.path, DRAIN, 0.3)
    assert under_way.is_set()
    assert answer.verdict is Verdict.UNKNOWN
    end.set()


def test_a_look_does_not_wait_for_the_loop(make: Make) -> None:
    daemon = make(patient=True).started()
    assert ask(daemon.path, Request(command=Command.ORDERS), 5.0)[0].sentence == "no order is in force"


def test_too_many_that_wait_are_turned_away(make: Make) -> None:
    daemon = make(patient=True)
    desk = daemon.socket._desk
    for _ in range(MOST_WAITING):
        assert desk.submit(DRAIN, lambda answer: None) is not None
    daemon.started()
    assert ask(daemon.path, DRAIN, 5.0)[0].verdict is Verdict.UNAVAILABLE


def test_a_defect_is_an_answer_too(make: Make) -> None:
    def broken(request: Request) -> Answer:
        raise ZeroDivisionError

    jobs: list[Callable[[], object]] = []
    answers: list[Answer] = []
    desk = Desk(handle=broken, soon=lambda _, job: jobs.append(job), after=lambda: None)
    desk.submit(DRAIN, answers.append)
    with pytest.raises(ZeroDivisionError):
        jobs[0]()
    assert [a.verdict for a in answers] == [Verdict.FAILED]


def test_the_file_of_a_dead_daemon_is_replaced_and_a_living_one_is_left_alone(make: Make) -> None:
    first = make().started()
    with pytest.raises(TemporaryError, match="another process serves"):
        make().socket.bind()
    assert ask(first.path, DRAIN, 10.0)[0].verdict is Verdict.DONE
    first.socket.stop()
    assert not first.path.exists()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(first.path))
    assert first.path.exists()
    assert ask(make().started().path, DRAIN, 10.0)[0].verdict is Verdict.DONE


def test_what_is_no_socket_is_not_removed(make: Make) -> None:
    daemon = make()
    daemon.path.write_text("precious")
    with pytest.raises(TemporaryError, match="no socket"):
        daemon.socket.bind()
    assert daemon.path.read_text() == "precious"


def test_a_path_that_is_too_long_for_an_address_works_as_well(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 90) / ("b" * 90)
    folder.mkdir(parents=True)
    daemon = make(folder).started()
    assert len(os.fsencode(daemon.path)) > LONGEST_PATH
    assert ask(daemon.path, DRAIN, 10.0)[0].verdict is Verdict.DONE
    with pytest.raises(TemporaryError, match="another process serves"):
        make(folder).socket.bind()
    with address_of(Path("/short")) as address:
        assert address == "/short"


def test_who_waits_is_told_when_the_daemon_stops(make: Make) -> None:
    daemon = make(patient=True).started()
    with daemon.connect() as connection:
        connection.sendall(b'{"v": 1, "command": "hold", "reason": "wait"}\n')
        deadline = time.monotonic() + 10.0
        while daemon.socket._desk.waiting() == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        daemon.socket.stop()
        assert "stopping" in read(connection)["sentence"]
    daemon.go.set()


def test_a_sender_that_closes_its_half_still_gets_its_answer(make: Make) -> None:
    daemon = make(patient=True).started()
    with daemon.connect() as connection:
        connection.sendall(b'{"v": 1, "command": "hold", "reason": "wait"}\n')
        connection.shutdown(socket.SHUT_WR)
        daemon.go.set()
        assert read(connection)["verdict"] == "done"


def test_nobody_there_is_told_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match="no daemon answers") as caught:
        ask(tmp_path / NAME, DRAIN, 1.0)
    assert "systemctl status" in caught.value.remedy


def test_only_root_may_say_for_whom_it_asks() -> None:
    line = b'{"v": 1, "command": "hold", "on_behalf_of": "ana"}'
    assert decode_request(line, "root", root=True).request.by == "ana (as root)"
    assert decode_request(line, "bob", root=False).request.by == "bob"
    forged = b'{"v": 1, "command": "hold", "on_behalf_of": "a\\nb"}'
    assert decode_request(forged, "root", root=True).request.by == "root"


# --- other users than root and the daemon's

STRANGER = 65_534
"""A user that every machine has (nobody), and its group."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A state folder as a daemon has it, in one that others may pass through; pytest's own folders let nobody in."""
    with TemporaryDirectory() as outer:
        Path(outer).chmod(0o711)
        folder = Path(outer) / "state"
        folder.mkdir(mode=0o700)
        yield folder


def command_as(groups: tuple[int, ...], *words: str) -> tuple[int, str]:
    """Exit code and words of a command of `STRANGER` with these groups besides its own; it runs in a child of this process."""
    theirs, ours = os.pipe()
    child = os.fork()
    if child == 0:
        code = 99
        signal.alarm(60)  # a child that hangs ends, and so does the wait for it
        with suppress(BaseException), os.fdopen(ours, "w") as out:
            os.setgroups(groups)
            os.setresgid(STRANGER, STRANGER, STRANGER)
            os.setresuid(STRANGER, STRANGER, STRANGER)
            sys.stdout = sys.stderr = out
            code = main(words)
        os._exit(code)
    os.close(ours)
    with os.fdopen(theirs) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), told


def some_group() -> grp.struct_group:
    """A group that is neither root's nor the stranger's own."""
    return next(each for each in grp.getgrall() if each.gr_gid not in {0, STRANGER})


@as_root
def test_a_stranger_is_refused_in_a_sentence(make: Make, open_folder: Path) -> None:
    for group in (None, some_group().gr_name):
        daemon = make(open_folder, group=group).started()
        code, told = command_as((), "hold", "--reason", "a test", "--state-dir", str(open_folder))
        assert code == Exit.REFUSED, told
        assert f"this user may not send orders to {daemon.path}: Permission denied" in told
        assert "as a member of daemon.operators_group" in told
        assert daemon.seen == []
        daemon.socket.stop()


@as_root
def test_a_member_of_the_group_is_served_and_named(make: Make, open_folder: Path) -> None:
    group = some_group()
    daemon = make(open_folder, group=group.gr_name).started()
    code, told = command_as(
        (group.gr_gid,), "drain", "us-east4", "--reason", "a test", "--state-dir", str(open_folder)
    )
    assert code == Exit.OK, told
    assert told.startswith("Drain us-east4.")
    (seen,) = daemon.seen
    assert seen.by == user_name(STRANGER)
    assert stat.S_IMODE(open_folder.stat().st_mode) == 0o710, "the group may pass, and read nothing"

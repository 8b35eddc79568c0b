"""A slow, silent or foreign client of the web server takes nothing from others."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from spillway.adapters import bounded_http
from spillway.adapters.bounded_http import HostNames
from spillway.adapters.journal.answers import Answers
from spillway.adapters.journal.recent import Recent
from spillway.adapters.web import Web, split_address


class Source:
    """A source with one long document."""

    registry = CollectorRegistry()

    def healthy(self) -> tuple[bool, str]:
        return True, "well"

    def ready(self) -> tuple[bool, str]:
        return True, "ready"

    def status(self) -> dict[str, object]:
        return {"long": "x" * 20_000_000}

    past = Answers(None, Recent())


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web("127.0.0.1:0", Source(), hosts=["spillway.example.com"])
    made.start()
    yield made
    made.stop()


def connect(web: Web) -> socket.socket:
    return socket.create_connection(split_address(web.url.removeprefix("http://")), timeout=5)


def alive(web: Web) -> bool:
    with urllib.request.urlopen(f"{web.url}/healthz", timeout=5) as answer:
        return bool(answer.status == 200)


def ends(client: socket.socket) -> bool:
    """Whether the server closes the connection, in the time that the socket waits."""
    try:
        while client.recv(1_000_000):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("said", [b"", b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
def test_connections_without_a_whole_request_keep_no_probe_out(web: Web, said: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(2 * bounded_http.MOST_CONNECTIONS):
            client = stack.enter_context(connect(web))
            client.sendall(said)
        assert alive(web)


def test_clients_that_do_not_take_their_answers_keep_no_probe_out(web: Web) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            client = stack.enter_context(connect(web))
            client.sendall(b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert alive(web)


def test_the_newest_connection_takes_the_place_of_the_longest_wait(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "MOST_CONNECTIONS", 2)
    with connect(web) as first, connect(web) as second, connect(web):
        assert ends(first)
        second.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert second.recv(100).startswith(b"HTTP/1.1 200")


def test_a_head_has_a_deadline_that_a_byte_now_and_then_does_not_lengthen(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.3)
    with connect(web) as client:
        begun = time.monotonic()
        client.settimeout(0.05)
        while time.monotonic() - begun < 5.0:
            try:
                client.sendall(b"G")
            except (BrokenPipeError, ConnectionResetError):
                break
            if ends(client):
                break
        else:
            pytest.fail("the connection was still open after five seconds")
    assert alive(web)


def test_an_answer_that_is_not_taken_has_a_deadline(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "ANSWER_SECONDS", 0.3)
    with connect(web) as client:
        client.sendall(b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        received = len(client.recv(100))
        time.sleep(0.6)  # twice the deadline: the client takes nothing meanwhile
        try:
            while part := client.recv(1_000_000):
                received += len(part)
        except ConnectionResetError:
            pass
        assert received < 20_000_000
    assert alive(web)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:9464",
        "[::1]:9464",
        "localhost",
        "LOCALHOST.:1",
        "10.1.2.3",
        "spillway.example.com:80",
        None,
    ],
)
def test_own_names_and_addresses_are_answered(host: str | None) -> None:
    assert HostNames(["spillway.example.com"]).allow(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example", "[evil]"]
)
def test_other_names_are_refused(web: Web, host: str) -> None:
    assert not HostNames(["spillway.example.com"]).allow(host)
    with connect(web) as client:
        client.sendall(f"GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(10_000), b""))
    assert answer.startswith(b"HTTP/1.1 421")
    assert b"daemon.hosts" in answer


@pytest.mark.parametrize("path", ["/history", "/decisions", "/explain"])
def test_the_past_is_told_under_own_names_alone(web: Web, path: str) -> None:
    with connect(web) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(10_000), b""))
    assert answer.startswith(b"HTTP/1.1 421")


def test_a_slow_reading_of_the_past_keeps_no_probe_out(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading happens beside the server's own thread, two questions at a time."""
    begun, go = threading.Semaphore(0), threading.Event()

    def slow(path: str, asked: object) -> dict[str, object]:
        del path, asked
        begun.release()
        go.wait(20.0)
        return {"schema": 1}

    monkeypatch.setattr(Source.past, "answer", slow)
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(web)) for _ in range(5)]
        for client in clients:
            client.sendall(b"GET /history HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert begun.acquire(timeout=10.0)
        assert alive(web)
        go.set()
        for client in clients:
            assert client.recv(100).startswith(b"HTTP/1.1 200")


class SlowPast:
    """Counts questions, and answers none before it may."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may = threading.Event()

    def answer(self, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        self.asked.append(asked.get("service", ""))
        self.may.wait(10.0)
        return {}


def test_questions_whose_askers_have_gone_are_not_read_for(web: Web) -> None:
    """They would be answered one after another, and whoever asks next would wait for all of them."""
    past = SlowPast()

    class Slow(Source):
        pass

    Slow.past = past  # type: ignore[assignment]
    slow = Web("127.0.0.1:0", Slow())
    slow.start()
    try:
        request = b"GET /history?service=%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        with connect(slow) as first, connect(slow) as second:
            for client in (first, second):
                client.sendall(request % b"taken")
            until(lambda: len(past.asked) == 2)
            for _ in range(20):
                with connect(slow) as gone:
                    gone.sendall(request % b"gone")
            assert alive(slow)
            with connect(slow) as patient:
                patient.sendall(request % b"patient")
                assert alive(slow)
                past.may.set()
                assert patient.recv(100).startswith(b"HTTP/1.1 200")
        assert past.asked == ["taken", "taken", "patient"]
    finally:
        past.may.set()
        slow.stop()


def until(what: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 5.0
    while not what():
        assert time.monotonic() < ends_at
        time.sleep(0.005)


def test_an_option_that_is_given_twice_is_refused(web: Web) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{web.url}/history?since=1h&since=2h", timeout=5)
    with caught.value as answer:
        assert answer.status == 400
        assert b"given twice" in answer.read()

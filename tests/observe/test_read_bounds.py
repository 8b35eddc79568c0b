"""What a read may cost: bytes, time and pages are bounded, and the bound that was met is named."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate

import pytest
from tests.lies.cloud import CloudSession, Sent
from tests.observe.fake_compute import within

from spillway.adapters import compute
from spillway.adapters.compute import ComputeReader
from spillway.adapters.google_http import BODY_MAX, Call, Read, error_of, fetch, sandbox_session
from spillway.core.observe.rows import GroupHealth, ListedGroup
from spillway.core.values.snapshot import Absence, Missing
from spillway.core.values.topology import GroupKey
from spillway.errors import PermanentError, SpillwayError, TemporaryError

READ = Read(call=Call(method="GET", url=""), what="the list", permission="p", role="r")


@contextmanager
def talking(*parts: bytes, pause: float = 0.0, hang: bool = False) -> Iterator[str]:
    """A server that answers any request with these bytes, piece by piece; its address."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    for piece in parts:
                        if over.wait(pause):
                            return
                        connection.sendall(piece)
                    if hang:
                        over.wait(20.0)
                except OSError:
                    continue  # the reader has gone

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5.0)


def read(url: str, *, deadline: float = 5.0) -> object:
    session = sandbox_session(1)
    try:
        found = Read(call=Call(method="GET", url=url), what="the list", permission="p", role="r")
        return fetch(session, found, ends=time.monotonic() + deadline)
    finally:
        session.close()


def bytewise(text: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in text]


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"X: " + b"y" * 400,
        OK + b"Content-Length: 400\r\n\r\n" + b"{" * 400,
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n{\r\n" * 80,
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 400,
    ],
    ids=["headers", "body", "chunks", "the length of a chunk"],
)
def test_an_answer_that_drips_ends_at_the_deadline(answer: bytes) -> None:
    with talking(*bytewise(answer), pause=0.02) as url:
        check = within(2.0)
        with pytest.raises(TemporaryError, match="deadline"):
            read(url, deadline=0.5)
        check()


def test_an_answer_that_is_shorter_than_it_says_ends_at_the_deadline() -> None:
    with (
        talking(OK + b"Content-Length: 99\r\n\r\n{}", hang=True) as url,
        pytest.raises(TemporaryError, match="deadline"),
    ):
        read(url, deadline=0.3)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (OK + b"Content-Length: 99\r\n\r\n{}", "broke off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{", "broke off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}", "broke off"),
        (OK + b"Content-Length: 1\r\n\r\n{}", "no JSON"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "broke off"),
        (OK + b"Content-Length: 0\r\n\r\n", "empty"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "failed: 204"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 2\r\n\r\n{}", "failed: 302"),
        (b"HTTP/1.1 777 Odd\r\nContent-Length: 2\r\n\r\n{}", "failed: 777"),
        (b"spam\r\n\r\n", "could not be read"),
        (OK + b"Content-Length: 9\r\n\r\n<html></>", "no JSON"),
    ],
)
def test_a_wrong_answer_is_a_passing_fault_with_a_reason(answer: bytes, said: str) -> None:
    with talking(answer) as url, pytest.raises(TemporaryError, match=said):
        read(url)


def test_a_body_without_end_is_read_up_to_its_bound() -> None:
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with talking(head, *[chunk] * 64) as url:
        assert peak(lambda: read(url), PermanentError, "larger than 16 MiB, the most") < 2 * BODY_MAX


def test_a_packed_body_is_unpacked_up_to_its_bound() -> None:
    bomb = gzip.compress(b" " * (96 << 20), compresslevel=1)
    head = OK + f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    with talking(head, bomb) as url:
        assert peak(lambda: read(url), PermanentError, "larger than 16 MiB, the most") < 3 * BODY_MAX


def peak(call: object, kind: type[SpillwayError], said: str) -> int:
    """Bytes that were taken at most by a call that fails."""
    assert callable(call)
    tracemalloc.start()
    try:
        with pytest.raises(kind, match=said):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("17", 17.0),
        ("0", 0.0),
        (" 5 ", 5.0),
        ("3601", 3600.0),
        ("9" * 400, 3600.0),
        ("-5", 0.0),
        ("1e308", 0.0),
        ("1.5", 0.0),
        ("NaN", 0.0),
        ("inf", 0.0),
        ("\u00b2", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Fri, 99 Dec 9999 99:99:99 GMT", 0.0),
    ],
)
def test_an_odd_wait_is_a_bounded_one(said: str, wait: float) -> None:
    found = error_of(READ, 503, "", said)
    assert isinstance(found, TemporaryError)
    assert found.retry_after == wait


def test_a_date_is_a_wait_until_then() -> None:
    found = error_of(READ, 503, "", formatdate(time.time() + 100.0, usegmt=True))
    assert isinstance(found, TemporaryError)
    assert found.retry_after == pytest.approx(100.0, abs=3.0)


def test_long_and_deep_words_of_an_error_are_cut() -> None:
    long = json.dumps({"error": {"message": "x" * 100_000}})
    assert len(str(error_of(READ, 500, long))) < 3000
    assert len(str(error_of(READ, 500, '{"error":' * 50_000))) < 1000
    assert len(str(error_of(READ, 500, "<" * 100_000))) < 1000


def reader(answer: object, **more: int) -> ComputeReader:
    """A reader to which every request is answered so."""
    assert callable(answer)
    return ComputeReader(CloudSession(answer), project="p", deadline=5.0, parallel=more.get("parallel", 2))


def groups(count: int) -> list[tuple[str, ListedGroup]]:
    return [
        ("pool", ListedGroup(key=GroupKey(name=f"g{i}", scope="z"), url=f"url/{i}", scaler=1.0))
        for i in range(count)
    ]


def test_the_pages_of_a_list_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "_LIST_MAX", 1 << 20)
    calls = 0

    def page(*_: object) -> Sent:
        nonlocal calls
        calls += 1
        return Sent(200, json.dumps({"nextPageToken": str(calls), "pad": "x" * 300_000}).encode())

    with pytest.raises(PermanentError, match="the answers together are larger than 1 MiB, the most"):
        reader(page).listing(0.0)
    assert calls == 4


def test_health_answers_that_are_held_at_once_have_a_bound_and_later_ones_have_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compute, "_HEALTH_MAX", 1 << 20)
    well = {"healthStatus": [{"ipAddress": "10.0.0.1", "healthState": "HEALTHY"}], "pad": "x" * 600_000}
    large = {"pad": "x" * 2_000_000}
    body = json.dumps(well).encode()
    looking = reader(lambda *_: Sent(200, body), parallel=1)
    for _ in range(2):
        assert set(looking.health(0.0, groups(4)).groups.values()) == {GroupHealth(healthy=1, total=1)}
    body = json.dumps(large).encode()
    for failed in looking.health(0.0, groups(2)).groups.values():
        assert isinstance(failed, Missing)
        assert "larger than 1 MiB" in failed.detail
    body = json.dumps(well).encode()
    assert set(looking.health(0.0, groups(1)).groups.values()) == {GroupHealth(healthy=1, total=1)}


def test_an_error_that_nobody_foresaw_is_a_reason_and_its_traceback_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> GroupHealth:
        raise ZeroDivisionError

    caplog.set_level(logging.DEBUG, logger="spillway")
    monkeypatch.setattr(compute, "_members", broken)
    looking = reader(lambda *_: Sent(200, b"{}"))
    for failed in looking.health(0.0, groups(3)).groups.values():
        assert failed == Missing(
            absence=Absence.QUERY_FAILED,
            detail="the answer has a shape that Spillway does not know: ZeroDivisionError",
        )
    assert [record.levelname for record in caplog.records if record.exc_info] == ["DEBUG"]

"""Webhooks against a receiver on this machine: what is sent, what is tried again, and what a bad receiver can do."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillway.adapters import webhooks
from spillway.adapters.webhook_messages import MOST_TOLD, json_message, slack_message
from spillway.adapters.webhooks import Webhook, Webhooks, _retry_after
from spillway.control.alarms import AlarmNews
from spillway.core.values.alarms import ActiveAlarm, Severity

AT = 1_795_000_000.0
SECRET = "T000-very-secret"
ALARM = ActiveAlarm(
    code="slo-missed",
    severity=Severity.PAGE,
    load_balancer="lb",
    service="pool",
    region=None,
    part="",
    since=AT - 60.0,
    sentence="31.0% of the answers took longer than 4 s & <b>more</b>",
    runbook="https://wiki.example.com/spillway#slo-missed",
)
TICKET = replace(ALARM, code="region-dead", severity=Severity.TICKET, region="us-east4")
FIRING = AlarmNews(firing=(ALARM,))


class Receiver(ThreadingHTTPServer):
    """Answers as `script` says, one entry for each request; 200 after that."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Callable[[_Handler], None]] = []
        self.got: list[tuple[float, str, dict[str, Any]]] = []
        self.arrived = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/services/{SECRET}"

    def wait(self, count: int, seconds: float = 20.0) -> list[dict[str, Any]]:
        """The first `count` bodies, once they have come."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.got) >= count, timeout=seconds), self.got
            return [body for _, _, body in self.got]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.arrived:
            act = self.server.script.pop(0) if self.server.script else status(200)
            self.server.got.append((time.monotonic(), self.path, json.loads(body)))
            self.server.arrived.notify_all()
        act(self)

    def do_GET(self) -> None:
        """Where a redirect that is followed would end."""
        self.server.got.append((time.monotonic(), self.path, {}))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Silent."""


def status(code: int, **headers: str) -> Callable[[_Handler], None]:
    def act(handler: _Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return act


def garbage(handler: _Handler) -> None:
    handler.wfile.write(b"\x00\xffnothing like HTTP\r\n\r\n")
    handler.close_connection = True


def hang(handler: _Handler) -> None:
    """A byte of a header now and then, and never an end."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(200):
            handler.wfile.write(b"X")
            time.sleep(0.05)
    except OSError:
        pass
    handler.close_connection = True


def drop(handler: _Handler) -> None:
    handler.connection.close()
    handler.close_connection = True


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5.0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits, a hundred times shorter."""
    monkeypatch.setattr(webhooks, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(webhooks, "GAP", 0.01)
    monkeypatch.setattr(webhooks, "ANSWER_SECONDS", 0.4)
    monkeypatch.setattr(webhooks, "DEADLINE", 30.0)


Make = Callable[..., Webhooks]


@pytest.fixture
def make(receiver: Receiver) -> Iterator[Make]:
    made: list[Webhooks] = []

    def build(*hooks: Webhook) -> Webhooks:
        hooks = hooks or (Webhook(name="daemon.webhooks[0]", url=receiver.url),)
        made.append(Webhooks(hooks, "lb", lambda: AT))
        made[-1].start()
        return made[-1]

    yield build
    for each in made:
        each.stop(5.0)


def until(what: Callable[[], object], seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.01)


# --- what is sent


def test_alarms_are_sent_as_they_are_shown_with_their_status(make: Make, receiver: Receiver) -> None:
    make().send(AlarmNews(firing=(ALARM,), resolved=(TICKET,)))
    (body,) = receiver.wait(1)
    assert body["load_balancer"] == "lb"
    assert [(a["code"], a["status"]) for a in body["alarms"]] == [
        ("slo-missed", "firing"),
        ("region-dead", "resolved"),
    ]
    assert set(body["alarms"][0]) == {
        "code", "severity", "load_balancer", "service", "region", "part", "since", "sentence", "runbook",
        "silenced_until", "status",
    }  # fmt: skip
    assert body["alarms"][0]["since"] == AT - 60.0


def test_each_receiver_gets_its_severities_and_nothing_where_there_is_nothing(
    make: Make, receiver: Receiver
) -> None:
    hooks = make(
        Webhook(name="daemon.webhooks[0]", url=receiver.url, severities=frozenset({Severity.NOTE})),
        Webhook(name="daemon.webhooks[1]", url=receiver.url, severities=frozenset({Severity.PAGE})),
    )
    hooks.send(AlarmNews(raised=(ALARM,), ended=(ALARM,)))
    hooks.send(AlarmNews(firing=(ALARM, TICKET)))
    (body,) = receiver.wait(1)
    hooks.stop(5.0)
    assert len(receiver.got) == 1
    assert [a["code"] for a in body["alarms"]] == ["slo-missed"]


def test_slack_gets_blocks_with_escaped_text_and_a_link() -> None:
    document = json.loads(slack_message("lb", [("firing", ALARM), ("resolved", TICKET)], AT, 3))
    assert document["text"] == "lb: page: slo-missed, 1 resolved"
    header, first, second, more = document["blocks"]
    assert header["text"] == {"type": "plain_text", "text": document["text"], "emoji": False}
    text = first["text"]["text"]
    assert text.startswith("*Firing page* `slo-missed` pool\n")
    assert "4 s &amp; &lt;b&gt;more&lt;/b&gt;" in text
    assert "<https://wiki.example.com/spillway#slo-missed|runbook>" in text
    resolved = second["text"]["text"]
    assert resolved.startswith("*Resolved ticket* `region-dead` pool us-east4")
    assert f" UTC, over at {datetime.fromtimestamp(AT, UTC):%H:%M} UTC · " in resolved
    assert "over at" not in text
    assert more["elements"][0]["text"].startswith("and 3 more")


@given(st.lists(st.text(min_size=0, max_size=3000), min_size=1, max_size=MOST_TOLD))
def test_no_text_breaks_slacks_limits_or_its_markup(texts: list[str]) -> None:
    told = [("firing", replace(ALARM, sentence=text, service=text, runbook="docs/x")) for text in texts]
    document = json.loads(slack_message("l" * 30, told, AT, 0))
    blocks = document["blocks"]
    assert len(blocks) <= 50
    assert len(blocks[0]["text"]["text"]) <= 150
    for block in blocks[1:]:
        text = block["text"]["text"]
        assert 0 < len(text) <= 3000
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text)
    assert sum(len(block["text"]["text"]) for block in blocks) < 13_000


def test_more_alarms_than_a_message_holds_are_counted(make: Make, receiver: Receiver) -> None:
    many = tuple(replace(ALARM, service=f"s{number}") for number in range(MOST_TOLD + 4))
    make().send(AlarmNews(firing=many))
    (body,) = receiver.wait(1)
    assert (len(body["alarms"]), body["left_out"]) == (MOST_TOLD, 4)


def test_a_number_that_is_not_finite_never_reaches_a_receiver() -> None:
    body = json.loads(json_message("lb", [("firing", replace(ALARM, since=float("inf")))], AT, 0))
    assert body["alarms"][0]["since"] is None


# --- what is tried again


@pytest.mark.parametrize(
    "bad",
    [status(500), status(503), status(429), status(408), garbage, drop],
    ids=["500", "503", "429", "408", "garbage", "drop"],
)
def test_what_may_pass_is_tried_again_until_it_is_delivered(
    make: Make, receiver: Receiver, bad: Callable[[_Handler], None]
) -> None:
    receiver.script = [bad, bad]
    hooks = make()
    hooks.send(FIRING)
    bodies = receiver.wait(3)
    assert bodies[0] == bodies[2]
    hooks.stop(5.0)
    assert hooks.lost() == 0


def test_a_receiver_that_never_ends_its_answer_holds_a_message_for_its_time_alone(
    make: Make, receiver: Receiver
) -> None:
    receiver.script = [hang]
    begun = time.monotonic()
    make().send(FIRING)
    receiver.wait(2)
    assert 0.3 < time.monotonic() - begun < 8.0


def test_the_loop_is_never_held_up(make: Make, receiver: Receiver) -> None:
    receiver.script = [hang] * 5
    hooks = make()
    begun = time.monotonic()
    for _ in range(50):
        hooks.send(FIRING)
    assert time.monotonic() - begun < 1.0


def test_the_time_that_the_receiver_asks_for_is_waited(make: Make, receiver: Receiver) -> None:
    receiver.script = [status(429, Retry_After="1")]
    make().send(FIRING)
    receiver.wait(2)
    first, second = (at for at, _, _ in receiver.got)
    assert second - first >= 1.0


def test_a_time_beyond_the_deadline_is_not_waited_for(make: Make, receiver: Receiver) -> None:
    receiver.script = [status(429, Retry_After="86400")]
    hooks = make()
    hooks.send(FIRING)
    until(lambda: hooks.lost() == 1)
    assert hooks.why() == "daemon.webhooks[0]: the receiver answers 429"
    hooks.send(FIRING)
    receiver.wait(2)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", None), ("120", 120.0), (" 7 ", 7.0), ("soon", None), ("-5", None), ("9" * 400, 999_999_999.0)],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert _retry_after(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        f"Mon, 01 Jan 2026 00:00:00 +{'9' * 25}",
        "9 9 9 9:9:9",
    ],
)
def test_a_date_that_no_clock_shows_asks_for_nothing(text: str) -> None:
    assert _retry_after(text) is None


def test_a_message_is_tried_again_after_an_answer_with_such_a_date(make: Make, receiver: Receiver) -> None:
    receiver.script = [status(503, Retry_After="Mon, 01 Jan 99999999999999999999 00:00:00 GMT")]
    hooks = make()
    hooks.send(FIRING)
    receiver.wait(2)
    assert hooks.lost() == 0


def test_retry_after_as_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    found = _retry_after(soon)
    assert found is not None
    assert 80.0 < found <= 90.0
    assert _retry_after("Mon, 01 Jan 2001 00:00:00 GMT") == 0.0


# --- what is lost, and who hears of it


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status(400), "the receiver answers 400"),
        (status(404), "the receiver answers 404"),
        (status(302, Location="/elsewhere"), "redirects are not followed"),
        (status(307, Location="/elsewhere"), "redirects are not followed"),
    ],
)
def test_what_is_refused_for_good_is_lost_at_once_and_told(
    make: Make, receiver: Receiver, answer: Callable[[_Handler], None], why: str
) -> None:
    receiver.script = [answer]
    hooks = make()
    hooks.send(FIRING)
    until(lambda: hooks.lost() == 1)
    assert why in hooks.why()
    assert len(receiver.got) == 1


def test_a_message_is_given_up_at_its_deadline(
    make: Make, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "DEADLINE", 0.5)
    receiver.script = [status(500)] * 1000
    hooks = make()
    hooks.send(FIRING)
    until(lambda: hooks.lost() == 1)
    assert 2 <= len(receiver.got) < 100, "the waits grow"


def test_the_queue_is_bounded_and_the_oldest_gives_way(make: Make, receiver: Receiver) -> None:
    receiver.script = [hang]
    hooks = make()
    hooks.send(FIRING)
    receiver.wait(1)
    for number in range(webhooks.MOST_WAITING + 5):
        hooks.send(AlarmNews(firing=(replace(ALARM, service=f"s{number}"),)))
    assert hooks.lost() == 5
    assert "too many messages wait" in hooks.why()


def test_one_receiver_that_hangs_holds_up_no_other(make: Make, receiver: Receiver) -> None:
    other = Receiver()
    threading.Thread(target=lambda: other.serve_forever(poll_interval=0.02), daemon=True).start()
    other.script = [hang] * 10
    hooks = make(
        Webhook(name="daemon.webhooks[0]", url=other.url),
        Webhook(name="daemon.webhooks[1]", url=receiver.url),
    )
    begun = time.monotonic()
    hooks.send(FIRING)
    receiver.wait(1)
    assert time.monotonic() - begun < 1.0
    other.shutdown()
    other.server_close()


def test_nobody_listens_and_the_end_waits_for_its_time_alone(make: Make) -> None:
    with socket.socket() as silent:  # bound, and nobody listens
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}"
        _end_without_a_receiver(make(Webhook(name="daemon.webhooks[0]", url=url)))


def _end_without_a_receiver(hooks: Webhooks) -> None:
    hooks.send(FIRING)
    time.sleep(0.05)
    begun = time.monotonic()
    hooks.stop(2.0)
    assert time.monotonic() - begun < 3.0
    assert hooks.why() == "daemon.webhooks[0]: Connection refused"


def test_what_waits_at_the_end_is_sent(make: Make, receiver: Receiver) -> None:
    hooks = make()
    for _ in range(5):
        hooks.send(FIRING)
    hooks.stop(5.0)
    assert len(receiver.got) == 5


# --- the URL


def test_the_url_is_read_from_its_file_at_each_message(
    make: Make, receiver: Receiver, tmp_path: Path
) -> None:
    file = tmp_path / "url"
    file.write_text(receiver.url + "\n")
    hooks = make(Webhook(name="daemon.webhooks[0]", url_file=file))
    hooks.send(FIRING)
    receiver.wait(1)
    file.write_text(receiver.url + "-new\n")
    hooks.send(FIRING)
    receiver.wait(2)
    assert [path for _, path, _ in receiver.got] == [f"/services/{SECRET}", f"/services/{SECRET}-new"]


@pytest.mark.parametrize("content", ["http://example.com/x", "ftp://127.0.0.1/", "", "\x00\xff", None])
def test_a_file_without_a_good_url_loses_the_message_and_says_so(
    make: Make, receiver: Receiver, tmp_path: Path, content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "DEADLINE", 0.2)
    file = tmp_path / "url"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    hooks = make(Webhook(name="daemon.webhooks[0]", url_file=file))
    hooks.send(FIRING)
    until(lambda: hooks.lost() == 1)
    assert not receiver.got


def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "DEADLINE", 0.2)
    monkeypatch.setattr("spillway.config.reading.PIPE_SECONDS", 0.05)
    os.mkfifo(tmp_path / "url")
    hooks = make(Webhook(name="daemon.webhooks[0]", url_file=tmp_path / "url"))
    hooks.send(FIRING)
    until(lambda: hooks.lost() == 1)
    assert "cannot be read" in hooks.why()


def test_the_url_is_in_no_line_and_no_reason(
    make: Make, receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "DEADLINE", 0.3)
    caplog.set_level(logging.INFO)
    for bad in (status(404), status(302, Location="https://x.example/y"), garbage, drop, hang):
        receiver.script = [bad] * 200
        hooks = make()
        hooks.send(FIRING)
        _one_is_lost(hooks)
        assert SECRET not in hooks.why()
        assert "127.0.0.1" not in hooks.why()
        assert SECRET not in repr(hooks._senders[0][0])
    assert "was not delivered" in caplog.text
    assert SECRET not in caplog.text


def _one_is_lost(hooks: Webhooks) -> None:
    until(lambda: hooks.lost() == 1)

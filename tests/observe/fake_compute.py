"""A loopback server that answers what Compute and Network Services answer, slowly or wrongly where a test wants it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Reply = tuple[int, Any]


@dataclass
class FakeCompute:
    """What to answer. Bodies are JSON values, or bytes to be sent as they are."""

    services: list[dict[str, Any]] = field(default_factory=list)
    policies: list[dict[str, Any]] = field(default_factory=list)
    health: Callable[[str, str], Reply] = lambda resource, group: (
        200,
        {"kind": "compute#backendServiceGroupHealth"},
    )
    page: int = 500
    failure: Reply | None = None
    """Answered to every request instead."""
    drip: float = 0.0
    """Seconds between single bytes of an answer."""
    delay: float = 0.0
    """Seconds before an answer."""
    date: str = ""
    """The Date of each answer, in place of the machine's."""
    port: int = 0
    seen: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)
    """Set at the end of a test, so that no handler outlives it."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, method: str, url: str, body: dict[str, Any]) -> Reply:
        parts = urlsplit(url)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        with self.lock:
            self.seen.append((method, parts.path, query | body))
        if self.failure is not None:
            return self.failure
        if parts.path.endswith("/getHealth"):
            return self.health(parts.path.split("/")[-2], body["group"])
        if parts.path.endswith("/backendServices"):
            return self._paged("items", self.services, query)
        if parts.path.endswith("/serviceLbPolicies"):
            return self._paged("serviceLbPolicies", self.policies, query)
        return 404, error(404, "notFound", f"no {parts.path} here")

    def _paged(self, name: str, items: list[dict[str, Any]], query: dict[str, str]) -> Reply:
        start = int(query.get("pageToken", 0))
        body: dict[str, Any] = {name: items[start : start + self.page]}
        if start + self.page < len(items):
            body["nextPageToken"] = str(start + self.page)
        return 200, body


def error(status: int, reason: str, message: str) -> dict[str, Any]:
    """An error body as Compute writes it."""
    return {
        "error": {
            "code": status,
            "message": message,
            "errors": [{"message": message, "domain": "global", "reason": reason}],
        }
    }


@contextmanager
def serving(fake: FakeCompute) -> Iterator[FakeCompute]:
    """Serve `fake` until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return fake.date or super().date_time_string(timestamp)

        def do_GET(self) -> None:
            self._answer("GET", {})

        def do_POST(self) -> None:
            self._answer(
                "POST", json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            )

        def _answer(self, method: str, body: dict[str, Any]) -> None:
            fake.tokens.add(self.headers.get("Authorization", ""))
            with fake.lock:
                fake.at_once += 1
                fake.most_at_once = max(fake.most_at_once, fake.at_once)
            try:
                fake.released.wait(fake.delay)
                status, value = fake.answer(method, self.path, body)
                text = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self._send(text)
            except OSError:
                self.close_connection = True  # the client gave up, as some tests want it to
            finally:
                with fake.lock:
                    fake.at_once -= 1

        def _send(self, text: bytes) -> None:
            if not fake.drip:
                self.wfile.write(text)
                return
            for byte in text:
                if fake.released.wait(fake.drip):
                    return
                self.wfile.write(bytes([byte]))
                self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5.0)


def within(seconds: float) -> Callable[[], None]:
    """A stop-watch: the returned function fails if more wall time has passed."""
    began = time.monotonic()

    def check() -> None:
        took = time.monotonic() - began
        assert took < seconds, f"took {took:.1f} s"

    return check

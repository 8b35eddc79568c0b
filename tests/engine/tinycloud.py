"""A recording server with just enough of Compute's manners for the engine: fingerprints, 404, 409, 412, in use."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Body = dict[str, Any]
_ACTIONS = re.compile(r"/(set[A-Z]\w+)$")


class Refuse(Exception):
    """Answer with this status instead."""

    def __init__(self, status: int, message: str, reason: str = "invalid") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class TinyCloud:
    """Resources by path, requests in the order of their arrival."""

    def __init__(self) -> None:
        self.store: dict[str, Body] = {}
        self.requests: list[tuple[str, str, Body | None]] = []
        self.before: Callable[[str, str], None] = lambda _method, _path: None
        """Called before a request is carried out; may raise Refuse."""
        self.after: Callable[[str, str], None] = lambda _method, _path: None
        """Called after it was carried out, before the answer."""
        self.slow_operations = 0
        """Looks that an operation takes until it is done."""
        self.url = ""
        self._serial = 0
        self._operations: dict[str, int] = {}
        self._prefixes: dict[str, str] = {}
        self._lock = threading.Lock()

    def second_door(self) -> TinyCloud:
        """The same resources behind an address and hooks of their own, to tell two callers apart."""
        door = TinyCloud()
        door.store, door._lock = self.store, self._lock
        door._serial = 1_000
        return door

    def calls(self, *methods: str) -> list[tuple[str, str]]:
        """Method and path of what arrived, of those methods alone if any are named."""
        return [(method, path) for method, path, _ in self.requests if not methods or method in methods]

    def bodies(self, method: str, part: str) -> list[Body]:
        """Bodies of the requests whose path has `part`."""
        return [body or {} for made, path, body in self.requests if made == method and part in path]

    def edit(self, path: str, **fields: Any) -> None:
        """An outside edit: fields change, and with them the fingerprint."""
        self.store[path].update(fields)
        self.store[path]["fingerprint"] = self._fingerprint()

    def handle(self, method: str, target: str, body: Body | None) -> Body:
        """Carry out one request."""
        url = urlsplit(target)
        path = re.sub(r"^/(compute/beta|v1)/", "", url.path)
        with self._lock:
            self.requests.append((method, target, body))
        self.before(method, path)
        with self._lock:
            answer = self._carry_out(method, path, parse_qs(url.query), body or {})
        self.after(method, path)
        return answer

    def _carry_out(self, method: str, path: str, query: dict[str, list[str]], body: Body) -> Body:
        if "/operations/" in path:
            return self._operation(path.rsplit("/", 1)[-1])
        if match := _ACTIONS.search(path):
            return self._act(path[: match.start()], match[1], body)
        if method == "POST":
            return self._create(path, query, body)
        if path not in self.store:
            raise Refuse(404, f"The resource '{path}' was not found", "notFound")
        if method == "GET":
            return self.store[path]
        if method == "DELETE":
            self._refuse_if_used(path)
            del self.store[path]
            return self._begun(path)
        given = body.get("fingerprint", "")
        if "fingerprint" in body and given != self.store[path]["fingerprint"]:
            raise Refuse(412, "Invalid fingerprint.", "conditionNotMet")
        base = (
            self.store[path]
            if method == "PATCH"
            else {k: self.store[path].get(k) for k in ("selfLink", "id")}
        )
        self.store[path] = {
            **base,
            **body,
            "name": self.store[path]["name"],
            "fingerprint": self._fingerprint(),
        }
        return self._begun(path)

    def _create(self, collection: str, query: dict[str, list[str]], body: Body) -> Body:
        name = query.get("serviceLbPolicyId", [body.get("name", "")])[0]
        path = f"{collection}/{name}"
        if path in self.store:
            raise Refuse(409, f"The resource '{path}' already exists", "alreadyExists")
        live = {key: value for key, value in body.items() if value is not None}
        live["fingerprint"] = self._fingerprint()
        live["id"] = str(self._serial)
        live["name"] = path if "/locations/" in path else name
        live["selfLink"] = f"https://www.googleapis.com/compute/beta/{path}"
        if collection.endswith("/addresses"):
            live["address"] = f"203.0.113.{self._serial}"
        live.pop("privateKey", None)
        live.pop("labels", None) if "forwardingRules" in path else None
        self.store[path] = live
        return self._begun(path)

    def _act(self, path: str, action: str, body: Body) -> Body:
        resource = next(
            (known for known in (path, path.replace("/target", "/global/target")) if known in self.store),
            None,
        )
        if resource is None:
            raise Refuse(404, f"The resource '{path}' was not found", "notFound")
        fields = {key: value for key, value in body.items() if key not in {"labelFingerprint", "fingerprint"}}
        self.store[resource].update(fields, labelFingerprint=self._fingerprint())
        return self._begun(path)

    def _refuse_if_used(self, path: str) -> None:
        for user, body in self.store.items():
            text = json.dumps({k: v for k, v in body.items() if k not in {"selfLink", "name"}})
            if user != path and f'{path}"' in text:
                raise Refuse(
                    400,
                    f"The resource '{path}' is already being used by '{user}'",
                    "resourceInUseByAnotherResource",
                )

    def _fingerprint(self) -> str:
        self._serial += 1
        return f"fp{self._serial}="

    def _begun(self, path: str) -> Body:
        name = f"operation-{self._serial}-{len(self._operations)}"
        self._operations[name] = self.slow_operations
        prefix = path[: path.index("serviceLbPolicies")] + "operations/" if "/locations/" in path else ""
        self._prefixes[name] = prefix
        answer = self._operation(name)
        if zone := re.search(r"/zones/([^/]+)/", path):
            answer["zone"] = f"https://www.googleapis.com/compute/beta/projects/demo-project/zones/{zone[1]}"
        return answer

    def _operation(self, name: str) -> Body:
        left = self._operations[name]
        self._operations[name] = left - 1
        done = left <= 0
        return {
            "kind": "compute#operation",
            "name": self._prefixes[name] + name,
            "status": "DONE" if done else "RUNNING",
            "done": done,
        }


@contextmanager
def serving(cloud: TinyCloud) -> Iterator[TinyCloud]:
    """Serve `cloud` on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            try:
                status, answer = 200, cloud.handle(self.command, self.path, body)
            except Refuse as refuse:
                errors = [{"message": str(refuse), "reason": refuse.reason}]
                status, answer = (
                    refuse.status,
                    {"error": {"code": refuse.status, "message": str(refuse), "errors": errors}},
                )
            payload = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    server = Server(("127.0.0.1", 0), Handler)
    cloud.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def stall(seconds: float) -> None:
    """Hold an answer back."""
    time.sleep(seconds)

"""The web server: /metrics, /healthz, /readyz, /status, the past (`journal.web`) and the page at /. Read-only, GET alone, bounded."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spillway.adapters.bounded_http import BoundedConnection, HostNames
from spillway.adapters.journal.web import Endpoint, Past, endpoints
from spillway.adapters.page.assets import POLICY, asset, document
from spillway.adapters.page.first_state import first_state
from spillway.adapters.web_tls import BoundedListener, Certificate, HandshakeLoop
from spillway.adapters.web_token import Token, TokenGate
from spillway.config.access import Access
from spillway.errors import SpillwayError, TemporaryError

_NOTHING = (
    "There is nothing here. Try /, /status, /history, /decisions, /explain, /metrics, /healthz or /readyz.\n"
)
_START_DEADLINE = 5.0
_STOP_DEADLINE = 3.0

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer: nothing is cached, framed, sniffed, or loaded from elsewhere. The page's files alone are kept, and asked for again."""


class Source(Protocol):
    """What the web server shows."""

    registry: CollectorRegistry

    def healthy(self) -> tuple[bool, str]:
        """Progress, and a sentence about it."""
        ...

    def ready(self) -> tuple[bool, str]:
        """Whether the first tick is done, and a sentence about it."""
        ...

    def status(self) -> dict[str, Any]:
        """The document of /status."""
        ...

    @property
    def past(self) -> Past:
        """What answers /history, /decisions and /explain."""
        ...


def application(source: Source, names: HostNames, access: Access) -> Starlette:
    """The routes over a source, for requests under one of `names` that have the token, where there is one."""
    asks = access.closed or access.token_file is not None
    token = Token(None if access.closed else access.token_file)

    def route(path: str, answer: Endpoint) -> Route:
        async def endpoint(request: Request) -> Response:
            allowed = names.allow(request.headers.get("host"))
            response = await answer(request) if allowed else _misdirected()
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return Route(path, endpoint, methods=["GET"])

    def get(path: str, answer: Callable[[Request], Response]) -> Route:
        async def at_once(request: Request) -> Response:
            return answer(request)

        return route(path, at_once)

    def metrics(request: Request) -> Response:
        encode, content_type = _encoder(request.headers.get("accept", ""))
        return Response(encode(source.registry), headers={"Content-Type": content_type})

    return Starlette(
        routes=[
            get("/", lambda _: _page(source.status())),
            route("/page/{name}", _file),
            get("/metrics", metrics),
            get("/healthz", lambda _: _verdict(*source.healthy())),
            get("/readyz", lambda _: _verdict(*source.ready())),
            get("/status", lambda _: _json(source.status())),
            *(route(path, answer) for path, answer in endpoints(source.past).items()),
        ],
        middleware=[Middleware(TokenGate, token=token, headers=HEADERS)] if asks else [],
        exception_handlers={404: _not_found, 405: _read_only},
    )


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """The form of the metrics that a client asks for; the plain one where its version is no version."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):
        return choose_encoder("")


def _page(status: dict[str, Any]) -> Response:
    before, after = document()
    return Response(f"{before}{first_state(status)}{after}", media_type="text/html")


async def _file(request: Request) -> Response:
    """A file of the page. The first answer packs it, which takes a moment: that is done beside the server's own thread."""
    return await asyncio.to_thread(_asset, request)


def _asset(request: Request) -> Response:
    """A file of the page, packed where the client takes that; 304 where it has it."""
    try:
        found = asset(request.path_params["name"])
    except (SpillwayError, OSError) as error:
        return PlainTextResponse(f"{error}\n", status_code=503)
    if found is None:
        return PlainTextResponse(_NOTHING, status_code=404)
    headers = {"Cache-Control": "private, no-cache", "ETag": found.tag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    packs = "gzip" in request.headers.get("accept-encoding", "").lower()
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(found.packed if packs else found.plain(), headers=headers, media_type=found.media_type)


def _verdict(good: bool, sentence: str) -> Response:  # noqa: FBT001 the pair comes as it is from the source
    return PlainTextResponse(sentence + "\n", status_code=200 if good else 503)


def _json(document: dict[str, Any]) -> Response:
    body = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    return Response(body, media_type="application/json")


def _misdirected() -> Response:
    """The answer to a request under a name that is not this server's."""
    text = "This server does not answer to that name. Ask by its address, or add the name to daemon.hosts.\n"
    return PlainTextResponse(text, status_code=421)


async def _not_found(request: Request, error: Exception) -> Response:
    del request, error
    return PlainTextResponse(_NOTHING, status_code=404, headers=HEADERS)


async def _read_only(request: Request, error: Exception) -> Response:
    del request, error
    return PlainTextResponse(
        "This address only answers GET.\n", status_code=405, headers={**HEADERS, "Allow": "GET, HEAD"}
    )


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9464` or `[::1]:9464`.

    Raises:
        ValueError: it has no port.
    """
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdigit():
        raise ValueError(f"{address!r} is no address; write it as 127.0.0.1:9464")
    return host.strip("[]"), int(port)


class Web:
    """Serves a source in a thread of its own.

    Args:
        address: where to listen; port 0 takes a free one.
        source: what to show.
        hosts: names by which it may be asked, beside addresses, `localhost` and the name of this machine.
        access: TLS and token.
    """

    def __init__(
        self,
        address: str,
        source: Source,
        *,
        hosts: Sequence[str] = (),
        access: Access = Access(),  # noqa: B008 a frozen value
    ) -> None:
        self._host, self._port = split_address(address)
        self._app = application(source, HostNames((self._host, *hosts)), access)
        self._access = access
        self._certificate: Certificate | None = None
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it can be reached, with the port that was taken."""
        port = self._socket.getsockname()[1] if self._socket is not None else self._port
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._access.certificate_file else 'http'}://{host}:{port}"

    def bind(self) -> None:
        """Take the address, before anything else is touched.

        Raises:
            TemporaryError: it is in use, or not one of this machine; or its certificate cannot be used.
        """
        if self._access.certificate_file is not None and self._access.private_key_file is not None:
            self._certificate = Certificate(self._access.certificate_file, self._access.private_key_file)
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            self._socket = socket.create_server((self._host, self._port), family=family, backlog=128)
        except OSError as error:
            raise TemporaryError(
                f"cannot listen on {self._host}:{self._port}: {error.strerror or error}",
                remedy="Stop what is using the address, or set daemon.listen to another one.",
            ) from error
        if self._certificate is not None:
            plain = self._socket
            self._socket = BoundedListener(plain.family, plain.type, plain.proto, fileno=plain.detach())

    def start(self) -> None:
        """Serve.

        Raises:
            TemporaryError: the server does not come up in time.
        """
        if self._socket is None:
            self.bind()
        assert self._socket is not None  # noqa: S101 for the type checker: bind has just set it
        certificate = self._certificate
        config = uvicorn.Config(
            self._app,
            ssl_context_factory=(lambda *_: certificate.context) if certificate is not None else None,
            loop="asyncio",
            http=BoundedConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._serve, args=(self._server, self._socket), name="spillway-web", daemon=True
        )
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(_START_DEADLINE / 0.01)):
            if self._server.started:
                return
            waited.wait(0.01)
        raise TemporaryError(f"the web server on {self.url} did not start within {_START_DEADLINE:g} s")

    def stop(self) -> None:
        """Stop serving, within three seconds."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_STOP_DEADLINE)
        if self._socket is not None:
            self._socket.close()

    @staticmethod
    def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
        """Body of the thread; signals stay with the main thread, as uvicorn takes them there alone."""
        with asyncio.Runner(loop_factory=HandshakeLoop) as runner:
            runner.run(server.serve(sockets=[listener]))

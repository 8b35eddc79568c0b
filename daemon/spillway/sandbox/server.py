"""The sandbox as one running thing: HTTP, the world's pump, and the monitoring server beside them."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Protocol, Self

import uvicorn

from spillway.errors import PermanentError, TemporaryError
from spillway.sandbox.access import Access
from spillway.sandbox.app import build
from spillway.sandbox.bridge import Bridge
from spillway.sandbox.certmanager import CertificateManagerApi
from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.compute import ComputeApi
from spillway.sandbox.control_api import ControlApi
from spillway.sandbox.links import Key
from spillway.sandbox.netservices import NetworkServicesApi
from spillway.sandbox.plant import Plant
from spillway.sandbox.projects import ProjectsApi
from spillway.sandbox.seeds import SeedGroup, SeedMap
from spillway.sandbox.store import Store
from spillway.sandbox.writes import Timing, Writes

_log = logging.getLogger(__name__)

START_SECONDS = 10.0
"""Real seconds within which HTTP must answer."""
STOP_SECONDS = 5.0
"""Real seconds that a stop may take at most, for each part."""
KEEP_ALIVE_SECONDS = 75
"""Real seconds that an idle connection stays open: longer than clients keep theirs, so that no write meets a closing one."""
MOST_REQUESTS = 512
"""Requests under way at most, held answers among them; more are answered 503."""
PUMP_SECONDS = 0.05
"""Real seconds between two advances of the world."""


class SideServer(Protocol):
    """A server that runs beside HTTP, such as that of monitoring."""

    @property
    def port(self) -> int:
        """The port it listens on."""
        ...

    def stop(self, grace: float) -> object:
        """Stop within this many real seconds."""
        ...


class SandboxServer:
    """Serves a world as Google Cloud on loopback.

    Use it as a context manager, or call `start` and `stop`. All access to the plant from outside must hold `store.lock`.
    """

    def __init__(
        self,
        plant: Plant,
        *,
        clock: ScaledClock,
        timing: Timing,
        http: tuple[str, int] = ("127.0.0.1", 0),
        groups: Iterable[SeedGroup] = (),
        maps: Iterable[SeedMap] = (),
        others: Iterable[tuple[Key, dict[str, Any]]] = (),
        monitoring: Callable[[], SideServer] | None = None,
        access: Access | None = None,
    ) -> None:
        """Prepare everything; nothing runs before `start`.

        Args:
            plant: the world.
            clock: scaled time; its epoch is the world's.
            timing: how slow writes are, in world seconds.
            http: host and port to listen on; port 0 takes a free one.
            groups: endpoint groups that exist from the beginning.
            maps: certificate maps that exist from the beginning.
            others: further resources that do, with the bodies of their inserts.
            monitoring: starts the gRPC server of monitoring, or None for none.
            access: what callers may do; None lets everybody do everything.
        """
        self.access = access if access is not None else Access()
        self.clock = clock
        self.plant = plant
        self.store = Store(clock.now, plant.health)
        self.bridge = Bridge(self.store, plant, propagation=timing.propagation)
        self.store.seed_groups(groups)
        self.store.seed_maps(maps)
        for key, body in others:
            self.store.insert(key, body)
        writes = Writes(self.store, clock, plant, timing, self.bridge.publish)
        self.app = build(
            ComputeApi(self.store, writes, self.access),
            NetworkServicesApi(self.store, writes, self.access),
            CertificateManagerApi(self.store, writes, self.access),
            ProjectsApi(self.access),
            ControlApi(self.store, clock, plant),
        )
        self._http = http
        self._start_monitoring = monitoring
        self._monitoring: SideServer | None = None
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._failure: BaseException | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of HTTP, once started."""
        if self._socket is None:
            raise PermanentError("the sandbox is not running", remedy="Call start() first.")
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    @property
    def url(self) -> str:
        """The base URL of HTTP, without a slash at the end."""
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def monitoring_port(self) -> int | None:
        """The port of monitoring's gRPC server; None where there is none."""
        return self._monitoring.port if self._monitoring is not None else None

    @property
    def failure(self) -> BaseException | None:
        """What ended a thread before its time, if anything did: then HTTP stops too, for the world stands still."""
        return self._failure

    def start(self) -> None:
        """Listen, serve, and let the world run.

        Raises:
            TemporaryError: the address cannot be used, or HTTP did not come up in time.
        """
        self._socket = _listen(*self._http)
        config = uvicorn.Config(
            self.app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            limit_concurrency=MOST_REQUESTS,
        )
        self._server = uvicorn.Server(config)
        self._spawn("sandbox-http", self._serve)
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > deadline or self._failure is not None:
                self.stop()
                raise TemporaryError(f"the sandbox's HTTP server did not start within {START_SECONDS:g} s")
            time.sleep(0.005)
        try:
            self._monitoring = self._start_monitoring() if self._start_monitoring is not None else None
        except BaseException:
            self.stop()
            raise
        self._spawn("sandbox-pump", self._pump)

    def stop(self) -> None:
        """Stop all parts, each within its bound. A second call does nothing."""
        self._stopping.set()
        if self._server is not None:
            self._server.should_exit = True
        if self._monitoring is not None:
            self._monitoring.stop(STOP_SECONDS / 5)
            self._monitoring = None
        for thread in self._threads:
            thread.join(STOP_SECONDS)
            if thread.is_alive() and self._server is not None:
                self._server.force_exit = True
                thread.join(STOP_SECONDS)
            if thread.is_alive():
                _log.error("thread %s of the sandbox did not end within %g s", thread.name, 2 * STOP_SECONDS)
        self._threads.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def advance(self) -> None:
        """Bring the world up to the present, and carry out outside edits. The pump does it; tests may, too."""
        with self.store.lock:
            now = self.clock.world()
            if now > self.plant.time:
                self.plant.advance(now)
            self.bridge.carry_out_edits(self.plant.time)

    def _serve(self) -> None:
        if self._server is not None and self._socket is not None:
            self._server.run(sockets=[self._socket])

    def _pump(self) -> None:
        while not self._stopping.wait(PUMP_SECONDS):
            self.advance()

    def _spawn(self, name: str, run: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                run()
            except BaseException as error:
                self._failure = error
                _log.exception(
                    "%s ended by an error; the sandbox stops serving, for its world stands still", name
                )
                if self._server is not None:
                    self._server.should_exit = True
                raise

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket of the protocol TCP by name: only then asyncio sends small answers without delay."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(MOST_REQUESTS)
    except OSError as error:
        listener.close()
        raise TemporaryError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            remedy="Choose another address, or port 0 for a free one.",
        ) from error
    return listener

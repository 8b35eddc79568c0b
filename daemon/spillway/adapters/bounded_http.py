"""HTTP connections with deadlines, and names by which a server may be asked.

uvicorn waits for a request head without end, and it counts idle connections as busy ones. Some dozen connections that say nothing
would keep every probe out. Here each connection has a deadline for the head of its request and one for the whole answer. Where
there are too many, the newest takes the place of the one that has been in its phase longest.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import ip_address

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 5.0
"""Wall seconds in which a request head must have arrived; a scraper on a slow line needs less than one."""
ANSWER_SECONDS = 30.0
"""Wall seconds in which an answer must have been taken. Prometheus gives up after 10 by default."""
MOST_CONNECTIONS = 128
"""Connections at most. Probes, scrapers and pages need a few each."""

_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain"})


class BoundedConnection(H11Protocol):
    """One connection of the web server. It waits for a request or answers one, and each phase has a deadline."""

    _deadline: asyncio.TimerHandle | None = None
    _answering = False
    _since = 0.0
    """When the phase began, in the event loop's seconds."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request. Where there are too many connections, close the one whose phase has lasted longest."""
        others = [other for other in self.connections if isinstance(other, BoundedConnection)]
        if len(others) >= MOST_CONNECTIONS:
            min(others, key=lambda other: other._since).give_up()
        super().connection_made(transport)
        self._begin(answering=False)

    def data_received(self, data: bytes) -> None:
        """Read on; a whole request head begins the answer."""
        super().data_received(data)
        under_way = self.cycle is not None and not self.cycle.response_complete
        if under_way and not self._answering:
            self._begin(answering=True)

    def on_response_complete(self) -> None:
        """Wait for the next request. A client that has not taken its answer keeps the deadline of the answer."""
        super().on_response_complete()
        if self.transport.get_write_buffer_size() == 0:
            self._begin(answering=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the deadline."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def give_up(self) -> None:
        """Close the connection at once. What the client has not taken is lost."""
        self.connections.discard(self)
        self.transport.abort()

    def _begin(self, *, answering: bool) -> None:
        """Begin a phase with its own deadline."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._answering = answering
        self._since = self.loop.time()
        self._deadline = self.loop.call_later(ANSWER_SECONDS if answering else HEAD_SECONDS, self.give_up)


class HostNames:
    """The names by which a server may be asked.

    A page of somebody else can make a browser ask this machine under a name of its own (DNS rebinding). The browser then sends
    that name as `Host`. An address is never such a name.

    Args:
        names: further names, as people write them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = _LOCAL_NAMES | {socket.gethostname().lower()} | {name.lower() for name in names}

    def allow(self, host: str | None) -> bool:
        """Tell whether a request with this `Host` header may be answered; None where it has none (HTTP/1.0)."""
        if host is None:
            return True
        name = host.lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        if name.rstrip(".") in self._names:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True

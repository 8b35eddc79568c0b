"""TLS of the web server: the files of its certificate, read again when they change, and bounds on handshakes."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

from spillway.adapters.bounded_http import HEAD_SECONDS, MOST_CONNECTIONS
from spillway.adapters.web_token import Stamp, stamp_of
from spillway.errors import TemporaryError

MOST_SOCKETS = 2 * MOST_CONNECTIONS
"""Open connections at most, those in their handshake included; one more ends the oldest."""
_SHUTDOWN_SECONDS = 1.0
"""Wall seconds that a client has to confirm the end of a connection."""
_log = logging.getLogger(__name__)


class Certificate:
    """A certificate with its key. Each handshake looks whether the files have changed.

    Where new files are no pair, the last good pair goes on serving: somebody is replacing one file after the other.

    Raises:
        TemporaryError: the files cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._stamps = self._look()
        try:
            self._good = self._load()
        except (OSError, ValueError) as error:
            raise TemporaryError(
                f"the certificate and key of daemon.tls cannot be used: {error}",
                remedy="`spillway check` says what is wrong with them.",
            ) from error
        self.context = self._good
        """For the listener. Every handshake begins with it."""
        self.context.sni_callback = self._choose

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        # with an empty passphrase an encrypted key is an error, not a question on the terminal
        context.load_cert_chain(*self._files, password="")
        return context

    def _look(self) -> tuple[Stamp, ...]:
        return tuple(stamp_of(file) for file in self._files)

    def _choose(
        self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, first: ssl.SSLContext
    ) -> None:
        """Give a handshake the newest good pair. OpenSSL calls this also where the client names no server."""
        del name, first
        stamps = self._look()
        if stamps != self._stamps:
            self._stamps = stamps
            try:
                self._good = self._load()
                _log.info("The certificate of daemon.tls was read again.")
            except (OSError, ValueError) as error:
                _log.warning("The old certificate goes on serving: daemon.tls: %s", error)
        connection.context = self._good


class HandshakeLoop(asyncio.SelectorEventLoop):
    """An event loop whose TLS servers do not wait long for a handshake or for the end of a connection."""

    async def create_server(self, *args: Any, **options: Any) -> asyncio.Server:
        """As in asyncio, with these deadlines where there is TLS."""
        if options.get("ssl") is not None:
            options["ssl_handshake_timeout"] = HEAD_SECONDS
            options["ssl_shutdown_timeout"] = _SHUTDOWN_SECONDS
        return await super().create_server(*args, **options)


class BoundedListener(socket.socket):
    """A listening socket with a bound on open connections: those in a handshake are not yet counted by HTTP."""

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection. Where there are too many, the oldest ends for it."""
        connection, address = super().accept()
        self._open = [other for other in getattr(self, "_open", ()) if other.fileno() != -1]
        if len(self._open) >= MOST_SOCKETS:
            with suppress(OSError):  # the client may have gone
                # the event loop owns the socket: it sees the end and closes it
                self._open.pop(0).shutdown(socket.SHUT_RDWR)
        self._open.append(connection)
        return connection, address

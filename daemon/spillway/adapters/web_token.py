"""The bearer token of the web server: every address but the probes asks for it (RFC 6750)."""

from __future__ import annotations

import hashlib
import hmac
import logging
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from spillway.config.access import MOST_TOKEN, read_token

PROBES = frozenset({"/healthz", "/readyz"})
"""Answered without a token: what probes a container or a machine has none."""

_REFUSED = (
    "This address asks for a token. Send the header `Authorization: Bearer` with what daemon.token_file holds. "
    "/healthz and /readyz answer without it.\n"
)
_log = logging.getLogger(__name__)

Stamp = tuple[int, int, int]


def stamp_of(file: Path) -> Stamp:
    """Differs where a file has changed; zeros where it is not there."""
    try:
        status = file.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_size, status.st_mtime_ns)


class Token:
    """The token of a file, read again when the file changes. While the file holds no token, none is right.

    Args:
        file: None where no token is right at all.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._stamp: Stamp | None = None
        self._digest: bytes | None = None

    def allows(self, credentials: list[str]) -> bool:
        """Whether the `Authorization` headers of a request hold the token. The comparison takes the same time for all tokens."""
        wanted = self._wanted()
        if wanted is None or len(credentials) != 1:
            return False
        scheme, _, token = credentials[0].partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or len(token) > MOST_TOKEN:
            return False
        return hmac.compare_digest(_digest(token), wanted)

    def _wanted(self) -> bytes | None:
        """Digest of the token: of equal length for all, so that not even the length shows."""
        if self._file is None:
            return None
        stamp = stamp_of(self._file)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._digest = _digest(read_token(self._file))
            except (OSError, ValueError) as error:
                # neither kind of message holds what the file holds
                self._digest = None
                _log.warning("Nobody gets in: daemon.token_file %s: %s", self._file, error)
        return self._digest


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("latin-1", errors="replace")).digest()


class TokenGate:
    """Answers 401 where a request for anything but a probe has not the token."""

    def __init__(self, app: ASGIApp, *, token: Token, headers: dict[str, str]) -> None:
        self._app = app
        self._token = token
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        credentials = Headers(scope=scope).getlist("authorization")
        if scope["path"] in PROBES or self._token.allows(credentials):
            await self._app(scope, receive, send)
            return
        challenge = 'Bearer realm="spillway"' + (', error="invalid_token"' if credentials else "")
        answer = PlainTextResponse(
            _REFUSED, status_code=401, headers={**self._headers, "WWW-Authenticate": challenge}
        )
        await answer(scope, receive, send)

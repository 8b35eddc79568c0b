"""Small REST reads of Google's APIs: bounded in time and size, errors in Spillway's words."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any, Protocol

import google.auth
import google.auth.exceptions
import requests
from google.auth.transport.requests import AuthorizedSession
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError

from spillway.adapters.clock import Hooked
from spillway.errors import PermanentError, SpillwayError, TemporaryError, root_cause

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_CHUNK = 65536
_BODY_MAX = 64 * 1024 * 1024
"""Bytes of one answer; a page of 500 backend services stays far below."""
_RATE_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "RATE_LIMIT_EXCEEDED"}
"""Reasons that come with 403 but mean: wait for the next window (reference: CQ)."""
_PERMISSION = re.compile(
    r"'?([a-z]+\.[a-zA-Z]+\.[a-zA-Z]+)'? permission|permission:? '?([a-z]+\.[a-zA-Z]+\.[a-zA-Z]+)"
)
_RATE_WINDOW = 60.0
"""Seconds; rate quotas are counted in fixed windows of this length (reference: CQ)."""


class Session(Hooked, Protocol):
    """What is used of `requests.Session` and `AuthorizedSession`."""

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """Send one request."""
        ...

    def close(self) -> None:
        """Let go of all connections."""
        ...


def google_session(parallel: int) -> Session:
    """A session with the machine's own Google credentials.

    Raises:
        PermanentError: there are none.
    """
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except google.auth.exceptions.GoogleAuthError as error:
        raise PermanentError(
            f"no Google credentials for Compute: {error}",
            remedy="run on a machine with a service account, or `gcloud auth application-default login`",
        ) from error
    return _pooled(AuthorizedSession(credentials), parallel)


def sandbox_session(parallel: int) -> Session:
    """A session for the sandbox, which takes any token and must not be reached through a proxy."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = "Bearer sandbox"
    return _pooled(session, parallel)


def _pooled(session: Any, parallel: int) -> Session:
    """Give the session a connection for each thread; repetitions are the caller's business."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=parallel, max_retries=0))
    result: Session = session
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One read, with the words for what may go wrong with it."""

    method: str
    url: str
    what: str
    """As in `the list of backend services`."""
    permission: str
    """The permission it needs (reference: section 6)."""
    role: str
    """The predefined role that contains it."""
    params: tuple[tuple[str, str], ...] = ()
    body: tuple[tuple[str, str], ...] | None = None


def fetch(session: Session, request: Request, *, ends: float) -> dict[str, Any]:
    """The JSON object that answers `request`.

    Args:
        session: from `google_session` or `sandbox_session`.
        request: what to read.
        ends: `time.monotonic()` past which the read is given up, however slowly bytes still drip in.

    Raises:
        TemporaryError: no answer in time, a rate limit, or a server error.
        PermanentError: a missing permission, a missing resource, or a refused request.
    """
    left = ends - time.monotonic()
    if left <= 0:
        raise _late(request)
    try:
        response = session.request(
            request.method,
            request.url,
            params=dict(request.params),
            json=dict(request.body) if request.body is not None else None,
            timeout=left,
            stream=True,
        )
        with response:
            text = _read(response, request, ends)
    except requests.Timeout as error:
        raise _late(request) from error
    except requests.RequestException as error:
        raise TemporaryError(f"{request.what} could not be read: {root_cause(error)}") from error
    except google.auth.exceptions.TransportError as error:
        raise TemporaryError(f"{request.what}: no token could be fetched: {error}") from error
    except google.auth.exceptions.GoogleAuthError as error:
        raise PermanentError(
            f"{request.what}: the credentials are refused: {error}",
            remedy="renew the daemon's Google credentials",
        ) from error
    if response.status_code >= 400:
        raise error_of(request, response.status_code, text, response.headers.get("Retry-After", ""))
    try:
        body = json.loads(text)
    except ValueError as error:
        raise TemporaryError(f"{request.what}: the answer is no JSON: {text[:200]!r}") from error
    if not isinstance(body, dict):
        raise TemporaryError(f"{request.what}: the answer is no JSON object: {text[:200]!r}")
    return body


def _late(request: Request) -> TemporaryError:
    return TemporaryError(
        f"{request.what} ran into its deadline", remedy="raise daemon.observe.health_deadline"
    )


def _read(response: requests.Response, request: Request, ends: float) -> str:
    """The whole body, as long as time and size allow.

    A time-out of `requests` counts from the last byte, so a server that drips could hold a reader for ever;
    the deadline is looked at after every piece that the socket gives.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        if time.monotonic() > ends:
            raise _late(request)
        try:
            part = response.raw.read1(_CHUNK, decode_content=True)
        except (TimeoutError, ReadTimeoutError) as error:
            raise _late(request) from error
        except (HTTPError, OSError) as error:
            raise TemporaryError(f"{request.what} broke off: {error}") from error
        if not part:
            return b"".join(parts).decode(errors="replace")
        size += len(part)
        if size > _BODY_MAX:
            raise PermanentError(f"{request.what}: the answer is larger than {_BODY_MAX} bytes")
        parts.append(part)


def error_of(request: Request, status: int, text: str, retry_after: str = "") -> SpillwayError:
    """What an error answer means: matched on its reason, not on the number alone (reference: 5.4)."""
    message, reasons = _parts(text)
    said = f"{request.what} failed: {status} {message}".rstrip()
    wait = float(retry_after) if retry_after.isdigit() else 0.0
    if status == 429 or (status == 403 and reasons & _RATE_REASONS):
        return TemporaryError(
            said, retry_after=wait or _RATE_WINDOW, remedy="the rate quota is counted by the minute"
        )
    if status in {408, 409} or status >= 500:
        return TemporaryError(said, retry_after=wait)
    if status == 403:
        found = _PERMISSION.search(message)
        permission = (found[1] or found[2]) if found else request.permission
        return PermanentError(
            said, remedy=f"needs {permission}: grant the daemon's identity {request.role}, or a role with it"
        )
    if status == 401:
        return PermanentError(said, remedy="renew the daemon's Google credentials")
    if status == 404:
        return PermanentError(said, remedy="it does not exist (yet): `spillway up` makes what is missing")
    return PermanentError(said, remedy="the request was refused as it stands; trying again changes nothing")


def _parts(text: str) -> tuple[str, set[str]]:
    """Message and reasons of an error body: `errors[].reason` of Compute, `status` and `details[].reason` of others."""
    try:
        error = json.loads(text)["error"]
        message = str(error.get("message", ""))
        reasons = {str(one.get("reason", "")) for one in error.get("errors", [])}
        reasons |= {str(one.get("reason", "")) for one in error.get("details", [])}
    except (ValueError, KeyError, TypeError, AttributeError):
        return text[:200], set()
    return message, reasons

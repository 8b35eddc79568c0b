"""The HTTP client for Google's REST APIs: credentials, one request within a deadline, and what error answers mean.

`exchange` is the one place that sends. Two callers stand on it. `fetch` serves those who read: a request that fails
becomes an error in Spillway's words. `engine.provider.cloud` serves the engine, which writes: it must know whether a
request that failed can have been carried out.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import google.auth
import google.auth.exceptions
import requests
from google.auth.transport.requests import AuthorizedSession
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from spillway.adapters.clock import Hooked
from spillway.errors import PermanentError, SpillwayError, TemporaryError, root_cause

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_CHUNK = 65536
_BODY_MAX = 64 * 1024 * 1024
"""Bytes of one answer; a page of 500 backend services stays far below."""
_TEXT_MAX = 300
"""Characters that are quoted of an answer that has not the form of an error."""
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


def sandbox_session(parallel: int, role: str = "everything") -> Session:
    """A session for the sandbox, which must not be reached through a proxy; its token is the name of `role`."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {role}"
    return _pooled(session, parallel)


def _pooled(session: Any, parallel: int) -> Session:
    """Give the session a connection for each thread; repetitions are the caller's business."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=parallel, max_retries=0))
    result: Session = session
    return result


class Failure(Enum):
    """Why a request got no answer."""

    DEADLINE = "deadline"
    CONNECTION = "connection"
    """There was none, or it was lost before the answer began."""
    BROKEN = "broken"
    """The answer broke off."""
    TOO_LARGE = "too large"
    TOKEN = "token"  # noqa: S105 a word, not a secret
    """No token could be fetched; the next try may get one."""
    CREDENTIALS = "credentials"
    """Google refuses the machine's credentials."""


class NoAnswerError(Exception):
    """A request got no answer that can be used."""

    def __init__(self, failure: Failure, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.failure = failure
        self.sent = sent
        """False if it is certain that the request never left this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request."""

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None
    """Sent as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer, read whole."""

    status: int
    text: str
    headers: Mapping[str, str]


def exchange(session: Session, call: Call, *, ends: float, connect: float | None = None) -> Reply:
    """Send one request and read its answer.

    Args:
        session: from `google_session` or `sandbox_session`.
        call: what to send.
        ends: `time.monotonic()` past which it is given up, however slowly bytes still drip in.
        connect: seconds that a connection may take; as long as the answer where none is given.

    Raises:
        NoAnswerError: there is no answer; it tells why, and whether the request can have been carried out.
    """
    left = ends - time.monotonic()
    if left <= 0:
        raise NoAnswerError(Failure.DEADLINE, "the deadline has passed", sent=False)
    try:
        response = session.request(
            call.method,
            call.url,
            params=dict(call.params),
            json=dict(call.body) if call.body is not None else None,
            timeout=left if connect is None else (connect, left),
            stream=True,
        )
        with response:
            text = _read(response, ends)
    except requests.Timeout as error:
        sent = not isinstance(error, requests.ConnectTimeout)
        raise NoAnswerError(Failure.DEADLINE, root_cause(error), sent=sent) from error
    except requests.RequestException as error:
        raise NoAnswerError(Failure.CONNECTION, root_cause(error), sent=_was_connected(error)) from error
    except google.auth.exceptions.TransportError as error:
        raise NoAnswerError(Failure.TOKEN, str(error), sent=False) from error
    except google.auth.exceptions.GoogleAuthError as error:
        raise NoAnswerError(Failure.CREDENTIALS, str(error), sent=False) from error
    return Reply(status=response.status_code, text=text, headers=response.headers)


def _was_connected(error: requests.RequestException) -> bool:
    """False if there never was a connection, as when it is refused; else the request may have been read."""
    cause = error.args[0] if error.args else None
    return not isinstance(getattr(cause, "reason", None), NewConnectionError)


def _read(response: requests.Response, ends: float) -> str:
    """The whole body, as long as time and size allow.

    A time-out of `requests` counts from the last byte, so a server that drips could hold a reader for ever;
    the deadline is looked at after every piece that the socket gives.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        if time.monotonic() > ends:
            raise NoAnswerError(Failure.DEADLINE, "the deadline has passed")
        try:
            part = response.raw.read1(_CHUNK, decode_content=True)
        except (TimeoutError, ReadTimeoutError) as error:
            raise NoAnswerError(Failure.DEADLINE, str(error)) from error
        except (HTTPError, OSError) as error:
            raise NoAnswerError(Failure.BROKEN, str(error)) from error
        if not part:
            return b"".join(parts).decode(errors="replace")
        size += len(part)
        if size > _BODY_MAX:
            raise NoAnswerError(Failure.TOO_LARGE, f"the answer is larger than {_BODY_MAX} bytes")
        parts.append(part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """What the body of an error answer says."""

    message: str
    reasons: tuple[str, ...] = ()
    """`errors[].reason`, as Compute gives them."""
    details: tuple[str, ...] = ()
    """`details[].reason`, as the other APIs give them."""


def error_body(text: str) -> ErrorBody:
    """Read the body of an error answer; one of another form, as a gateway sends it, is its own message."""
    try:
        error = json.loads(text)["error"]
        return ErrorBody(
            message=str(error.get("message", "")),
            reasons=tuple(str(one.get("reason", "")) for one in error.get("errors") or ()),
            details=tuple(str(one.get("reason", "")) for one in error.get("details") or ()),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return ErrorBody(message=text[:_TEXT_MAX])


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One read, with the words for what may go wrong with it."""

    call: Call
    what: str
    """As in `the list of backend services`."""
    permission: str
    """The permission it needs (reference: section 6)."""
    role: str
    """The predefined role that contains it."""


def fetch(session: Session, read: Read, *, ends: float) -> dict[str, Any]:
    """The JSON object that answers a read.

    Raises:
        TemporaryError, PermanentError: as `find`; a missing resource is a PermanentError too.
    """
    body, reply = _answer(session, read, ends)
    if body is None:
        raise error_of(read, reply.status, reply.text)
    return body


def find(session: Session, read: Read, *, ends: float) -> dict[str, Any] | None:
    """The JSON object that answers a read; None where there is no such resource.

    Args:
        session: from `google_session` or `sandbox_session`.
        read: what to read.
        ends: `time.monotonic()` past which the read is given up.

    Raises:
        TemporaryError: no answer in time, a rate limit, or a server error.
        PermanentError: a missing permission, or a refused request.
    """
    return _answer(session, read, ends)[0]


def _answer(session: Session, read: Read, ends: float) -> tuple[dict[str, Any] | None, Reply]:
    """The object, None for 404, and the reply itself."""
    try:
        reply = exchange(session, read.call, ends=ends)
    except NoAnswerError as error:
        raise _unanswered(read.what, error) from error
    if reply.status == 404:
        return None, reply
    if reply.status >= 400:
        raise error_of(read, reply.status, reply.text, reply.headers.get("Retry-After", ""))
    try:
        body = json.loads(reply.text)
    except ValueError as error:
        raise TemporaryError(f"{read.what}: the answer is no JSON: {reply.text[:200]!r}") from error
    if not isinstance(body, dict):
        raise TemporaryError(f"{read.what}: the answer is no JSON object: {reply.text[:200]!r}")
    return body, reply


def _unanswered(what: str, error: NoAnswerError) -> SpillwayError:
    """A read without an answer, in Spillway's words."""
    match error.failure:
        case Failure.DEADLINE:
            return TemporaryError(
                f"{what} ran into its deadline", remedy="raise daemon.observe.health_deadline"
            )
        case Failure.CONNECTION:
            return TemporaryError(f"{what} could not be read: {error}")
        case Failure.BROKEN:
            return TemporaryError(f"{what} broke off: {error}")
        case Failure.TOO_LARGE:
            return PermanentError(f"{what}: {error}")
        case Failure.TOKEN:
            return TemporaryError(f"{what}: no token could be fetched: {error}")
        case Failure.CREDENTIALS:
            return PermanentError(
                f"{what}: the credentials are refused: {error}",
                remedy="renew the daemon's Google credentials",
            )


def error_of(read: Read, status: int, text: str, retry_after: str = "") -> SpillwayError:
    """What an error answer to a read means: matched on its reason, not on the number alone (reference: 5.4)."""
    body = error_body(text)
    said = f"{read.what} failed: {status} {body.message}".rstrip()
    wait = float(retry_after) if retry_after.isdigit() else 0.0
    if status == 429 or (status == 403 and _RATE_REASONS & {*body.reasons, *body.details}):
        return TemporaryError(
            said, retry_after=wait or _RATE_WINDOW, remedy="the rate quota is counted by the minute"
        )
    if status in {408, 409} or status >= 500:
        return TemporaryError(said, retry_after=wait)
    if status == 403:
        found = _PERMISSION.search(body.message)
        permission = (found[1] or found[2]) if found else read.permission
        return PermanentError(
            said, remedy=f"needs {permission}: grant the daemon's identity {read.role}, or a role with it"
        )
    if status == 401:
        return PermanentError(said, remedy="renew the daemon's Google credentials")
    if status == 404:
        return PermanentError(said, remedy="it does not exist (yet): `spillway up` makes what is missing")
    return PermanentError(said, remedy="the request was refused as it stands; trying again changes nothing")

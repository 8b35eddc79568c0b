"""The HTTP client for Google's REST APIs: credentials, one request within a deadline, and what error answers mean.

`exchange` is the one place that sends. Two callers stand on it. `fetch` serves those who read: a request that fails
becomes an error in Spillway's words. `engine.provider.cloud` serves the engine, which writes: it must know whether a
request that failed can have been carried out.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Protocol

import google.auth
import google.auth.exceptions
import requests
from google.auth.transport.requests import AuthorizedSession
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from spillway.adapters.answers import ShapeError, parse
from spillway.adapters.clock import Hooked
from spillway.adapters.http_deadline import DeadlineAdapter
from spillway.errors import PermanentError, SpillwayError, TemporaryError, root_cause

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_CHUNK = 65536
BODY_MAX = 16 * 1024 * 1024
"""Bytes of one answer, unpacked. A page of 500 backend services with 50 backends each has some 8 MiB."""
_TEXT_MAX = 300
"""Characters that are quoted of an answer that has not the form of an error."""
_MESSAGE_MAX = 2000
"""Characters that are kept of the message of an error."""
_MOST = "the most that Spillway reads"
_WAIT_MAX = 3600.0
"""Seconds; a server that asks for more is asked again after this time."""
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
    """Give the session a connection for each thread; repetitions are the caller's business.

    Google's APIs redirect nowhere. To follow a redirect would take another deadline, and would read the body of the first
    answer without a bound.
    """
    for scheme in ("http://", "https://"):
        session.mount(scheme, DeadlineAdapter(pool_connections=4, pool_maxsize=parallel, max_retries=0))
    session.get_redirect_target = lambda _response: None
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
    body: bytes
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        """The body; what is no UTF-8 in it is marked."""
        return self.body.decode(errors="replace")


class Budget:
    """Bytes that answers may have. Threads may share it.

    Args:
        limit: bytes.
        of: what has the limit, as the beginning of a sentence.
    """

    def __init__(self, limit: int, of: str = "the answers together are") -> None:
        self.limit = limit
        self._of = of
        self._left = limit
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Use up some.

        Raises:
            NoAnswerError: so many are not left.
        """
        with self._lock:
            if size > self._left:
                raise NoAnswerError(
                    Failure.TOO_LARGE, f"{self._of} larger than {self.limit >> 20} MiB, {_MOST}"
                )
            self._left -= size

    def give_back(self, size: int) -> None:
        """What was taken is used no more."""
        with self._lock:
            self._left += size


def exchange(
    session: Session, call: Call, *, ends: float, connect: float | None = None, budget: Budget | None = None
) -> Reply:
    """Send one request and read its answer, as far as time and size allow.

    Args:
        session: from `google_session` or `sandbox_session`.
        call: what to send.
        ends: `time.monotonic()` past which it is given up, however slowly bytes still drip in.
        connect: seconds that a connection may take; as long as the answer where none is given.
        budget: what several answers may have together; one answer has at most `BODY_MAX` bytes in any case.

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
            body = _read(response, ends, budget)
    except requests.Timeout as error:
        sent = not isinstance(error, requests.ConnectTimeout)
        raise NoAnswerError(Failure.DEADLINE, root_cause(error), sent=sent) from error
    except requests.RequestException as error:
        raise NoAnswerError(Failure.CONNECTION, root_cause(error), sent=_was_connected(error)) from error
    except google.auth.exceptions.TransportError as error:
        raise NoAnswerError(Failure.TOKEN, str(error), sent=False) from error
    except google.auth.exceptions.GoogleAuthError as error:
        raise NoAnswerError(Failure.CREDENTIALS, str(error), sent=False) from error
    return Reply(status=response.status_code, body=body, headers=response.headers)


def _was_connected(error: requests.RequestException) -> bool:
    """False if there never was a connection, as when it is refused; else the request may have been read."""
    cause = error.args[0] if error.args else None
    return not isinstance(getattr(cause, "reason", None), NewConnectionError)


def _read(response: requests.Response, ends: float, budget: Budget | None) -> bytes:
    """The whole body. Time and size are looked at after every piece, of which each has at most `_CHUNK` bytes unpacked."""
    parts: list[bytes] = []
    size = 0
    own = Budget(BODY_MAX, "the answer is")
    try:
        while part := _piece(response, ends):
            own.take(len(part))
            if budget is not None:
                budget.take(len(part))
            size += len(part)
            parts.append(part)
    except NoAnswerError:
        if budget is not None:
            budget.give_back(size)
        raise
    return b"".join(parts)


def _piece(response: requests.Response, ends: float) -> bytes:
    """What has come of the body; empty at its end."""
    if time.monotonic() > ends:
        raise NoAnswerError(Failure.DEADLINE, "the deadline has passed")
    try:
        part: bytes = response.raw.read1(_CHUNK, decode_content=True)
    except (TimeoutError, ReadTimeoutError) as error:
        raise NoAnswerError(Failure.DEADLINE, str(error)) from error
    except (HTTPError, OSError, ValueError) as error:
        raise NoAnswerError(Failure.BROKEN, str(error)) from error
    return part


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
            message=str(error.get("message", ""))[:_MESSAGE_MAX],
            reasons=tuple(str(one.get("reason", "")) for one in error.get("errors") or ()),
            details=tuple(str(one.get("reason", "")) for one in error.get("details") or ()),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
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


def fetch(session: Session, read: Read, *, ends: float, budget: Budget | None = None) -> Mapping[str, object]:
    """The JSON object that answers a read.

    Raises:
        TemporaryError, PermanentError: as `find`; a missing resource is a PermanentError too.
    """
    return parsed(read, fetch_body(session, read, ends=ends, budget=budget))


def find(
    session: Session, read: Read, *, ends: float, budget: Budget | None = None
) -> Mapping[str, object] | None:
    """The JSON object that answers a read; None where there is no such resource.

    Args:
        session: from `google_session` or `sandbox_session`.
        read: what to read.
        ends: `time.monotonic()` past which the read is given up.
        budget: bytes that several answers may have together.

    Raises:
        TemporaryError: no answer in time, a rate limit, a server error, or an answer of another shape.
        PermanentError: a missing permission, a refused request, or an answer beyond the bounds.
    """
    reply = _reply(session, read, ends, budget)
    if reply.status == 404:
        return None
    return parsed(read, _good(read, reply))


def fetch_body(session: Session, read: Read, *, ends: float, budget: Budget | None = None) -> bytes:
    """The body that answers a read; arguments and errors as of `fetch`."""
    return _good(read, _reply(session, read, ends, budget))


def _reply(session: Session, read: Read, ends: float, budget: Budget | None) -> Reply:
    """The reply to a read, whatever its status."""
    try:
        return exchange(session, read.call, ends=ends, budget=budget)
    except NoAnswerError as error:
        raise _unanswered(read.what, error) from error


def _good(read: Read, reply: Reply) -> bytes:
    """The body of a reply that is no error."""
    if reply.status != 200:
        raise error_of(read, reply.status, reply.text, reply.headers.get("Retry-After", ""))
    return reply.body


def parsed(read: Read, body: bytes) -> Mapping[str, object]:
    """The JSON object in a body.

    Raises:
        TemporaryError: there is none.
    """
    try:
        return parse(body)
    except ShapeError as error:
        raise TemporaryError(f"{read.what} cannot be used: {error}") from error


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
    wait = _seconds(retry_after)
    if status == 429 or (status == 403 and _RATE_REASONS & {*body.reasons, *body.details}):
        return TemporaryError(
            said, retry_after=wait or _RATE_WINDOW, remedy="the rate quota is counted by the minute"
        )
    if status in {408, 409} or status >= 500 or status < 400:
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


def _seconds(retry_after: str) -> float:
    """Seconds that a server asks to wait, from 0 to `_WAIT_MAX`; 0 where its words are neither seconds nor a date (RFC 9110)."""
    said = retry_after.strip()
    if said.isascii() and said.isdigit():
        return float(min(int(said[:20]), int(_WAIT_MAX)))
    try:
        wait = parsedate_to_datetime(said).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
    return min(max(0.0, wait), _WAIT_MAX)

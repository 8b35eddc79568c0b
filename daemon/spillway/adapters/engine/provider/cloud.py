"""Compute and Network Services over REST, as the `gcp` provider speaks it: every request has a deadline."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Any

from spillway.adapters.google_http import (
    Call,
    Failure,
    NoAnswerError,
    Session,
    error_body,
    exchange,
    google_session,
    sandbox_session,
)

Body = dict[str, Any]

_POLL_FIRST = 0.05
"""Seconds before the first look at an operation that was not done at once."""
_POLL_LAST = 1.0
"""Longest pause between two looks."""
IN_DOUBT = frozenset({500, 502, 503, 504})
"""Answers to a change after which it may be carried out all the same: some come from a gateway that lost sight of it."""
_CONNECT_TIMEOUT = 5.0
"""Seconds to connect: the server is on this machine, or it is Google."""
_PARALLEL = 32
"""Connections that are kept."""


class CloudError(Exception):
    """The cloud said no. `status` is the HTTP status, 0 where no answer came at all."""

    def __init__(self, status: int, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.partial = False
        """True if an earlier call of the same step had been carried out."""
        self.unsent = False
        """True if no change was sent: there was no connection, or the engine was only reading."""
        self.doubtful = False
        """True if a change was sent and nobody knows whether it was or will be carried out."""

    @property
    def refused(self) -> bool:
        """True if it is certain that nothing was done."""
        no = self.unsent or (400 <= self.status < 500 and self.status not in {404, 408})
        return no and not self.partial

    def __str__(self) -> str:
        """As the real provider words it, so that one classifier reads both."""
        text = super().__str__()
        reason = f", {self.reason}" if self.reason else ""
        return f"googleapi: Error {self.status}: {text}{reason}" if self.status else text


class CloudTimeout(CloudError):
    """No answer within the deadline: the request may have been carried out."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message, reason="deadline")
        self.doubtful = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call: method, path below the API's root, query and body."""

    method: str
    path: str
    """Such as `projects/p/global/backendServices/api`."""
    body: Body | None = None
    query: str = ""
    """Added after `?alt=json`, such as `&updateMask=failoverConfig`."""


class Deadline:
    """A moment in wall time after which nothing may be begun, and a sign to stop before it."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.stop = threading.Event()

    def left(self) -> float:
        """Seconds that remain.

        Raises:
            CloudTimeout: none do, or the call was stopped.
        """
        left = self._end - time.monotonic()
        if left <= 0 or self.stop.is_set():
            raise CloudTimeout("the deadline of the engine call has passed")
        return left


SIGNED_URL_KEYS = "signedUrlKeys"
"""Stands in the path of a key that signs URLs: the API has no such collection, the key is a part of its owner."""


def owner_of_key(path: str) -> tuple[str, str] | None:
    """(path of the owner, name of the key) of a key's path; None for any other."""
    owner, found, name = path.partition(f"/{SIGNED_URL_KEYS}")
    return (owner, name.lstrip("/")) if found else None


def _key_request(request: Request, owner: str, name: str) -> Request:
    """Keys are added and deleted by methods of their owner."""
    if request.method == "DELETE":
        return Request(method="POST", path=f"{owner}/deleteSignedUrlKey", query=f"&keyName={name}")
    return Request(method="POST", path=f"{owner}/addSignedUrlKey", body=request.body)


def key_of(owner: Body | None, name: str) -> Body | None:
    """What there is to read of a key: that its owner names it."""
    names = ((owner or {}).get("cdnPolicy") or {}).get("signedUrlKeyNames") or ()
    return {"name": name} if name in names else None


_GOOGLE = ("https://compute.googleapis.com/compute/beta", "https://networkservices.googleapis.com/v1")
"""The provider's own endpoints (tf: provider defaults)."""


class Cloud:
    """The client. Threads may share it; `close` frees its connections."""

    def __init__(self, compute: str, services: str, session: Session) -> None:
        """`compute` and `services` are the roots of both APIs, version included, without a slash at the end."""
        self._roots = {False: compute, True: services}
        self._session = session

    @classmethod
    def sandbox(cls, endpoint: str, role: str = "everything") -> Cloud:
        """A loopback server; no credentials, no proxy. `role` is who we are there."""
        root = endpoint.rstrip("/")
        return cls(f"{root}/compute/beta", f"{root}/v1", sandbox_session(_PARALLEL, role))

    @classmethod
    def google(cls) -> Cloud:
        """Google itself, with the machine's own credentials.

        Raises:
            PermanentError: there are none.
        """
        return cls(*_GOOGLE, google_session(_PARALLEL))

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def get(self, path: str, deadline: Deadline) -> Body | None:
        """The resource at `path`, or None where there is none.

        Raises:
            CloudError: any other refusal.
        """
        if (key := owner_of_key(path)) is not None:
            return key_of(self.get(key[0], deadline), key[1])
        try:
            return self._send(Request(method="GET", path=path), deadline)
        except CloudError as error:
            if error.status == 404:
                return None
            raise

    def mutate(self, request: Request, deadline: Deadline) -> None:
        """Send a change and wait until its operation is done.

        Raises:
            CloudTimeout: no answer within the deadline.
            CloudError: the change or its operation was refused, or (`doubtful`) its end was not seen.
        """
        if (key := owner_of_key(request.path)) is not None:
            request = _key_request(request, *key)
        try:
            operation = self._send(request, deadline)
        except CloudError as error:
            error.doubtful = error.doubtful or error.status in IN_DOUBT or not (error.status or error.unsent)
            raise
        _raise_failed(self._ended(request, operation, deadline))

    def _ended(self, request: Request, operation: Body, deadline: Deadline) -> Body:
        """The operation when it is done; an error on the way there leaves open what became of it."""
        pause = _POLL_FIRST
        try:
            while not _is_done(operation):
                deadline.stop.wait(min(pause, deadline.left()))
                pause = min(2 * pause, _POLL_LAST)
                look = Request(method="GET", path=_operation_path(request, operation))
                operation = self._send(look, deadline)
        except CloudError as error:
            error.doubtful, error.unsent = True, False
            raise
        return operation

    def _send(self, request: Request, deadline: Deadline) -> Body:
        # Network Services has locations in its paths, Compute has not.
        url = f"{self._roots['/locations/' in request.path]}/{request.path}?alt=json{request.query}"
        call = Call(method=request.method, url=url, body=request.body)
        ends = time.monotonic() + deadline.left()
        try:
            reply = exchange(self._session, call, ends=ends, connect=_CONNECT_TIMEOUT)
        except NoAnswerError as error:
            raise _unanswered(request, url.partition("?")[0], error) from error
        if reply.status >= 400:
            raise _refusal(reply.status, reply.text)
        try:
            body = json.loads(reply.text)
        except (ValueError, RecursionError) as error:
            raise CloudError(
                reply.status, f"{request.method} {request.path}: the answer is no JSON"
            ) from error
        return body if isinstance(body, dict) else {}


def _unanswered(request: Request, url: str, error: NoAnswerError) -> CloudError:
    """A call without an answer: what is certain of it."""
    call = f"{request.method} {request.path}"
    if error.sent:
        if error.failure is Failure.DEADLINE:
            return CloudTimeout(f"{call}: no answer within the deadline")
        return CloudError(0, f"{call}: {error}")
    if error.failure in {Failure.TOKEN, Failure.CREDENTIALS}:
        unsent = CloudError(0, f"{call}: Google's credentials cannot be used: {error}")
    else:
        unsent = CloudError(0, f"{url} cannot be reached: {error}")
    unsent.unsent = True
    return unsent


def _is_done(operation: Body) -> bool:
    return bool(operation.get("done")) or operation.get("status") == "DONE"


def _operation_path(request: Request, operation: Body) -> str:
    """Where to ask: the zonal or regional form only if the operation carries its zone or region (measured)."""
    name = str(operation.get("name", ""))
    if "/locations/" in request.path:
        return name
    project = "/".join(request.path.split("/")[:2])
    for scope, folder in (("zone", "zones"), ("region", "regions")):
        if place := operation.get(scope):
            return f"{project}/{folder}/{str(place).rsplit('/', 1)[-1]}/operations/{name}"
    return f"{project}/global/operations/{name}"


def _raise_failed(operation: Body) -> None:
    error = operation.get("error")
    if not error:
        return
    first = (error.get("errors") or [{}])[0]
    status = int(operation.get("httpErrorStatusCode") or error.get("code") or 400)
    message = first.get("message") or error.get("message") or "the operation failed"
    raise CloudError(status, str(message), reason=str(first.get("code", "operationFailed")))


def _refusal(status: int, text: str) -> CloudError:
    body = error_body(text)
    return CloudError(
        status, body.message or text[:300] or "no reason given", reason=next(iter(body.reasons), "")
    )

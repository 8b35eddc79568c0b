"""Compute and Network Services over REST, as the `gcp` provider speaks it: every request has a deadline."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from spillway.errors import root_cause

Body = dict[str, Any]

_POLL_FIRST = 0.05
"""Seconds before the first look at an operation that was not done at once."""
_POLL_LAST = 1.0
"""Longest pause between two looks."""
IN_DOUBT = frozenset({500, 502, 503, 504})
"""Answers to a change after which it may be carried out all the same: some come from a gateway that lost sight of it."""
_CONNECT_TIMEOUT = 5.0
"""Seconds to connect: the server is on this machine."""


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


_GOOGLE = ("https://compute.googleapis.com/compute/beta", "https://networkservices.googleapis.com/v1")
"""The provider's own endpoints (tf: provider defaults)."""


class Cloud:
    """The client. Threads may share it; `close` frees its connections."""

    def __init__(self, compute: str, services: str, session: requests.Session | None = None) -> None:
        """`compute` and `services` are the roots of both APIs, version included, without a slash at the end."""
        self._roots = {False: compute, True: services}
        self._session = session or requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_connections=2, pool_maxsize=32)
        self._session.mount("http://", adapter)

    @classmethod
    def sandbox(cls, endpoint: str) -> Cloud:
        """A loopback server; no credentials, no proxy."""
        session = requests.Session()
        session.trust_env = False
        root = endpoint.rstrip("/")
        return cls(f"{root}/compute/beta", f"{root}/v1", session)

    @classmethod
    def google(cls) -> Cloud:
        """Google itself, with the machine's own credentials."""
        import google.auth
        from google.auth.transport.requests import AuthorizedSession

        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        return cls(*_GOOGLE, AuthorizedSession(credentials))

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def get(self, path: str, deadline: Deadline) -> Body | None:
        """The resource at `path`, or None where there is none.

        Raises:
            CloudError: any other refusal.
        """
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
        try:
            answer = self._session.request(
                request.method, url, json=request.body, timeout=(_CONNECT_TIMEOUT, deadline.left())
            )
        except requests.ConnectionError as error:
            if not (isinstance(error, requests.ConnectTimeout) or _is_unconnected(error)):
                raise CloudError(0, f"{request.method} {request.path}: {root_cause(error)}") from error
            unsent = CloudError(0, f"{url.partition('?')[0]} cannot be reached: {root_cause(error)}")
            unsent.unsent = True
            raise unsent from error
        except requests.Timeout as error:
            raise CloudTimeout(f"{request.method} {request.path}: no answer within the deadline") from error
        except requests.RequestException as error:
            raise CloudError(0, f"{request.method} {request.path}: {root_cause(error)}") from error
        if answer.status_code >= 400:
            raise _refusal(answer.status_code, answer.text)
        try:
            body = answer.json()
        except requests.JSONDecodeError as error:
            raise CloudError(
                answer.status_code, f"{request.method} {request.path}: the answer is no JSON"
            ) from error
        return body if isinstance(body, dict) else {}


def _is_unconnected(error: requests.ConnectionError) -> bool:
    """True if there never was a connection, as when it is refused; else the request may have been read."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


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
    try:
        error = json.loads(text)["error"]
        details = error.get("errors") or [{}]
        return CloudError(status, str(error.get("message", text)), reason=str(details[0].get("reason", "")))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return CloudError(status, text[:300] or "no reason given")

"""Reading Cloud Monitoring with the official client: the same code for Google and the sandbox."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, NamedTuple, TypeVar

import google.auth.exceptions
import grpc
from google.api_core import exceptions
from google.api_core.retry import retry_target
from google.cloud.monitoring_v3 import MetricServiceClient
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcTransport
from google.cloud.monitoring_v3.types import Aggregation, ListTimeSeriesRequest, ListTimeSeriesResponse

from spillway.adapters import decode
from spillway.adapters.answers import ShapeError
from spillway.adapters.queries import ALL, COUNTS, LATENCIES, PERIOD, PLACES, Query
from spillway.core.observe.rows import Answer, CountRow, Lag, LatencyRow, PlaceRow
from spillway.errors import PermanentError, SpillwayError, TemporaryError

Row = TypeVar("Row", CountRow, LatencyRow, PlaceRow)
T = TypeVar("T")

PAGES_MAX = 200
"""Pages of one answer; at 100 000 points each, far beyond any fleet."""
_RETRY_PAUSE = 0.2
"""Seconds before the one repetition of a call that found the server unavailable."""
_ANSWER_MAX = 64 * 1024 * 1024
"""Bytes of one page, and of all pages of one answer together. 2,000 backends with 20 minutes have some 20 MiB of latencies."""
_OPTIONS = (("grpc.max_receive_message_length", _ANSWER_MAX),)
_TOKEN_MAX = 16_384
"""Characters of a page token, which every further question sends back."""
_ERRORS_MAX = 20
"""Execution errors of one answer that are kept; one is enough to set it aside."""
_MESSAGE_MAX = 300
"""Characters of an execution error that are kept."""
_DETAIL_MAX = 2000
"""Characters of an error that are kept."""
_PERIODS = (1.0, 600.0)
_DELAYS = (0.0, 3600.0)
"""Seconds that a descriptor may declare (from, to): https/* has 60 and 210 (reference: MET)."""
_VIEWER = "grant the daemon's identity roles/monitoring.viewer in the project of the load balancer"


def connect(address: str | None = None, role: str = "everything") -> MetricServiceClient:
    """A client of Google with the machine's own credentials, or of a sandbox at a loopback `HOST:PORT`.

    `role` is who the caller is in the sandbox.

    Raises:
        PermanentError: no credentials; or the address is not loopback, where plain gRPC must not go.
    """
    if address is None:
        try:
            return MetricServiceClient(transport=_google_transport)
        except google.auth.exceptions.GoogleAuthError as error:
            raise PermanentError(
                f"no Google credentials for Cloud Monitoring: {error}",
                remedy="run on a machine with a service account, or `gcloud auth application-default login`",
            ) from error
    host = address.rpartition(":")[0].strip("[]")
    if host != "localhost" and not _is_loopback(host):
        raise PermanentError(
            f"refusing to speak unencrypted gRPC with {address}",
            remedy="a sandbox lives on loopback, such as 127.0.0.1:8481; set cloud: gcp for the real one",
        )
    options = (*_OPTIONS, ("grpc.enable_http_proxy", 0))
    channel = grpc.intercept_channel(grpc.insecure_channel(address, options=options), _Bearer(role))
    return MetricServiceClient(transport=MetricServiceGrpcTransport(channel=channel))


class _Details(NamedTuple):
    """`grpc.ClientCallDetails` with other headers."""

    method: str
    timeout: float | None
    metadata: list[tuple[str, str]]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _Bearer(grpc.UnaryUnaryClientInterceptor):  # type: ignore[type-arg]  # generic in the stubs alone
    """Adds the token to each call: gRPC sends no call credentials over a plain channel."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """Send the call with the token."""
        return continuation(
            _Details(
                method=details.method,
                timeout=details.timeout,
                metadata=[*(details.metadata or ()), self._header],
                credentials=details.credentials,
                wait_for_ready=details.wait_for_ready,
                compression=details.compression,
            ),
            request,
        )


def _google_transport(**settings: Any) -> MetricServiceGrpcTransport:
    """The client's own transport, but for its bound on messages: it has none."""

    def channel(host: str, **more: Any) -> grpc.Channel:
        made: grpc.Channel = MetricServiceGrpcTransport.create_channel(host, **{**more, "options": _OPTIONS})
        return made

    return MetricServiceGrpcTransport(**{**settings, "channel": channel})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(slots=True)
class Usage:
    """What a reader has used up so far."""

    calls: int = 0
    """Requests sent, pages and repetitions counted one by one."""
    decoding: float = 0.0
    """Seconds of processor time in which answers became rows, the official client's own part left out."""


class MonitoringReader:
    """Asks the questions of `queries` for one project. One thread for each question at a time."""

    def __init__(
        self,
        client: MetricServiceClient,
        *,
        project: str,
        resources: Sequence[str],
        window: float,
        deadline: float,
    ) -> None:
        """Remember what to ask.

        Args:
            client: from `connect`.
            project: project of the load balancer.
            resources: names of its backend services.
            window: seconds of the world that each question reaches back.
            deadline: wall seconds for one question, all its pages together.
        """
        self._client = client
        self._project = project
        self._window = window
        self._deadline = deadline
        self._resources = frozenset(resources)
        self._filters = {query.name: query.filter_for(resources) for query in ALL}
        self._distributions = decode.Distributions()
        self.usage = {query.name: Usage() for query in ALL} | {"descriptors": Usage()}

    def close(self) -> None:
        """Close the channel; a reader is not used again after that."""
        self._client.transport.close()

    def counts(self, now: float) -> Answer[CountRow]:
        """Answers by group and code in the window before `now` (UTC seconds).

        Raises:
            SpillwayError: the question failed; Temporary or Permanent.
        """
        return self._ask(COUNTS, now, decode.count_row)

    def latencies(self, now: float) -> Answer[LatencyRow]:
        """Latency distributions by group; raises as `counts`."""
        self._distributions.begin()
        answer = self._ask(LATENCIES, now, lambda series: decode.latency_row(series, self._distributions))
        return replace(answer, notes=tuple(sorted(self._distributions.notes)))

    def places(self, now: float) -> Answer[PlaceRow]:
        """Requests by zone and continent; raises as `counts`."""
        return self._ask(PLACES, now, decode.place_row)

    def lag(self) -> Lag:
        """The largest delays that the descriptors of the asked metrics declare; raises as `counts`."""
        usage = self.usage["descriptors"]
        ends = time.monotonic() + self._deadline
        periods: list[float] = []
        delays: list[float] = []
        for metric in sorted({query.metric for query in ALL}):
            name = f"projects/{self._project}/metricDescriptors/{metric}"
            descriptor = _call(
                lambda timeout, name=name: self._client.get_metric_descriptor(  # type: ignore[misc]
                    name=name, timeout=timeout, retry=None
                ),
                what=f"the descriptor of {metric}",
                ends=ends,
                usage=usage,
            )
            periods.append(descriptor.metadata.sample_period.seconds)
            delays.append(descriptor.metadata.ingest_delay.seconds)
        for what, seconds, (least, most) in (("period", periods, _PERIODS), ("delay", delays, _DELAYS)):
            if not least <= min(seconds) <= max(seconds) <= most:
                raise PermanentError(
                    f"the metric descriptors declare a {what} of {max(seconds)} s or {min(seconds)} s; Spillway takes {least:g} to {most:g}"
                )
        return Lag(sample_period=max(periods), ingest_delay=max(delays))

    def _ask(self, query: Query, now: float, row_of: Callable[[Any], Row]) -> Answer[Row]:
        """All pages of one question."""
        request = self._request(query, now)
        interval = request.interval
        intake = decode.Intake(
            metric=query.metric,
            targets=self._resources,
            start=interval.start_time.timestamp(),
            end=interval.end_time.timestamp(),
        )
        ends = time.monotonic() + self._deadline
        rows: list[Row] = []
        errors: dict[str, None] = {}
        size = 0
        for _ in range(PAGES_MAX):
            page = _call(
                lambda timeout: next(
                    iter(self._client.list_time_series(request, timeout=timeout, retry=None).pages)
                ),
                what=f"the query for {query.name}",
                ends=ends,
                usage=self.usage[query.name],
            )
            message = ListTimeSeriesResponse.pb(page)
            rows += self._rows(query, message, row_of, intake)
            for status in message.execution_errors[:_ERRORS_MAX]:
                errors[status.message[:_MESSAGE_MAX] or f"code {status.code}"] = None
            token = message.next_page_token
            if not token:
                return Answer(asked=now, rows=tuple(rows), errors=tuple(errors)[:_ERRORS_MAX])
            # 1 page is bounded by the channel; of several the sum is
            size += message.ByteSize()
            if size > _ANSWER_MAX or len(token) > _TOKEN_MAX:
                raise PermanentError(
                    f"the answer to {query.name} has pages of more than {_ANSWER_MAX >> 20} MiB together, or a page token of more "
                    f"than {_TOKEN_MAX} characters, the most that Spillway reads"
                )
            request.page_token = token
        raise PermanentError(
            f"the answer to {query.name} has more than {PAGES_MAX} pages, the most that Spillway reads"
        )

    def _rows(
        self, query: Query, message: Any, row_of: Callable[[Any], Row], intake: decode.Intake
    ) -> list[Row]:
        """The rows of one page that are of our services. The others are not taken apart.

        Raises:
            TemporaryError: the page has not the shape that the API documents, or the answer is beyond its bounds.
        """
        began = time.thread_time()
        rows = []
        try:
            intake.count(len(message.time_series))
            for series in filter(intake.takes, message.time_series):
                row = row_of(series)
                intake.check(row)
                rows.append(row)
        except ShapeError as error:
            raise TemporaryError(f"the answer to {query.name} has an unexpected shape: {error}") from error
        finally:
            self.usage[query.name].decoding += time.thread_time() - began
        return rows

    def _request(self, query: Query, now: float) -> ListTimeSeriesRequest:
        """The request for whole minutes in the window before `now`."""
        end = int(now // PERIOD * PERIOD)
        return ListTimeSeriesRequest(
            name=f"projects/{self._project}",
            filter=self._filters[query.name],
            interval={
                "start_time": {"seconds": end - int(self._window // PERIOD * PERIOD)},
                "end_time": {"seconds": end},
            },
            aggregation={
                "alignment_period": {"seconds": PERIOD},
                "per_series_aligner": Aggregation.Aligner[query.aligner],
                "cross_series_reducer": Aggregation.Reducer[query.reducer],
                "group_by_fields": list(query.group_by),
            },
            view=ListTimeSeriesRequest.TimeSeriesView.FULL,
        )


def _call(send: Callable[[float], T], *, what: str, ends: float, usage: Usage) -> T:
    """One call with what is left of the deadline, repeated once if the server was unavailable."""
    repetitions = iter((True,))

    def attempt() -> T:
        left = ends - time.monotonic()
        if left <= 0:
            raise TemporaryError(f"{what} ran into its deadline", remedy="raise daemon.observe.deadline")
        usage.calls += 1
        return send(left)

    def again(error: Exception) -> bool:
        return isinstance(error, exceptions.ServiceUnavailable) and next(repetitions, False)

    try:
        answer: T = retry_target(
            attempt,
            again,
            repeat(_RETRY_PAUSE),
            timeout=ends - time.monotonic(),
            exception_factory=lambda errors, *_: (errors[-1], None),
        )
    except (exceptions.GoogleAPIError, google.auth.exceptions.GoogleAuthError) as error:
        raise _error(what, error) from error
    return answer


def _error(what: str, error: Exception) -> SpillwayError:
    """What became of a call, in Spillway's words."""
    message = f"{what} failed: {str(getattr(error, 'message', None) or error)[:_DETAIL_MAX]}"
    if isinstance(error, exceptions.DeadlineExceeded):
        return TemporaryError(f"{what} ran into its deadline", remedy="raise daemon.observe.deadline")
    if isinstance(error, exceptions.ResourceExhausted) and "larger than max" in message:
        # the client library's own words for a message past its bound, packed or unpacked
        return PermanentError(
            f"{what}: the answer is larger than {_ANSWER_MAX >> 20} MiB, the most that Spillway reads"
        )
    if isinstance(error, exceptions.ResourceExhausted):
        return TemporaryError(message, retry_after=60.0, remedy="the query quota is counted by the minute")
    if isinstance(error, exceptions.PermissionDenied | exceptions.Forbidden):
        return PermanentError(message, remedy=f"needs monitoring.timeSeries.list: {_VIEWER}")
    if isinstance(error, exceptions.Unauthenticated | google.auth.exceptions.DefaultCredentialsError):
        return PermanentError(message, remedy="renew the daemon's Google credentials")
    if isinstance(error, exceptions.ClientError) and not isinstance(
        error, exceptions.Aborted | exceptions.Cancelled
    ):
        return PermanentError(message, remedy="see the message; `spillway doctor` tries each query by itself")
    return TemporaryError(message)

"""The gRPC server: methods by name, errors as status codes, loopback only."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.api import metric_pb2, monitored_resource_pb2
from google.cloud.monitoring_v3.types import metric_service as types
from google.rpc import code_pb2, error_details_pb2, status_pb2

from spillway.errors import PermanentError
from spillway.sandbox.access import Access, token_of
from spillway.sandbox.monitoring.service import QUOTA, MetricReader, NoProjectError, QuotaExceededError
from spillway.sandbox.monitoring.source import Invalid, NotFoundError, Source, WorldClock

_SERVICE = "google.monitoring.v3.MetricService"
_THREADS = 8
_MAX_RPCS = 64
"""Requests under way or waiting; more are refused at once (RESOURCE_EXHAUSTED), so the queue has a bound."""
_MAX_MESSAGE = 256 * 1024 * 1024

_PERMISSIONS = {
    "ListTimeSeries": "monitoring.timeSeries.list",
    "ListMetricDescriptors": "monitoring.metricDescriptors.list",
    "GetMetricDescriptor": "monitoring.metricDescriptors.get",
    "ListMonitoredResourceDescriptors": "monitoring.monitoredResourceDescriptors.list",
    "GetMonitoredResourceDescriptor": "monitoring.monitoredResourceDescriptors.get",
}
"""What each method needs."""

_log = logging.getLogger(__name__)


class MonitoringServer:
    """A running server; `port` is the one it listens on."""

    def __init__(self, server: grpc.Server, port: int) -> None:
        self._server = server
        self.port = port

    def stop(self, grace: float = 1.0) -> None:
        """Refuse new requests, give those under way `grace` seconds, and return when all is closed."""
        self._server.stop(grace).wait(grace + 5.0)


def serve(
    source: Source, clock: WorldClock, address: str, *, quota: int = QUOTA, access: Access | None = None
) -> MonitoringServer:
    """Start serving Cloud Monitoring.

    Args:
        source: the values.
        clock: the world's time.
        address: loopback `HOST:PORT`; port 0 takes a free one.
        quota: queries a minute of the world.
        access: what callers may do; None lets everybody do everything.

    Raises:
        PermanentError: the address is not loopback, or is taken.
    """
    host = address.rpartition(":")[0].strip("[]")
    if host != "localhost" and not _is_loopback(host):
        raise PermanentError(
            f"the sandbox's monitoring cannot listen on {address}: it has no passwords",
            remedy="use a loopback address such as 127.0.0.1:8481",
        )
    server = grpc.server(
        ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="sandbox-monitoring"),
        handlers=[_Handlers(MetricReader(source, clock, quota=quota), access or Access())],
        maximum_concurrent_rpcs=_MAX_RPCS,
        options=(("grpc.so_reuseport", 0), ("grpc.max_send_message_length", _MAX_MESSAGE)),
    )
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise PermanentError(
            f"the sandbox's monitoring cannot listen on {address}: {error}",
            remedy="stop what uses that port, or set sandbox.grpc to another; port 0 takes a free one",
        ) from error
    server.start()
    return MonitoringServer(server, port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the stubs alone
    """Finds the method by its path; refuses any other by name."""

    def __init__(self, reader: MetricReader, access: Access) -> None:
        self._methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            f"/{_SERVICE}/{name}": _handler(_guarded(method, access, _PERMISSIONS[name]), request, response)
            for name, method, request, response in (
                (
                    "ListTimeSeries",
                    reader.list_time_series,
                    types.ListTimeSeriesRequest.pb(),
                    types.ListTimeSeriesResponse.pb(),
                ),
                (
                    "ListMetricDescriptors",
                    reader.list_metric_descriptors,
                    types.ListMetricDescriptorsRequest.pb(),
                    types.ListMetricDescriptorsResponse.pb(),
                ),
                (
                    "GetMetricDescriptor",
                    reader.get_metric_descriptor,
                    types.GetMetricDescriptorRequest.pb(),
                    metric_pb2.MetricDescriptor,
                ),
                (
                    "ListMonitoredResourceDescriptors",
                    reader.list_monitored_resource_descriptors,
                    types.ListMonitoredResourceDescriptorsRequest.pb(),
                    types.ListMonitoredResourceDescriptorsResponse.pb(),
                ),
                (
                    "GetMonitoredResourceDescriptor",
                    reader.get_monitored_resource_descriptor,
                    types.GetMonitoredResourceDescriptorRequest.pb(),
                    monitored_resource_pb2.MonitoredResourceDescriptor,
                ),
            )
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """The handler of one call."""
        method = handler_call_details.method
        known = self._methods.get(method)
        if known is not None:
            return known

        def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method} is not served by this sandbox.")

        return grpc.unary_unary_rpc_method_handler(refuse)


class _ForbiddenError(Exception):
    """The caller's role lacks the permission."""


def _guarded(
    method: Callable[[Any], Any], access: Access, permission: str
) -> Callable[[Any, grpc.ServicerContext], Any]:
    """A method behind the permission that it needs."""

    def guarded(message: Any, context: grpc.ServicerContext) -> Any:
        headers = dict(context.invocation_metadata() or ())
        if not access.allows(token_of(str(headers.get("authorization", ""))), permission):
            raise _ForbiddenError(f"Permission {permission} denied (or the resource may not exist).")
        return method(message)

    return guarded


def _handler(
    method: Callable[[Any, grpc.ServicerContext], Any], request: Any, response: Any
) -> grpc.RpcMethodHandler[Any, Any]:
    """A method with its errors turned into status codes."""

    def answer(message: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(message, context)
        except (_ForbiddenError, NoProjectError) as error:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        except Invalid as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except NotFoundError as error:
            context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        except QuotaExceededError as error:
            context.set_trailing_metadata((("grpc-status-details-bin", _quota_details(str(error))),))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=request.FromString,
        response_serializer=response.SerializeToString,
    )


def _quota_details(message: str) -> bytes:
    """The rich status that Google sends with a used-up quota: reason RATE_LIMIT_EXCEEDED."""
    status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message=message)
    info = error_details_pb2.ErrorInfo(
        reason="RATE_LIMIT_EXCEEDED",
        domain="googleapis.com",
        metadata={
            "service": "monitoring.googleapis.com",
            "quota_limit": "QueryRequestsPerMinutePerProject",
        },
    )
    status.details.add().Pack(info)
    return bytes(status.SerializeToString())

"""A source and a clock for tests, and a client of the real library that talks to the server under test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.cloud.monitoring_v3 import MetricServiceClient
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcTransport

from spillway.sandbox.monitoring.server import serve
from spillway.sandbox.monitoring.source import RawSeries, Source

COUNT = "loadbalancing.googleapis.com/https/backend_request_count"
LATENCY = "loadbalancing.googleapis.com/https/backend_latencies"
REQUESTS = "loadbalancing.googleapis.com/https/request_count"


class FakeSource:
    """Series by metric type, all of them always visible."""

    def __init__(self, series: dict[str, list[RawSeries]], *, errors: tuple[str, ...] = ()) -> None:
        self.by_type = series
        self.failing = errors
        self.used_up = False
        self.unknown_projects: set[str] = set()
        self.asked: list[tuple[str, float, float, float]] = []

    def series(self, metric_type: str, start: float, end: float, now: float) -> Iterable[RawSeries]:
        self.asked.append((metric_type, start, end, now))
        return self.by_type.get(metric_type, [])

    def errors(self, now: float) -> tuple[str, ...]:
        return self.failing

    def has_project(self, project: str) -> bool:
        return project not in self.unknown_projects

    def exhausted(self, now: float) -> bool:
        return self.used_up


class FixedClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float) -> None:
        self.at = now

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def raw(
    points: Iterable[tuple[float, Any]],
    *,
    target: str = "svc",
    name: str = "g",
    scope: str = "europe-west4-a",
    code: int = 200,
    continent: str = "Europe",
) -> RawSeries:
    """A series with the labels that matter."""
    return RawSeries(
        resource={"backend_target_name": target, "backend_name": name, "backend_scope": scope},
        metric={
            "response_code": str(code),
            "response_code_class": str(code // 100 * 100),
            "proxy_continent": continent,
        },
        points=tuple(points),
    )


@contextmanager
def running(
    source: Source, now: float = 1200.0, *, quota: int = 6000
) -> Iterator[tuple[MetricServiceClient, int]]:
    """A server and the official client on it."""
    server = serve(source, FixedClock(now), "127.0.0.1:0", quota=quota)
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}", options=(("grpc.enable_http_proxy", 0),))
    try:
        yield MetricServiceClient(transport=MetricServiceGrpcTransport(channel=channel)), server.port
    finally:
        channel.close()
        server.stop(0)

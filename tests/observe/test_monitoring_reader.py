"""The real client against the sandbox's server: rows, pages, lag, errors, deadlines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.api import distribution_pb2
from google.cloud.monitoring_v3.types import TimeSeries
from tests.monitoring.fake_source import COUNT, LATENCY, REQUESTS, FakeSource, FixedClock, raw
from tests.observe.fake_compute import within

from spillway.adapters import decode
from spillway.adapters.monitoring import MonitoringReader, connect
from spillway.adapters.queries import ALL, COUNTS, FILTER_MAX
from spillway.core.observe.rows import Lag
from spillway.errors import PermanentError, TemporaryError
from spillway.sandbox.monitoring import pages
from spillway.sandbox.monitoring.server import serve
from spillway.sandbox.monitoring.source import Histogram

NOW = 1230.0


def _reader(port: int, *, deadline: float = 5.0, resources: tuple[str, ...] = ("svc",)) -> MonitoringReader:
    return MonitoringReader(
        connect(f"127.0.0.1:{port}"),
        project="demo-project",
        resources=resources,
        window=900.0,
        deadline=deadline,
    )


@contextmanager
def reading(source: FakeSource, **more: Any) -> Iterator[MonitoringReader]:
    server = serve(source, FixedClock(NOW), "127.0.0.1:0")
    try:
        yield _reader(server.port, **more)
    finally:
        server.stop(0)


def test_counts_by_group_and_code_over_whole_minutes() -> None:
    source = FakeSource(
        {
            COUNT: [
                raw([(300.0, 1), (360.0, 2), (1200.0, 4)], continent="Europe"),
                raw([(360.0, 10)], continent="Asia"),
                raw([(360.0, 7)], code=503),
                raw([(360.0, 99)], target="not-ours"),
            ]
        }
    )
    with reading(source) as reader:
        answer = reader.counts(NOW)
    assert source.asked == [(COUNT, 300.0, 1200.0, NOW)]
    assert answer.asked == NOW
    assert answer.errors == ()
    assert [(row.target, row.name, row.scope, row.code, row.points) for row in answer.rows] == [
        ("svc", "g", "europe-west4-a", 200, ((1200.0, 4.0), (360.0, 12.0))),
        ("svc", "g", "europe-west4-a", 503, ((360.0, 7.0),)),
    ]
    assert reader.usage["counts"].calls == 1


def test_latencies_are_merged_and_in_seconds_and_places_by_continent() -> None:
    one = Histogram(bounds=(500.0, 1000.0), counts=(0, 4, 0), count=4, mean=750.0)
    bad = Histogram(bounds=(500.0, 1000.0), counts=(0, 4, 0), count=9, mean=750.0)
    source = FakeSource(
        {
            LATENCY: [
                raw([(600.0, one), (660.0, bad)]),
                raw([(600.0, one)], continent="Asia"),
                raw([(600.0, one)], code=500),
            ],
            REQUESTS: [raw([(600.0, 6)]), raw([(600.0, 5)], name="other", code=404)],
        }
    )
    with reading(source) as reader:
        (latency,) = reader.latencies(NOW).rows
        (place,) = reader.places(NOW).rows
    (newer, garbled), (older, merged) = latency.points
    assert (newer, older) == (660.0, 600.0)
    assert garbled is None
    assert merged is not None
    assert merged.bounds == (0.5, 1.0)
    assert merged.counts == (0.0, 8.0, 0.0)
    assert merged.mean == pytest.approx(0.75)
    assert (place.target, place.scope, place.place, place.points) == (
        "svc",
        "europe-west4-a",
        "Europe",
        ((600.0, 11.0),),
    )


def test_all_pages_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_MAX", 4)
    points = [(60.0 * i, i) for i in range(6, 16)]
    source = FakeSource({COUNT: [raw(points), raw(points, scope="europe-west4-b")]}, errors=("b is late",))
    with reading(source) as reader:
        answer = reader.counts(NOW)
        assert reader.usage["counts"].calls == 5
    assert sum(value for row in answer.rows for _, value in row.points) == 2 * sum(range(6, 16))
    assert answer.errors == ("b is late",)


def test_lag_comes_from_the_descriptors() -> None:
    with reading(FakeSource({})) as reader:
        assert reader.lag() == Lag(sample_period=60.0, ingest_delay=210.0)
        assert reader.usage["descriptors"].calls == len(ALL)


def test_quota_and_refusals_have_their_words() -> None:
    source = FakeSource({})
    source.used_up = True
    with reading(source) as reader, pytest.raises(TemporaryError, match="Quota exceeded") as caught:
        reader.counts(NOW)
    assert caught.value.retry_after == 60.0
    with reading(FakeSource({}), resources=('a"b',)) as reader, pytest.raises(PermanentError, match="counts"):
        reader.counts(NOW)


@contextmanager
def _scripted(*codes: grpc.StatusCode | None) -> Iterator[tuple[int, list[str]]]:
    """A server that fails with these codes by turns; None hangs until the end of the test."""
    calls: list[str] = []
    over = threading.Event()

    class Handlers(grpc.GenericRpcHandler):  # type: ignore[type-arg]
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
            def answer(_request: bytes, context: grpc.ServicerContext) -> bytes:
                code = codes[min(len(calls), len(codes) - 1)]
                calls.append(handler_call_details.method)
                if code is not None:
                    context.abort(code, f"scripted {code.name}")
                over.wait(20.0)
                return b""

            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(ThreadPoolExecutor(4), handlers=[Handlers()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, calls
    finally:
        over.set()
        server.stop(0).wait(5.0)


def test_a_hanging_server_costs_one_deadline() -> None:
    with _scripted(None) as (port, _):
        check = within(3.0)
        with pytest.raises(TemporaryError, match="query for counts ran into its deadline"):
            _reader(port, deadline=0.3).counts(NOW)
        check()


@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, PermanentError, "roles/monitoring.viewer"),
        (grpc.StatusCode.UNAUTHENTICATED, PermanentError, "credentials"),
        (grpc.StatusCode.NOT_FOUND, PermanentError, "doctor"),
        (grpc.StatusCode.INTERNAL, TemporaryError, ""),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, TemporaryError, "minute"),
        (grpc.StatusCode.ABORTED, TemporaryError, ""),
    ],
)
def test_status_codes(
    code: grpc.StatusCode, kind: type[TemporaryError | PermanentError], remedy: str
) -> None:
    with _scripted(code) as (port, calls):
        with pytest.raises(kind, match="scripted") as caught:
            _reader(port).counts(NOW)
        assert len(calls) == 1
    assert remedy in caught.value.remedy


def test_unavailable_is_tried_once_more() -> None:
    with _scripted(grpc.StatusCode.UNAVAILABLE) as (port, calls):
        reader = _reader(port)
        with pytest.raises(TemporaryError, match="UNAVAILABLE"):
            reader.counts(NOW)
        assert len(calls) == 2
        assert reader.usage["counts"].calls == 2


@pytest.mark.parametrize("address", ["10.0.0.1:8481", "monitoring.googleapis.com:443", "127.evil.example:1"])
def test_plain_grpc_stays_on_loopback(address: str) -> None:
    with pytest.raises(PermanentError, match="unencrypted"):
        connect(address)


def test_no_credentials_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(PermanentError) as caught:
        connect()
    assert "application-default login" in caught.value.remedy


def test_filters_name_services_or_their_common_beginning() -> None:
    few = COUNTS.filter_for(["spillway-b", "spillway-a"])
    assert 'backend_target_name = one_of("spillway-a", "spillway-b")' in few
    many = COUNTS.filter_for([f"spillway-service-number-{i:03}" for i in range(200)])
    assert 'backend_target_name = starts_with("spillway-service-number-")' in many
    assert len(many) < FILTER_MAX
    unlike = COUNTS.filter_for([f"{i:03}-a-service-with-a-long-name" for i in range(200)])
    assert "backend_target_name" not in unlike


def _latency_series(options: dict[str, Any], counts: list[int], mean: float) -> Any:
    message = TimeSeries.pb()()
    point = message.points.add()
    point.interval.end_time.seconds = 60
    point.value.distribution_value.CopyFrom(
        distribution_pb2.Distribution(
            count=sum(counts), mean=mean, bucket_options=options, bucket_counts=counts
        )
    )
    return message


@pytest.mark.parametrize(
    ("options", "bounds"),
    [
        (
            {"exponential_buckets": {"num_finite_buckets": 3, "growth_factor": 2.0, "scale": 100.0}},
            (0.1, 0.2, 0.4, 0.8),
        ),
        ({"linear_buckets": {"num_finite_buckets": 2, "width": 100.0, "offset": 50.0}}, (0.05, 0.15, 0.25)),
        ({"explicit_buckets": {"bounds": [100.0, 300.0]}}, (0.1, 0.3)),
    ],
)
def test_every_bucket_layout(options: dict[str, Any], bounds: tuple[float, ...]) -> None:
    kept = decode.Distributions()
    first = decode.latency_row(_latency_series(options, [2, 2], 100.0), kept)
    again = decode.latency_row(_latency_series(options, [0, 2], bounds[0] * 1100), kept)
    found = first.points[0][1]
    other = again.points[0][1]
    assert found is not None
    assert other is not None
    assert found.bounds == pytest.approx(bounds)
    assert found.bounds is other.bounds, "one layout, one object"
    assert found.counts[:2] == (2.0, 2.0)


def test_doubles_are_read_as_well() -> None:
    message = TimeSeries.pb()()
    message.metric.labels["response_code"] = ""
    point = message.points.add()
    point.interval.end_time.seconds = 60
    point.value.double_value = 1.5
    row = decode.count_row(message)
    assert (row.code, row.points) == (0, ((60.0, 1.5),))


def test_points_are_read_newest_first_and_their_cost_is_counted() -> None:
    with reading(FakeSource({COUNT: [raw([(1080.0, 7), (1140.0, 5), (1200.0, 4)])]})) as reader:
        (row,) = reader.counts(NOW).rows
        assert reader.usage["counts"].decoding > 0.0
    assert row.points == ((1200.0, 4.0), (1140.0, 5.0), (1080.0, 7.0))


def test_a_distribution_that_changed_is_read_anew_and_what_is_gone_is_forgotten() -> None:
    kept = decode.Distributions()
    options = {"explicit_buckets": {"bounds": [100.0, 300.0]}}
    said, corrected = _latency_series(options, [2, 2], 100.0), _latency_series(options, [2, 3], 100.0)
    first = decode.latency_row(said, kept).points[0]
    kept.begin()
    assert decode.latency_row(said, kept).points[0][1] is first[1], "in the answer before"
    kept.begin()
    other = decode.latency_row(corrected, kept).points[0]
    kept.begin()
    assert first[1] is not None
    assert other[1] is not None
    assert (first[1].count, other[1].count) == (4.0, 5.0)
    again = decode.latency_row(said, kept).points[0]
    assert again == first
    assert again[1] is not first[1], "two answers ago"

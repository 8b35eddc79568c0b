"""The server as the official client sees it."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.api import metric_pb2
from google.api_core import exceptions
from google.cloud.monitoring_v3.types import ListTimeSeriesRequest
from tests.monitoring.fake_source import COUNT, LATENCY, FakeSource, FixedClock, raw, running

from spillway.errors import PermanentError
from spillway.sandbox.monitoring.server import serve
from spillway.sandbox.monitoring.source import Histogram

MINUTES = tuple((60.0 * i, i) for i in range(1, 21))


def _request(**changes: Any) -> ListTimeSeriesRequest:
    fields: dict[str, Any] = {
        "name": "projects/demo-project",
        "filter": f'resource.type = "https_lb_rule" AND metric.type = "{COUNT}"',
        "interval": {"start_time": {"seconds": 300}, "end_time": {"seconds": 900}},
    }
    return ListTimeSeriesRequest(**(fields | changes))


def _ends(series: Any) -> list[float]:
    return [point.interval.end_time.timestamp() for point in series.points]


def test_raw_points_newest_first_in_a_half_open_interval() -> None:
    source = FakeSource({COUNT: [raw(MINUTES)]})
    with running(source) as (client, _):
        (series,) = client.list_time_series(_request())
    assert _ends(series) == [900.0 - 60.0 * i for i in range(10)], "300 is outside, 900 inside"
    assert series.points[0].interval.start_time.timestamp() == 840.0
    assert series.points[0].value.int64_value == 15
    assert series.metric.type == COUNT
    assert series.resource.labels["project_id"] == "demo-project"
    assert source.asked == [(COUNT, 300.0, 900.0, 1200.0)]


def test_pages_of_points_split_a_series_and_see_one_moment() -> None:
    source = FakeSource({COUNT: [raw(MINUTES), raw(MINUTES, scope="europe-west4-b")]})
    with running(source) as (client, _):
        pages = list(client.list_time_series(_request(page_size=8)).pages)
    assert [sum(len(s.points) for s in page.time_series) for page in pages] == [8, 8, 4]
    assert [len(page.time_series) for page in pages] == [1, 2, 1]
    assert {asked[3] for asked in source.asked} == {1200.0}


def test_headers_have_no_points() -> None:
    view = ListTimeSeriesRequest.TimeSeriesView.HEADERS
    with running(FakeSource({COUNT: [raw(MINUTES), raw(MINUTES, scope="b")]})) as (client, _):
        pages = list(client.list_time_series(_request(view=view, page_size=1)).pages)
    assert len(pages) == 2
    assert all(not series.points for page in pages for series in page.time_series)


def test_reduced_distributions() -> None:
    one = Histogram(bounds=(10.0, 20.0), counts=(1, 3, 0), count=4, mean=12.0, squares=2.0)
    source = FakeSource({LATENCY: [raw([(600.0, one)]), raw([(600.0, one)], scope="europe-west4-b")]})
    aggregation = {
        "alignment_period": {"seconds": 60},
        "per_series_aligner": "ALIGN_SUM",
        "cross_series_reducer": "REDUCE_SUM",
        "group_by_fields": ["resource.labels.backend_target_name", 'metric.label."response_code_class"'],
    }
    request = _request(
        filter=f'metric.type="{LATENCY}" metric.labels.response_code_class=200', aggregation=aggregation
    )
    with running(source) as (client, _):
        (series,) = client.list_time_series(request)
    assert dict(series.resource.labels) == {"project_id": "demo-project", "backend_target_name": "svc"}
    assert dict(series.metric.labels) == {"response_code_class": "200"}
    value = series.points[0].value.distribution_value
    assert (value.count, value.mean, value.sum_of_squared_deviation) == (8, 12.0, 4.0)
    assert list(value.bucket_options.explicit_buckets.bounds) == [10.0, 20.0]
    assert list(value.bucket_counts) == [2, 6], "zeros at the end are left out"


def test_execution_errors_travel_without_an_exception() -> None:
    with running(FakeSource({COUNT: [raw(MINUTES)]}, errors=("zone b is late",))) as (client, _):
        (page,) = client.list_time_series(_request()).pages
    assert [status.message for status in page.execution_errors] == ["zone b is late"]
    assert len(page.time_series) == 1


_ALIGNED = {"alignment_period": {"seconds": 60}, "per_series_aligner": "ALIGN_SUM"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"filter": 'resource.type = "https_lb_rule"'}, "metric.type"),
        ({"filter": f'metric.type = one_of("{COUNT}", "{LATENCY}")'}, "more than one metric"),
        ({"filter": f'metric.type = "{COUNT}" OR project = "x"'}, "outside of OR"),
        ({"filter": f'metric.type = "{COUNT}" AND resource.type = "gce_instance"'}, "gce_instance"),
        ({"filter": f'metric.type = "{COUNT}" AND resource.labels.zone = "a"'}, "'zone'"),
        ({"filter": f'metric.type = "{COUNT}" AND metric.labels.protocol = "a"'}, "'protocol'"),
        ({"filter": f'metric.type = "{COUNT}" AND metric.labels.response_code = "x"'}, "integer"),
        ({"filter": 'metric.type = "'}, "never closed"),
        ({"name": "folders/12"}, "folders/12"),
        ({"order_by": "time"}, "order_by"),
        ({"secondary_aggregation": _ALIGNED}, "secondary_aggregation"),
        ({"interval": {"start_time": {"seconds": 300}}}, "endTime"),
        ({"interval": {"start_time": {"seconds": 300}, "end_time": {"seconds": 200}}}, "start time"),
        ({"aggregation": {**_ALIGNED, "alignment_period": {"seconds": 30}}}, "30s"),
        ({"aggregation": {**_ALIGNED, "per_series_aligner": "ALIGN_STDDEV"}}, "ALIGN_STDDEV"),
        ({"aggregation": {**_ALIGNED, "per_series_aligner": "ALIGN_PERCENTILE_95"}}, "value type INT64"),
        ({"aggregation": {**_ALIGNED, "per_series_aligner": 22}}, "22"),
        ({"aggregation": {"cross_series_reducer": "REDUCE_SUM"}}, "perSeriesAligner"),
        (
            {"aggregation": {**_ALIGNED, "group_by_fields": ["resource.labels.backend_name"]}},
            "crossSeriesReducer",
        ),
        (
            {
                "aggregation": {
                    **_ALIGNED,
                    "cross_series_reducer": "REDUCE_SUM",
                    "group_by_fields": ["resource.labels.zone"],
                }
            },
            "zone",
        ),
        (
            {
                "aggregation": {
                    **_ALIGNED,
                    "cross_series_reducer": "REDUCE_SUM",
                    "group_by_fields": ["metadata.x"],
                }
            },
            "metadata.x",
        ),
        ({"page_token": "nonsense"}, "page_token"),
        ({"page_size": -1}, "page_size"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], named: str) -> None:
    with (
        running(FakeSource({COUNT: [raw(MINUTES)]})) as (client, _),
        pytest.raises(exceptions.InvalidArgument, match=named),
    ):
        client.list_time_series(_request(**changes), retry=None)


def test_a_metric_that_does_not_exist_is_not_found() -> None:
    wanted = 'metric.type = "loadbalancing.googleapis.com/nosuch"'
    with (
        running(FakeSource({})) as (client, _),
        pytest.raises(
            exceptions.NotFound, match=r"Cannot find metric.* type = \"loadbalancing.googleapis.com/nosuch"
        ),
    ):
        client.list_time_series(_request(filter=wanted), retry=None)


def test_another_project_is_refused_as_one_that_may_not_be_read() -> None:
    source = FakeSource({COUNT: [raw(MINUTES)]})
    source.unknown_projects = {"demo-projct"}
    with running(source) as (client, _):
        assert len(list(client.list_time_series(_request()))) == 1
        with pytest.raises(exceptions.PermissionDenied, match="or the resource may not exist"):
            client.list_time_series(_request(name="projects/demo-projct"), retry=None)


def test_quota_by_the_minute_and_by_fault() -> None:
    source = FakeSource({COUNT: [raw(MINUTES)]})
    with running(source, quota=2) as (client, _):
        for _ in range(2):
            assert len(list(client.list_time_series(_request()))) == 1
        with pytest.raises(exceptions.ResourceExhausted) as caught:
            client.list_time_series(_request(), retry=None)
    assert caught.value.reason == "RATE_LIMIT_EXCEEDED"
    source.used_up = True
    with running(source) as (client, _), pytest.raises(exceptions.ResourceExhausted, match="Quota exceeded"):
        client.list_time_series(_request(), retry=None)


def test_descriptors() -> None:
    name = "projects/demo-project"
    with running(FakeSource({})) as (client, _):
        one = client.get_metric_descriptor(name=f"{name}/metricDescriptors/{LATENCY}")
        listed = list(
            client.list_metric_descriptors(
                request={"name": name, "filter": 'metric.type = ends_with("_count")', "page_size": 1}
            )
        )
        resource = client.get_monitored_resource_descriptor(
            name=f"{name}/monitoredResourceDescriptors/https_lb_rule"
        )
        resources = list(client.list_monitored_resource_descriptors(name=name))
        with pytest.raises(exceptions.NotFound, match="'gce_instance'"):
            client.get_monitored_resource_descriptor(name=f"{name}/monitoredResourceDescriptors/gce_instance")
        with pytest.raises(exceptions.NotFound, match="'nothing'"):
            client.get_metric_descriptor(name=f"{name}/metricDescriptors/nothing")
        with pytest.raises(exceptions.InvalidArgument, match="cannot be used here"):
            client.list_metric_descriptors(request={"name": name, "filter": 'metric.labels.x = "1"'})
        with pytest.raises(exceptions.MethodNotImplemented, match="DeleteMetricDescriptor"):
            client.delete_metric_descriptor(name=f"{name}/metricDescriptors/x")
    assert (one.metadata.sample_period.seconds, one.metadata.ingest_delay.seconds) == (60, 210)
    assert one.value_type == metric_pb2.MetricDescriptor.DISTRIBUTION
    assert one.unit == "ms"
    assert {"response_code_class", "proxy_continent"} <= {label.key for label in one.labels}
    assert [metric.type for metric in listed] == [
        "loadbalancing.googleapis.com/https/backend_request_count",
        "loadbalancing.googleapis.com/https/request_count",
    ]
    assert {label.key for label in resource.labels} >= {
        "backend_target_name",
        "backend_name",
        "backend_scope",
    }
    assert [found.type for found in resources] == ["https_lb_rule"]


def test_listens_on_loopback_alone_and_says_when_the_port_is_taken() -> None:
    with pytest.raises(PermanentError, match=r"0\.0\.0\.0"):
        serve(FakeSource({}), FixedClock(0.0), "0.0.0.0:0")
    server = serve(FakeSource({}), FixedClock(0.0), "127.0.0.1:0")
    try:
        with pytest.raises(PermanentError, match=str(server.port)):
            serve(FakeSource({}), FixedClock(0.0), f"127.0.0.1:{server.port}")
    finally:
        server.stop(0)
    with grpc.insecure_channel(
        f"127.0.0.1:{server.port}", options=(("grpc.enable_http_proxy", 0),)
    ) as channel:
        ready = grpc.channel_ready_future(channel)
        with pytest.raises(grpc.FutureTimeoutError):
            ready.result(timeout=0.2)
        ready.cancel()

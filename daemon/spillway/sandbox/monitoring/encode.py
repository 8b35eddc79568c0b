"""Series to protobuf, as the real API writes them."""

from __future__ import annotations

from typing import Any

from google.api import metric_pb2
from google.cloud.monitoring_v3.types import TimeSeries
from google.protobuf.timestamp_pb2 import Timestamp

from spillway.sandbox.monitoring.aligners import Shape
from spillway.sandbox.monitoring.descriptors import RESOURCE_TYPE, Metric
from spillway.sandbox.monitoring.reducers import Series
from spillway.sandbox.monitoring.source import Histogram, Value

_INT64_MAX = 2**63 - 1


def stamp(seconds: float) -> Timestamp:
    """UTC seconds as a protobuf time stamp."""
    whole = int(seconds // 1)
    return Timestamp(seconds=whole, nanos=min(999_999_999, round((seconds - whole) * 1e9)))


def time_series(series: Series, metric: Metric, shape: Shape, *, period: float) -> Any:
    """One TimeSeries message; points in the order given.

    Args:
        series: labels and points.
        metric: what was measured.
        shape: kind and type of the points.
        period: seconds that a DELTA point covers.
    """
    kind = metric_pb2.MetricDescriptor.MetricKind.Value(shape.kind)
    value_type = metric_pb2.MetricDescriptor.ValueType.Value(shape.value_type)
    message = TimeSeries.pb()(metric_kind=kind, value_type=value_type, unit=metric.unit)
    message.metric.type = metric.type
    message.metric.labels.update(series.metric)
    message.resource.type = RESOURCE_TYPE
    message.resource.labels.update(series.resource)
    for end, value in series.points:
        point = message.points.add()
        point.interval.end_time.CopyFrom(stamp(end))
        point.interval.start_time.CopyFrom(stamp(end - period if shape.kind == "DELTA" else end))
        _fill(point.value, value, shape.value_type)
    return message


def _fill(target: Any, value: Value, value_type: str) -> None:
    """Write one value into a TypedValue."""
    if isinstance(value, Histogram):
        _fill_distribution(target.distribution_value, value)
    elif value_type == "INT64":
        target.int64_value = max(-_INT64_MAX, min(_INT64_MAX, round(value)))
    else:
        target.double_value = float(value)


def _fill_distribution(target: Any, histogram: Histogram) -> None:
    """Write a histogram; zeros at the end of the buckets are left out, as Google does."""
    target.count = histogram.count
    target.mean = histogram.mean
    target.sum_of_squared_deviation = histogram.squares
    target.bucket_options.explicit_buckets.bounds.extend(histogram.bounds)
    filled = len(histogram.counts)
    while filled and histogram.counts[filled - 1] == 0:
        filled -= 1
    target.bucket_counts.extend(histogram.counts[:filled])

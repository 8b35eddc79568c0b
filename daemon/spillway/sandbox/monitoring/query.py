"""A ListTimeSeries request, checked and carried out: filter, align, reduce."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from spillway.sandbox.monitoring import aligners, reducers
from spillway.sandbox.monitoring.descriptors import RESOURCE_LABELS, RESOURCE_TYPE, Metric, metric_of
from spillway.sandbox.monitoring.filters import All, Comparison, Node, Subject, comparisons, parse
from spillway.sandbox.monitoring.source import Invalid, Source

_MIN_PERIOD = 60.0
"""Seconds; the API refuses finer alignment (py:Aggregation.alignment_period)."""
_MAX_PERIOD = 104 * 7 * 86400.0
_PROJECT = re.compile(r"^projects/([a-z0-9][a-z0-9.:-]*)$")
_FIELD = re.compile(r"^(resource|metric)\.labels?\.(?:\"([^\"]+)\"|([A-Za-z0-9_]+))$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A request that can be answered."""

    project: str
    node: Node
    metric: Metric
    start: float
    end: float
    period: float
    aligner: str
    reducer: str
    group_by: tuple[tuple[str, str], ...]
    shape: aligners.Shape
    """Kind and type of the answer."""


def project_of(name: str, *, suffix: str = "") -> str:
    """The project in a resource name.

    Raises:
        Invalid: it names none; organizations and folders are not served.
    """
    head = name.removesuffix(suffix) if suffix else name
    match = _PROJECT.match(head)
    if match is None:
        raise Invalid(f'Field name had an invalid value of "{name}": it must be projects/PROJECT_ID{suffix}.')
    return match[1]


def query_of(request: Any) -> Query:
    """The checked query in a ListTimeSeriesRequest message.

    Raises:
        Invalid: it is one that the real API refuses, or that this sandbox does not know.
    """
    if request.order_by:
        raise Invalid("Field order_by is not supported: points come newest first.")
    if request.HasField("secondary_aggregation"):
        raise Invalid("Field secondary_aggregation is not served by this sandbox.")
    project = project_of(request.name)
    node = parse(request.filter)
    metric = metric_of(_metric_type(node, request.filter))
    check_labels(node, metric)
    start, end = _interval(request.interval)
    period, aligner, reducer, group_by = _aggregation(request.aggregation, metric)
    shape = aligners.shape_after(aligner, aligners.Shape(kind="DELTA", value_type=metric.value_type))
    shape = reducers.shape_after(reducer, shape)
    return Query(
        project=project,
        node=node,
        metric=metric,
        start=start,
        end=end,
        period=period,
        aligner=aligner,
        reducer=reducer,
        group_by=group_by,
        shape=shape,
    )


def run(query: Query, source: Source, now: float) -> list[reducers.Series]:
    """The answer's series in a stable order, points oldest first."""
    aligned: list[reducers.Series] = []
    for raw in source.series(query.metric.type, query.start, query.end, now):
        resource = {"project_id": query.project, **raw.resource}
        subject = Subject(
            project=query.project,
            resource_type=RESOURCE_TYPE,
            metric_type=query.metric.type,
            resource=resource,
            metric=raw.metric,
        )
        if not query.node.matches(subject):
            continue
        inside = tuple((end, value) for end, value in raw.points if query.start < end <= query.end)
        points = aligners.align(inside, query.aligner, end=query.end, period=query.period)
        if points:
            aligned.append(reducers.Series(resource=resource, metric=raw.metric, points=points))
    reduced = reducers.reduce(aligned, query.reducer, query.group_by)
    return sorted(reduced, key=lambda s: (sorted(s.resource.items()), sorted(s.metric.items())))


def check_labels(node: Node, metric: Metric | None) -> None:
    """Refuse labels that do not exist, and integer labels compared with words.

    Raises:
        Invalid: naming the label and those that exist.
    """
    for test in comparisons(node):
        label = test.path.label
        if label is None:
            continue
        if test.path.root == "resource":
            if label not in RESOURCE_LABELS:
                raise Invalid(
                    f"Resource label '{label}' is not a label of {RESOURCE_TYPE}; "
                    f"it has {', '.join(RESOURCE_LABELS)}."
                )
        elif metric is not None:
            kind = metric.labels.get(label)
            if kind is None:
                raise Invalid(
                    f"Metric label '{label}' is not a label of {metric.type}; it has {', '.join(metric.labels)}."
                )
            if kind[0] == "INT64" and not test.function and not test.values[0].lstrip("-").isdigit():
                raise Invalid(f"Metric label '{label}' is an integer; {test.values[0]!r} is none.")


def _metric_type(node: Node, text: str) -> str:
    """The one metric type that a filter must name."""
    parts = node.parts if isinstance(node, All) else (node,)
    named = {
        value
        for part in parts
        if isinstance(part, Comparison) and str(part.path) == "metric.type" and part.operator == "="
        for value in part.values
        if part.function in {"", "one_of"}
    }
    if len(named) == 1:
        _check_resource_type(node)
        return named.pop()
    if not named:
        raise Invalid(
            f'Field filter had an invalid value of "{text}": must specify a restriction on "metric.type" '
            'in the filter, as metric.type = "...", outside of OR and NOT.'
        )
    raise Invalid(
        f'Field filter had an invalid value of "{text}": The provided filter matches more than one metric. '
        "TimeSeries data are limited to a single metric per request."
    )


def _check_resource_type(node: Node) -> None:
    for test in comparisons(node):
        if test.path.root == "resource" and test.path.label is None and not test.function:
            for value in test.values:
                if value != RESOURCE_TYPE:
                    raise Invalid(
                        f"Resource type '{value}' is not served by this sandbox; it has {RESOURCE_TYPE}."
                    )


def _interval(interval: Any) -> tuple[float, float]:
    """(start, end] in UTC seconds; without a start it is the end (py:TimeInterval)."""
    if not interval.HasField("end_time"):
        raise Invalid("Field interval.endTime is required.")
    end = interval.end_time.seconds + interval.end_time.nanos / 1e9
    start = end
    if interval.HasField("start_time"):
        start = interval.start_time.seconds + interval.start_time.nanos / 1e9
    if start > end:
        raise Invalid("Field interval had an invalid value: The start time must be before the end time.")
    return start, end


def _aggregation(aggregation: Any, metric: Metric) -> tuple[float, str, str, tuple[tuple[str, str], ...]]:
    """(period, aligner, reducer, grouping labels), checked against each other (py:Aggregation)."""
    from google.cloud.monitoring_v3.types import Aggregation

    try:
        aligner = Aggregation.Aligner(aggregation.per_series_aligner).name
        reducer = Aggregation.Reducer(aggregation.cross_series_reducer).name
    except ValueError as error:
        raise Invalid(f"Field aggregation had an invalid value: {error}.") from error
    period = aggregation.alignment_period.seconds + aggregation.alignment_period.nanos / 1e9
    if aligner == "ALIGN_NONE":
        if reducer != "REDUCE_NONE":
            raise Invalid(
                f"Field aggregation.perSeriesAligner is required with {reducer}: ALIGN_NONE cannot be reduced."
            )
    elif not _MIN_PERIOD <= period <= _MAX_PERIOD:
        raise Invalid(
            f'Field aggregation.alignmentPeriod had an invalid value of "{period:g}s": '
            "The alignment period must be at least 60 seconds and at most 104 weeks."
        )
    group_by = tuple(_group_field(field, metric) for field in aggregation.group_by_fields)
    if group_by and reducer == "REDUCE_NONE":
        raise Invalid("Field aggregation.groupByFields is used only with a crossSeriesReducer.")
    return period, aligner, reducer, tuple(pair for pair in group_by if pair is not None)


def _group_field(field: str, metric: Metric) -> tuple[str, str] | None:
    """A grouping label; None for `resource.type` and `project`, which are always kept."""
    if field in {"resource.type", "project"}:
        return None
    match = _FIELD.match(field)
    if match is None:
        raise Invalid(
            f'Field aggregation.groupByFields had an invalid value of "{field}": '
            "it must be resource.label.KEY or metric.label.KEY."
        )
    root, label = match[1], match[2] or match[3]
    known = RESOURCE_LABELS if root == "resource" else metric.labels
    if label not in known:
        raise Invalid(
            f'Field aggregation.groupByFields had an invalid value of "{field}": unknown label; '
            f"known are {', '.join(known)}."
        )
    return root, label

"""The four reading methods of google.monitoring.v3.MetricService, as functions of a request message."""

from __future__ import annotations

import threading
from typing import Any

from google.cloud.monitoring_v3.types import metric_service as types

from spillway.sandbox.monitoring.descriptors import (
    METRICS,
    RESOURCE_TYPE,
    SAMPLE_PERIOD,
    metric_message,
    metric_of,
    resource_message,
)
from spillway.sandbox.monitoring.encode import time_series
from spillway.sandbox.monitoring.filters import Node, Subject, comparisons, parse
from spillway.sandbox.monitoring.pages import Place, digest_of, page, page_size, place_of, token_of
from spillway.sandbox.monitoring.query import check_labels, project_of, query_of, run
from spillway.sandbox.monitoring.source import Invalid, NotFoundError, Source, WorldClock

QUOTA = 6000
"""Queries a minute and project, QueryRequestsPerMinutePerProject (reference: 4.7)."""
_UNAVAILABLE = 14


class QuotaExceededError(Exception):
    """More queries in this minute than the project may ask."""


class NoProjectError(Exception):
    """A project that does not exist; Google says the same of one that the caller may not read."""


class MetricReader:
    """Answers requests over one source. Thread-safe as far as its source is."""

    def __init__(self, source: Source, clock: WorldClock, *, quota: int = QUOTA) -> None:
        self._source = source
        self._clock = clock
        self._quota = quota
        self._window: tuple[int, int] = (0, 0)
        """(minute of the world, queries in it)."""
        self._lock = threading.Lock()

    def list_time_series(self, request: Any) -> Any:
        """One page of ListTimeSeries.

        Raises:
            Invalid: the request is wrong.
            NotFoundError: there is no such metric.
            NoProjectError: there is no such project.
            QuotaExceededError: too many queries in this minute, or a fault says so.
        """
        now = self._clock.now()
        self._count_query(now)
        query = query_of(request)
        if not self._source.has_project(query.project):
            raise NoProjectError(
                "Permission monitoring.timeSeries.list denied (or the resource may not exist)."
            )
        bare = types.ListTimeSeriesRequest.pb()()
        bare.CopyFrom(request)
        bare.page_token = ""
        bare.page_size = 0
        digest = digest_of(bare.SerializeToString(deterministic=True))
        place = Place(series=0, point=0, now=now)
        if request.page_token:
            place = place_of(request.page_token, digest)
        headers = request.view == types.ListTimeSeriesRequest.TimeSeriesView.HEADERS
        answer, following = page(
            run(query, self._source, place.now), place, page_size(request.page_size), headers=headers
        )
        period = SAMPLE_PERIOD if query.aligner == "ALIGN_NONE" else query.period
        response = types.ListTimeSeriesResponse.pb()(unit=query.metric.unit)
        response.time_series.extend(
            time_series(one, query.metric, query.shape, period=period) for one in answer
        )
        if following is not None:
            response.next_page_token = token_of(following, digest)
        for sentence in self._source.errors(place.now):
            response.execution_errors.add(code=_UNAVAILABLE, message=sentence)
        return response

    def list_metric_descriptors(self, request: Any) -> Any:
        """One page of ListMetricDescriptors."""
        project = project_of(request.name)
        node = parse(request.filter)
        _only(node, "metric.type", "resource.type")
        matching = [
            metric_message(metric, project)
            for _, metric in sorted(METRICS.items())
            if node.matches(Subject(project=project, resource_type=RESOURCE_TYPE, metric_type=metric.type))
        ]
        response = types.ListMetricDescriptorsResponse.pb()()
        shown, token = _plain_page(matching, request)
        response.metric_descriptors.extend(shown)
        response.next_page_token = token
        return response

    def get_metric_descriptor(self, request: Any) -> Any:
        """GetMetricDescriptor.

        Raises:
            NotFoundError: there is no such metric here.
        """
        head, found, metric_type = request.name.partition("/metricDescriptors/")
        if not found:
            raise Invalid(f'Field name had an invalid value of "{request.name}".')
        project = project_of(head)
        try:
            return metric_message(metric_of(metric_type), project)
        except NotFoundError as error:
            raise NotFoundError(f"Could not find descriptor for metric '{metric_type}'. {error}") from error

    def list_monitored_resource_descriptors(self, request: Any) -> Any:
        """One page of ListMonitoredResourceDescriptors."""
        project = project_of(request.name)
        node = parse(request.filter)
        check_labels(node, None)
        _only(node, "resource.type")
        subject = Subject(project=project, resource_type=RESOURCE_TYPE, metric_type="")
        response = types.ListMonitoredResourceDescriptorsResponse.pb()()
        shown, token = _plain_page([resource_message(project)] if node.matches(subject) else [], request)
        response.resource_descriptors.extend(shown)
        response.next_page_token = token
        return response

    def get_monitored_resource_descriptor(self, request: Any) -> Any:
        """GetMonitoredResourceDescriptor.

        Raises:
            NotFoundError: there is no such resource here.
        """
        head, found, resource_type = request.name.partition("/monitoredResourceDescriptors/")
        if not found:
            raise Invalid(f'Field name had an invalid value of "{request.name}".')
        project = project_of(head)
        if resource_type != RESOURCE_TYPE:
            raise NotFoundError(
                f"Could not find descriptor for resource '{resource_type}'; this sandbox has {RESOURCE_TYPE}."
            )
        return resource_message(project)

    def _count_query(self, now: float) -> None:
        minute = int(now // 60)
        with self._lock:
            count = self._window[1] + 1 if self._window[0] == minute else 1
            self._window = (minute, count)
        if count > self._quota or self._source.exhausted(now):
            raise QuotaExceededError(
                "Quota exceeded for quota metric 'Time series queries' and limit "
                f"'Time series queries per minute' of service 'monitoring.googleapis.com' ({self._quota})."
            )


def _only(node: Node, *selectors: str) -> None:
    """Refuse selectors that a list of descriptors cannot use."""
    for test in comparisons(node):
        if str(test.path) not in {*selectors, "project"}:
            raise Invalid(f"Selector {test.path} cannot be used here; use {' or '.join(selectors)}.")


def _plain_page(items: list[Any], request: Any) -> tuple[list[Any], str]:
    """A page of descriptors and the token of the next."""
    size = page_size(request.page_size)
    digest = digest_of(f"{request.name} {request.filter}".encode())
    start = place_of(request.page_token, digest).series if request.page_token else 0
    more = start + size < len(items)
    token = token_of(Place(series=start + size, point=0, now=0.0), digest) if more else ""
    return items[start : start + size], token

"""From the simulated world's samples to raw series with the labels that the load balancer would write."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import floor
from typing import Protocol

from spillway.sandbox.monitoring.aligners import merge_histograms
from spillway.sandbox.monitoring.descriptors import METRICS
from spillway.sandbox.monitoring.source import Histogram, RawSeries, Value

_INVALID = "INVALID_BACKEND"
"""Stands for group and scope where no backend was healthy (reference: LOGMON)."""


class CountSample(Protocol):
    """Answers of one minute."""

    @property
    def end(self) -> float:
        """UTC seconds at which the minute ended."""
        ...

    @property
    def service(self) -> str:
        """Name of the backend service."""
        ...

    @property
    def region(self) -> str:
        """Region that answered; empty where none was chosen."""
        ...

    @property
    def zone(self) -> int:
        """Index of the zone in its region."""
        ...

    @property
    def code(self) -> int:
        """HTTP status."""
        ...

    @property
    def continent(self) -> str:
        """Continent of the client."""
        ...

    @property
    def count(self) -> float:
        """Answers."""
        ...


class LatencySample(Protocol):
    """Latencies of one minute and one class of codes."""

    @property
    def end(self) -> float:
        """UTC seconds at which the minute ended."""
        ...

    @property
    def service(self) -> str:
        """Name of the backend service."""
        ...

    @property
    def region(self) -> str:
        """Region that answered."""
        ...

    @property
    def zone(self) -> int:
        """Index of the zone in its region."""
        ...

    @property
    def code_class(self) -> int:
        """200, 300, 400, 500, or 0."""
        ...

    @property
    def continent(self) -> str:
        """Continent of the client."""
        ...

    @property
    def bounds_ms(self) -> Sequence[float]:
        """Rising bucket bounds."""
        ...

    @property
    def counts(self) -> Sequence[float]:
        """Answers by bucket, one more than bounds."""
        ...

    @property
    def mean_ms(self) -> float:
        """Mean."""
        ...


class View(Protocol):
    """What Cloud Monitoring would show of the world at a moment; UTC seconds throughout."""

    def counts(self, start: float, end: float, now: float) -> tuple[CountSample, ...]:
        """Samples of minutes that ended in (start, end] and are visible by `now`."""
        ...

    def latencies(self, start: float, end: float, now: float) -> tuple[LatencySample, ...]:
        """The same for latencies."""
        ...

    def errors(self, now: float) -> tuple[str, ...]:
        """Why answers are incomplete at `now`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLabels:
    """How one zonal group is named."""

    name: str
    scope: str
    """Its zone or region."""
    type: str = "NETWORK_ENDPOINT_GROUP"
    scope_type: str = "ZONE"


_NO_GROUP = GroupLabels(name=_INVALID, scope=_INVALID, type=_INVALID, scope_type=_INVALID)
_Key = tuple[str, GroupLabels, int, int, str]
"""(service, group, code, class of the code, continent)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontLabels:
    """How the way to a service is named."""

    url_map: str
    forwarding_rule: str
    target_proxy: str
    path_rule: str = "UNMATCHED"
    scheme: str = "EXTERNAL_MANAGED"


class Names(Protocol):
    """Who knows how things are called in the load balancer as it stands."""

    def refresh(self) -> None:
        """Look again; called before each answer."""
        ...

    def front(self, service: str) -> FrontLabels:
        """The way to a service."""
        ...

    def group(self, service: str, region: str, zone: int) -> GroupLabels | None:
        """The group of a service in a zone of a region; None where it has none."""
        ...

    def has_project(self, project: str) -> bool:
        """Whether there is anything in a project."""
        ...


def whole(counts: Sequence[float]) -> tuple[int, ...]:
    """Whole numbers with the rounded sum of `counts`: largest remainders go up. Negative ones (faults) are just rounded."""
    if any(count < 0 for count in counts):
        return tuple(round(count) for count in counts)
    floors = [floor(count) for count in counts]
    missing = round(sum(counts)) - sum(floors)
    order = sorted(range(len(counts)), key=lambda i: (floors[i] - counts[i], i))
    for i in order[:missing]:
        floors[i] += 1
    return tuple(floors)


class WorldSource:
    """A `Source` over the world. World and names are asked under one lock, so any thread may call it."""

    def __init__(
        self,
        view: View,
        names: Names,
        *,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        """Take the parts.

        Args:
            view: the samples.
            names: the labels.
            lock: guards world and names; one of its own where none is given.
        """
        self._lock = lock if lock is not None else threading.Lock()
        self._view = view
        self._names = names

    def series(self, metric_type: str, start: float, end: float, now: float) -> Iterable[RawSeries]:
        """Raw series of one metric; see `Source`."""
        front = "protocol" in METRICS[metric_type].labels
        with self._lock:
            self._names.refresh()
            if METRICS[metric_type].value_type == "DISTRIBUTION":
                return self._latency_series(self._view.latencies(start, end, now), front=front)
            return self._count_series(self._view.counts(start, end, now), front=front)

    def errors(self, now: float) -> tuple[str, ...]:
        """Why answers are incomplete; see `Source`."""
        with self._lock:
            return self._view.errors(now)

    def has_project(self, project: str) -> bool:
        """Whether there is anything in a project."""
        with self._lock:
            return self._names.has_project(project)

    def exhausted(self, now: float) -> bool:  # noqa: ARG002 the world has no such fault; the server counts queries
        """The world's vocabulary has no fault of the query quota."""
        return False

    def _count_series(self, samples: Iterable[CountSample], *, front: bool) -> list[RawSeries]:
        points: dict[_Key, dict[float, Value]] = {}
        for s in samples:
            group = self._group(s.service, s.region, s.zone)
            if group is not None:
                minutes = points.setdefault((s.service, group, s.code, _class_of(s.code), s.continent), {})
                known = minutes.get(s.end, 0.0)
                minutes[s.end] = s.count + (0.0 if isinstance(known, Histogram) else known)
        whole_numbers = {
            key: {
                end: value if isinstance(value, Histogram) else round(value) for end, value in minutes.items()
            }
            for key, minutes in points.items()
        }
        return self._series(whole_numbers, front=front)

    def _latency_series(self, samples: Iterable[LatencySample], *, front: bool) -> list[RawSeries]:
        points: dict[_Key, dict[float, Value]] = {}
        for s in samples:
            group = self._group(s.service, s.region, s.zone)
            if group is not None:
                counts = whole(s.counts)
                one = Histogram(bounds=tuple(s.bounds_ms), counts=counts, count=sum(counts), mean=s.mean_ms)
                minutes = points.setdefault((s.service, group, s.code_class, s.code_class, s.continent), {})
                known = minutes.get(s.end)
                minutes[s.end] = merge_histograms([known, one]) if isinstance(known, Histogram) else one
        return self._series(points, front=front)

    def _group(self, service: str, region: str, zone: int) -> GroupLabels | None:
        """Labels of a group; None for one that nobody can name, so nobody would report it."""
        return self._names.group(service, region, zone) if region else _NO_GROUP

    def _series(self, points: Mapping[_Key, Mapping[float, Value]], *, front: bool) -> list[RawSeries]:
        """One series for each key, points oldest first."""
        return [
            RawSeries(
                resource=self._resource(service, group),
                metric=self._metric(service, code, code_class, continent, front=front),
                points=tuple((end, minutes[end]) for end in sorted(minutes)),
            )
            for (service, group, code, code_class, continent), minutes in points.items()
        ]

    def _resource(self, service: str, group: GroupLabels) -> Mapping[str, str]:
        """Labels of https_lb_rule."""
        front = self._names.front(service)
        return {
            "region": "global",
            "url_map_name": front.url_map,
            "forwarding_rule_name": front.forwarding_rule,
            "target_proxy_name": front.target_proxy,
            "matched_url_path_rule": front.path_rule,
            "backend_target_name": service,
            "backend_target_type": "BACKEND_SERVICE",
            "backend_name": group.name,
            "backend_type": group.type,
            "backend_scope": group.scope,
            "backend_scope_type": group.scope_type,
        }

    def _metric(
        self, service: str, code: int, code_class: int, continent: str, *, front: bool
    ) -> Mapping[str, str]:
        labels = {
            "response_code": str(code),
            "response_code_class": str(code_class),
            "load_balancing_scheme": self._names.front(service).scheme,
            "proxy_continent": continent,
            "cache_result": "DISABLED",
        }
        return {**labels, "protocol": "HTTP/1.1", "client_country": "UNKNOWN"} if front else labels


def _class_of(code: int) -> int:
    """200, 300, 400 or 500 for a code of that class, otherwise 0."""
    base = code // 100 * 100
    return base if 200 <= base <= 500 else 0

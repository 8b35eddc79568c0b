"""The world's samples under the labels that the load balancer would write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.fake_source import COUNT, LATENCY, REQUESTS

from spillway.sandbox.links import Key
from spillway.sandbox.monitoring.names import StoreNames
from spillway.sandbox.monitoring.source import Histogram
from spillway.sandbox.monitoring.world_source import WorldSource, whole


@dataclass(frozen=True)
class Count:
    end: float
    service: str
    region: str
    zone: int
    code: int
    continent: str
    count: float


@dataclass(frozen=True)
class Latency:
    end: float
    service: str
    region: str
    zone: int
    code_class: int
    continent: str
    bounds_ms: tuple[float, ...]
    counts: tuple[float, ...]
    mean_ms: float


class View:
    def __init__(self, counts: tuple[Count, ...] = (), latencies: tuple[Latency, ...] = ()) -> None:
        self._counts = counts
        self._latencies = latencies
        self.asked: list[tuple[float, float, float]] = []

    def counts(self, start: float, end: float, now: float) -> tuple[Count, ...]:
        self.asked.append((start, end, now))
        return self._counts

    def latencies(self, start: float, end: float, now: float) -> tuple[Latency, ...]:
        self.asked.append((start, end, now))
        return self._latencies

    def errors(self, now: float) -> tuple[str, ...]:
        return (f"late at {now:.0f}",)


def _group(zone: str, name: str = "pool") -> dict[str, Any]:
    return {
        "group": f"https://www.googleapis.com/compute/v1/projects/p/zones/{zone}/networkEndpointGroups/{name}"
    }


class Resources:
    """A load balancer with one service in two zones of one region."""

    def __init__(self) -> None:
        self.backends = [_group("europe-west4-b"), _group("europe-west4-a")]

    def has_project(self, project: str) -> bool:
        return True

    def find(self, path: str) -> dict[str, Any] | None:
        return {
            "projects/p/global/targetHttpProxies/proxy": {
                "name": "proxy",
                "urlMap": "projects/p/global/urlMaps/map",
            },
            "projects/p/global/urlMaps/map": {
                "name": "map",
                "defaultService": "projects/p/global/backendServices/svc",
            },
        }.get(path)

    def all_of(self, collection: str) -> list[tuple[Key, dict[str, Any]]]:
        if collection == "forwardingRules":
            rule = {"name": "rule", "target": "projects/p/global/targetHttpProxies/proxy"}
            return [(Key("p", "global", collection, "rule"), rule)]
        return [(Key("p", "global", collection, "svc"), {"name": "svc", "backends": self.backends})]


def _count(
    zone: int, count: float, *, end: float = 60.0, region: str = "europe-west4", code: int = 200
) -> Count:
    return Count(end, "svc", region, zone, code, "Europe", count)


def test_counts_have_every_label() -> None:
    view = View((_count(0, 3.4), _count(0, 5.0, end=120.0), _count(1, 7.0, code=503)))
    source = WorldSource(view, StoreNames(Resources()))
    first, second = source.series(COUNT, 0, 600, 900)
    assert view.asked == [(0, 600, 900)]
    assert first.points == ((60.0, 3), (120.0, 5))
    assert first.resource == {
        "region": "global",
        "url_map_name": "map",
        "forwarding_rule_name": "rule",
        "target_proxy_name": "proxy",
        "matched_url_path_rule": "UNMATCHED",
        "backend_target_name": "svc",
        "backend_target_type": "BACKEND_SERVICE",
        "backend_name": "pool",
        "backend_type": "NETWORK_ENDPOINT_GROUP",
        "backend_scope": "europe-west4-a",
        "backend_scope_type": "ZONE",
    }
    assert second.resource["backend_scope"] == "europe-west4-b"
    assert (second.metric["response_code"], second.metric["response_code_class"]) == ("503", "500")
    assert "protocol" not in first.metric
    front = next(iter(source.series(REQUESTS, 0, 600, 900)))
    assert front.metric["protocol"] == "HTTP/1.1"
    assert source.errors(5.0) == ("late at 5",)
    assert not source.exhausted(0.0)


def test_no_region_is_invalid_backend_and_more_zones_than_groups_add_up() -> None:
    view = View((_count(0, 1.0, region="", code=503), _count(0, 2.0), _count(2, 3.0)))
    invalid, merged = WorldSource(view, StoreNames(Resources())).series(COUNT, 0, 600, 900)
    assert {invalid.resource[f"backend_{part}"] for part in ("name", "type", "scope")} == {"INVALID_BACKEND"}
    assert merged.points == ((60.0, 5),)


def test_a_group_that_left_keeps_its_name_and_a_stranger_is_not_reported() -> None:
    resources = Resources()
    view = View((_count(0, 1.0), _count(0, 1.0, region="us-east4")))
    source = WorldSource(view, StoreNames(resources))
    assert len(list(source.series(COUNT, 0, 600, 900))) == 1
    resources.backends = []
    (series,) = source.series(COUNT, 0, 600, 900)
    assert series.resource["backend_scope"] == "europe-west4-a"


def test_latencies_of_zones_that_share_a_group_are_merged() -> None:
    def sample(zone: int, counts: tuple[float, ...], mean: float) -> Latency:
        return Latency(60.0, "svc", "europe-west4", zone, 200, "Europe", (10.0, 20.0), counts, mean)

    view = View(latencies=(sample(0, (1.5, 0.5, 0.0), 5.0), sample(2, (0.0, 6.0, 0.0), 15.0)))
    (series,) = WorldSource(view, StoreNames(Resources())).series(LATENCY, 0, 600, 900)
    ((end, value),) = series.points
    assert isinstance(value, Histogram)
    assert (end, value.counts, value.count) == (60.0, (2, 6, 0), 8)
    assert value.mean == pytest.approx(12.5)


@given(st.lists(st.floats(0, 1000), max_size=20))
def test_whole_numbers_keep_the_sum(counts: list[float]) -> None:
    rounded = whole(counts)
    assert sum(rounded) == round(sum(counts))
    assert all(abs(a - b) < 1 for a, b in zip(rounded, counts, strict=True))


def test_negative_counts_of_a_fault_pass_through() -> None:
    assert whole((-3.0, 2.4)) == (-3, 2)

"""Scenario files: the vocabulary, and every mistake with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.sim.worlds import client, region, scenario

from spillway.errors import ConfigError
from spillway.sim.scenario import DAY_ZERO, Scenario
from spillway.sim.scenario_check import check
from spillway.sim.setup import build

EVERY_FAULT: list[dict[str, Any]] = [
    {"kind": "outage", "region": "us-east4", "at": "1m", "for": "1m"},
    {"kind": "slow", "region": "us-east4", "at": "1m", "for": "1m", "factor": 3},
    {"kind": "slow-leak", "region": "us-east4", "at": "1m", "for": "1h", "factor": 3},
    {"kind": "errors", "region": "us-east4", "at": "1m", "for": "1m", "ratio": 0.5},
    {"kind": "fast-failures", "region": "us-east4", "at": "1m", "for": "1m", "ratio": 0.5, "code": 429},
    {"kind": "capacity-loss", "region": "us-east4", "at": "1m", "for": "1m", "ratio": 0.5},
    {"kind": "gray", "region": "us-east4", "at": "1m", "for": "1m", "ratio": 0.5, "factor": 10},
    {"kind": "flapping", "region": "us-east4", "at": "1m", "for": "1m", "ratio": 0.5, "period": "2m"},
    {"kind": "quota", "region": "us-east4", "at": "1m", "for": "1m", "rps": 50},
    {"kind": "metrics-missing", "at": "1m", "for": "1m"},
    {"kind": "metrics-partial", "region": "us-east4", "at": "1m", "for": "1m", "ratio": 0.5},
    {"kind": "metrics-garbage", "at": "1m", "for": "1m"},
    {"kind": "metrics-late", "at": "1m", "for": "1m", "delay": "5m"},
    {"kind": "write-refused", "at": "1m", "for": "1m"},
    {"kind": "write-slow", "at": "1m", "for": "1m", "factor": 4},
    {"kind": "write-hung", "at": "1m", "for": "1m"},
    {"kind": "write-unknown", "at": "1m", "for": "1m"},
    {"kind": "outside-edit", "region": "us-east4", "at": "1m", "scaler": 0.4},
]


def test_every_fault_of_the_vocabulary_is_understood() -> None:
    made = build(scenario(faults=EVERY_FAULT), Path())
    assert [f.kind for f in made.faults] == [f["kind"] for f in EVERY_FAULT]
    assert made.faults[1].until == 120.0


@pytest.mark.parametrize("missing", ["factor", "ratio", "rps", "scaler", "delay"])
def test_a_fault_without_its_strength_is_refused(missing: str) -> None:
    fault = next(f for f in EVERY_FAULT if missing in f)
    with pytest.raises(ValidationError, match=missing):
        scenario(faults=[{k: v for k, v in fault.items() if k != missing}])


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("06:00", 6 * 3600), ("6h", 6 * 3600), (780, 13 * 3600), ("2026-01-06T01:00:00Z", 25 * 3600)],
)
def test_time_zero_can_be_a_time_of_day_or_a_moment(written: Any, seconds: float) -> None:
    assert scenario(start=written).start == DAY_ZERO + seconds


def test_a_bare_number_is_no_duration() -> None:
    with pytest.raises(ValidationError, match="duration"):
        scenario(duration=300)


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"regions": {"mars-east1": region()}}, "regions.mars-east1", "nobody knows where"),
        ({"regions": {"us-east4": region(zones=3, endpoints=2)}}, "regions.us-east4.zones", "more zones"),
        (
            {"regions": {"us-east4": region(service_time={"p50": "2s", "p95": "1s"})}},
            "regions.us-east4.service_time",
            "p95 above p50",
        ),
        ({"regions": {"us-east4": region(standby=True)}}, "regions", "all regions are standby"),
        ({"clients": [client("a", 1), client("a", 2)]}, "clients.1.name", "two clients named a"),
        ({"clients": [{"name": "a", "demand": {"shape": "steady", "rps": 1}}]}, "clients.0", "has no place"),
        (
            {"clients": [client("a", 1, demand={"shape": "trace", "file": "no.csv", "mean_rps": 5})]},
            "clients.0.demand.file",
            "No such file",
        ),
        ({"faults": [{**EVERY_FAULT[0], "region": "us-west1"}]}, "faults.0.region", "us-west1 is no region"),
        ({"faults": [{**EVERY_FAULT[0], "zone": 1}]}, "faults.0.zone", "has no zone 1"),
        ({"faults": [{**EVERY_FAULT[17], "scaler": 0.05}]}, "faults.0.scaler", "Google refuses"),
        ({"duration": "5s"}, "duration", "shorter than one step"),
        ({"monitoring": {"sample_period": "5s"}}, "monitoring.sample_period", "shorter than one step"),
        ({"rtt": {"matrix": "no.csv"}}, "rtt.matrix", "No such file"),
        ({"services": {"eu": {"home": "europe-west4"}}}, "services.eu.paths", "needs the paths"),
        (
            {"services": {"eu": {"home": "europe-west4", "paths": ["/eu"]}}},
            "services",
            "takes the other paths",
        ),
        ({"services": {"eu": {"regions": ["us-west1"]}}}, "services.eu", "us-west1 is no region"),
    ],
)
def test_mistakes_are_found_with_their_place(
    changes: dict[str, Any], path: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        build(scenario(**changes), tmp_path, file="story.yaml")
    problem = next(p for p in caught.value.problems if p.path == path)
    assert message in problem.message
    assert problem.remedy
    assert problem.file == "story.yaml"


def test_all_mistakes_are_found_at_once(tmp_path: Path) -> None:
    wrong = scenario(
        regions={"mars-east1": region(), "us-east4": region()},
        clients=[client("a", 1), client("a", 2)],
        faults=[{**EVERY_FAULT[0], "region": "us-west1"}],
    )
    assert len(check(wrong, tmp_path)) == 3


def test_a_matrix_names_the_client_that_it_misses(tmp_path: Path) -> None:
    (tmp_path / "rtt.csv").write_text("origin,gcp_region,rtt_ms\naws:paris,us-east4,80\n")
    changes: dict[str, Any] = {"regions": {"us-east4": region()}, "rtt": {"matrix": "rtt.csv"}}
    clients = [{"name": "a", "origin": "aws:paris", "demand": {"shape": "steady", "rps": 1}}]
    made = build(scenario(clients=clients, **changes), tmp_path)
    assert made.rtt.tolist() == [[0.08]]
    assert made.continents.tolist() == [0]
    clients = [{"name": "a", "demand": {"shape": "steady", "rps": 1}}]
    with pytest.raises(ConfigError, match="no row from a to us-east4"):
        build(scenario(clients=clients, **changes), tmp_path)


def test_a_schema_can_be_made() -> None:
    schema = Scenario.model_json_schema()
    assert schema["properties"]["clients"]

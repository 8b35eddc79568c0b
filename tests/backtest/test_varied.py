"""The library with its figures moved: scenarios that stay what they are, and what the first look at them brought to light."""

from __future__ import annotations

import pytest
import yaml
from tests.bench.library import FOLDER
from tests.bench.varied import ready, varied

from spillway.sim.backtest.jobs import Job, contenders, perform
from spillway.sim.run import RunResult

FILES = sorted(FOLDER.glob("*.yaml"))


def drawn(name: str, number: int) -> dict[str, object]:
    return varied(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")), number)


@pytest.mark.parametrize("file", FILES, ids=[f.stem for f in FILES])
def test_every_variant_is_a_scenario(file: object) -> None:
    name = str(getattr(file, "stem", ""))
    for number in range(3):
        setup = ready(drawn(name, number))
        assert setup.scenario.scenario == f"{name}-{number}"
    assert drawn(name, 1) == drawn(name, 1) != drawn(name, 2)


def bad(policy: str, file: dict[str, object]) -> float:
    """Share of requests that were bad."""
    setup = ready(file)
    (contender,) = contenders((), (policy,), oracles=False)
    result: RunResult = perform(Job(setup=setup, seed=setup.scenario.seed, contender=contender)).result
    return result.report.bad_requests / result.report.requests


def tight(fault: dict[str, object]) -> dict[str, object]:
    """Four regions at 69 % of their targets, one of which holds more of all ceilings than the floor can spare."""
    sizes = {"europe-west4": 150, "us-east4": 130, "us-west1": 130, "asia-northeast1": 110}
    service_time = {"p50": "0.99s", "p95": "2.43s"}
    clients = {
        "paris": (48.9, 2.4, 78),
        "new-york": (40.7, -74.0, 151),
        "los-angeles": (34.1, -118.2, 66),
        "tokyo": (35.7, 139.7, 65),
    }
    return {
        "scenario": "tight",
        "seed": 11,
        "duration": "3h",
        "step": "10s",
        "slo": {"latency": "4.4s", "percentile": 95, "availability": 0.999},
        "rtt": {"model": "great-circle"},
        "monitoring": {"sample_period": "60s", "visibility_delay": "210s"},
        "actuation": {"write_time": "20s", "propagation": "90s"},
        "regions": {
            name: {
                "endpoints": rps // 10,
                "target_rps": rps,
                "capacity_rps": 1.1 * rps,
                "service_time": service_time,
                "timeout": "30s",
                "cost": 1.0,
            }
            for name, rps in sizes.items()
        },
        "clients": [
            {
                "name": name,
                "latitude": north,
                "longitude": east,
                "demand": {"shape": "steady", "rps": rps, "noise": 0.05},
            }
            for name, (north, east, rps) in clients.items()
        ],
        "faults": [fault],
    }


def test_a_slow_region_is_relieved_though_its_ceiling_holds_the_floor_up() -> None:
    slow = {"kind": "slow", "region": "europe-west4", "at": "47m", "for": "115m", "factor": 3.9}
    assert bad("spillway", tight(slow)) < 0.3 * bad("google", tight(slow))


def test_lost_machines_are_measured_before_their_queue_is_gone() -> None:
    lost = {"kind": "capacity-loss", "region": "us-east4", "at": "40m", "for": "90m", "ratio": 0.5}
    assert bad("spillway", tight(lost)) < 0.25 * bad("google", tight(lost))

"""Small worlds for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spillway.sim.scenario import Scenario
from spillway.sim.setup import Setup, build

TIMES = {"p50": "0.9s", "p95": "2.2s"}


def region(**changes: Any) -> dict[str, Any]:
    """A region as the file writes it."""
    return {"endpoints": 10, "target_rps": 100, "capacity_rps": 110, "service_time": TIMES, **changes}


def client(
    name: str, rps: float, latitude: float = 50.0, longitude: float = 5.0, **changes: Any
) -> dict[str, Any]:
    """A client with steady demand."""
    place = {"name": name, "latitude": latitude, "longitude": longitude}
    return {**place, "demand": {"shape": "steady", "rps": rps}, **changes}


def scenario(**changes: Any) -> Scenario:
    """Three regions, three clients; any top key replaced by `changes`."""
    data: dict[str, Any] = {
        "scenario": "test",
        "seed": 5,
        "duration": "1h",
        "regions": {
            "europe-west4": region(),
            "us-east4": region(),
            "asia-northeast1": region(endpoints=8, target_rps=80, capacity_rps=85),
        },
        "clients": [
            client("paris", 60.0, 48.9, 2.4),
            client("ohio", 50.0, 40.0, -83.0),
            client("tokyo", 40.0, 35.7, 139.7),
        ],
    }
    return Scenario.model_validate({**data, **changes})


def setup(**changes: Any) -> Setup:
    """The same, ready for a world."""
    return build(scenario(**changes), Path())

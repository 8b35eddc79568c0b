"""Speed of the simulated world alone."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from spillway.core.values.geography import REGION_PLACES
from spillway.sim import setup
from spillway.sim.baselines.static import Static
from spillway.sim.run import Run
from spillway.sim.scenario import Scenario
from spillway.sim.world import World


def scenario(regions: int, clients: int) -> Scenario:
    """A day of daily demand at half the capacity, one slow region."""
    names = sorted(REGION_PLACES)[:regions]
    places = sorted(REGION_PLACES.values())
    each = 0.5 * regions * 100.0 / clients
    return Scenario.model_validate(
        {
            "scenario": "bench",
            "duration": "1d",
            "step": "10s",
            "regions": {
                name: {
                    "endpoints": 10,
                    "target_rps": 100,
                    "capacity_rps": 108,
                    "service_time": {"p50": "0.9s", "p95": "2.2s"},
                }
                for name in names
            },
            "clients": [
                {
                    "name": f"client-{i}",
                    "latitude": places[i % len(places)][0],
                    "longitude": places[i % len(places)][1],
                    "demand": {
                        "shape": "daily",
                        "mean_rps": each,
                        "peak_to_mean": 1.5,
                        "peak_hour_utc": i % 24,
                        "noise": 0.05,
                    },
                }
                for i in range(clients)
            ],
            "faults": [{"kind": "slow", "region": names[0], "at": "6h", "for": "2h", "factor": 2}],
        }
    )


def strides(regions: int, clients: int, stride: float = 60.0) -> float:
    """Seconds for one simulated day in which somebody looks at the world every `stride` seconds, as a controller does."""
    built = setup.build(scenario(regions, clients), Path())
    best = float("inf")
    for _ in range(3):
        world = World(built)
        began = perf_counter()
        while world.time < built.scenario.duration:
            world.advance(world.time + stride)
        best = min(best, perf_counter() - began)
    return best


def day(regions: int, clients: int) -> float:
    """Seconds for one simulated day; the best of three."""
    built = setup.build(scenario(regions, clients), Path())
    best = float("inf")
    for _ in range(3):
        began = perf_counter()
        Run(built, Static()).go()
        best = min(best, perf_counter() - began)
    return best

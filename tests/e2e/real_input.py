"""Six hours of real demand through the real daemon on the sandbox: `make real-input`, about two minutes.

Demand is replayed from a production trace of a chat service, service times are fitted to measurements of served
models, network times are measured ones. None of these files belongs to the project: where they are absent this
says so and ends with 0.
"""

from __future__ import annotations

import csv
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from spillway.cli.demo.baselines import run_baselines
from spillway.cli.demo.command import play
from spillway.cli.demo.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SPILLWAY_SHARED", ROOT.parent / "shared")) / "data"
HOURS = 6
SPEED = 240.0
MODEL, HARDWARE, PARALLEL = "llama2-70b", "h100-80gb", "8"

REGIONS = {  # endpoints, requests/s of each
    "europe-west4": (20, 3.0),
    "us-east4": (26, 3.0),
    "us-central1": (20, 3.0),
    "asia-northeast1": (18, 3.0),
    "us-west1": (14, 3.0),
}
STANDBY = "us-west1"
CLIENTS = {  # origin in the matrix, mean requests/s, offset into the trace in minutes
    "aws:eu-central-1": (34, 0),
    "aws:us-east-1": (46, 11),
    "aws:us-west-2": (30, 23),
    "aws:ap-northeast-1": (30, 37),
}


def fit_service_times() -> tuple[float, float]:
    """(p50, p95) in seconds: prompt time plus time per token, for the tokens that the trace's requests generated."""
    with (DATA / "llm_service_times.csv").open() as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if (row["model"], row["hardware"], row["tensor_parallel"]) == (MODEL, HARDWARE, PARALLEL)
            and row["batch_size"] == "8"
        ]
    per_token = statistics.median(float(row["token_time"]) for row in rows) / 1000.0
    per_prompt_token = (
        statistics.median(float(row["prompt_time"]) / float(row["prompt_size"]) for row in rows) / 1000.0
    )
    with (DATA / "azure_llm_2023_conv.csv").open() as file:
        times = sorted(
            per_prompt_token * int(row["ContextTokens"]) + per_token * int(row["GeneratedTokens"])
            for row in csv.DictReader(file)
        )
    return times[len(times) // 2], times[int(len(times) * 0.95)]


def scenario() -> dict[str, Any]:
    """The scenario: five regions, four client places, two faults in six hours."""
    p50, p95 = fit_service_times()
    return {
        "scenario": "real-input",
        "seed": 11,
        "start": "08:00",
        "duration": f"{HOURS}h",
        "step": "10s",
        "slo": {"latency": f"{round(3 * p95)}s", "percentile": 95, "availability": 0.999},
        "rtt": {"matrix": str(DATA / "gcp_rtt_ms.csv")},
        "regions": {
            region: {
                "endpoints": endpoints,
                "target_rps": endpoints * rate,
                "capacity_rps": endpoints * rate * 1.08,
                "service_time": {"p50": f"{p50:.3f}s", "p95": f"{p95:.3f}s"},
                "timeout": f"{round(8 * p95)}s",
                "standby": region == STANDBY,
            }
            for region, (endpoints, rate) in REGIONS.items()
        },
        "clients": [
            {
                "name": origin.partition(":")[2],
                "origin": origin,
                "latitude": latitude,
                "longitude": longitude,
                "demand": {
                    "shape": "trace",
                    "file": str(DATA / "azure_llm_2023_conv.csv"),
                    "mean_rps": rate,
                    "offset": f"{minutes}m",
                },
            }
            for (origin, (rate, minutes)), (latitude, longitude) in zip(
                CLIENTS.items(), ((50.1, 8.7), (39.0, -77.5), (45.8, -119.7), (35.7, 139.7)), strict=True
            )
        ],
        "faults": [
            {"kind": "slow", "region": "europe-west4", "at": "70m", "for": "60m", "factor": 2.5},
            {"kind": "capacity-loss", "region": "us-east4", "at": "210m", "for": "75m", "ratio": 0.5},
        ],
    }


def config(scenario_file: Path, slo_latency: str) -> dict[str, Any]:
    """The daemon's configuration for that world."""
    return {
        "cloud": "sandbox",
        "project": "real-input",
        "name": "real",
        "sandbox": {"scenario": str(scenario_file), "speed": SPEED},
        "topology": {
            "frontends": {"http": {"port": 80}},
            "default_service": "pool",
            "health_checks": {"web": {"type": "http"}},
            "regions": {
                region: {
                    "groups": [{"zone": f"{region}-a", "neg": "model"}],
                    "balancing": {"mode": "RATE", "max_rate_per_endpoint": rate},
                    "standby": region == STANDBY,
                }
                for region, (_, rate) in REGIONS.items()
            },
            "services": {"pool": {"regions": "all", "health_check": "web", "timeout": "300s"}},
        },
        "policies": {"default": {"mode": "act", "slo": {"latency": slo_latency}}},
    }


def main() -> int:
    """Run it and print the comparison; 0 also where the data are absent."""
    if not (DATA / "azure_llm_2023_conv.csv").exists():
        print(
            f"SKIPPED LOUDLY: the shared traces are not at {DATA}; set SPILLWAY_SHARED to the folder that holds data/"
        )
        return 0
    with tempfile.TemporaryDirectory(prefix="spillway-real-") as name:
        folder = Path(name)
        world = scenario()
        (folder / "scenario.yaml").write_text(yaml.safe_dump(world))
        (folder / "spillway.yaml").write_text(
            yaml.safe_dump(config(folder / "scenario.yaml", world["slo"]["latency"]))
        )
        times = next(iter(world["regions"].values()))["service_time"]
        print(
            f"service time p50 {times['p50']} p95 {times['p95']}, SLO {world['slo']['latency']}, {HOURS} h at speed {SPEED:g}"
        )
        play_through(folder / "spillway.yaml")
    return 0


def play_through(path: Path) -> None:
    """Run daemon and sandbox through the scenario, print what happens, and compare."""
    with Environment(path) as environment:
        environment.start_sandbox()
        environment.provision()
        environment.release()
        output, mine = play(environment)
        output.compare({**run_baselines(environment.config), "spillway": mine})


if __name__ == "__main__":
    sys.exit(main())

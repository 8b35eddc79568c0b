"""Random scenarios, as their files would have them: fleets, clients and faults that nobody chose. Equal seeds, equal files.

Ranges are wide where fleets differ (size, room, how well targets are known) and ordinary where they do not (a service
time of about a second, noise of a few percent). What is drawn is written as a person would: few digits, whole seconds.
"""

from __future__ import annotations

from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tests.sim.random_faults import random_faults

from spillway.config.fields import format_duration
from spillway.core.values.geography import REGION_PLACES
from spillway.core.values.topology import legal_scaler
from spillway.sim.faults import Fault
from spillway.sim.scenario import Scenario
from spillway.sim.setup import Setup, build
from spillway.sim.streams import stream

REGIONS = (3, 10)
"""Fewest and most regions of a fleet."""

CLIENTS = (3, 9)
"""Likewise places from which requests come."""

HOURS = (3, 8)
"""Likewise length of a run."""

FAULTS = (1, 3)
"""Likewise faults of a run."""

PER_ENDPOINT = (4.0, 20.0)
"""Requests/s that one endpoint is told to take."""

ENDPOINTS = (6, 40)
"""Of one region: equal chances for equal ratios, as small regions are more common."""

ROOM = (0.45, 1.0)
"""Mean demand over the true capacity of what serves at the start: from generous to about short."""

HONESTY = {"honest": (1.02, 1.15), "careful": (1.15, 1.5), "flattering": (0.8, 1.0), "mixed": (0.8, 1.3)}
"""True capacity over target, by how well the fleet's owners measured; a kind is drawn for a fleet, a ratio for a region."""

DISTANCE = 6.0
"""Degrees by which a client is off the region that it is near to, at most."""

Drawn = dict[str, Any]


def scenario_file(seed: int) -> Drawn:
    """The keys of one scenario file."""
    draw = stream(seed, "wild")
    hours = int(draw.integers(*HOURS, endpoint=True))
    regions, serves = _regions(draw)
    demand = sum(serves.values()) * draw.uniform(*ROOM)
    clients = _clients(draw, serves, demand, hours)
    p95 = max(_seconds(r["service_time"]["p95"]) for r in regions.values())
    count = int(draw.integers(*FAULTS, endpoint=True))
    found = random_faults(seed, tuple(regions), hours * 3600.0, count)
    faults = [_fault_file(fault, regions) for fault in sorted(found, key=lambda f: f.at)]
    spare = sum(r["standby"] for r in regions.values())
    told = ", ".join(f"{f['kind']} {f.get('region', 'everywhere')}" for f in faults)
    return {
        "scenario": f"wild-{seed}",
        "description": f"{len(regions)} regions, {spare} of them standby, {demand / sum(serves.values()):.0%} in use: {told}.",
        "seed": seed,
        "start": f"{int(draw.integers(0, 24)):02d}:00",
        "duration": f"{hours}h",
        "step": "10s",
        "slo": {"latency": _time(p95 * draw.uniform(1.8, 2.6)), "percentile": 95, "availability": 0.999},
        "rtt": {"model": "great-circle"},
        "monitoring": {"sample_period": "60s", "visibility_delay": "210s"},
        "actuation": {
            "write_time": f"{int(draw.choice((10, 20, 40)))}s",
            "propagation": f"{int(draw.choice((60, 90, 150)))}s",
        },
        "regions": regions,
        "clients": clients,
        "faults": faults,
    }


def wild(seed: int) -> Setup:
    """One random scenario, ready to run."""
    return build(Scenario.model_validate(scenario_file(seed)), Path())


def save(seed: int, folder: Path) -> Path:
    """Write one random scenario as a file, and say where."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"wild-{seed}.yaml"
    text = yaml.safe_dump(scenario_file(seed), sort_keys=False, default_flow_style=None, width=200)
    file.write_text(text, encoding="utf-8")
    return file


def _regions(draw: np.random.Generator) -> tuple[dict[str, Drawn], dict[str, float]]:
    """Regions by name, and the true capacity of those that serve at the start, in requests/s."""
    count = int(draw.integers(*REGIONS, endpoint=True))
    names = sorted(str(n) for n in draw.choice(sorted(REGION_PLACES), size=count, replace=False))
    spare = int(draw.integers(1, 3)) if count > 3 and draw.random() < 0.35 else 0
    standby = set(draw.choice(names, size=spare, replace=False).tolist())
    low, high = HONESTY[str(draw.choice(sorted(HONESTY), p=(0.2, 0.2, 0.4, 0.2)))]
    per_endpoint = draw.uniform(*PER_ENDPOINT)
    p50 = draw.uniform(0.3, 1.5)
    spread = draw.uniform(1.8, 3.2)
    timeout = float(draw.choice((15.0, 30.0, 60.0)))
    regions: dict[str, Drawn] = {}
    for name in names:
        endpoints = round(float(np.exp(draw.uniform(*np.log(ENDPOINTS)))))
        target = round(endpoints * per_endpoint)
        mine = p50 * draw.uniform(0.9, 1.1)
        regions[name] = {
            "endpoints": endpoints,
            "target_rps": target,
            "capacity_rps": round(target * draw.uniform(low, high)),
            "service_time": {"p50": _time(mine), "p95": _time(mine * spread)},
            "timeout": format_duration(timeout),
            "cost": round(float(draw.uniform(0.8, 1.3)), 1),
            "zones": min(3, endpoints),
            "standby": name in standby,
        }
    return regions, {name: region["capacity_rps"] for name, region in regions.items() if name not in standby}


def _clients(draw: np.random.Generator, serves: dict[str, float], demand: float, hours: int) -> list[Drawn]:
    """Places near the regions that serve, large regions first, with `demand` requests/s in all."""
    count = int(draw.integers(*CLIENTS, endpoint=True))
    by_size = sorted(serves, key=lambda n: -serves[n])
    near = [by_size[i % len(by_size)] for i in range(count)]
    weights = np.array([serves[n] * draw.uniform(0.4, 1.6) for n in near])
    rates = demand * weights / weights.sum()
    noise = round(float(draw.uniform(0.02, 0.1)), 2)
    again = {"attempts": int(draw.integers(1, 3)), "backoff": "10s"} if draw.random() < 0.15 else None
    clients = []
    for i, (region, rate) in enumerate(zip(near, rates.tolist(), strict=True)):
        latitude, longitude = REGION_PLACES[region]
        client: Drawn = {
            "name": f"client-{i}",
            "latitude": round(float(np.clip(latitude + draw.uniform(-DISTANCE, DISTANCE), -60.0, 70.0)), 1),
            "longitude": round(
                float(np.clip(longitude + draw.uniform(-DISTANCE, DISTANCE), -179.0, 179.0)), 1
            ),
            "demand": _demand(draw, rate, noise, hours * 3600.0),
        }
        clients.append(client if again is None else {**client, "retries": dict(again)})
    return clients


def _demand(draw: np.random.Generator, rate: float, noise: float, duration: float) -> Drawn:
    """A shape around `rate` requests/s: half of them steady, the others moving."""
    shape = str(draw.choice(("steady", "daily", "step", "surge"), p=(0.5, 0.2, 0.15, 0.15)))
    at, factor = draw.uniform(0.1, 0.8) * duration, float(np.exp(draw.uniform(-0.7, 0.7)))
    rps = round(rate, 1)
    if shape == "daily":
        peak, hour = round(float(draw.uniform(1.1, 1.8)), 1), int(draw.integers(0, 24))
        keys: Drawn = {"mean_rps": rps, "peak_to_mean": peak, "peak_hour_utc": hour}
    elif shape == "step":
        keys = {"rps": rps, "to_rps": round(rate * factor, 1), "at": _whole(at)}
    elif shape == "surge":
        factor, lasts = round(float(draw.uniform(1.2, 2.5)), 1), draw.uniform(600.0, duration / 4)
        ramp = draw.uniform(60.0, 1200.0)
        keys = {"rps": rps, "factor": factor, "at": _whole(at), "for": _whole(lasts), "ramp": _whole(ramp)}
    else:
        keys = {"rps": rps}
    return {"shape": shape, **keys, "noise": noise}


_KEYS = {
    "slow": ("factor",),
    "slow-leak": ("factor",),
    "errors": ("ratio",),
    "fast-failures": ("ratio", "code"),
    "capacity-loss": ("ratio",),
    "gray": ("ratio", "factor"),
    "flapping": ("ratio", "period"),
    "metrics-partial": ("ratio",),
    "metrics-late": ("delay",),
    "write-slow": ("factor",),
    "clock-step": ("by",),
}
"""What a file says of a fault beside its kind, place and time."""


def _fault_file(fault: Fault, regions: dict[str, Drawn]) -> Drawn:
    """One fault as a file has it; a quota is made to bite: it was drawn in percent of the target."""
    file: Drawn = {"kind": fault.kind, "at": _whole(fault.at)}
    if fault.until < inf:
        file["for"] = _whole(fault.until - fault.at)
    if fault.region is not None:
        file["region"] = fault.region
    values = asdict(fault)
    for key in _KEYS.get(fault.kind, ()):
        value = values[key]
        is_time = key in {"period", "delay", "by"}
        file[key] = _whole(value) if is_time else value if isinstance(value, int) else round(value, 2)
    if fault.kind == "quota" and fault.region is not None:
        file["rps"] = round(fault.rps / 100.0 * regions[fault.region]["target_rps"], 1)
    if fault.kind == "outside-edit":
        file["scaler"] = legal_scaler(fault.scaler)
    return file


def _time(seconds: float) -> str:
    return f"{seconds:.2f}s"


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def _whole(seconds: float) -> str:
    return f"{'-' if seconds < 0 else ''}{abs(seconds):.0f}s"

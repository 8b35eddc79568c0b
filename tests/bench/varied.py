"""The library with every figure moved: how much of what it shows depends on the figures that it happens to have.

`python -m tests.bench varied --variants 2 --first 0 --only region-slow,deploy-wave --policies spillway,google --save DIR`
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import yaml
from tests.bench.library import FOLDER, asking, figures, legend, line_of, run, table
from tests.bench.score import score
from tests.bench.sheet import console, names

from spillway.config.fields import format_duration, parse_duration
from spillway.sim.backtest.jobs import SPILLWAY
from spillway.sim.baselines import BASELINES
from spillway.sim.scenario import Scenario
from spillway.sim.setup import Setup, build

DEMAND = (0.8, 1.2)
"""Factor on all demand of a scenario."""

CLIENT = (0.85, 1.15)
"""Factor on the demand of each client besides."""

SIZE = (0.8, 1.25)
"""Factor on the endpoints of each region."""

HONESTY = (-0.06, 0.12)
"""What is added to each region's true capacity over its target."""

PACE = (0.6, 1.4)
"""Factor on service times and on the SLO's latency together."""

SHIFT = (-600.0, 900.0)
"""Seconds by which each fault begins later."""

LASTS = (0.6, 1.6)
"""Factor on how long it lasts."""

STRENGTH = {"factor": (0.6, 1.5), "ratio": (0.7, 1.4), "rps": (0.7, 1.2), "delay": (0.6, 1.4)}
"""Factor on what it does; of a factor, on its excess over 1."""

WORST = 0.95
"""Ratio of a fault at most."""

MOVED = 0.6
"""Chance that faults hit other regions than in the library."""

LONG = 86_400.0
"""Seconds of a scenario from which it is left out unless it is named."""

Drawn = dict[str, Any]


def main(words: Sequence[str]) -> int:
    """Run what the words ask for, and print it."""
    parser = asking("varied", __doc__)
    _more(parser)
    asked = parser.parse_args(words)
    out = console()
    files = {
        f.stem: yaml.safe_load(f.read_text(encoding="utf-8")) for f in sorted(asked.scenarios.glob("*.yaml"))
    }
    unknown = sorted(set(asked.only) - set(files))
    if unknown:
        raise SystemExit(f"there is no scenario {', '.join(unknown)} in {asked.scenarios}")
    chosen = [
        f
        for name, f in files.items()
        if (name in asked.only if asked.only else _seconds(f["duration"]) < LONG)
    ]
    drawn = [varied(f, asked.first + i) for f in chosen for i in range(asked.variants)]
    if asked.save is not None:
        asked.save.mkdir(parents=True, exist_ok=True)
        for file in drawn:
            text = yaml.safe_dump(file, sort_keys=False, default_flow_style=None, width=200)
            (asked.save / f"{file['scenario']}.yaml").write_text(text, encoding="utf-8")
    setups = [ready(file) for file in drawn]
    began = perf_counter()
    results = run(setups, asked.policies, 1, asked.jobs)
    lines = [line_of([r for r in results if r.scenario == s.scenario.scenario]) for s in setups]
    out.print(table(lines, asked.policies, 1))
    out.print(figures(score(lines)))
    out.print(legend(perf_counter() - began, asked.jobs), markup=False, style="dim")
    return 0


def _more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--variants", type=int, default=2, help="of each scenario")
    parser.add_argument("--first", type=int, default=0, help="number of the first variant")
    parser.add_argument(
        "--policies", type=names, default=[SPILLWAY, *BASELINES], help="names, with commas between"
    )
    parser.add_argument("--save", type=Path, help="also write the scenarios to this folder, one file each")


def moved(scenarios: Sequence[str], numbers: Sequence[int]) -> list[Setup]:
    """The variants `numbers` of scenarios of the library, ready to run."""
    files = [yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")) for name in scenarios]
    return [ready(varied(file, number)) for file in files for number in numbers]


def ready(file: Drawn) -> Setup:
    """A drawn scenario, ready to run; traces lie where those of the library do."""
    return build(Scenario.model_validate(file), FOLDER)


def varied(file: Drawn, number: int) -> Drawn:
    """One variant of a scenario file; equal numbers, equal files."""
    draw = random.Random(f"{file['scenario']} {number}")
    demand, pace = draw.uniform(*DEMAND), draw.uniform(*PACE)
    regions = {name: _region(region, pace, draw) for name, region in file["regions"].items()}
    clients = [
        {**c, "demand": _demand(c["demand"], demand * draw.uniform(*CLIENT), draw)} for c in file["clients"]
    ]
    serving = [name for name, region in regions.items() if not region.get("standby")]
    others = draw.sample(serving, len(serving)) if draw.random() < MOVED else serving
    places = dict(zip(serving, others, strict=True))
    return {
        **file,
        "scenario": f"{file['scenario']}-{number}",
        "seed": file["seed"] + 7 * number,
        "slo": {**file["slo"], "latency": _time(_seconds(file["slo"]["latency"]) * pace)},
        "regions": regions,
        "clients": clients,
        "faults": [_fault(fault, places, draw) for fault in file.get("faults", ())],
    }


def _region(region: Drawn, pace: float, draw: random.Random) -> Drawn:
    told = region.get("target_rps", region["capacity_rps"])
    each = told / region["endpoints"]
    endpoints = max(3, round(region["endpoints"] * draw.uniform(*SIZE)))
    true = region["capacity_rps"] / told + draw.uniform(*HONESTY)
    target = {} if region.get("serverless") else {"target_rps": round(each * endpoints, 1)}
    return {
        **region,
        **target,
        "endpoints": endpoints,
        "capacity_rps": round(each * endpoints * true, 1),
        "service_time": {key: _time(_seconds(value) * pace) for key, value in region["service_time"].items()},
    }


def _demand(demand: Drawn, factor: float, draw: random.Random) -> Drawn:
    moved: Drawn = {
        key: round(demand[key] * factor, 1) for key in ("rps", "mean_rps", "to_rps") if key in demand
    }
    if "at" in demand:
        moved["at"] = _whole(max(600.0, _seconds(demand["at"]) + draw.uniform(-900.0, 900.0)))
    return {**demand, **moved}


def _fault(fault: Drawn, places: dict[str, str], draw: random.Random) -> Drawn:
    moved: Drawn = {"at": _whole(max(300.0, _seconds(fault["at"]) + draw.uniform(*SHIFT)))}
    if fault.get("region") in places:
        moved["region"] = places[fault["region"]]
    if "for" in fault:
        moved["for"] = _whole(_seconds(fault["for"]) * draw.uniform(*LASTS))
    for key, span in STRENGTH.items():
        if key in fault:
            by = draw.uniform(*span)
            if key == "factor":
                moved[key] = round(1.0 + (fault[key] - 1.0) * by, 2)
            elif key == "delay":
                moved[key] = _whole(_seconds(fault[key]) * by)
            else:
                moved[key] = round(min(WORST, fault[key] * by) if key == "ratio" else fault[key] * by, 2)
    return {**fault, **moved}


def _seconds(text: str) -> float:
    return parse_duration(text)


def _whole(seconds: float) -> str:
    return format_duration(float(round(seconds)))


def _time(seconds: float) -> str:
    return f"{seconds:.2f}s"

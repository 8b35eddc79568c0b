"""Schedules of random faults, for properties of the world and for the benches."""

from __future__ import annotations

from math import ceil, inf

import numpy as np

from spillway.sim.faults import Fault
from spillway.sim.streams import stream

RANDOM_KINDS = (
    "outage",
    "slow",
    "slow-leak",
    "errors",
    "fast-failures",
    "capacity-loss",
    "gray",
    "flapping",
    "quota",
    "metrics-missing",
    "metrics-partial",
    "metrics-garbage",
    "metrics-late",
    "write-refused",
    "write-slow",
    "write-hung",
    "write-unknown",
    "outside-edit",
    "clock-step",
)


def random_faults(seed: int, regions: tuple[str, ...], duration: float, count: int) -> tuple[Fault, ...]:
    """`count` faults of random kind, place, strength and length within `duration` seconds; equal for equal seeds."""
    draw = stream(seed, "fault-schedule")
    result = []
    for _ in range(count):
        kind = str(draw.choice(RANDOM_KINDS))
        at = float(draw.uniform(0.0, duration))
        lasts = float(draw.uniform(60.0, max(120.0, duration / 3)))
        scaler = float(np.round(draw.uniform(0.1, 1.0), 2)) if draw.random() > 0.2 else 0.0
        anywhere = kind.startswith("metrics") and draw.random() < 0.3
        local = not kind.startswith(("write", "clock")) and not anywhere
        result.append(
            Fault(
                kind=kind,
                at=at,
                until=inf if kind == "outside-edit" else at + lasts,
                region=str(draw.choice(regions)) if local else None,
                factor=float(draw.uniform(1.2, 6.0)),
                ratio=float(draw.uniform(0.1, 1.0)),
                code=int(draw.choice((429, 503))),
                period=float(ceil(draw.uniform(30.0, 600.0))),
                rps=float(draw.uniform(1.0, 100.0)),
                delay=float(draw.uniform(60.0, 900.0)),
                scaler=scaler,
                by=float(round(draw.uniform(-3600.0, 3600.0))),
            )
        )
    return tuple(result)

"""An office that opens every day: on the third the standby joins earlier than anything of that morning could call it.

`core/estimate/test_daytime` holds what is expected after such days, without a simulation.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run
from spillway.sim.scenario_file import load_setup

DAYS = 3
DAY = 86_400.0
OFFICE = "  - {{name: office-{day}, latitude: 50.1, longitude: 8.7, demand: {{shape: surge, rps: 1, factor: 200, at: {at}h, for: 4h, ramp: 30m, noise: 0.03}}}}"
STORY = """
scenario: office
description: Join the standby earlier once two days have shown when the office opens.
seed: 5
start: 2026-01-05T00:00:00Z
duration: {hours}h
step: 10s
slo: {{latency: 4s, percentile: 95, availability: 0.999}}
rtt: {{model: great-circle}}
monitoring: {{sample_period: 60s, visibility_delay: 210s}}
actuation: {{write_time: 20s, propagation: 90s}}
regions:
  europe-west4: {{endpoints: 15, target_rps: 150, capacity_rps: 165, service_time: {{p50: 0.9s, p95: 2.2s}}, timeout: 30s}}
  us-east4: {{endpoints: 9, target_rps: 90, capacity_rps: 98, service_time: {{p50: 0.9s, p95: 2.2s}}, timeout: 30s}}
  europe-west1: {{endpoints: 10, target_rps: 100, capacity_rps: 110, service_time: {{p50: 0.9s, p95: 2.2s}}, timeout: 30s, standby: true}}
clients:
  - {{name: paris, latitude: 48.9, longitude: 2.4, demand: {{shape: steady, rps: 55, noise: 0.03}}}}
  - {{name: new-york, latitude: 40.7, longitude: -74.0, demand: {{shape: steady, rps: 45, noise: 0.03}}}}
{offices}
"""


@pytest.mark.long
def test_on_the_third_day_the_standby_joins_earlier(tmp_path: Path) -> None:
    offices = "\n".join(OFFICE.format(day=day, at=24 * day + 8) for day in range(DAYS))
    file = tmp_path / "office.yaml"
    file.write_text(STORY.format(hours=24 * DAYS, offices=offices), encoding="utf-8")
    pilot = Pilot()
    run = Run(load_setup(file), pilot)
    run.go()
    joined = [
        at - run.world.epoch for at, sentence in pilot.sentences if "standby europe-west1 joins" in sentence
    ]
    assert [int(at // DAY) for at in joined] == [*range(DAYS)], (
        "it joins every morning, and goes home every afternoon"
    )
    first, second, third = (at % DAY for at in joined)
    assert third <= min(first, second) - 180.0

"""Runs: what becomes of writes, who is blamed for what, and the fields of the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.sim.worlds import client, region, setup

from spillway.core.values.policy import Floors
from spillway.ports import Outcome
from spillway.sim.baselines import BASELINES
from spillway.sim.control import ServiceControl
from spillway.sim.controller import Sight
from spillway.sim.judge import dead_time
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Moment, Run, RunResult
from spillway.sim.scenario import Scenario
from spillway.sim.setup import Setup, build
from spillway.sim.world import World
from spillway.sim.writes import WRITE_DEADLINE, WritePath

SCENARIOS = Path(__file__).resolve().parents[2] / "config" / "scenarios"

FIELDS = {
    *(
        "scenario",
        "policy",
        "seed",
        "requests",
        "answered",
        "failed",
        "waiting",
        "bad_requests",
        "slo_minutes_lost",
    ),
    *(
        "latency_ms",
        "writes",
        "reversals",
        "wrong_way_moves",
        "max_over_mean_utilization",
        "cost",
        "floors_broken",
    ),
    *("trace_hash", "wall_seconds"),
}


class Script:
    """Sets scalers at given minutes."""

    name = "script"
    interval = 60.0

    def __init__(self, plan: Mapping[int, Mapping[str, float]]) -> None:
        self.plan = plan
        self.sights: list[Sight] = []

    def initial(self, setup: Setup, controls: tuple[ServiceControl, ...], /) -> tuple[ServiceControl, ...]:
        return BASELINES["google"]().initial(setup, controls)

    def tick(self, sight: Sight, /) -> tuple[ServiceControl, ...] | None:
        self.sights.append(sight)
        wanted = self.plan.get(len(self.sights) - 1)
        if wanted is None:
            return None
        control = sight.listing[0]
        backends = tuple(replace(b, scaler=wanted.get(b.region, b.scaler)) for b in control.backends)
        return (replace(control, backends=backends),)


def go(plan: Mapping[int, Mapping[str, float]], **changes: Any) -> tuple[Script, RunResult]:
    script = Script(plan)
    return script, Run(setup(duration="30m", **changes), script).go()


def listed(sight: Sight, name: str = "europe-west4") -> float:
    return next(b.scaler for b in sight.listing[0].backends if b.region == name)


def test_a_result_has_the_documented_fields() -> None:
    _, result = go({})
    made = result.to_json()
    assert set(made) == FIELDS
    assert made["requests"] == pytest.approx(150 * 1800)
    assert set(made["latency_ms"]) == {"p50", "p95", "p99"}
    assert 900 < made["latency_ms"]["p50"] < 1000
    assert made["cost"] == pytest.approx(made["answered"])
    assert made["writes"] == made["reversals"] == made["wrong_way_moves"] == made["floors_broken"] == 0


def test_a_write_is_listed_when_done_and_felt_after_propagation() -> None:
    script, result = go({5: {"europe-west4": 0.5}})
    assert [listed(s) for s in script.sights[5:8]] == [1.0, 0.5, 0.5]
    assert script.sights[6].answer is Outcome.DONE
    assert result.writes == 1
    world = World(setup())
    path = WritePath(world, setup().controls)
    control = setup().controls[0]
    half = replace(control, backends=tuple(replace(b, scaler=0.5) for b in control.backends))
    assert path.begin([half])
    assert not path.begin([half])
    world.advance(20.0)
    outcome, written = path.poll()
    assert outcome is Outcome.DONE
    assert [(w.done, w.effective) for w in written] == [(20.0, 110.0)]
    world.advance(110.0)
    assert world.controls["pool"] == control
    world.advance(120.0)
    assert world.controls["pool"] == half
    assert not path.begin([half])  # nothing differs


def fault(kind: str, **changes: Any) -> dict[str, Any]:
    return {"faults": [{"kind": kind, "at": "4m", "for": "4m", **changes}]}


@pytest.mark.parametrize(
    ("faults", "listed_after", "answer", "seconds"),
    [
        (fault("write-refused"), 1.0, Outcome.REFUSED, 60),
        (fault("write-slow", factor=5), 0.5, Outcome.DONE, 120),
        (fault("write-hung"), 1.0, Outcome.UNKNOWN, WRITE_DEADLINE),
        (fault("write-unknown"), 0.5, Outcome.UNKNOWN, WRITE_DEADLINE),
    ],
)
def test_write_faults(faults: dict[str, Any], listed_after: float, answer: Outcome, seconds: float) -> None:
    script, _ = go({5: {"europe-west4": 0.5}}, **faults)
    answered = [(i, s.answer) for i, s in enumerate(script.sights) if s.answer is not None]
    assert answered == [(5 + int(seconds // 60), answer)]
    assert listed(script.sights[-1]) == listed_after
    assert script.sights[6].writing is (seconds > 60)


def test_a_scaler_that_google_refuses_is_refused() -> None:
    script, _ = go({5: {"europe-west4": 0.05}})
    assert script.sights[6].answer is Outcome.REFUSED
    assert listed(script.sights[-1]) == 1.0


def test_somebody_elses_edit_shows_in_the_listing() -> None:
    edit = {"kind": "outside-edit", "at": "5m", "region": "europe-west4", "scaler": 0.3}
    script, result = go({}, faults=[edit])
    assert [listed(s) for s in script.sights[4:7]] == [1.0, 0.3, 0.3]
    assert result.writes == 0
    run = Run(setup(duration="30m", faults=[edit]), BASELINES["google"]())
    run.go()
    assert run.world.controls["pool"].backends[0].scaler == 0.3


def test_draining_a_healthy_region_into_full_ones_is_a_wrong_way_move() -> None:
    crowd = [client("paris", 90.0, 48.9, 2.4), client("ohio", 95.0, 40.0, -83.0)]
    regions = {"europe-west4": region(), "us-east4": region()}
    _, result = go({5: {"europe-west4": 0.1}}, clients=crowd, regions=regions)
    assert result.wrong_way_moves == 1
    assert result.floors_broken == 1
    _, harmless = go({5: {"europe-west4": 0.9}})
    assert harmless.wrong_way_moves == 0
    assert harmless.floors_broken == 0


def test_shedding_from_a_slow_region_is_no_wrong_way_move() -> None:
    slow = [{"kind": "slow", "region": "europe-west4", "at": "2m", "for": "25m", "factor": 4}]
    _, result = go({5: {"europe-west4": 0.1}}, faults=slow)
    _, idle = go({}, faults=slow)
    assert result.wrong_way_moves == 0
    assert result.report.bad_requests < 0.7 * idle.report.bad_requests


def test_reversals_are_changes_of_direction_within_half_an_hour() -> None:
    _, result = go({2: {"us-east4": 0.9}, 6: {"us-east4": 0.8}, 10: {"us-east4": 0.9}, 14: {"us-east4": 0.8}})
    assert result.writes == 4
    assert result.reversals == 2


def test_fewer_serving_regions_than_the_floor_are_a_broken_floor() -> None:
    plan = {5: {"us-east4": 0.0}, 9: {"europe-west4": 0.0}}
    broken = Run(setup(duration="30m"), Script(plan), floors=Floors(min_serving_regions=2, reserve=0.0)).go()
    assert broken.floors_broken == 1
    kept = Run(
        setup(duration="30m"), Script({5: {"us-east4": 0.9}}), floors=Floors(min_serving_regions=3)
    ).go()
    assert kept.floors_broken == 0


def test_the_dead_time_is_the_sum_of_its_parts() -> None:
    assert dead_time(World(setup())) == 60 + 210 + 20 + 90


def test_a_watcher_sees_progress() -> None:
    seen: list[Moment] = []
    Run(setup(duration="30m"), BASELINES["static"]()).go(seen.append)
    assert [m.done for m in seen] == sorted(m.done for m in seen)
    assert len(seen) >= 3


def test_equal_runs_are_equal() -> None:
    plan = {5: {"europe-west4": 0.5}, 15: {"europe-west4": 1.0}}
    (_, one), (_, two) = go(plan), go(plan)
    assert replace(one, wall_seconds=0.0) == replace(two, wall_seconds=0.0)


def shipped(name: str) -> Setup:
    made = Scenario.model_validate(yaml.safe_load((SCENARIOS / f"{name}.yaml").read_text()))
    return build(made, SCENARIOS)


def test_the_demo_is_won_by_the_core_with_all_three_levers() -> None:
    built, pilot = shipped("demo"), Pilot()
    google = Run(built, BASELINES["google"]()).go()
    static = Run(built, BASELINES["static"]()).go()
    spillway = Run(built, pilot).go()
    for loser in (google, static):
        assert loser.report.bad_requests > 0.05 * loser.report.requests
        assert spillway.report.bad_requests < 0.5 * loser.report.bad_requests
    assert spillway.wrong_way_moves == 0
    assert spillway.floors_broken == 0
    told = " ".join(sentence for _, sentence in pilot.sentences)
    assert all(lever in told for lever in ("scaler", "posture", "membership"))


def test_the_core_leaves_a_quiet_day_alone() -> None:
    result = Run(shipped("quiet"), Pilot()).go()
    assert result.writes == 0


def test_there_is_nothing_to_win_in_quiet() -> None:
    result = Run(shipped("quiet"), BASELINES["google"]()).go()
    assert result.report.slo_minutes_lost == 0
    assert result.report.bad_requests < 0.005 * result.report.requests

"""The figures of `python -m tests.bench library`, against numbers worked out by hand; and what a random schedule is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.bench.delays import Misled, scaled
from tests.bench.library import FOLDER, chosen, line_of, run
from tests.bench.schedules import schedule
from tests.bench.score import Line, score

from spillway.sim.run import Run


def line(scenario: str, requests: float = 1e6, **bad: float) -> Line:
    return Line(
        scenario=scenario,
        requests=requests,
        bad={name.replace("_", "-"): value for name, value in bad.items()},
        wrong_way=1,
        floors=0,
        reversals=2,
        writes=3,
    )


def test_figures_are_those_worked_out_by_hand() -> None:
    found = score(
        [
            # (3900 + 100) / (1900 + 100) = 2 and (3900 + 100) / (7900 + 100) = 0.5
            line("won", spillway=3900.0, oracle_delayed=1900.0, google=9000.0, aimd=7900.0),
            # (400 + 100) / (900 + 100) = 0.5, and nothing to win: the yardstick loses more than half as much
            line("near", spillway=400.0, oracle_delayed=900.0, google=150.0),
        ]
    )
    assert found.delayed_mean == pytest.approx(1.0)
    assert found.delayed_sum == pytest.approx(4300.0 / 2800.0)
    assert found.delayed_worst == (2.0, "won")
    assert found.best_mean == pytest.approx(0.5)
    assert found.winnable == 1
    assert found.best_worst == (2.0, "near")
    assert found.behind == ("near",)
    assert (found.wrong_way, found.floors, found.reversals) == (2, 0, 4)


@pytest.mark.parametrize("seconds", [900.0, pytest.param(None, marks=pytest.mark.long)])
def test_with_fewer_seeds_of_the_yardstick_the_same_seeds_are_compared(seconds: float | None) -> None:
    few = replace(line("few", spillway=2900.0, oracle_delayed=1900.0, google=5900.0), beside=3900.0)
    assert few.to_delayed == pytest.approx(2.0)
    assert few.to_best == pytest.approx(0.5)
    assert score([few]).delayed_sum == pytest.approx(3900.0 / 1900.0)
    (story,) = chosen(["fast-failures-that-look-healthy"], FOLDER)
    if seconds is not None:
        story = replace(story, scenario=story.scenario.model_copy(update={"duration": seconds}))
    ran = run([story], ["spillway", "oracle-delayed"], 2, 1, 1)
    assert [(r.policy, r.seed % 1000) for r in ran if r.policy != "spillway"] == [
        ("oracle-delayed", ran[0].seed)
    ]
    first, second = (r.report.bad_requests for r in ran if r.policy == "spillway")
    found = line_of(ran)
    assert found.beside == first
    assert found.bad["spillway"] == pytest.approx((first + second) / 2)


def test_a_yardstick_is_beaten_by_more_than_noise_alone() -> None:
    # of 10,000 bad among 1e6: two deviations are 200, 0.01 % of requests is 100
    found = line("hung", spillway=9699.0, google=9701.0, oracle=10_000.0, oracle_delayed=9000.0)
    assert found.beaten("oracle") == ("spillway",)
    assert found.beaten("oracle-delayed") == ()
    assert line("none", spillway=1.0).beaten("oracle") == ()


def test_a_difference_of_nearly_nothing_is_none() -> None:
    found = score([line("calm", spillway=99.0, google=0.0, oracle_delayed=0.0)])
    assert found.behind == ()
    assert found.best_worst is None
    assert found.best_mean is None


def test_without_the_yardstick_its_figures_are_missing() -> None:
    found = score([line("won", spillway=3900.0, google=9000.0)])
    assert (found.delayed_mean, found.delayed_sum, found.delayed_worst) == (None, None, None)
    assert found.best_worst == (4000.0 / 9100.0, "won")


def test_scenarios_are_run_with_their_own_seed_first() -> None:
    (quiet,) = chosen(["quiet"], FOLDER)
    results = run([quiet], ["static", "google"], seeds=2, jobs=1)
    assert {(r.policy, r.seed - quiet.scenario.seed) for r in results} == {
        (policy, more) for policy in ("static", "google") for more in (0, 1000)
    }
    made = line_of(results)
    assert set(made.bad) == {"static", "google"}
    assert made.requests == pytest.approx(sum(r.report.requests for r in results) / 4)


def test_an_unknown_scenario_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no scenario nowhere"):
        chosen(["nowhere"], tmp_path)


def test_a_schedule_is_a_function_of_its_seed() -> None:
    (quiet,) = chosen(["quiet"], FOLDER)
    one, same, other = (schedule(quiet, seed, 2.0, 3) for seed in (1, 1, 2))
    assert one.faults == same.faults != other.faults
    assert len(one.faults) == 3
    assert one.scenario.duration == 7200.0


def test_a_misled_controller_believes_the_delays_it_was_told() -> None:
    (setup,) = chosen(["region-slow"], FOLDER)
    slower = scaled(setup, 4.0)
    assert slower.scenario.monitoring.visibility_delay == 4.0 * setup.scenario.monitoring.visibility_delay
    assert slower.scenario.actuation.propagation == 4.0 * setup.scenario.actuation.propagation
    pilot = Misled(setup.scenario)
    Run(slower, pilot)
    assert pilot._policy.timing.propagation == setup.scenario.actuation.propagation
    assert pilot._policy.timing.visibility_delay == setup.scenario.monitoring.visibility_delay

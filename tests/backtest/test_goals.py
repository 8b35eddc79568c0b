"""The table of goals: what is reached, what is missed, and what nobody with the same eyes could reach."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.bench.eyes import TRUTHFUL
from tests.bench.goals import Row, in_place, lines_of, scenario_rows, table_of
from tests.bench.library import FOLDER, chosen
from tests.bench.score import MINE, YARDSTICK, Line


def line(**bad: float) -> Line:
    named = {name.replace("_", "-"): value for name, value in bad.items()}
    return Line(scenario="s", requests=1e6, bad=named, wrong_way=0, floors=0, reversals=0, writes=0)


@pytest.mark.parametrize(
    ("mine", "oracle", "verdict"),
    [
        (1.154, None, "reached"),
        (1.156, 1.15, "missed"),
        (1.156, 1.156, "missed; by the oracle too"),
        (1.156, None, "missed"),
        (None, 1.0, "-"),
    ],
)
def test_a_goal_is_out_of_reach_only_if_the_oracle_misses_it_too(
    mine: float | None, oracle: float | None, verdict: str
) -> None:
    assert Row(measure="m", goal=1.15, mine=mine, oracle=oracle).verdict == verdict


def test_the_late_oracle_takes_spillways_place_and_else_the_yardstick_does() -> None:
    punctual = line(spillway=5.0, oracle_delayed=3.0, google=9.0)
    assert in_place(punctual).bad[MINE] == 3.0
    late = line(spillway=5.0, oracle_delayed=3.0, google=9.0)
    late = replace(late, bad={**late.bad, TRUTHFUL: 4.0})
    assert in_place(late).bad[MINE] == 4.0
    assert in_place(late).bad[YARDSTICK] == 3.0


def test_rows_say_where_and_how_far() -> None:
    # (39900 + 100) / (19900 + 100) = 2, and (39900 + 100) / (29900 + 100) = 1.33 of the best opponent
    mine = [line(spillway=39900.0, oracle_delayed=19900.0, google=29900.0)]
    rows = {row.measure: row for row in scenario_rows(mine, [in_place(mine[0])])}
    worst = rows["the same, worst scenario"]
    assert (worst.mine, worst.oracle, worst.where) == (2.0, 1.0, "s")
    behind = rows["scenarios above 1.05 of the best opponent's"]
    assert (behind.mine, behind.oracle, behind.verdict) == (1.0, 0.0, "missed")
    assert table_of([*rows.values()]).row_count == 5


@pytest.mark.parametrize("seconds", [900.0, pytest.param(None, marks=pytest.mark.long)])
def test_without_late_metrics_no_late_oracle_runs(seconds: float | None) -> None:
    (story,) = chosen(["region-dead"], FOLDER)
    if seconds is not None:
        story = replace(story, scenario=story.scenario.model_copy(update={"duration": seconds}))
    lines, oracles = lines_of([story], seeds=1, jobs=1)
    assert TRUTHFUL not in lines[0].bad
    assert oracles[0].bad[MINE] == lines[0].bad[YARDSTICK]

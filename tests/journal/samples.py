"""Records that a loop over fakes has written, and ready-made ones with known numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.exporter import example_report as example

from spillway.control.inputs import MinutesSeen
from spillway.control.records import Given, pass_record
from spillway.control.report import TickReport
from spillway.core.values.decision import Candidate, Move, Plan, Verdict
from spillway.core.values.overlay import Overlay, initial_overlay

BEGUN = example.AT + 60.0
"""UTC seconds of tick 1."""
STARTING: Overlay = initial_overlay(example.fleet())
CANDIDATE = Candidate(
    service="pool",
    bad_now=0.094,
    bad_best=0.006,
    name="lower europe-west4",
    second="close europe-west4",
    second_bad=0.011,
    least=0.005,
)


def record_of(report: TickReport) -> dict[str, Any]:
    """The record of a report."""
    return pass_record(
        MinutesSeen(), report, Given(overlay=STARTING), Plan(overlay=STARTING, moves=report.moves)
    )


def verdict(move: Move, made_at: float) -> Verdict:
    """The promise of a move was kept."""
    return Verdict(
        move=move,
        made_at=made_at,
        predicted=0.006,
        observed=0.008,
        better=True,
        sentence="europe-west4 scaler 1.00 -> 0.62 promised 0.6% bad requests and 0.8% came",
    )


def night() -> list[TickReport]:
    """Ten quiet ticks, a move, four quiet ones, the verdict, four quiet ones."""
    reports = [example.quiet(number) for number in range(1, 11)]
    reports.append(example.report(11, candidates=(CANDIDATE,)))
    reports += [example.quiet(number) for number in range(12, 16)]
    reports.append(example.quiet(16, verdicts=(verdict(example.SHED, example.AT + 60 * 11 + 12.0),)))
    reports += [example.quiet(number) for number in range(17, 21)]
    return [replace(report, at=example.AT + 60.0 * report.number) for report in reports]

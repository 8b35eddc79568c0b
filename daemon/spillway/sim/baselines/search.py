"""The oracles' search: many starts, then one lever at a time from the best of them, as long as it pays."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from spillway.core.values.overlay import Posture
from spillway.core.values.topology import legal_scaler
from spillway.sim.baselines.levers import Key
from spillway.sim.baselines.starts import starts
from spillway.sim.baselines.trial import Plan, Trial

TRIES = 60
"""Runs of the model for the descent of one search."""

FACTORS = (0.7, 0.85, 0.95, 1.05, 1.2, 1.5)
"""By which one ceiling is changed."""

WORTH = 0.5
"""Bad requests that a step of the descent must save."""

DEVIATIONS = 2.0
"""A gain below so many standard deviations of a Poisson count as large as the bad requests is noise."""

SLIGHT = 1e-4
"""Share of the requests of a horizon below which a gain is noise however few bad requests there are."""


def noise(bad: float, requests: float) -> float:
    """Requests by which two results must differ to be told apart."""
    return DEVIATIONS * sqrt(max(0.0, bad)) + SLIGHT * requests


def best(trial: Trial, more: tuple[Plan, ...] = ()) -> Plan:
    """The best plan found.

    Args:
        trial: where plans are tried.
        more: further starts, such as what was chosen last.
    """
    found = trial.leave
    for start in (*more, *starts(trial)):
        if trial.cost(start, trial.cost(found)) < trial.cost(found):
            found = start
    return descend(trial, found, TRIES)


def descend(trial: Trial, plan: Plan, tries: int) -> Plan:
    """Change one lever after the other, keep what helps, until nothing does or `tries` runs are spent."""
    limit = trial.tries + tries
    better = True
    while better and trial.tries < limit:
        better = False
        for key in trial.levers.home:
            for step in _steps(plan, key):
                if trial.tries >= limit:
                    return plan
                if _better(trial, step, plan):
                    plan, better = step, True
        for step in _postures(trial, plan):
            if _better(trial, step, plan):
                plan, better = step, True
    return plan


def _better(trial: Trial, step: Plan, plan: Plan) -> bool:
    """True where the step saves a request, or nearly."""
    bar = trial.cost(plan) - WORTH
    return trial.cost(step, bar) < bar


def _steps(plan: Plan, key: Key) -> Iterator[Plan]:
    now = plan.scalers[key]
    values = (
        {0.0, 1.0, *(legal_scaler(min(1.0, now * f)) for f in FACTORS)} if now else {0.1, 0.3, 0.5, 0.75, 1.0}
    )
    for value in sorted(values - {now}):
        scalers = {**plan.scalers, key: value}
        if any(v > 0 for k, v in scalers.items() if k[0] == key[0]):
            yield Plan(scalers=scalers, postures=plan.postures)


def _postures(trial: Trial, plan: Plan) -> Iterator[Plan]:
    for service in sorted({k[0] for k in trial.levers.home}):
        for posture in Posture:
            if plan.postures.get(service) != posture:
                yield Plan(scalers=plan.scalers, postures={**plan.postures, service: posture})

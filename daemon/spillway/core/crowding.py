"""What chance alone makes of the latency of a region that is nearly full, and what that tells of its size."""

from __future__ import annotations

from math import exp, log, sqrt
from statistics import NormalDist
from typing import Any

from spillway.core.memory import Estimate

SCV = 0.35
"""Squared coefficient of variation of service times: log-normal with a p95 of two and a half times the median."""

TRACE = 1e-4
"""Share of the answers, or of the failures, below which it is none."""

_NORMAL, _SIGMA = NormalDist(), sqrt(log(1.0 + SCV))

CROWDED = 0.97
"""Share of the slots in use up to which waiting is put down to chance."""

NEARLY_FULL = 0.85
"""Share of the known slots in use from which the waiting that does not come proves that there are more."""

UNCROWDED = 0.025
"""Noise of the mean latency over `EASE_MINUTES`, as a share of the baseline: three standard deviations of a sampled mean."""

EASE = 0.3
"""Weight of the newest minute in the latency of a region that is nearly full."""

EASE_MINUTES = 4
"""Minutes nearly full before that latency proves anything."""

FULL = 0.92
"""Share of the known slots in use from which a longer latency is put down to want of slots, and not to slow ones."""

PRESSED = 0.08
"""Mean latency over what chance makes of it, as a share of the baseline, from which slots are wanting."""

RECOVERED = 1.15
"""Slots over those that were found when it was saturated, from which what was found is over: no reading is so far off."""

FULLEST = 0.995
"""Share of the slots in use at which a region can be seen at most, by the mean of a minute."""

HALVINGS = 10
"""Steps in which the number of slots behind a latency is narrowed down, to a thousandth."""


def crowding(used: float, slots: float) -> float:
    """Mean latency over the service time that chance alone makes of a region with this share of its slots in use.

    M/G/c by Sakasegawa's formula, Wq = (1 + scv) / 2 x S x rho^(sqrt(2 (c + 1)) - 1) / (c (1 - rho)) (H. Sakasegawa, Ann.
    Inst. Stat. Math. 29, 1977). A region with few slots waits long before it is full, and is neither slow nor short.
    """
    if slots <= 0.0:
        return 1.0
    return 1.0 + _waiting(min(used, CROWDED), slots)


def _waiting(rho: float, slots: float) -> float:
    """Mean wait over the service time."""
    chance: float = rho ** (sqrt(2.0 * (slots + 1.0)) - 1.0) / (slots * (1.0 - rho))
    return (1.0 + SCV) / 2.0 * chance


def shown_by(busy: float, crowded: float) -> float:
    """Slots that there are, where `busy` are in use and chance makes the mean latency `crowded` times the service time.

    The reverse of `crowding`: with fewer slots requests would wait longer than they do.
    """
    low, high = busy / FULLEST, 2.0 * busy
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        waits = _waiting(busy / middle, middle) > crowded - 1.0
        low, high = (middle, high) if waits else (low, middle)
    return low


def gives(answered: float, failed: float) -> float:
    """Requests/s that all slots together could answer, where a standing queue fails `failed` of them by their time-out.

    What has waited nearly up to its time-out holds a slot for what is left of it, y, and is answered if its service S is shorter:
    a share p = P(S <= y) of them. The work of all, (answered + failed) x E[min(S, y)], is what the slots give, so they could answer
    (answered + failed) x E[min(S, y)] / E[S]. With log-normal S of `SCV`, z = the normal quantile of p and s^2 = ln(1 + SCV) that
    is the sum times Phi(z - s) + (1 - p) exp(z s - s^2 / 2).
    """
    total = answered + failed
    if failed <= TRACE * total:
        return answered
    p = max(TRACE, answered / total)
    z = _NORMAL.inv_cdf(p)
    return total * (_NORMAL.cdf(z - _SIGMA) + (1.0 - p) * exp(z * _SIGMA - _SIGMA**2 / 2.0))


def ease(
    old: Estimate, new: Any, busy: float, slots: float, ratio: float, found: float, prior: float
) -> tuple[float, bool]:
    """Weigh a minute of a region that is not saturated.

    Args:
        old: What is known of it.
        new: The draft of what is known after this minute.
        busy: Slots in use, by Little's law at the usual pace.
        slots: That are known.
        ratio: Mean latency over the baseline.
        found: Slots when it was saturated last; 0 where it never was.
        prior: Slots by its target.

    Returns:
        Slots that there are, by how long requests had to wait; and whether they had to wait for want of slots, so that the
        latency is no service time.
    """
    if busy < NEARLY_FULL * slots:
        if old.crowded_minutes:
            new.crowded, new.crowded_minutes = 0.0, 0
        return slots, False
    minutes = min(EASE_MINUTES, old.crowded_minutes + 1)
    crowded = ratio if minutes == 1 else old.crowded + EASE * (ratio - old.crowded)
    new.crowded, new.crowded_minutes = crowded, minutes
    if busy >= FULL * slots and ratio > crowding(busy / slots, slots) + PRESSED:
        return min(slots, shown_by(busy, ratio)), True
    if minutes >= EASE_MINUTES:
        slots = max(slots, shown_by(busy, max(1.0, crowded) + UNCROWDED))
        if slots >= RECOVERED * found > 0.0:
            slots = max(slots, prior)
    return slots, False

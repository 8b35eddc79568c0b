"""Learning a quota: what a region accepts before it refuses the rest with 429."""

from __future__ import annotations

from typing import Any

from spillway.core.memory import Estimate
from spillway.core.snapshot import Minute

QUOTA_MARGIN = 0.02
"""Share of 429 answers from which a quota is believed; less is single clients' own doing."""

REFUSAL = 0.6
"""Weight of the newest minute in the share that is refused whatever comes: two minutes carry 84 %."""


def learn_quota(
    old: Estimate, minute: Minute, total: float, target: float | None, period: float
) -> dict[str, Any]:
    """Tell a quota (429 only above a rate) from a backend that refuses a share of whatever comes.

    Args:
        old: What is known of the backend.
        minute: What was seen.
        total: Its answers.
        target: Requests/s at scaler 1; a quota that is not under it is none.
        period: Seconds of a sample.

    Returns:
        New values of the estimate by field.
    """
    rate = total / period
    ratio = minute.too_many / total
    accepted = (total - minute.too_many) / period
    if ratio > QUOTA_MARGIN:
        if old.quota is not None and rate < 0.9 * old.quota_met:
            return {"refusing": old.refusing + REFUSAL * (ratio - old.refusing)}
        quota = accepted if old.quota is None else min(accepted, old.quota)
        return {"quota": quota, "quota_met": quota, "quota_at": minute.end}
    new: dict[str, Any] = {"refusing": old.refusing * (1 - REFUSAL) if old.refusing > 0.001 else 0.0}
    if old.quota is None:
        return new
    quota = max(old.quota, accepted)
    return {**new, "quota": None if target is not None and quota >= target else quota}

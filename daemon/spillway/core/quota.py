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
    old: Estimate, new: Any, minute: Minute, total: float, target: float | None, period: float
) -> None:
    """Tell a quota (429 only above a rate) from a backend that refuses a share of whatever comes.

    Args:
        old: What is known of the backend.
        new: The draft of what is known after this minute.
        minute: What was seen.
        total: Its answers.
        target: Requests/s at scaler 1; a quota that is not under it is none.
        period: Seconds of a sample.
    """
    refused = minute.too_many
    ratio = refused / total
    if ratio > QUOTA_MARGIN:
        if old.quota is not None and total / period < 0.9 * old.quota_met:
            new.refusing = old.refusing + REFUSAL * (ratio - old.refusing)
            return
        accepted = (total - refused) / period
        new.quota = new.quota_met = accepted if old.quota is None else min(accepted, old.quota)
        new.quota_at = minute.end
        return
    new.refusing = old.refusing * (1 - REFUSAL) if old.refusing > 0.001 else 0.0
    if old.quota is not None:
        quota = max(old.quota, (total - refused) / period)
        new.quota = None if target is not None and quota >= target else quota

"""The one sentence about a step."""

from __future__ import annotations

from spillway.core.explain.assessment import tell
from spillway.core.values.decision import Lever, Move, Plan, Reason, Refusal
from spillway.core.values.overlay import Overlay

NOTHING = Plan(overlay=Overlay(services=()), moves=())


def test_what_is_refused_names_its_service() -> None:
    """A region of a pinned service may be its last, while a pool in the same region has three more."""
    move = Move(
        service="europe", region="us-east4", lever=Lever.MEMBERSHIP, before="0.50", after="0.00",
        reason=Reason(code="drain-planned", sentence="planned work"),
    )  # fmt: skip
    refusal = Refusal(guard="last", move=move, sentence="us-east4 is the only one left")
    told = tell(NOTHING, (), (refusal, refusal), "all is well", "act")
    assert told == (
        "nothing done, because us-east4 is the only one left (and 1 more refusal); wanted: europe/us-east4 membership 0.50 -> 0.00"
    )

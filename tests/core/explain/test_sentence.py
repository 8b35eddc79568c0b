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
    refusal = Refusal(limit="last", move=move, sentence="us-east4 is the only one left")
    told = tell(NOTHING, (), (refusal, refusal), "all is well", "act")
    assert told == (
        "nothing done, because us-east4 is the only one left (and 1 more refusal); wanted: europe/us-east4 membership 0.50 -> 0.00"
    )


def test_what_an_order_forbids_is_no_news_and_comes_after_all_else() -> None:
    """A drain of two hours used to be told in every tick of them."""
    move = Move(
        service="pool", region="us-east4", lever=Lever.SCALER, before="0.00", after="0.10",
        reason=Reason(code="probe", sentence="a probe"),
    )  # fmt: skip
    ordered = Refusal(limit="operator-hold", move=move, sentence="an operator holds us-east4", ordered=True)
    other = Refusal(limit="step-limit", move=move, sentence="one step is at most 0.45")
    assert tell(NOTHING, (), (ordered,), "all is well", "act") == "nothing done, because all is well"
    assert tell(NOTHING, (), (ordered, other), "all is well", "act").startswith(
        "nothing done, because one step is at most 0.45; wanted:"
    )

"""The table of states and what leads from one to another."""

from __future__ import annotations

import pytest

from spillway.core.values import lifecycle as state
from spillway.core.values.decision import BackendState
from spillway.core.values.lifecycle import Event, IllegalEvent, backoff_after
from spillway.core.values.policy import Rhythm
from spillway.core.values.state import BackendMemory


def test_every_state_can_be_reached_and_left() -> None:
    rows = state.table()
    assert {to for _, _, to in rows} == set(BackendState)
    assert {start for start, _, _ in rows} == set(BackendState)


def test_an_illegal_event_raises_and_names_what_is_allowed() -> None:
    with pytest.raises(IllegalEvent, match="it allows join"):
        state.next_state(BackendState.STANDBY, Event.SHED)


@pytest.mark.parametrize(
    ("was_member", "was", "member", "scaler", "leaving", "event"),
    [
        (True, 1.0, True, 1.0, False, None),
        (True, 1.0, True, 0.4, False, Event.SHED),
        (True, 1.0, True, 0.0, False, Event.DRAIN),
        (True, 1.0, True, 0.0, True, Event.LEAVE),
        (True, 0.0, True, 0.1, False, Event.RAISE),
        (True, 0.8, True, 1.0, False, Event.RESTORE),
        (True, 0.0, False, 0.0, False, Event.DETACH),
        (False, 0.0, True, 0.5, False, Event.JOIN),
        (False, 0.0, False, 0.0, False, None),
    ],
)
def test_events_follow_from_settings(
    was_member: bool, was: float, member: bool, scaler: float, leaving: bool, event: Event | None
) -> None:
    assert (
        state.event_of(was_member=was_member, was=was, member=member, scaler=scaler, leaving=leaving) is event
    )


@pytest.mark.parametrize("before", [n / 100 for n in range(20, 101)])
def test_a_cut_by_a_tenth_is_minor_wherever_it_begins(before: float) -> None:
    rhythm = Rhythm()
    raised = BackendMemory(region="a", moved_at=0.0, direction=1)
    assert backoff_after(raised, rhythm, 60.0, round(before - 0.1, 2) - before) == 1.0
    deeper = backoff_after(raised, rhythm, 60.0, round(before - 0.11, 2) - before)
    assert deeper == rhythm.backoff_growth

"""Every sample of Monitoring is counted once: late, corrected, missing, and over a restart."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillway.control.answered import NOBODY, AnswerCounts, Answered, Counted
from spillway.core.estimate.answers import Answers, answers_of, burn, targets
from spillway.core.values.histogram import Distribution
from spillway.core.values.policy import Policy, Slo
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    Minute,
    Missing,
    Seen,
    ServiceView,
    Snapshot,
)

T0 = 1_795_000_020.0
"""End of a sample."""
NOTHING = Missing(absence=Absence.NO_SERIES)
POLICY = {"pool": Policy()}


def minute(
    number: int, ok: float = 100.0, failed: float = 0.0, refused: float = 0.0, late: float = 0.0
) -> Minute:
    """Sample `number` after `T0`; `late` of its good answers take six seconds."""
    return Minute(
        end=T0 + 60.0 * number,
        ok=ok,
        client_error=0.0,
        too_many=refused,
        server_error=failed,
        latency=Distribution(bounds=(4.0,), counts=(ok - late, late), mean=2.0),
    )


def snapshot(number: int, east: Sequence[Minute] | None, nobody: Sequence[Minute] | None = None) -> Snapshot:
    """What a tick sees four minutes after the end of sample `number`; None where a read failed."""

    def seen(minutes: Sequence[Minute] | None) -> Seen[tuple[Minute, ...]] | Missing:
        return NOTHING if minutes is None else Seen(value=tuple(minutes), age=240.0, evidence=100)

    return Snapshot(
        at=T0 + 60.0 * number + 240.0,
        lag=210.0,
        services=(
            ServiceView(
                service="pool",
                backends=(
                    BackendView(region="us-east4", observed=NOTHING, health=NOTHING, traffic=seen(east)),
                ),
                policy=NOTHING,
                places=NOTHING,
                unassigned=seen(nobody),
            ),
        ),
    )


def window(newest: int, length: int = 5) -> list[Minute]:
    return [minute(n) for n in range(newest - length + 1, newest + 1)]


class Counting:
    """Counts of a process that has begun at sample 0."""

    def __init__(self, counted: tuple[Counted, ...] | None = None) -> None:
        self.counts = AnswerCounts((Counted(service="pool", to=T0),) if counted is None else counted)

    def take(
        self, number: int, east: Sequence[Minute] | None, nobody: Sequence[Minute] | None = None
    ) -> Answers:
        return self.look(number, east, nobody).total

    def look(
        self, number: int, east: Sequence[Minute] | None, nobody: Sequence[Minute] | None = None
    ) -> Answered:
        (found,) = self.counts.take(snapshot(number, east, nobody), POLICY)
        return found


def test_a_minute_is_told_by_what_users_got() -> None:
    found = answers_of(minute(1, ok=100, failed=3, refused=5, late=10), 4.0)
    assert (found.total, found.failed, found.refused) == (108, 3, 5)
    assert found.late == pytest.approx(10)
    assert found.bad == pytest.approx(18)


def test_of_what_no_backend_answered_failures_alone_are_bad() -> None:
    assert answers_of(minute(1, ok=50, failed=7, refused=9), 4.0, by_backend=False) == Answers(66, 7, 0, 0)


def test_a_minute_that_cannot_be_true_counts_nothing() -> None:
    odd = Minute(end=T0, ok=100, client_error=0, too_many=-1, server_error=0, latency=None)
    assert answers_of(odd, 4.0).total == 0


def test_the_burn_rate_is_the_share_over_what_the_slo_allows() -> None:
    slo = Slo(latency=4.0, percentile=95.0, availability=0.999)
    assert targets(slo).good == pytest.approx(0.95 * 0.999)
    found = burn(Answers(total=1000, failed=2, refused=0, late=100), slo)
    assert found is not None
    assert found.latency == pytest.approx(2.0)
    assert found.availability == pytest.approx(2.0)
    assert found.good == pytest.approx(0.102 / (1 - 0.95 * 0.999))
    assert burn(Answers(), slo) is None


def test_each_sample_is_counted_once_though_every_window_shows_it() -> None:
    counting = Counting()
    for number in range(1, 30):
        total = counting.take(number, window(number)).total
    assert total == 29 * 100.0


def test_a_first_start_counts_what_ends_after_it() -> None:
    counting = Counting(())
    assert counting.take(5, window(5)).total == 0
    assert counting.take(8, window(8)).total == 0, "ended before the first tick, which was at 9"
    assert counting.take(10, window(10)).total == 100


def test_a_late_sample_is_counted_when_it_comes() -> None:
    counting = Counting()
    counting.take(4, [m for m in window(4) if m.end != T0 + 120.0])
    assert counting.take(5, window(5)).total == 500


def test_a_correction_adds_the_difference() -> None:
    counting = Counting()
    counting.take(3, window(3))
    more = [minute(n, ok=100, failed=20 if n == 2 else 0) for n in range(5)]
    found = counting.take(4, more)
    assert (found.total, found.failed) == (420, 20)


def test_a_correction_downwards_is_taken_off_what_comes_next() -> None:
    counting = Counting()
    counting.take(3, window(3))
    fewer = [minute(n, ok=20 if n == 3 else 100) for n in range(4)]
    assert counting.take(3, fewer).total == 300, "a counter never falls"
    assert counting.take(4, [*fewer, minute(4)]).total == 320


def test_a_gap_is_counted_once_it_is_over_as_far_as_the_window_reaches() -> None:
    counting = Counting()
    counting.take(2, window(2))
    for number in range(3, 6):
        assert counting.take(number, None).total == 200
    assert counting.take(6, window(6)).total == 600
    for number in range(7, 16):
        counting.take(number, None)
    assert counting.take(16, window(16)).total == 1100, "five of ten: the others are out of the window"


def test_samples_that_one_answer_left_out_are_not_counted_again() -> None:
    counting = Counting()
    counting.take(8, window(8, 8))
    counting.take(9, [minute(9)])
    assert counting.take(10, window(10, 8)).total == 1000


def test_a_restart_goes_on_behind_the_last_sample() -> None:
    before = Counting()
    assert before.take(6, window(6)).total == 500
    after = Counting(before.counts.counted())
    assert after.take(6, window(6)).total == 0
    assert after.take(9, window(9)).total == 300


def test_after_a_restart_a_backend_that_was_behind_goes_on_from_its_own_sample() -> None:
    before = Counting()
    before.take(6, window(4), window(6))
    (counted,) = before.counts.counted()
    assert counted.to == T0 + 360.0
    assert counted.behind == (("us-east4", T0 + 240.0),)
    after = Counting((counted,))
    assert after.take(6, window(6), window(6)).total == 200
    assert counted.of(NOBODY) == T0 + 360.0


def test_what_was_counted_in_the_future_is_not_believed() -> None:
    counting = Counting((Counted(service="pool", to=T0 + 1e9),))
    counting.take(3, window(3))
    assert counting.take(9, window(9)).total == 200, "from the first tick on, which was at 7"


def test_services_that_left_are_forgotten() -> None:
    counting = Counting((Counted(service="gone", to=T0), Counted(service="pool", to=T0)))
    counting.take(3, window(3))
    assert [c.service for c in counting.counts.counted()] == ["pool"]


def test_the_judged_minutes_are_the_newest_three() -> None:
    minutes = [*window(4), minute(5, ok=100, failed=50)]
    found = Counting().look(5, minutes, [minute(5, ok=0, failed=10)])
    assert found.recent.total == 360
    assert found.recent.failed == 60
    counting = Counting()
    counting.take(5, window(5))
    assert counting.look(25, None).recent.total == 0, "too old to be judged"


@given(st.lists(st.tuples(st.integers(0, 3), st.sets(st.integers(0, 9))), max_size=25))
def test_however_samples_come_none_is_counted_twice(looks: list[tuple[int, set[int]]]) -> None:
    """Each look is some minutes later, and its answer leaves some minutes of the window out."""
    counting, newest, shown = Counting(), 1, set[int]()
    for later, left_out in looks:
        newest += later
        seen = [m for i, m in enumerate(window(newest, 10)) if i not in left_out]
        shown |= {n for n in range(newest - 9, newest + 1) if minute(n) in seen and n > 0}
        total = counting.take(newest, seen or None).total
        assert total == 100.0 * len(shown)

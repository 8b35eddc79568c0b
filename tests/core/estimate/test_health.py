"""Healthy shares as they were: in a past minute, at their lowest, and coming and going."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spillway.core.estimate.capacity import RECOVERY_SECONDS
from spillway.core.estimate.failures import SHARE_STEP, fell_at, learn_health, lowest_share, share_in
from spillway.core.values.snapshot import HealthCount
from spillway.core.values.state import HealthTrack

FELL = HealthTrack(share=0.5, changes=((600.0, 0.5),))
BACK = HealthTrack(share=1.0, changes=((600.0, 0.5), (1200.0, 1.0)))


def test_a_minute_has_the_share_that_there_was_then() -> None:
    assert share_in(FELL, 480.0, 60.0) == 1.0
    assert share_in(FELL, 900.0, 60.0) == 0.5
    assert share_in(BACK, 900.0, 60.0) == 0.5
    assert share_in(BACK, 1500.0, 60.0) == 1.0


def test_a_minute_in_which_it_changed_or_just_after_which_it_was_read_has_none() -> None:
    assert share_in(FELL, 600.0, 60.0) is None
    assert share_in(FELL, 630.0, 60.0) is None
    assert share_in(FELL, 570.0, 60.0) is None  # it was read late: it may have fallen within this minute


def test_a_share_that_never_changed_holds_for_all_time() -> None:
    assert share_in(HealthTrack(share=0.8), 300.0, 60.0) == 0.8
    assert lowest_share(HealthTrack(share=0.8), 0.0, 900.0) == 0.8


def test_the_lowest_share_between_two_moments() -> None:
    dip = HealthTrack(changes=((600.0, 0.5), (660.0, 0.2), (720.0, 0.9)))
    assert lowest_share(dip, 0.0, 500.0) == 1.0
    assert lowest_share(dip, 500.0, 650.0) == 0.5
    assert lowest_share(dip, 500.0, 900.0) == 0.2
    assert lowest_share(dip, 700.0, 900.0) == 0.2
    assert lowest_share(dip, 800.0, 900.0) == 0.9


@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from((0.0, 0.25, 0.5, 0.9, 1.0))), max_size=7),
    st.integers(0, 50),
    st.integers(1, 20),
)
def test_the_lowest_share_is_that_of_the_changes_in_between_and_of_what_held_before(
    changes: list[tuple[int, float]], start: int, length: int
) -> None:
    shares = tuple((float(at), share) for at, share in sorted(dict(changes).items()))
    known = HealthTrack(share=shares[-1][1] if shares else 1.0, changes=shares)
    held = [1.0, *(share for at, share in shares if at <= start)][-1]
    between = [share for at, share in shares if start < at < start + length]
    assert lowest_share(known, float(start), float(start + length)) == min([held, *between])


def test_only_a_last_change_that_was_a_fall_is_one() -> None:
    assert fell_at(HealthTrack()) is None
    assert fell_at(FELL) == 600.0
    assert fell_at(BACK) is None
    assert fell_at(HealthTrack(changes=((600.0, 1.0),))) is None
    assert fell_at(HealthTrack(changes=((600.0, 0.5), (900.0, 0.3)))) == 900.0


def read(track: HealthTrack, share: float, at: float) -> HealthTrack:
    """After a read of a thousand endpoints at this UTC second."""
    return learn_health(track, HealthCount(healthy=round(1000 * share), total=1000), at)


def seen(*reads: tuple[float, float]) -> HealthTrack:
    """After reads of (UTC second, healthy share)."""
    track = HealthTrack()
    for at, share in reads:
        track = read(track, share, at)
    return track


def test_a_first_fall_is_no_flapping() -> None:
    found = seen((600.0, 0.5))
    assert (found.drops, found.lowest, found.lowest_at) == (1, 0.5, 600.0)


def test_a_fall_soon_after_the_last_low_counts_on_and_keeps_the_lowest() -> None:
    found = seen((600.0, 0.3), (900.0, 1.0), (1200.0, 0.5))
    assert (found.drops, found.lowest, found.lowest_at) == (2, 0.3, 1200.0)


def test_the_low_lasts_until_the_return_was_read() -> None:
    assert seen((600.0, 0.3), (3000.0, 1.0)).lowest_at == 3000.0
    found = seen((600.0, 0.3), (3000.0, 1.0), (3000.0 + RECOVERY_SECONDS - 1.0, 0.5))
    assert found.drops == 2


def test_a_fall_long_after_the_last_low_begins_anew() -> None:
    found = seen((600.0, 0.3), (900.0, 1.0), (900.0 + RECOVERY_SECONDS, 0.5))
    assert (found.drops, found.lowest) == (1, 0.5)


def test_a_step_of_one_machine_among_many_is_no_fall() -> None:
    small = read(HealthTrack(), 1.0 - SHARE_STEP / 2, 600.0)
    assert (small.drops, small.lowest, small.lowest_at) == (0, 1.0, 0.0)
    assert small.share == 1.0 - SHARE_STEP / 2
    assert seen((600.0, 0.98)).drops == 0


def test_what_was_not_read_and_what_did_not_change_leaves_all_as_it_was() -> None:
    known = seen((600.0, 0.5))
    assert learn_health(known, None, 700.0) is known
    assert learn_health(known, HealthCount(healthy=0, total=0), 700.0) is known
    assert read(known, 0.5, 700.0) is known

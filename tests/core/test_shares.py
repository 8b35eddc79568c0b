"""Healthy shares as they were: in a past minute, at their lowest, and coming and going."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from spillway.core.estimate.health import FLAP_SECONDS, SHARE_STEP, fell_at, flapping, lowest_share, share_in
from spillway.core.values.state import Estimate

FELL = Estimate(healthy_share=0.5, shares=((600.0, 0.5),))
BACK = Estimate(healthy_share=1.0, shares=((600.0, 0.5), (1200.0, 1.0)))


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
    assert share_in(Estimate(healthy_share=0.8), 300.0, 60.0) == 0.8
    assert lowest_share(Estimate(healthy_share=0.8), 0.0, 900.0) == 0.8


def test_the_lowest_share_between_two_moments() -> None:
    dip = Estimate(shares=((600.0, 0.5), (660.0, 0.2), (720.0, 0.9)))
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
    known = Estimate(healthy_share=shares[-1][1] if shares else 1.0, shares=shares)
    held = [1.0, *(share for at, share in shares if at <= start)][-1]
    between = [share for at, share in shares if start < at < start + length]
    assert lowest_share(known, float(start), float(start + length)) == min([held, *between])


def test_only_a_last_change_that_was_a_fall_is_one() -> None:
    assert fell_at(Estimate()) is None
    assert fell_at(FELL) == 600.0
    assert fell_at(BACK) is None
    assert fell_at(Estimate(shares=((600.0, 1.0),))) is None
    assert fell_at(Estimate(shares=((600.0, 0.5), (900.0, 0.3)))) == 900.0


def seen(*reads: tuple[float, float]) -> Estimate:
    """After reads of (UTC second, healthy share)."""
    estimate = Estimate()
    for at, share in reads:
        estimate = replace(estimate, healthy_share=share, **flapping(estimate, share, at))
    return estimate


def test_a_first_fall_is_no_flapping() -> None:
    found = seen((600.0, 0.5))
    assert (found.share_drops, found.share_low, found.share_low_at) == (1, 0.5, 600.0)


def test_a_fall_soon_after_the_last_low_counts_on_and_keeps_the_lowest() -> None:
    found = seen((600.0, 0.3), (900.0, 1.0), (1200.0, 0.5))
    assert (found.share_drops, found.share_low, found.share_low_at) == (2, 0.3, 1200.0)


def test_the_low_lasts_until_the_return_was_read() -> None:
    assert seen((600.0, 0.3), (3000.0, 1.0)).share_low_at == 3000.0
    found = seen((600.0, 0.3), (3000.0, 1.0), (3000.0 + FLAP_SECONDS - 1.0, 0.5))
    assert found.share_drops == 2


def test_a_fall_long_after_the_last_low_begins_anew() -> None:
    found = seen((600.0, 0.3), (900.0, 1.0), (900.0 + FLAP_SECONDS, 0.5))
    assert (found.share_drops, found.share_low) == (1, 0.5)


def test_a_step_of_one_machine_among_many_is_no_fall() -> None:
    assert flapping(Estimate(), 1.0 - SHARE_STEP / 2, 600.0) == {}
    assert seen((600.0, 0.98)).share_drops == 0

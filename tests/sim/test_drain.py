"""Google's automatic drain, case by case of the documented rule."""

from __future__ import annotations

from math import inf

from spillway.sim.drain import AutoDrain, GroupIndex

NOBODY: frozenset[GroupIndex] = frozenset()


def shares(*values: float) -> dict[GroupIndex, float]:
    return {(i, 0): v for i, v in enumerate(values)}


def test_a_group_under_a_quarter_is_drained_and_one_at_a_quarter_is_not() -> None:
    drain = AutoDrain()
    drain.update(0.0, shares(0.24, 0.25, 1.0), NOBODY, enabled=True)
    assert drain.drained == {(0, 0)}


def test_it_is_restored_after_a_minute_at_35_percent() -> None:
    drain = AutoDrain()
    drain.update(0.0, shares(0.0, 1.0, 1.0), NOBODY, enabled=True)
    drain.update(100.0, shares(0.34, 1.0, 1.0), NOBODY, enabled=True)
    assert drain.next_change() == inf
    drain.update(200.0, shares(0.35, 1.0, 1.0), NOBODY, enabled=True)
    assert drain.next_change() == 260.0
    drain.update(250.0, shares(0.35, 1.0, 1.0), NOBODY, enabled=True)
    assert drain.drained
    drain.update(260.0, shares(0.35, 1.0, 1.0), NOBODY, enabled=True)
    assert not drain.drained


def test_a_relapse_starts_the_minute_anew() -> None:
    drain = AutoDrain()
    for t, share in ((0.0, 0.0), (10.0, 0.5), (50.0, 0.3), (60.0, 0.5), (100.0, 0.5)):
        drain.update(t, shares(share, 1.0, 1.0), NOBODY, enabled=True)
    assert drain.drained
    assert drain.next_change() == 120.0


def test_never_half_of_all_groups() -> None:
    for groups, most in ((1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2), (7, 3)):
        drain = AutoDrain()
        drain.update(0.0, shares(*[0.0] * groups), NOBODY, enabled=True)
        assert len(drain.drained) == most, groups


def test_groups_at_zero_count_among_all_but_not_among_the_drained() -> None:
    drain = AutoDrain()
    drain.update(0.0, shares(0.0, 0.0, 1.0), frozenset({(2, 0)}), enabled=True)
    assert drain.drained == {(0, 0)}
    drain = AutoDrain()
    drain.update(0.0, shares(0.0, 1.0, 1.0), frozenset({(0, 0)}), enabled=True)
    assert not drain.drained


def test_switched_off_it_lets_go_at_once() -> None:
    drain = AutoDrain()
    drain.update(0.0, shares(0.0, 1.0, 1.0), NOBODY, enabled=True)
    drain.update(10.0, shares(0.0, 1.0, 1.0), NOBODY, enabled=False)
    assert not drain.drained

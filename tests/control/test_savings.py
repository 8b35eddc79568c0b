"""What acting saves by the model: nothing twice, from the moment at which a write works, and near the truth of simulated stories."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.bench.savings import Compared, story
from tests.control.fakes import FakeStore
from tests.core.pictures import AT, area, foreign_pin, picture_of

from spillway.control.memory import Keeper, Kept
from spillway.control.savings import LONGEST_TICK, Saving, Savings, SavingsLedger
from spillway.core.estimate.sample import Blind
from spillway.core.loop import Considered
from spillway.core.model.savings import (
    Scalers,
    answered_rate,
    saved_share,
    scalers_of,
    seen_under,
    without_moves,
)
from spillway.core.model.service import ServiceModel
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.overlay import BackendSetting, Overlay, Posture, ServiceSetting
from spillway.core.values.policy import CalendarWindow, Mode, Policy
from spillway.core.values.snapshot import Absence

OPEN: Scalers = (("ill", 1.0), ("well", 1.0))
CLOSED: Scalers = (("ill", 0.0), ("well", 1.0))
RATE = 100.0
"""Requests/s that are answered, half of them by the ill region, which fails half of those."""
DEAD = 320.0
"""Seconds from a write to the first sample that it has an effect on: the age of the newest sample, and the effect of a write."""


def picture(**changes: object) -> ServiceModel:
    regions = (
        area("ill", ceiling=300.0, capacity=300.0, bad=0.5),
        area("well", ceiling=300.0, capacity=300.0),
    )
    return picture_of(regions, {"ill": 50.0, "well": 50.0}, **changes)  # type: ignore[arg-type]


def setting(ill: float, well: float = 1.0, *, member: bool = True) -> ServiceSetting:
    return ServiceSetting(
        service="pool",
        posture=Posture.NORMAL,
        backends=(
            BackendSetting(region="ill", member=member, scaler=ill),
            BackendSetting(region="well", member=True, scaler=well),
        ),
    )


# the comparison


def test_what_is_saved_is_the_difference_of_the_bad_shares() -> None:
    assert saved_share(picture(), CLOSED, OPEN) == pytest.approx(0.25)
    assert saved_share(picture(), OPEN, CLOSED) == pytest.approx(-0.25)
    assert saved_share(picture(), OPEN, OPEN) == 0.0


def test_sets_of_another_fleet_compare_with_nothing() -> None:
    assert saved_share(picture(), (("ill", 0.0),), OPEN) == 0.0


def test_requests_are_those_that_were_answered_under_what_had_taken_effect() -> None:
    assert answered_rate(picture()) == RATE
    assert seen_under(picture()) == AT - DEAD
    blind = Blind(absence=Absence.NO_SERIES, why="none")
    unseen = replace(picture(), beliefs=tuple(b._replace(window=blind) for b in picture().beliefs))
    assert seen_under(unseen) is None


def test_what_is_no_member_counts_as_closed() -> None:
    assert scalers_of(setting(0.5, member=False)) == (("ill", 0.0), ("well", 1.0))


def test_without_moves_stands_what_the_configuration_begins_with() -> None:
    assert without_moves(picture(), setting(1.0), setting(0.0), Orders()) == OPEN


@pytest.mark.parametrize(
    ("model", "orders"),
    [
        (picture(), Orders(items=(Order(kind=OrderKind.DRAIN, until=None, reason="a test", region="ill"),))),
        (picture(memories={"ill": {"pin": foreign_pin(0.0)}}), Orders()),
        (
            picture(
                policy=Policy(
                    mode=Mode.ACT,
                    planned=(CalendarWindow(start=AT, end=AT + 60.0, reason="new switches", region="ill"),),
                )
            ),
            Orders(),
        ),
    ],
    ids=["ordered", "edited", "planned"],
)
def test_what_people_have_set_stands_on_both_sides(model: ServiceModel, orders: Orders) -> None:
    assert without_moves(model, setting(1.0), setting(0.0), orders) == CLOSED


# the ledger


class Ticks:
    """A ledger that is given one tick after the other, a minute apart."""

    def __init__(self, mode: Mode, kept: Savings | None = None) -> None:
        self.ledger = SavingsLedger(kept or Savings())
        self.mode = mode
        self.at = AT
        self.sum = Saving(service="pool", since=AT)

    def tick(self, after: ServiceSetting, stands: ServiceSetting, seconds: float = 60.0) -> Saving:
        self.at += seconds
        model = replace(picture(), at=self.at, beliefs=picture().beliefs)
        (self.sum,) = self.ledger.add(
            (Considered(model=model, after=after, mode=self.mode),),
            at=self.at,
            stands=Overlay(services=(stands,)),
            starting=Overlay(services=(setting(1.0),)),
            orders=Orders(),
        ).services
        return self.sum

    def ticks(self, count: int, after: ServiceSetting, stands: ServiceSetting) -> Saving:
        for _ in range(count):
            self.tick(after, stands)
        return self.sum


def test_acting_counts_from_the_moment_at_which_its_write_works() -> None:
    ticks = Ticks(Mode.ACT)
    ticks.ticks(3, setting(1.0), setting(1.0))
    # the write is made in this tick; the samples that it has an effect on come one dead time later
    assert ticks.ticks(6, setting(0.0), setting(0.0)).saved == 0.0
    assert ticks.ticks(10, setting(0.0), setting(0.0)).saved == pytest.approx(10 * 60.0 * 0.25 * RATE)
    # and they go on for as long after it is undone
    assert ticks.ticks(6, setting(1.0), setting(1.0)).saved == pytest.approx(16 * 60.0 * 0.25 * RATE)
    assert ticks.ticks(9, setting(1.0), setting(1.0)).saved == pytest.approx(16 * 60.0 * 0.25 * RATE)
    assert ticks.sum.advised == 0.0


def test_advice_that_nobody_follows_is_counted_once_for_each_request() -> None:
    ticks = Ticks(Mode.OBSERVE)
    ticks.ticks(6, setting(0.0), setting(1.0))
    assert ticks.ticks(10, setting(0.0), setting(1.0)).advised == pytest.approx(10 * 60.0 * 0.25 * RATE)
    assert ticks.sum.saved == 0.0


def test_harm_is_not_taken_off_what_was_saved() -> None:
    ticks = Ticks(Mode.OBSERVE)
    assert ticks.ticks(20, setting(1.0, 0.1), setting(1.0)).advised == 0.0


def test_a_long_pause_counts_as_a_short_one() -> None:
    ticks = Ticks(Mode.ACT)
    before = ticks.ticks(12, setting(0.0), setting(0.0)).saved
    after = ticks.tick(setting(0.0), setting(0.0), seconds=86400.0).saved
    assert after - before == pytest.approx(LONGEST_TICK * 0.25 * RATE)


def test_sums_go_on_after_a_restart_but_not_those_of_another_method() -> None:
    kept = Savings(services=(Saving(service="pool", since=1.0, saved=100.0, advised=7.0),))
    found = Ticks(Mode.ACT, kept).tick(setting(1.0), setting(1.0))
    assert (found.since, found.saved, found.advised) == (1.0, 100.0, 7.0)
    fresh = Ticks(Mode.ACT, replace(kept, version=99)).tick(setting(1.0), setting(1.0))
    assert (fresh.since, fresh.saved) == (AT + 60.0, 0.0)


def test_sums_survive_in_the_state_file() -> None:
    store = FakeStore()
    kept = Kept(savings=Savings(services=(Saving(service="pool", since=1.0, saved=2.5, advised=0.5),)))
    Keeper(store).save(kept)
    assert Keeper(store).restore()[0].savings == kept.savings


# against the truth


@pytest.fixture(scope="module")
def slow() -> Compared:
    return story("region-slow")


def test_the_advice_of_an_observing_daemon_is_near_the_truth(slow: Compared) -> None:
    assert slow.advised == pytest.approx(slow.true, rel=0.05)


def test_an_acting_daemon_claims_less_than_the_truth(slow: Compared) -> None:
    assert slow.true / 3 <= slow.saved <= slow.true

"""Alarms of whole stories: a quiet fleet has none, and each that comes has its cause in the story.

`python -m tests.bench alarms` shows those of the whole library.
"""

from __future__ import annotations

import pytest
from tests.sim.alarm_diary import Diary, of_the_library, played
from tests.sim.worlds import client, region, setup

from spillway.core.values.alarms import Severity
from spillway.core.values.decision import Health

MINUTE = 60.0


@pytest.fixture(scope="module")
def demo() -> Diary:
    return played(of_the_library("demo"))


def test_the_demo_is_quiet_until_its_first_fault(demo: Diary) -> None:
    """It used to be red from the fourth minute on, about a loss that its standbys cover."""
    assert all(told.since >= 8 * MINUTE for told in demo.alarms)


def test_each_page_of_the_demo_is_about_users_who_are_hurt_and_ends(demo: Diary) -> None:
    # a region turns slow at 8 and one dies at 44; both are seen some minutes later, and are over before the next begins
    slow, dead = demo.of(Severity.PAGE)
    assert (slow.code, dead.code) == ("slo-missed", "slo-missed")
    assert 8 * MINUTE < slow.since < slow.until < 44 * MINUTE
    assert 44 * MINUTE < dead.since < dead.until < 58 * MINUTE


def test_each_ticket_of_the_demo_has_its_cause(demo: Diary) -> None:
    tickets = [(told.code, told.alarm.region) for told in demo.of(Severity.TICKET)]
    assert tickets == [
        ("region-dead", "asia-northeast1"),
        ("no-survival", None),  # while Tokyo is away
        ("no-survival", None),  # at the launch, when every region is needed
    ]


def test_the_health_of_the_demo_is_that_of_its_regions(demo: Diary) -> None:
    east = dict(demo.health["pool", "us-east4"])
    assert {h for at, h in east.items() if 6 * MINUTE <= at <= 10 * MINUTE} == {Health.OK}
    assert Health.SLOW in {h for at, h in east.items() if 12 * MINUTE <= at <= 24 * MINUTE}
    tokyo = dict(demo.health["pool", "asia-northeast1"])
    assert {h for at, h in tokyo.items() if 46 * MINUTE <= at <= 53 * MINUTE} == {Health.DEAD}
    assert {h for _, h in demo.health["europe", "europe-west1"]} <= {Health.IDLE, Health.UNKNOWN}


def test_a_quiet_fleet_has_no_alarm_at_all() -> None:
    world = setup(
        duration="2h",
        regions={
            "europe-west4": region(endpoints=12, target_rps=120, capacity_rps=130),
            "us-east4": region(endpoints=12, target_rps=120, capacity_rps=130),
            "asia-northeast1": region(endpoints=12, target_rps=120, capacity_rps=130, standby=True),
        },
        clients=[client("paris", 80.0, 48.9, 2.4), client("ohio", 70.0, 40.0, -83.0)],
    )
    diary = played(world)
    assert diary.alarms == ()
    seen = {
        h for key, rows in diary.health.items() for at, h in rows if at > 6 * MINUTE and "asia" not in key[1]
    }
    assert seen == {Health.OK}

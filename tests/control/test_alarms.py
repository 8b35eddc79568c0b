"""The book of alarms: what is up, since when, what is news, and what a restart changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.control.fakes import START, Rig

from spillway.adapters.webhook_messages import slack_message
from spillway.control.alarms import MOST_ALARMS, AlarmBook, KeptAlarm, LossWatch, follow
from spillway.control.memory import Keeper, Kept, dump
from spillway.control.told import alarm_line
from spillway.core.explain.reasons import ALARMS, alarm
from spillway.core.values.alarms import Alarm, Severity, Silence
from spillway.core.values.policy import Mode

TICK = 60.0
SLO = alarm("slo-missed", service="pool", late=0.4, latency=4.0, failed=0.0)
SHORT = alarm("shortage", service="pool", demand=300.0, capacity=255.0)
DEAD = alarm("region-dead", service="pool", region="us-east4", healthy=0, total=16)
GONE = alarm("part-gone", part="URL map lb", kind="URL map", name="lb")
TELLING = (Severity.PAGE, Severity.TICKET)


def book(**changes: object) -> AlarmBook:
    return AlarmBook("lb", telling=TELLING, **changes)  # type: ignore[arg-type]


def up(of: AlarmBook, at: float = START) -> list[str]:
    return [found.code for found in of.active(at)]


# --- when an alarm comes up, and when it is over


def test_what_was_judged_over_minutes_is_up_at_once_and_over_after_two_ticks_without_it() -> None:
    alarms = book()
    news = alarms.update([SLO], START)
    assert [found.code for found in news.raised] == ["slo-missed"]
    assert alarms.update([], START + TICK).ended == ()
    assert up(alarms) == ["slo-missed"]
    (ended,) = alarms.update([], START + 2 * TICK).ended
    assert (ended.since, ended.sentence) == (START, SLO.sentence)
    assert up(alarms) == []


def test_what_one_reading_shows_needs_two_ticks_in_a_row() -> None:
    alarms = book()
    assert alarms.update([SHORT], START).raised == ()
    assert alarms.update([], START + TICK).raised == ()
    assert alarms.update([SHORT], START + 2 * TICK).raised == (), "it begins anew after a gap"
    (raised,) = alarms.update([SHORT], START + 3 * TICK).raised
    assert raised.since == START + 2 * TICK, "since the first pass that saw it"


def test_a_fact_comes_and_goes_at_once() -> None:
    alarms = book()
    assert alarms.update([GONE], START).raised
    assert alarms.update([], START + 1.0).ended


def test_a_gap_of_one_tick_neither_ends_an_alarm_nor_moves_its_beginning() -> None:
    alarms = book()
    for step in range(20):
        news = alarms.update([SLO] if step % 2 == 0 else [], START + step * TICK)
        assert bool(news.raised) == (step == 0)
        assert not news.ended
    assert alarms.active(START)[0].since == START


def test_numbers_change_and_the_alarm_stays_the_same() -> None:
    alarms = book()
    alarms.update([SLO], START)
    other = alarm("slo-missed", service="pool", late=0.5, latency=4.0, failed=0.0)
    assert not alarms.update([other], START + TICK).raised
    (found,) = alarms.active(START)
    assert (found.since, found.sentence) == (START, other.sentence)


def test_services_regions_and_parts_are_told_apart() -> None:
    alarms = book()
    seen = [
        SLO,
        replace(SLO, service="chat"),
        GONE,
        replace(GONE, part="URL map other"),
    ]
    assert len(alarms.update(seen, START).raised) == 4
    assert len(alarms.update(seen, START + TICK).raised) == 0


def test_pages_come_first() -> None:
    alarms = book()
    alarms.update([DEAD], START)
    alarms.update([DEAD, SLO], START + TICK)
    assert [(a.code, a.severity) for a in alarms.active(START)] == [
        ("slo-missed", Severity.PAGE),
        ("region-dead", Severity.TICKET),
    ]


def test_an_alarm_names_the_load_balancer_and_its_section_of_the_runbook() -> None:
    alarms = book(runbook="https://wiki.example.com/spillway")
    (raised,) = alarms.update([SLO], START).raised
    assert (raised.load_balancer, raised.runbook) == ("lb", "https://wiki.example.com/spillway#slo-missed")
    assert alarm_line(raised).startswith("slo-missed (page): pool: 40.0% of the answers")


def test_the_book_is_bounded_and_keeps_the_most_urgent() -> None:
    many = {
        a.key: a
        for a in (
            *(replace(DEAD, region=f"region-{number}") for number in range(MOST_ALARMS)),
            *(replace(SLO, service=f"service-{number}") for number in range(10)),
        )
    }
    kept = follow((), many, START)
    assert len(kept) == MOST_ALARMS
    assert sum(each.code == "slo-missed" for each in kept) == 10


CODES = st.sampled_from(["slo-missed", "shortage", "part-gone"])
SAMPLE = {"slo-missed": SLO, "shortage": SHORT, "part-gone": GONE}


@given(st.lists(st.tuples(st.floats(1.0, 120.0), st.frozensets(CODES))))
def test_since_never_moves_while_an_alarm_is_up_and_news_tell_all_of_it(
    passes: list[tuple[float, frozenset[str]]],
) -> None:
    """Whatever passes see and however far they are apart: what is up was raised once, and is ended once."""
    alarms, at = book(), START
    known: dict[object, float] = {}
    for seconds, codes in passes:
        at += seconds
        news = alarms.update([SAMPLE[code] for code in codes], at)
        for raised in news.raised:
            assert raised.key not in known
            known[raised.key] = raised.since
        for ended in news.ended:
            assert known.pop(ended.key) == ended.since
        assert {a.key: a.since for a in alarms.active(at)} == known
        # a restart changes nothing
        other = book()
        other.restore(alarms.kept, at)
        assert other.active(at) == alarms.active(at)
        alarms = other


@given(st.lists(st.tuples(st.floats(-600.0, 600.0), st.booleans()), max_size=20))
def test_a_clock_that_is_set_back_never_makes_an_alarm_older_than_now(
    passes: list[tuple[float, bool]],
) -> None:
    alarms, at = book(), START
    for seconds, seen in passes:
        at += seconds
        alarms.update([SHORT] if seen else [], at)
        assert all(found.since <= at for found in alarms.active(at))


# --- what the daemon says of itself


def test_what_the_daemon_says_of_itself_is_shown_at_once_and_told_with_the_next_pass() -> None:
    alarms = book()
    alarms.set(alarm("config-not-in-force", why="line 3"), START)
    assert up(alarms) == ["config-not-in-force"]
    assert [a.code for a in alarms.update([], START + 1.0).raised] == ["config-not-in-force"]
    alarms.clear("config-not-in-force", START + 2.0)
    assert up(alarms) == []
    assert [a.code for a in alarms.update([], START + 3.0).ended] == ["config-not-in-force"]


def test_what_was_lost_is_told_for_an_hour_after_the_last_loss() -> None:
    lost, alarms = [0], book()
    watch = LossWatch("log-lines-lost", lambda: lost[0])
    watch.check(alarms, START)
    assert not alarms.update([], START).raised
    lost[0] = 7
    watch.check(alarms, START)
    (raised,) = alarms.update([], START).raised
    assert raised.sentence == "7 lines of the log were lost since the start"
    for at in (60.0, 3599.0):
        watch.check(alarms, START + at)
        assert not alarms.update([], START + at).ended
    alarms.update([], START + 3601.0)
    assert alarms.update([], START + 3661.0).ended


# --- webhooks: once for each alarm, also over a restart and a silence


def test_an_alarm_is_told_once_and_its_end_once_also_over_a_restart() -> None:
    alarms = book()
    assert [a.code for a in alarms.update([SLO], START).firing] == ["slo-missed"]
    again = book()
    again.restore(alarms.kept, START)
    news = again.update([SLO], START + TICK)
    assert (news.firing, news.raised) == ((), ())
    again.update([], START + 2 * TICK)
    assert [a.code for a in again.update([], START + 3 * TICK).resolved] == ["slo-missed"]
    assert again.update([], START + 4 * TICK).resolved == ()


def test_a_silenced_alarm_is_told_when_the_silence_ends_and_it_is_still_up() -> None:
    alarms = book()
    silence = Silence(code="slo-missed", until=START + 2 * TICK, reason="known")
    news = alarms.update([SLO], START, (silence,))
    assert [a.silenced_until for a in news.raised] == [START + 2 * TICK]
    assert news.firing == ()
    assert alarms.update([SLO], START + TICK, (silence,)).firing == ()
    assert [a.code for a in alarms.update([SLO], START + 2 * TICK, (silence,)).firing] == ["slo-missed"]


def test_the_end_of_an_alarm_that_was_told_is_told_through_a_silence_and_of_no_other() -> None:
    silence = Silence(code="slo-missed", until=START + 3600.0, reason="known")
    for silenced_first in (False, True):
        alarms = book()
        alarms.update([SLO], START, (silence,) if silenced_first else ())
        alarms.update([], START + TICK, (silence,))
        resolved = alarms.update([], START + 2 * TICK, (silence,)).resolved
        assert [a.code for a in resolved] == ([] if silenced_first else ["slo-missed"])


def test_severities_that_no_webhook_takes_are_not_told() -> None:
    alarms = AlarmBook("lb", telling=(Severity.PAGE,))
    ticket = alarm("config-not-in-force", why="line 3")
    assert [a.code for a in alarms.update([SLO, ticket], START).firing] == ["slo-missed"]
    other = AlarmBook("lb", telling=())
    assert other.update([SLO], START).firing == ()
    with_hooks = book()
    with_hooks.restore(other.kept, START)
    assert with_hooks.update([SLO], START + TICK).firing, "a webhook that is new is told of what is up"


# --- the state file


def test_alarms_and_silences_survive_and_a_code_that_is_gone_is_forgotten() -> None:
    rig = Rig().started()
    kept = KeptAlarm(
        code="slo-missed", service="pool", region=None, part="", sentence="late", since=START, up=True
    )
    silence = Silence(code="slo-missed", until=START + 60.0, reason="known", by="ana", at=START)
    gone = replace(kept, code="of-another-version")
    odd = replace(kept, service="chat", since=-1e20)
    endless = replace(silence, until=1e20)  # somebody has edited the file
    content = Kept(alarms=(kept, gone, odd), silences=(silence, endless))
    rig.store.content = dump(content)
    again, _ = Keeper(rig.store).restore()
    assert (again.alarms, again.silences) == (content.alarms, content.silences)
    rig.restart()
    rig.loop.restore()
    (found,) = rig.loop.active_alarms()
    assert (found.code, found.since, found.silenced_until) == ("slo-missed", START, START + 60.0)
    rig.later(61.0)
    assert [a.silenced_until for a in rig.loop.active_alarms()] == [None], "a silence ends by itself"


@pytest.mark.parametrize("since", [1e300, 1e18, START + 86_400.0])
def test_an_alarm_of_a_time_that_has_not_come_begins_at_the_restart(since: float) -> None:
    """A message and the page write the time as a date before the first pass has looked at it."""
    rig = Rig().started()
    kept = KeptAlarm(
        code="slo-missed", service="pool", region=None, part="", sentence="late", since=since, up=True
    )
    rig.store.content = dump(Kept(alarms=(kept, replace(kept, sentence="twice", gone=since))))
    rig.restart()
    rig.loop.restore()
    (found,) = rig.loop.active_alarms()
    assert (found.since, found.sentence) == (START, "twice")
    assert rig.loop.alarms.kept[0].gone == START
    assert b"slo-missed" in slack_message("lb", [("firing", found)], START, 0)


def test_an_alarm_keeps_its_beginning_over_a_restart_of_the_loop() -> None:
    rig = Rig(mode=Mode.OBSERVE).started()
    rig.cloud.healthy["us-east4"] = 0
    for _ in range(3):
        report = rig.loop.tick()
        rig.later()
    (before,) = [a for a in report.alarms if a.code == "region-dead"]
    assert before.since == START
    rig.restart()
    rig.loop.restore()
    news = rig.loop.tick().news
    assert not [a for a in news.raised if a.code == "region-dead"]
    (after,) = [a for a in rig.loop.active_alarms() if a.code == "region-dead"]
    assert after.since == before.since


# --- the loop's own


def test_files_that_are_not_kept_are_an_alarm_until_they_are() -> None:
    rig = Rig().started()
    rig.store.full = rig.journal.full = True
    rig.loop.tick()
    rig.later()
    codes = {a.code: a.severity for a in rig.loop.tick().alarms}
    assert codes["state-not-kept"] is codes["journal-not-written"] is Severity.TICKET
    rig.store.full = rig.journal.full = False
    for _ in range(4):
        rig.later()
        report = rig.loop.tick()
    assert not {a.code for a in report.alarms} & {"state-not-kept", "journal-not-written"}


def test_a_cloud_that_cannot_be_read_is_an_alarm_of_no_service() -> None:
    rig = Rig().started()
    rig.cloud.readable = False
    for _ in range(3):
        rig.later()
        report = rig.loop.tick()
    (found,) = [a for a in report.alarms if a.code == "cloud-unreadable"]
    assert (found.service, found.region) == ("", None)
    assert "no answer" in found.sentence


@pytest.mark.parametrize("code", sorted(ALARMS))
def test_every_alarm_of_the_table_can_be_kept(code: str) -> None:
    raised = Alarm(code=code, severity=ALARMS[code].severity, sentence="told")
    kept = follow((), {raised.key: raised}, START)
    for step in (1, 2):
        kept = follow(kept, {raised.key: raised}, START + step * TICK)
    assert [each.up for each in kept] == [True]

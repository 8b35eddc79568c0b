"""What is told of the past: /history, /decisions and /explain, from the file and from memory, with the same answers."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.control.journal_files import AMPLE, journal_at
from tests.exporter import example_report as example
from tests.journal.samples import night, record_of

from spillway.adapters.journal import answers as answering
from spillway.adapters.journal import decided
from spillway.adapters.journal.answers import Answers
from spillway.adapters.journal.history import plain
from spillway.adapters.journal.moments import WrongQuestion, parse_moment, parse_span
from spillway.adapters.journal.recent import Recent
from spillway.adapters.journal.schema import TooLong
from spillway.adapters.journal.store import Bounds, SqliteJournal
from spillway.control.alarms import AlarmNews
from spillway.control.report import Pass
from spillway.core.values.decision import BackendState, ServiceAssessment
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.policy import Mode
from spillway.errors import TemporaryError
from spillway.ports import Outcome

NOW = example.AT + 60.0 * 20 + 30.0
MOVED = example.AT + 60.0 * 11


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    made = journal_at(tmp_path / "journal")
    made.append({"kind": "start", "at": example.AT, "sentence": "Cold start: nothing was kept."})
    for report in night():
        if report.number == 11:
            made.append({"kind": "intent", "at": report.at, "tick": 10, "moves": report.moves, "overlay": {}})
        made.append(record_of(report))
    yield made
    made.close()


@pytest.fixture(params=["file", "memory"])
def past(request: pytest.FixtureRequest, journal: SqliteJournal) -> Answers:
    if request.param == "file":
        return Answers(journal.path, None, now=lambda: NOW)
    recent = Recent()
    for report in night():
        recent.add(report)
    return Answers(None, recent, now=lambda: NOW)


# times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", 0.0),
        ("-2h", -7200.0),
        ("90m", -5400.0),
        (str(example.AT), example.AT - NOW),
        ("2026-11-18T06:26:00Z", None),
        ("2026-11-18T07:26:00+01:00", None),
        ("2026-11-18 06:26", None),
    ],
)
def test_times_are_read(text: str, expected: float | None) -> None:
    found = parse_moment(text, NOW)
    if expected is None:
        assert found == 1794983160.0
    else:
        assert found == pytest.approx(NOW + expected)


def test_a_time_of_day_is_the_last_one_and_means_its_whole_minute() -> None:
    midnight = NOW // 86400.0 * 86400.0
    assert parse_moment("00:05", midnight + 600.0) == midnight + 300.0
    assert parse_moment("00:15", midnight + 600.0) == midnight + 900.0 - 86400.0
    assert parse_moment("00:05", midnight + 600.0, whole_minute=True) == pytest.approx(midnight + 359.999)
    assert parse_moment("00:05:00", midnight + 600.0, whole_minute=True) == midnight + 300.0


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "2026-13-01", "-2x", "1e9", "∞", "9" * 40])
def test_what_is_no_time_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(WrongQuestion) as caught:
        parse_moment(text, NOW)
    assert "UTC" in caught.value.remedy


@pytest.mark.parametrize("text", ["999999999999", "9999-12-31T23:59:59-14:00", "253402300799"])
def test_a_time_that_has_no_date_is_refused(text: str) -> None:
    with pytest.raises(WrongQuestion, match="is no time"):
        parse_moment(text, NOW)


@pytest.mark.parametrize("text", ["-999999999999d", "1" * 150 + "d", "0001-01-01T00:00+14:00", "1066-10-14"])
def test_a_time_before_1970_is_the_beginning(text: str) -> None:
    assert parse_moment(text, NOW) == 0.0


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/history", {"points": "²"}),
        ("/history", {"points": "٣"}),
        ("/decisions", {"limit": "0000000019999999"}),
        ("/decisions", {"limit": "9" * 5000}),
        ("/explain", {"id": "9" * 20}),
        ("/explain", {"id": f"1-{'9' * 20}"}),
        ("/explain", {"id": "²"}),
        ("/explain", {"id": "1-²"}),
        ("/explain", {"id": "1-"}),
        ("/explain", {"at": "999999999999"}),
        ("/explain", {"at": "-999999999999d"}),
        ("/explain", {"at": "0001-01-01T00:00+14:00"}),
    ],
)
def test_numbers_that_no_computer_holds_are_wrong_questions(
    past: Answers, path: str, asked: dict[str, str]
) -> None:
    with pytest.raises(WrongQuestion):
        past.answer(path, asked)


@pytest.mark.parametrize("asked", [{"service": "pol"}, {"region": "mars-1"}])
def test_a_story_of_a_name_that_is_not_recorded_is_no_story(past: Answers, asked: dict[str, str]) -> None:
    """From memory, too, which does not keep what was believed."""
    with pytest.raises(WrongQuestion) as caught:
        past.answer("/explain", {"at": str(MOVED), **asked})
    assert caught.value.status == 404
    assert "Known: " in caught.value.remedy


def test_a_time_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(WrongQuestion, match="ends before it begins"):
        parse_span("1h", "2h", NOW, default=60.0)


# history


def test_history_has_every_tick_as_a_point_where_there_is_room(past: Answers) -> None:
    found = past.answer("/history", {})
    assert found["schema"] == 2
    assert found["at"] == [example.AT + 60.0 * number for number in range(1, 21)]
    assert found["step"] == 60.0
    pool = found["services"]["pool"]
    assert pool["demand"] == [184.0] * 20
    assert pool["served"] == [184.0] * 20
    assert pool["bad_share"] == [0.03] * 20
    europe = pool["regions"]["europe-west4"]
    assert europe["ceiling"] == [74.4] * 20
    assert europe["latency"] == [4.71] * 20
    assert europe["errors"] == [0.013] * 20
    assert europe["scaler"] == [0.62] * 20
    assert europe["member"] == [1.0] * 20
    assert europe["state"] == ["degraded"] * 20
    assert europe["health"] == ["unknown"] * 20
    assert pool["regions"]["asia-northeast1"]["served"] == [None] * 20
    (mark,) = found["marks"]
    assert mark["id"] == "11-0"
    assert (mark["region"], mark["before"], mark["after"], mark["code"]) == (
        "europe-west4",
        "1.00",
        "0.62",
        "shed-slow",
    )
    assert mark["outcome"] == "done"
    assert found["marks_left_out"] == 0


def test_a_service_and_a_region_may_be_chosen(past: Answers) -> None:
    found = past.answer("/history", {"service": "pool", "region": "us-east4"})
    assert list(found["services"]["pool"]["regions"]) == ["us-east4"]
    assert found["marks"] == []


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"service": "nowhere"}, 404),
        ({"region": "nowhere"}, 404),
        ({"points": "0"}, 400),
        ({"points": "5000"}, 400),
        ({"points": "many"}, 400),
        ({"since": "soon"}, 400),
        ({"colour": "red"}, 400),
    ],
)
def test_a_wrong_question_is_refused_with_a_remedy(past: Answers, asked: dict[str, str], status: int) -> None:
    with pytest.raises(WrongQuestion) as caught:
        past.answer("/history", asked)
    assert caught.value.status == status
    assert caught.value.remedy


def test_a_longer_time_is_averaged_and_the_last_state_counts(tmp_path: Path) -> None:
    journal = journal_at(tmp_path / "journal")
    for number in range(100):
        region = example.backend("us-east4", served=float(number), scaler_wanted=number / 100.0)
        report = example.quiet(number, assessments=(example.service(backends=(region,)),))
        journal.append(record_of(report))
    journal.close()
    past = Answers(journal.path, None, now=lambda: example.AT + 6000.0)
    asked = {"since": str(example.AT - 30.0), "until": str(example.AT + 5970.0), "points": "10"}
    found = past.answer("/history", asked)
    assert found["step"] == 600.0
    assert found["at"] == [example.AT - 30.0 + 600.0 * number for number in range(1, 11)]
    region = found["services"]["pool"]["regions"]["us-east4"]
    assert region["served"] == [10.0 * number + 4.5 for number in range(10)]
    assert region["scaler"] == [pytest.approx(0.1 * number + 0.09) for number in range(10)], (
        "of a setting the last"
    )


def test_a_time_without_a_daemon_is_a_gap(tmp_path: Path) -> None:
    journal = journal_at(tmp_path / "journal")
    for number in (1, 2, 3, 30, 31):
        journal.append(record_of(example.quiet(number)))
    journal.close()
    found = Answers(journal.path, None, now=lambda: example.AT + 2000.0).answer("/history", {})
    assert found["services"]["pool"]["regions"]["us-east4"]["served"] == [96.0, 96.0, 96.0, None, 96.0, 96.0]
    assert found["at"][3] == example.AT + 240.0


def test_regions_that_come_and_go_have_gaps(tmp_path: Path) -> None:
    journal = journal_at(tmp_path / "journal")
    journal.append(record_of(example.quiet(1)))
    fewer = example.service(backends=example.backends()[1:])
    journal.append(record_of(example.quiet(2, assessments=(fewer,))))
    journal.close()
    pool = Answers(journal.path, None, now=lambda: example.AT + 200.0).answer("/history", {})["services"][
        "pool"
    ]
    assert pool["regions"]["asia-northeast1"]["member"] == [0.0, None]
    assert pool["regions"]["us-east4"]["served"] == [96.0, 96.0]


def test_numbers_have_four_digits_and_no_noise() -> None:
    values = np.array([74.4000015, 0.0129999, 12345.6, 0.0, np.nan, -0.5, 1e-7])
    assert plain(values[:, None]) == [[74.4, 0.013, 12350.0, 0.0, None, -0.5, 1e-07]]


def test_a_fleet_that_fits_no_answer_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spillway.adapters.journal.history._MOST_VALUES", 500)
    journal = journal_at(tmp_path / "journal")
    journal.append(record_of(example.quiet(1)))
    journal.close()
    with pytest.raises(WrongQuestion) as caught:
        Answers(journal.path, None, now=lambda: NOW).answer("/history", {})
    assert "one service" in caught.value.remedy


def test_a_time_that_fits_no_answer_is_refused_with_what_does(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spillway.adapters.journal.history._MOST_ROWS", 10)
    past = Answers(journal.path, None, now=lambda: NOW)
    with pytest.raises(WrongQuestion, match="20 ticks of 1 services") as caught:
        past.answer("/history", {})
    assert "shorter time" in caught.value.remedy
    assert len(past.answer("/history", {"since": "5m"})["at"]) == 5


def test_advice_is_marked_when_it_comes_up(tmp_path: Path) -> None:
    journal = journal_at(tmp_path / "journal")
    for number in range(1, 6):
        advice = (example.SHED,) if number in {2, 3, 5} else ()
        journal.append(record_of(example.quiet(number, advice=advice, modes=(("pool", Mode.OBSERVE),))))
    journal.close()
    marks = Answers(journal.path, None, now=lambda: NOW).answer("/history", {})["marks"]
    assert [(mark["id"], mark["outcome"]) for mark in marks] == [("2-0", "advice"), ("5-0", "advice")]


def test_marks_are_bounded_and_those_left_out_are_counted(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spillway.adapters.journal.history.MOST_MARKS", 2)
    for number in range(21, 25):
        journal.append(record_of(example.report(number)))
    found = Answers(journal.path, None, now=lambda: NOW + 400).answer("/history", {})
    assert [mark["id"] for mark in found["marks"]] == ["23-0", "24-0"]
    assert found["marks_left_out"] == 3


def test_passes_of_one_tick_have_marks_of_their_own(journal: SqliteJournal) -> None:
    urgent = replace(example.report(20), kind=Pass.HEALTH, at=example.AT + 1215.0)
    journal.append(record_of(urgent))
    journal.append(record_of(replace(urgent, at=example.AT + 1230.0)))
    past = Answers(journal.path, None, now=lambda: NOW)
    assert [mark["id"] for mark in past.answer("/history", {})["marks"]] == ["11-0", "20-0", "20-1"]
    assert past.answer("/explain", {"id": "20-1"})["at"] == example.AT + 1230.0


# decisions


def test_quiet_passes_that_say_the_same_are_one_entry(past: Answers) -> None:
    found = past.answer("/decisions", {})
    passes = [entry for entry in found["decisions"] if entry["kind"] == "tick"]
    assert [(entry["tick"], entry["times"]) for entry in passes] == [(16, 5), (12, 4), (11, 1), (1, 10)]
    quiet = passes[-1]
    assert quiet["last_at"] - quiet["at"] == 9 * 60.0
    assert passes[2]["moves"][0]["reason"]["code"] == "shed-slow"
    assert passes[2]["refusals"][0]["guard"] == "receiver-limit"
    assert passes[2]["applied"] == {
        "outcome": "done",
        "sentence": "1 backend service updated.",
        "engine_seconds": 11.2,
    }
    assert passes[0]["verdicts"][0]["better"] is True
    assert found["left_out"] == 0


def test_events_are_told_and_intents_are_not(journal: SqliteJournal) -> None:
    found = Answers(journal.path, None, now=lambda: NOW).answer("/decisions", {})["decisions"]
    assert {entry["kind"] for entry in found} == {"tick", "start"}


def test_decisions_are_bounded_and_those_left_out_are_counted(past: Answers) -> None:
    whole = past.answer("/decisions", {})["decisions"]
    found = past.answer("/decisions", {"limit": "2"})
    assert [entry["tick"] for entry in found["decisions"]] == [16, 12]
    assert found["left_out"] == len(whole) - 2
    with pytest.raises(WrongQuestion):
        past.answer("/decisions", {"limit": str(decided.MOST + 1)})


def test_only_what_concerns_a_region_is_told_of_it(past: Answers) -> None:
    found = past.answer("/decisions", {"region": "europe-west4"})["decisions"]
    assert [entry["tick"] for entry in found if entry["kind"] == "tick"] == [16, 11]
    with pytest.raises(WrongQuestion, match="no service 'another' is recorded") as caught:
        past.answer("/decisions", {"service": "another"})
    assert (caught.value.status, caught.value.remedy) == (404, "Known: pool.")
    with pytest.raises(WrongQuestion, match="no region 'us-east9' is recorded"):
        past.answer("/decisions", {"region": "us-east9"})


def test_decisions_say_when_the_newest_record_is_where_none_is_in_the_time(past: Answers) -> None:
    found = past.answer("/decisions", {"since": "1970-01-02", "until": "1970-01-03"})
    assert found["decisions"] == []
    assert found["newest"] == example.AT + 1200.0


def test_an_alarm_is_told_when_it_comes_and_when_it_ends(tmp_path: Path) -> None:
    up, later = example.SHORTAGE, replace(example.SHORTAGE, sentence="in other numbers")
    journal = journal_at(tmp_path / "journal")
    for number, alarms, news in (
        (1, (), AlarmNews()),
        (2, (up,), AlarmNews(raised=(up,))),
        (3, (later,), AlarmNews()),
        (4, (), AlarmNews(ended=(later,))),
    ):
        journal.append(record_of(example.quiet(number, alarms=alarms, news=news)))
    journal.close()
    past = Answers(journal.path, None, now=lambda: NOW)
    found = past.answer("/decisions", {})["decisions"]
    told = [
        (e["tick"], [(a["code"], a["service"], a["since"], a["status"]) for a in e["alarms"]]) for e in found
    ]
    about = up.code, up.service, up.since
    assert told == [(4, [(*about, "resolved")]), (2, [(*about, "firing")]), (1, [])]
    explained = past.answer("/explain", {"at": str(example.AT + 180.0), "service": "pool"})
    assert [(a["code"], a["severity"]) for a in explained["alarms"]] == [(up.code, up.severity.value)]


def test_status_and_decisions_say_the_same(journal: SqliteJournal) -> None:
    from spillway.adapters.status_document import About, StatusDocument
    from spillway.core.values.orders import Orders

    about = About(name="n", project="p", cloud="sandbox", engine="embedded", speed=1.0, tick=60.0)
    document = StatusDocument(about, policies=dict, now=lambda: NOW, orders=Orders)
    for report in night():
        document.report(report)
    told = document.status(ready=True, healthy=True, missed=0)["decisions"]
    found = Answers(journal.path, None, now=lambda: NOW).answer("/decisions", {})["decisions"]
    kept = [{k: v for k, v in entry.items() if k != "id"} for entry in found if entry["kind"] == "tick"]
    assert json.loads(json.dumps(told)) == kept


# explain


def test_a_move_is_explained_with_numbers_alternatives_limits_and_what_came_of_it(
    journal: SqliteJournal,
) -> None:
    found = Answers(journal.path, None, now=lambda: NOW).answer("/explain", {"id": "11-0"})
    assert found["at"] == MOVED
    assert (found["tick"], found["service"], found["region"]) == (11, "pool", "europe-west4")
    assert "Moved pool/europe-west4 scaler 1.00 -> 0.62" in found["headline"]
    assert "UTC" in found["headline"]
    service, region = found["situation"][:2]
    assert "demand 184 requests/s, 190 expected" in service
    assert "the loss of the largest region would not be covered" in service
    assert "answers 88 requests/s of 80 that it can" in region
    assert "latency 4.71 s" in region
    assert "data 231 s old" in region
    assert found["did"][0]["outcome"] == "done"
    shares = [(a["what"].split(":")[0], a["bad_share"]) for a in found["alternatives"]]
    assert shares == [
        ("leave the ceilings as they are", 0.094),
        ("best set found", 0.006),
        ("runner-up", 0.011),
        ("any set of ceilings, limits aside", 0.005),
    ]
    assert all(a["why_not"] for a in found["alternatives"])
    assert found["limits"][0]["guard"] == "receiver-limit"
    effect = found["effect"]
    assert (effect["predicted"], effect["observed"], effect["better"]) == (0.006, 0.008, True)
    assert effect["at"] == example.AT + 960.0
    assert found["inputs"]["pool"]["europe-west4"]["age"] == 231.0
    assert (found["before"], found["after"]) == (None, None)
    assert [event["kind"] for event in found["events"]] == ["start"]


def test_the_absence_of_a_move_is_explained_by_what_was_in_its_way(tmp_path: Path) -> None:
    journal = journal_at(tmp_path / "journal")
    journal.append(record_of(example.report(1)))
    journal.append(record_of(example.report(2, moves=(), applied=None, sentence="nothing done")))
    journal.append(record_of(example.quiet(3)))
    journal.close()
    past = Answers(journal.path, None, now=lambda: example.AT + 200.0)
    refused = past.answer("/explain", {"at": str(example.AT + 130.0), "region": "europe-west4"})
    assert "Nothing was done for europe-west4" in refused["headline"]
    assert "receiver-limit" in refused["headline"]
    assert refused["before"] == "1-0"
    assert any("Last move before" in line for line in refused["situation"])
    quiet = past.answer("/explain", {})
    assert quiet["headline"].endswith(" UTC: Nothing to do: all 3 regions are well, headroom 39%.")


CLOSING = replace(example.SHED, after="0.00")
OPENING = replace(example.SHED, before="0.00", after="0.10")
DRAIN = Order(kind=OrderKind.DRAIN, until=example.AT + 3600.0, reason="rack", region="europe-west4", by="ana")


def shut(**changes: Any) -> tuple[ServiceAssessment, ...]:
    """A service whose slow region is closed."""
    standby, slow, good = example.backends()
    closed = slow._replace(**{"state": BackendState.DRAINED, "scaler_wanted": 0.0, "served": None, **changes})
    return (example.service(backends=(standby, closed, good)),)


def told_of_the_closed(tmp_path: Path, *orders: Order, refused: bool = False, **changes: Any) -> list[str]:
    """What is said under the region's line in a pass two minutes after it was closed."""
    journal = journal_at(tmp_path / "journal")
    journal.append(record_of(example.report(1, moves=(CLOSING,))))
    refusals = (replace(example.REFUSED, move=OPENING),) if refused else ()
    quiet = example.quiet(3, assessments=shut(**changes), refusals=refusals)
    journal.append({**record_of(quiet), "orders": Orders(items=orders)})
    journal.close()
    past = Answers(journal.path, None, now=lambda: example.AT + 200.0)
    situation = past.answer("/explain", {"region": "europe-west4"})["situation"]
    return [line.strip() for line in situation[2:-1]]


def test_of_a_closed_region_it_is_said_what_its_opening_waits_for(tmp_path: Path) -> None:
    since, why = told_of_the_closed(tmp_path)
    assert since.startswith("It is closed since ")
    assert since.endswith(" UTC, 2 min (shed-slow).")
    assert why.startswith("No limit was in the way: its opening was not proposed yet.")
    assert "a chance of 75%: 95% where" in why
    assert "50% where the other regions are short" in why


def test_of_a_closed_region_it_is_said_which_limit_is_in_the_way(tmp_path: Path) -> None:
    (_, why) = told_of_the_closed(tmp_path, refused=True)
    assert why.startswith("It was to be opened (scaler 0.10), and a limit was in the way: ")
    assert why.endswith("(receiver-limit). It opens when that limit allows it.")


def test_of_a_closed_region_it_is_said_who_has_ordered_it(tmp_path: Path) -> None:
    elsewhere = replace(DRAIN, region="us-east4", reason="other")
    (_, why) = told_of_the_closed(tmp_path, elsewhere, DRAIN, refused=True)
    assert why.startswith("A drain by ana keeps it closed until ")
    assert why.endswith('("rack"). `spillway release europe-west4` ends it.')


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        ({"healthy_share": 0.1}, "It is not opened while its health checks fail: healthy 10%."),
        ({"state": BackendState.EDITED}, "It opens when the value from outside is put back"),
    ],
    ids=["dead", "edited"],
)
def test_of_a_closed_region_its_health_and_edits_are_said(
    tmp_path: Path, changes: dict[str, Any], begins: str
) -> None:
    assert told_of_the_closed(tmp_path, **changes)[1].startswith(begins)


def test_of_an_open_region_and_of_a_standby_nothing_of_the_kind_is_said(tmp_path: Path) -> None:
    assert told_of_the_closed(tmp_path, state=BackendState.RECOVERING, scaler_wanted=0.1) == []
    past = Answers(tmp_path / "journal" / "journal.sqlite3", None, now=lambda: example.AT + 200.0)
    whole = past.answer("/explain", {"region": "asia-northeast1"})["situation"]
    assert not any("closed since" in line or "opens" in line for line in whole)


def test_advice_says_that_nothing_was_written(tmp_path: Path) -> None:
    journal = journal_at(tmp_path / "journal")
    journal.append(record_of(example.quiet(1, advice=(example.SHED,), modes=(("pool", Mode.OBSERVE),))))
    journal.close()
    found = Answers(journal.path, None, now=lambda: example.AT + 70.0).answer("/explain", {})
    assert "only advises" in found["headline"]
    assert found["advice"][0]["region"] == "europe-west4"
    assert "observe" in found["situation"][0]


def test_a_write_that_failed_is_not_told_as_a_move(tmp_path: Path) -> None:
    report = example.report(1)
    assert report.applied is not None
    journal = journal_at(tmp_path / "journal")
    journal.append(record_of(replace(report, applied=replace(report.applied, outcome=Outcome.REFUSED))))
    journal.close()
    found = Answers(journal.path, None, now=lambda: example.AT + 70.0).answer("/explain", {})
    assert "Tried (refused)" in found["headline"]


def test_a_time_before_the_journal_says_where_it_begins(past: Answers) -> None:
    with pytest.raises(WrongQuestion) as caught:
        past.answer("/explain", {"at": str(example.AT - 5.0)})
    assert caught.value.status == 404
    assert "begins at" in caught.value.remedy


@pytest.mark.parametrize("name", ["99-0", "nonsense", "11-x", "123456", "11-7"])
def test_a_name_of_nothing_is_refused(past: Answers, name: str) -> None:
    with pytest.raises(WrongQuestion):
        past.answer("/explain", {"id": name})


def test_a_time_long_after_the_last_record_says_so(journal: SqliteJournal) -> None:
    found = Answers(journal.path, None, now=lambda: NOW + 86400.0).answer("/explain", {})
    assert "the daemon may have been down" in found["situation"][0]


# the file and memory


def test_where_the_file_takes_nothing_memory_answers_with_the_problem(journal: SqliteJournal) -> None:
    recent = Recent()
    recent.add(example.quiet(30))
    past = Answers(journal.path, recent, now=lambda: NOW + 900, problem=lambda: "the disk is full")
    found = past.answer("/history", {})
    assert found["problem"] == "the disk is full"
    assert found["at"] == [example.AT + 1800.0]


def test_where_the_file_cannot_be_read_memory_answers_with_the_problem(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"once upon a time" * 1000)
    recent = Recent()
    recent.add(example.quiet(1))
    for path in (tmp_path / "broken", tmp_path / "missing"):
        found = Answers(path, recent, now=lambda: NOW).answer("/decisions", {})
        assert str(path) in found["problem"]
        assert len(found["decisions"]) == 1
        with pytest.raises(TemporaryError):
            Answers(path, None, now=lambda: NOW).answer("/decisions", {})


def test_memory_is_bounded() -> None:
    recent = Recent(Bounds(age=600.0, size=16 << 20))
    for number in range(100):
        recent.add(example.quiet(number))
    with recent.reader(5.0) as connection:
        count = connection.execute("SELECT count(*) FROM records").fetchone()[0]
    assert 10 <= count <= 12


def test_an_answer_has_a_time_limit(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "SECONDS", -1.0)
    monkeypatch.setattr("spillway.adapters.journal.schema._LOOK", 1)
    with pytest.raises(TooLong) as caught:
        Answers(journal.path, Recent(), now=lambda: NOW).answer("/history", {})
    assert "shorter time" in caught.value.remedy


def test_a_folder_that_cannot_be_written_is_read_all_the_same(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a writer there is no shared memory of the write-ahead log, and a reader without rights cannot make it."""
    journal.close()
    connect = sqlite3.connect

    def strict(name: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        if "immutable" not in str(name):
            raise sqlite3.OperationalError("unable to open database file")
        found: sqlite3.Connection = connect(name, *arguments, **options)
        return found

    monkeypatch.setattr("spillway.adapters.journal.schema.sqlite3.connect", strict)
    assert Answers(journal.path, None, now=lambda: NOW).answer("/history", {})["services"]


def test_readers_and_the_writer_do_not_wait_for_each_other(tmp_path: Path) -> None:
    journal = journal_at(tmp_path / "journal", AMPLE)
    journal.append(record_of(example.quiet(0)))
    past = Answers(journal.path, None, now=lambda: example.AT + 6000.0)
    stop, problems, seen = threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            try:
                seen.append(len(past.answer("/history", {})["at"]))
                past.answer("/explain", {})
            except Exception as error:  # noqa: BLE001 the test looks at it below
                problems.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    longest = 0.0
    for number in range(1, 60):
        begun = time.monotonic()
        journal.append(record_of(example.report(number)))
        longest = max(longest, time.monotonic() - begun)
    stop.set()
    for reader in readers:
        reader.join(30.0)
    journal.close()
    assert problems == []
    assert seen
    assert longest < 2.5, "a writer that waited for its readers would stand still until they are interrupted"

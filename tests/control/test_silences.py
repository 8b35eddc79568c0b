"""Silences: judged, durable, bounded in number and time; and alarms as they are listed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.control.fakes import START, Rig

from spillway.control.requests import Answer, Command, Request, Verdict
from spillway.control.silences import MOST_SHOWN, SilenceDesk
from spillway.core.explain.reasons import alarm
from spillway.core.values.alarms import MOST_SILENCES, Severity, Silence
from spillway.core.values.policy import Mode
from spillway.service.protocol import decode_answer, decode_request, encode_answer, encode_request

HOUR = 3600.0


def desk(mode: Mode = Mode.OBSERVE) -> tuple[Rig, SilenceDesk]:
    rig = Rig(mode=mode).started()
    return rig, SilenceDesk(rig.loop)


def ask(at: SilenceDesk, code: str = "region-dead", **changes: object) -> Answer:
    plain: dict[str, object] = {"seconds": HOUR, "reason": "rack work", "by": "ana"}
    return at.handle(Request(command=Command.SILENCE, code=code, **{**plain, **changes}))  # type: ignore[arg-type]


def test_a_silence_is_kept_shown_and_ends_by_itself() -> None:
    rig, office = desk()
    answer = ask(office, service="pool", region="us-east4")
    assert answer.verdict is Verdict.DONE
    assert answer.sentence.startswith("the silence of region-dead in us-east4 of pool is in force until 20")
    (silence,) = answer.silences
    assert (silence.by, silence.until, silence.reason) == ("ana", START + HOUR, "rack work")
    rig.restart()
    rig.loop.restore()
    assert rig.loop.silences() == (silence,), "it outlives the process"
    later = SilenceDesk(rig.loop)
    rig.later(HOUR + 1.0)
    assert rig.loop.silences() == ()
    assert later.expire() == ("the silence of region-dead in us-east4 of pool has ended",)
    assert later.expire() == ()
    assert [r["command"] for r in rig.journal.records if r["kind"] == "silence"] == ["silence", "expired"]


def test_a_silenced_alarm_is_shown_with_its_end_and_no_webhook_is_told() -> None:
    rig, office = desk()
    rig.loop.alarms._telling = frozenset(Severity)
    ask(office, region="us-east4")
    rig.cloud.healthy["us-east4"] = rig.cloud.healthy["asia-east1"] = 0
    told = []
    for _ in range(3):
        report = rig.loop.tick()
        told += [a.region for a in report.news.firing if a.code == "region-dead"]
        rig.later()
    ends = {a.region: a.silenced_until for a in report.alarms if a.code == "region-dead"}
    assert ends == {"us-east4": START + HOUR, "asia-east1": None}
    assert told == ["asia-east1"]
    office.handle(Request(command=Command.UNSILENCE, code="region-dead"))
    assert [a.region for a in rig.loop.tick().news.firing] == ["us-east4"], "it is still up"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"code": "region-daed"}, "Did you mean region-dead?"),
        ({"code": ""}, "spillway alarms"),
        ({"code": "shed-slow"}, "docs/runbook.md"),
        ({"service": "pol"}, "There are: pool."),
        ({"region": "mars-1"}, "There are: asia-east1"),
        ({"reason": " "}, "--reason"),
        ({"seconds": None}, "--for 2h"),
        ({"seconds": 59.0}, "--for 2h"),
        ({"seconds": 30 * 86_400.0 + 1.0}, "--for 2h"),
    ],
)
def test_what_makes_no_sense_is_a_mistake(changes: dict[str, object], words: str) -> None:
    rig, office = desk()
    answer = ask(office, **changes)  # type: ignore[arg-type]
    assert answer.verdict is Verdict.MISTAKEN
    assert words in answer.remedy
    assert rig.loop.silences() == ()


def test_a_newer_silence_of_the_same_alarms_takes_the_place_of_the_older() -> None:
    rig, office = desk()
    ask(office)
    ask(office, region="us-east4")
    ask(office, seconds=60.0)
    assert [(s.region, s.until) for s in rig.loop.silences()] == [
        ("us-east4", START + HOUR),
        (None, START + 60.0),
    ]


def test_the_number_of_silences_is_bounded() -> None:
    rig, office = desk()
    many = tuple(
        Silence(code="region-dead", region=f"r{number}", until=START + HOUR, reason="many")
        for number in range(MOST_SILENCES)
    )
    rig.loop.keep_later(replace(rig.loop.kept, silences=many))
    answer = ask(office)
    assert answer.verdict is Verdict.REFUSED
    assert "64 silences" in answer.sentence
    rig.later(2 * HOUR)
    assert ask(office).verdict is Verdict.DONE, "what has ended takes no place"


def test_a_disk_that_takes_nothing_refuses_the_silence() -> None:
    rig, office = desk()
    rig.store.full = True
    assert ask(office).verdict is Verdict.UNAVAILABLE
    assert rig.loop.silences() == ()


def test_the_end_of_silences() -> None:
    rig, office = desk()

    def end(**where: str) -> Answer:
        return office.handle(Request(command=Command.UNSILENCE, code="region-dead", **where))  # type: ignore[arg-type]

    assert "there is no silence of region-dead to end" in end().sentence
    ask(office)
    refused = end(region="us-east4")
    assert refused.verdict is Verdict.REFUSED
    assert "but the silence of region-dead is" in refused.sentence
    ask(office, region="us-east4")
    assert end(region="us-east4").verdict is Verdict.DONE
    assert [s.region for s in rig.loop.silences()] == [None]
    ask(office, region="us-east4")
    assert "are ended" in end().sentence
    assert rig.loop.silences() == ()


def test_alarms_are_listed_and_the_list_is_bounded() -> None:
    rig, office = desk()
    looked = office.handle(Request(command=Command.ALARMS))
    assert (looked.sentence, looked.alarms, looked.at) == ("no alarm is up", (), START)
    for number in range(MOST_SHOWN + 3):
        raised = alarm("part-gone", part=f"URL map {number}", kind="URL map", name=f"{number}")
        rig.loop.alarms.set(raised, START)
    looked = office.handle(Request(command=Command.ALARMS))
    assert (len(looked.alarms), looked.left_out) == (MOST_SHOWN, 3)
    assert not [r for r in rig.journal.records if r["kind"] == "silence"], "who looks changes nothing"


def test_code_and_alarms_travel_over_the_socket() -> None:
    request = Request(command=Command.SILENCE, code="slo-missed", seconds=60.0, reason="known", by="ana")
    assert decode_request(encode_request(request, 5.0), "ana", root=False).request == request
    rig, office = desk()
    rig.loop.alarms.set(alarm("config-not-in-force", why="line 3"), START)
    answer = ask(office, code="config-not-in-force")
    read, document = decode_answer(encode_answer(answer))
    assert read == answer
    assert document["alarms"] == [
        {
            "code": "config-not-in-force",
            "severity": "ticket",
            "load_balancer": "",
            "service": "",
            "region": None,
            "part": "",
            "since": START,
            "sentence": "the configuration on the disk is not in force: line 3",
            "runbook": "docs/runbook.md#config-not-in-force",
            "silenced_until": START + HOUR,
        }
    ]

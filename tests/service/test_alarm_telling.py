"""The service hands alarms to who tells people of them: once, also over a restart, and never those that are silenced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.control.fakes import Rig
from tests.service.bare import bare_service

from spillway.control.alarms import AlarmBook, AlarmNews, LossWatch
from spillway.control.requests import Command, Request
from spillway.core.values.alarms import Severity
from spillway.core.values.policy import Mode
from spillway.service.life import Service


class Nobody:
    """Whatever else a service needs."""

    url = "http://127.0.0.1:9464"

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Sender:
    """Remembers what it is to tell."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str | None]] = []

    def send(self, news: AlarmNews) -> None:
        self.told += [("firing", a.code, a.region) for a in news.firing]
        self.told += [("resolved", a.code, a.region) for a in news.resolved]

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


Living = Callable[..., Service]


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    made: list[Service] = []

    def build(rig: Rig, sender: Sender, lost: list[int] | None = None) -> Service:
        made.append(_service(rig, sender, tmp_path, lost or [0]))
        return made[-1]

    yield build
    for service in made:
        service._signals.close()
        service._control.stop()


def _service(rig: Rig, sender: Sender, folder: Path, counted: list[int]) -> Service:
    return bare_service(
        rig,
        Nobody(),
        folder,
        sender=cast("Any", sender),
        losses=(LossWatch("log-lines-lost", lambda: counted[0]),),
    )


def ticks(rig: Rig, service: Service, count: int) -> None:
    for _ in range(count):
        service._tick()
        rig.later()


def told_rig() -> Rig:
    rig = Rig(mode=Mode.OBSERVE)
    rig.loop.alarms = AlarmBook("lb", telling=(Severity.PAGE, Severity.TICKET))
    return rig.started()


def test_an_alarm_is_told_once_and_its_end_once(living: Living) -> None:
    rig, sender = told_rig(), Sender()
    service = living(rig, sender)
    rig.cloud.healthy["us-east4"] = 0
    ticks(rig, service, 5)
    assert sender.told == [("firing", "region-dead", "us-east4")]
    rig.cloud.healthy["us-east4"] = 10
    ticks(rig, service, 5)
    assert sender.told[1:] == [("resolved", "region-dead", "us-east4")]


def test_a_restart_tells_nothing_again_and_still_tells_the_end(living: Living) -> None:
    rig, sender = told_rig(), Sender()
    rig.cloud.healthy["us-east4"] = 0
    ticks(rig, living(rig, sender), 3)
    assert len(sender.told) == 1
    rig.restart()
    rig.loop.alarms = AlarmBook("lb", telling=(Severity.PAGE, Severity.TICKET))
    rig.loop.restore()
    service = living(rig, sender)
    ticks(rig, service, 3)
    assert len(sender.told) == 1
    rig.cloud.healthy["us-east4"] = 10
    ticks(rig, service, 3)
    assert sender.told[1:] == [("resolved", "region-dead", "us-east4")]


def test_a_silence_by_command_keeps_an_alarm_from_being_told(living: Living) -> None:
    rig, sender = told_rig(), Sender()
    service = living(rig, sender)
    request = Request(command=Command.SILENCE, code="region-dead", seconds=3600.0, reason="rack", by="ana")
    assert service._handle(request).verdict == "done"
    rig.cloud.healthy["us-east4"] = 0
    ticks(rig, service, 4)
    assert sender.told == []
    (shown,) = service._look(Request(command=Command.ALARMS)).alarms
    assert shown.silenced_until is not None
    rig.later(3600.0)
    ticks(rig, service, 1)
    assert sender.told == [("firing", "region-dead", "us-east4")], "the silence has ended, and it is still up"


def test_defects_blocks_and_losses_are_alarms_of_the_daemon(living: Living) -> None:
    rig, lost = told_rig(), [0]
    service = living(rig, Sender(), lost)
    lost[0] = 3
    service._raised("tick", RuntimeError("a defect"))
    service._raised("reload", RuntimeError("a defect"))
    rig.loop._writer.blocked = "the stack is locked"
    service._heed()
    ticks(rig, service, 1)
    up = {a.code: (a.service, a.sentence) for a in rig.loop.active_alarms()}
    assert set(up) == {"log-lines-lost", "pass-defect", "config-not-in-force", "writes-blocked"}
    assert {service_name for service_name, _ in up.values()} == {""}
    assert "the stack is locked" in up["writes-blocked"][1]
    rig.loop._writer.blocked = ""
    service._heed()
    assert "writes-blocked" not in {a.code for a in rig.loop.active_alarms()}
    rig.later(3700.0)
    ticks(rig, service, 3)
    assert {a.code for a in rig.loop.active_alarms()} == {"config-not-in-force"}

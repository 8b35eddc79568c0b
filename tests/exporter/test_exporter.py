"""What the daemon shows: metrics, status, history, health, and the page, over real HTTP on loopback."""

from __future__ import annotations

import json
import math
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.exporter import example_report as example
from tests.exporter.scene import Scene

from spillway.adapters.reads import ReadTotals
from spillway.adapters.web import Web, split_address
from spillway.control.alarms import AlarmNews
from spillway.core.values.alarms import Silence
from spillway.errors import TemporaryError

# reads


class Observer:
    """Counts as an observer does."""

    def __init__(self, calls: int) -> None:
        self.calls = {"counts": calls}
        self.errors = {"counts": 0}
        self.seconds = {"counts": 0.5}


def test_reads_go_on_counting_over_a_reload() -> None:
    current = [Observer(3)]
    totals = ReadTotals(lambda: current[0])
    assert totals.total().calls == {"counts": 3}
    current[0] = Observer(2)
    assert totals.total().calls == {"counts": 5}
    assert totals.total().seconds == {"counts": 1.0}
    blind = ReadTotals(object)
    assert blind.total().calls == {}


# health and readiness


def test_health_is_progress_and_readiness_the_first_tick(scene: Scene) -> None:
    assert scene.get("/healthz")[0] == 200
    assert scene.get("/readyz")[0] == 503
    scene.exporter.set_ready()
    assert scene.get("/readyz")[::2] == (200, "ready\n")
    scene.health = (False, "stuck: no progress since the last finished tick 200 s ago")
    status, _, body = scene.get("/healthz")
    assert status == 503
    assert "200 s ago" in body
    scene.exporter.set_stopping()
    assert scene.get("/readyz")[::2] == (503, "stopping\n")


# status and history


def test_status_says_what_is_seen_wanted_and_done(scene: Scene) -> None:
    empty = scene.json("/status")
    assert empty["tick"] == 0
    assert empty["services"] == []
    scene.exporter.report(example.report())
    scene.exporter.set_ready()
    status = scene.json("/status")
    assert status["schema"] == 1
    assert status["address"] == "203.0.113.7"
    assert status["ready"] is True
    assert status["missed_ticks"] == 2
    assert status["sentence"].startswith("europe-west4 is slow")
    (pool,) = status["services"]
    assert pool["mode"] == "act"
    assert pool["slo"] == {"latency": 4.0, "percentile": 95.0, "availability": 0.999}
    assert [b["region"] for b in pool["backends"]] == list(example.REGIONS)
    assert pool["backends"][0]["served"] is None
    (decision,) = status["decisions"]
    assert decision["moves"][0]["after"] == "0.62"
    assert decision["moves"][0]["reason"]["code"] == "shed-slow"
    assert decision["refusals"][0]["guard"] == "receiver-limit"
    assert decision["applied"]["outcome"] == "done"


def test_what_is_infinite_is_null_in_json(scene: Scene) -> None:
    scene.exporter.report(example.report(assessments=(example.service(headroom=math.inf),)))
    assert scene.json("/status")["services"][0]["headroom"] is None


def test_quiet_ticks_that_say_the_same_in_other_numbers_are_one_entry(scene: Scene) -> None:
    for number in range(1, 31):
        scene.exporter.report(example.quiet(number, sentence=f"nothing done, because headroom is {number} %"))
    scene.exporter.report(example.report(31))
    scene.exporter.report(example.quiet(32))
    decisions = scene.json("/status")["decisions"]
    assert [d["times"] for d in decisions] == [1, 1, 30]
    assert decisions[2]["sentence"].endswith("30 %")
    assert decisions[2]["last_at"] - decisions[2]["at"] == 29 * 60


def test_decisions_are_remembered_up_to_a_bound(scene: Scene) -> None:
    for number in range(200):
        scene.exporter.report(example.report(number))
    decisions = scene.json("/status")["decisions"]
    assert len(decisions) == 60
    assert decisions[0]["tick"] == 199


def test_alarms_are_shown(scene: Scene) -> None:
    scene.alarms = (example.SHORTAGE,)
    scene.silences = (Silence(code="slo-missed", until=example.AT + 60.0, reason="known", by="ana"),)
    scene.exporter.report(example.report(alarms=scene.alarms, news=AlarmNews(raised=scene.alarms)))
    shown = {
        "code": "shortage",
        "severity": "page",
        "load_balancer": "lb",
        "service": "pool",
        "region": None,
        "part": "",
        "since": example.AT,
        "sentence": example.SHORTAGE.sentence,
        "runbook": "docs/runbook.md#shortage",
        "silenced_until": None,
    }
    status = scene.json("/status")
    assert status["alarms"] == [shown]
    assert [s["alarms"] for s in status["services"]] == [[shown]]
    assert status["decisions"][0]["alarms"] == [{**shown, "status": "firing"}]
    assert [(s["code"], s["service"], s["by"]) for s in status["silences"]] == [("slo-missed", None, "ana")]


def test_history_has_gaps_where_nothing_was_known(scene: Scene) -> None:
    for number in range(3):
        scene.exporter.report(example.quiet(number))
    history = scene.json("/history")
    assert len(history["at"]) == 3
    regions = history["services"]["pool"]["regions"]
    assert regions["us-east4"]["served"] == [96.0] * 3
    assert regions["asia-northeast1"]["latency"] == [None] * 3
    assert regions["europe-west4"]["ceiling"] == [74.4] * 3
    assert regions["europe-west4"]["state"] == ["degraded"] * 3


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/history?points=9999", 400, "2000"),
        ("/history?since=soon", 400, "UTC"),
        ("/history?since=1h&until=2h", 400, "before"),
        ("/history?colour=red", 400, "points"),
        ("/history?service=nowhere", 404, "pool"),
        ("/decisions?limit=0", 400, "1000"),
        ("/explain?id=99-0", 404, "older"),
        ("/explain?id=x", 400, "/decisions"),
        ("/explain?region=nowhere&service=" + "x" * 300, 400, "200"),
    ],
)
def test_a_wrong_question_about_the_past_gets_its_remedy(
    scene: Scene, path: str, status: int, words: str
) -> None:
    scene.exporter.report(example.report())
    code, headers, body = scene.get(path)
    assert code == status
    assert headers["content-type"] == "application/json"
    said = json.loads(body)
    assert set(said) == {"error", "remedy"}
    assert words in said["remedy"]


def test_what_was_decided_is_told_over_http(scene: Scene) -> None:
    scene.exporter.report(example.report(41))
    scene.exporter.report(example.quiet(42))
    found = scene.json("/decisions?since=1h&service=pool&region=europe-west4")
    (moved,) = found["decisions"]
    assert (moved["tick"], moved["moves"][0]["after"]) == (41, "0.62")
    assert found["left_out"] == 0
    explained = scene.json("/explain?id=41-0")
    assert explained["headline"].endswith("Moved pool/europe-west4 scaler 1.00 -> 0.62.")
    assert scene.json("/history?since=-6h")["marks"][0]["id"] == "41-0"


# the server


def test_only_get_is_answered_and_nothing_else_is_there(scene: Scene) -> None:
    request = urllib.request.Request(scene.exporter.url + "/status", method="POST", data=b"{}")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    with caught.value as error:
        assert error.code == 405
        assert error.headers["allow"] == "GET, HEAD"
    status, _, body = scene.get("/admin")
    assert status == 404
    assert "/status" in body


def test_every_answer_carries_the_security_headers(scene: Scene) -> None:
    for path in (
        *("/", "/page/none.js", "/metrics", "/status", "/history", "/decisions", "/explain"),
        *("/healthz", "/readyz", "/nowhere"),
    ):
        headers = scene.get(path)[1]
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "server" not in headers


def test_an_address_in_use_is_named_with_its_remedy(scene: Scene) -> None:
    taken = scene.exporter.url.removeprefix("http://")
    with pytest.raises(TemporaryError, match="Address already in use") as caught:
        Web(taken, scene.exporter).bind()
    assert "daemon.listen" in caught.value.remedy


def test_addresses_are_read_with_their_port() -> None:
    assert split_address("[::1]:9464") == ("::1", 9464)
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:9464"):
        split_address("localhost")


def test_every_field_of_status_is_in_the_docs(scene: Scene) -> None:
    scene.exporter.report(example.report())
    page = (Path(__file__).resolve().parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", page))
    status = scene.json("/status")
    (service,) = status["services"]
    for document in (status, service, service["backends"][0], status["decisions"][0]):
        assert set(document) <= documented, sorted(set(document) - documented)

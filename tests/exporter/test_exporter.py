"""What the daemon shows: metrics, status, history, health, and the page, over real HTTP on loopback."""

from __future__ import annotations

import json
import math
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from tests.exporter import example_report as example

from spillway.adapters.exporter import Exporter
from spillway.adapters.metrics import BY_NAME, METRICS, Kind, render
from spillway.adapters.reads import Reads, ReadTotals
from spillway.adapters.status_document import About
from spillway.adapters.web import PAGE, Web, split_address
from spillway.control.alarms import AlarmNews
from spillway.control.report import Pass
from spillway.core.explain import reasons
from spillway.core.values.alarms import ActiveAlarm, Silence
from spillway.core.values.decision import BackendState, Lever, PinnedLever, Verdict
from spillway.core.values.orders import Orders
from spillway.core.values.policy import Policy
from spillway.errors import TemporaryError
from spillway.ports import Applied, Outcome

ABOUT = About(
    name="spillway", project="demo-project", cloud="sandbox", engine="embedded", speed=60.0, tick=60.0
)


class Scene:
    """An exporter, and what it asks for."""

    def __init__(self, listen: str = "127.0.0.1:0") -> None:
        self.health = (True, "ok: finished tick 1 s ago")
        self.now = example.AT + 41 * 60 + 30.0
        self.alarms: tuple[ActiveAlarm, ...] = ()
        self.silences: tuple[Silence, ...] = ()
        self.exporter = Exporter(
            listen,
            ABOUT,
            fleet=example.fleet,
            policies=lambda: {"pool": Policy()},
            now=lambda: self.now,
            health=lambda: self.health,
            missed=lambda: {"tick": 2},
            reads=lambda: Reads(
                calls={"counts": 5, "latencies": 5, "listing": 9},
                errors={"counts": 1},
                seconds={"counts": 0.5},
            ),
            lost=lambda: 0,
            orders=lambda: Orders(items=(example.ORDER,)),
            alarms=lambda: self.alarms,
            silences=lambda: self.silences,
        )

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
        request = urllib.request.Request(self.exporter.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, dict(answer.headers.items()), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers.items()), error.read().decode()

    def samples(self) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
        found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        for family in parse_text(self.get("/metrics")[2]):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def json(self, path: str) -> Any:
        status, headers, body = self.get(path)
        assert status == 200
        assert headers["content-type"] == "application/json"
        return json.loads(body)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    made.exporter.bind()
    made.exporter.start()
    yield made
    made.exporter.stop()


def labels(**pairs: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs.items()))


# metrics


def test_every_metric_of_the_table_is_exported_with_its_type_and_labels(scene: Scene) -> None:
    scene.exporter.report(example.report())
    families = {family.name: family for family in parse_text(scene.get("/metrics")[2])}
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert family.type == metric.kind.value, metric.name
        assert family.documentation == metric.help
        assert family.samples, f"{metric.name} has no label set"
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), metric.name
    strangers = {n for n in families if n.startswith("spillway_")} - {
        m.name.removesuffix("_total") for m in METRICS
    }
    assert not strangers


def test_what_stands_beside_the_configuration_is_told(scene: Scene) -> None:
    scene.exporter.report(example.report())
    found = scene.samples()
    drift = {tuple(sorted(dict(each).items())) for each in found["spillway_drift"]}
    assert drift == {
        (("field", "backends.maxRatePerEndpoint"), ("kind", "backend service"), ("name", "lb-pool")),
        (("field", "gone"), ("kind", "forwarding rule"), ("name", "lb-http")),
    }
    assert found["spillway_held_parts"][labels()] == 1
    status = scene.json("/status")
    assert [d["field"] for d in status["drift"]] == ["backends[1].maxRatePerEndpoint", ""]
    assert [k["field"] for k in status["kept"]] == ["enableCdn"]
    assert [c["status"] for c in status["certificates"]] == ["ACTIVE"]


def test_names_have_base_units() -> None:
    for metric in METRICS:
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER), metric.name
        assert not re.search(r"_(ms|millis|minutes|percent|mb|kb)(_|$)", metric.name), metric.name
        assert metric.help.endswith("."), metric.name


def test_regions_are_told_as_the_last_tick_saw_them(scene: Scene) -> None:
    scene.exporter.report(example.report())
    found = scene.samples()
    slow = labels(service="pool", region="europe-west4")
    assert found["spillway_region_served_requests_per_second"][slow] == 88.0
    assert found["spillway_region_scaler_wanted_ratio"][slow] == 0.62
    assert found["spillway_region_scaler_observed_ratio"][slow] == 1.0
    assert (
        found["spillway_region_latency_seconds"][
            (("percentile", "95"), ("region", "europe-west4"), ("service", "pool"))
        ]
        == 4.71
    )
    states = {
        dict(key)["state"]: value
        for key, value in found["spillway_region_state"].items()
        if dict(key)["region"] == "europe-west4"
    }
    assert set(states) == {state.value for state in BackendState}
    assert [state for state, value in states.items() if value == 1] == ["degraded"]
    assert found["spillway_service_posture"][labels(service="pool", posture="guarded")] == 1
    assert found["spillway_service_mode"][labels(service="pool", mode="act")] == 1
    assert found["spillway_service_survives_region_loss"][labels(service="pool")] == 0


def test_what_is_not_known_is_nan_and_not_zero(scene: Scene) -> None:
    scene.exporter.report(example.report())
    found = scene.samples()
    standby = labels(service="pool", region="asia-northeast1")
    assert math.isnan(found["spillway_region_served_requests_per_second"][standby])
    assert math.isnan(found["spillway_region_healthy_ratio"][standby])
    assert found["spillway_region_member"][standby] == 0
    assert (
        found["spillway_region_data_missing"][
            labels(service="pool", region="asia-northeast1", signal="health")
        ]
        == 1
    )


def test_data_ages_while_nothing_happens(scene: Scene) -> None:
    scene.exporter.report(example.report(41))
    age = labels(service="pool", region="us-east4", signal="health")
    assert scene.samples()["spillway_region_data_age_seconds"][age] == pytest.approx(32.0)
    scene.now += 100
    assert scene.samples()["spillway_region_data_age_seconds"][age] == pytest.approx(132.0)


def test_before_the_first_tick_every_label_set_is_there(scene: Scene) -> None:
    found = scene.samples()
    for region in example.REGIONS:
        assert math.isnan(
            found["spillway_region_served_requests_per_second"][labels(service="pool", region=region)]
        )
    assert found["spillway_ready"][()] == 0
    assert found["spillway_last_tick_timestamp_seconds"][()] == 0
    assert set(found["spillway_writes_total"]) == {labels(outcome=o.value) for o in Outcome}
    assert set(found["spillway_writes_total"].values()) == {0}
    told = {dict(key)["reason"] for key in found["spillway_decisions_total"]}
    assert told == {row.code for row in reasons.table() if row.kind is reasons.Kind.MOVE}
    guards = {dict(key)["guard"] for key in found["spillway_guard_refusals_total"]}
    assert guards == {row.code for row in reasons.table() if row.kind is reasons.Kind.GUARD}


def test_an_edit_that_a_build_met_is_counted_too(scene: Scene) -> None:
    """On a reload and a first build the counter used to stay at 0."""
    built = Applied(outcome=Outcome.DONE, sentence="built", foreign_edit=True)
    scene.exporter.built(built)
    scene.exporter.built(Applied(outcome=Outcome.CONFLICT, sentence="no"))
    scene.exporter.built(Applied(outcome=Outcome.DONE, sentence="built"))
    assert scene.samples()["spillway_foreign_edits_total"][()] == 2


def test_what_somebody_else_has_set_is_shown_with_its_end(scene: Scene) -> None:
    pinned = PinnedLever(
        region="us-east4", lever=Lever.SCALER, value="0.50", wanted="1.00", since=100.0, until=7300.0
    )
    scene.exporter.report(example.report(assessments=(example.service(foreign_pins=(pinned,)),)))
    (service,) = scene.json("/status")["services"]
    assert service["foreign_pins"] == [
        {
            "region": "us-east4",
            "lever": "scaler",
            "value": "0.50",
            "wanted": "1.00",
            "since": 100.0,
            "until": 7300.0,
        }
    ]


def test_passes_are_counted(scene: Scene) -> None:
    exporter = scene.exporter
    verdict = Verdict(
        move=example.SHED, made_at=0.0, predicted=0.1, observed=0.2, better=False, sentence="worse"
    )
    applied = Applied(
        outcome=Outcome.CONFLICT, sentence="no", engine_processes=2, engine_seconds=3.0, foreign_edit=True
    )
    exporter.report(example.report(1))
    exporter.report(example.report(2, verdicts=(verdict,), applied=applied))
    exporter.report(example.quiet(2, kind=Pass.HEALTH))
    exporter.failed("tick")
    exporter.reloaded("refused")
    found = scene.samples()
    assert found["spillway_decisions_total"][labels(lever="scaler", reason="shed-slow")] == 2
    assert found["spillway_guard_refusals_total"][labels(guard="receiver-limit")] == 2
    assert found["spillway_writes_total"][labels(outcome="done")] == 1
    assert found["spillway_writes_total"][labels(outcome="conflict")] == 1
    assert found["spillway_engine_seconds_sum"][()] == pytest.approx(14.2)
    assert found["spillway_engine_processes_total"][()] == 3
    assert found["spillway_foreign_edits_total"][()] == 1
    assert found["spillway_verdicts_total"][labels(result="worse")] == 1
    assert found["spillway_passes_total"][labels(kind="tick")] == 2
    assert found["spillway_passes_total"][labels(kind="health")] == 1
    assert found["spillway_passes_failed_total"][labels(kind="tick")] == 1
    assert found["spillway_passes_missed_total"][labels(kind="tick")] == 2
    assert found["spillway_monitoring_calls_total"][()] == 10
    assert found["spillway_reads_total"][labels(source="listing")] == 9
    assert found["spillway_config_reloads_total"][labels(outcome="refused")] == 1
    assert found["spillway_config_last_reload_successful"][()] == 0
    assert found["spillway_last_tick_timestamp_seconds"][()] == example.AT + 120
    exporter.reloaded("accepted")
    assert scene.samples()["spillway_config_last_reload_successful"][()] == 1


@pytest.mark.parametrize("version", ["one", "1.x", "9" * 5000])
def test_a_version_that_is_none_gets_the_plain_form(scene: Scene, version: str) -> None:
    status, _, body = scene.get("/metrics", Accept=f"application/openmetrics-text; version={version}")
    assert status == 200
    assert "spillway_" in body


def test_openmetrics_is_spoken_where_it_is_asked_for(scene: Scene) -> None:
    scene.exporter.report(example.report())
    status, headers, body = scene.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert status == 200
    assert headers["content-type"].startswith("application/openmetrics-text")
    parse: Callable[[str], Iterator[Metric]] = parse_openmetrics
    names = {family.name for family in parse(body)}
    assert "spillway_writes" in names
    assert scene.get("/metrics")[1]["content-type"].startswith("text/plain")


def test_the_page_of_metrics_in_the_docs_is_made_from_the_table() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
    assert page.read_text(encoding="utf-8") == render(), "run `make docs`"


def test_every_reason_of_a_move_has_a_lever() -> None:
    levers = {row.code: row.lever for row in reasons.table()}
    assert all((row.lever is not None) is (row.kind is reasons.Kind.MOVE) for row in reasons.table())
    assert levers["posture"] is Lever.POSTURE
    assert levers["join-forecast"] is Lever.MEMBERSHIP
    assert levers["leave-idle"] is Lever.MEMBERSHIP, "its scaler goes to 0 as the first half of a leave"
    assert BY_NAME["spillway_decisions_total"].labels == ("lever", "reason")


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
    assert scene.samples()["spillway_service_alarms"][labels(service="pool")] == 1


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
        "/", "/metrics", "/status", "/history", "/decisions", "/explain", "/healthz", "/readyz", "/nowhere",
    ):  # fmt: skip
        headers = scene.get(path)[1]
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "server" not in headers


def test_the_page_needs_nothing_from_elsewhere() -> None:
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:)?//""", PAGE)
    assert " style=" not in PAGE, "the content policy forbids inline style attributes"
    assert not re.findall(r"\son\w+=", PAGE), "the content policy forbids inline handlers"
    assert "innerHTML" not in PAGE, "data must never become markup"
    assert PAGE.count("<script>") == PAGE.count("<style>") == 1


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
    page = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", page))
    status = scene.json("/status")
    (service,) = status["services"]
    for document in (status, service, service["backends"][0], status["decisions"][0]):
        assert set(document) <= documented, sorted(set(document) - documented)

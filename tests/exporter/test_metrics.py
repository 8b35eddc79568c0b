"""/metrics: every family of the table with its labels, what is counted, and nothing that is no number."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from tests.exporter import example_report as example
from tests.exporter.scene import Scene, labels

from spillway.adapters.metrics import BY_NAME, METRICS, Kind, render
from spillway.control.figures import Figures
from spillway.control.report import Pass
from spillway.core.explain import reasons
from spillway.core.values.decision import Health, Lever, Verdict
from spillway.core.values.drift import CertificateState
from spillway.core.values.orders import Orders
from spillway.core.values.policy import Mode
from spillway.ports import Applied, Outcome

SLOW = {"service": "pool", "region": "europe-west4"}


def verdict(*, better: bool) -> Verdict:
    return Verdict(
        move=example.SHED, made_at=0.0, predicted=0.1, observed=0.2, better=better, sentence="worse"
    )


def test_every_metric_of_the_table_is_exported_with_its_type_and_labels(scene: Scene) -> None:
    scene.alarms = (replace(example.SHORTAGE, silenced_until=example.AT + 60.0),)
    scene.exporter.report(example.report(verdicts=(verdict(better=True),)))
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


@pytest.mark.parametrize("reported", [False, True])
def test_no_sample_is_nan(scene: Scene, reported: bool) -> None:
    if reported:
        headless = example.service(headroom=math.inf, demand=None, capacity=math.nan)
        scene.exporter.report(example.report(assessments=(headless,)))
    found = scene.samples()
    assert [n for n, samples in found.items() for v in samples.values() if not math.isfinite(v)] == []
    assert "spillway_service_headroom_ratio" not in found


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


# regions, services, users


def test_regions_are_told_as_the_last_tick_saw_them(scene: Scene) -> None:
    backends = [
        b._replace(health=Health.SLOW) if b.region == SLOW["region"] else b for b in example.backends()
    ]
    scene.exporter.report(example.report(assessments=(example.service(backends=tuple(backends)),)))
    found, slow = scene.samples(), labels(**SLOW)
    assert found["spillway_region_served_requests_per_second"][slow] == 88.0
    assert found["spillway_region_scaler_wanted_ratio"][slow] == 0.62
    assert found["spillway_region_scaler_observed_ratio"][slow] == 1.0
    assert found["spillway_region_latency_seconds"][labels(**SLOW, percentile="95")] == 4.71
    states = [dict(key) for key in found["spillway_region_state"]]
    assert [s["state"] for s in states if s["region"] == SLOW["region"]] == ["degraded"]
    healths = [dict(key) for key in found["spillway_region_health"]]
    assert [h["health"] for h in healths if h["region"] == SLOW["region"]] == ["slow"]
    assert found["spillway_service_posture"] == {labels(service="pool", posture="guarded"): 1}
    assert found["spillway_service_mode"] == {labels(service="pool", mode="act"): 1}
    assert found["spillway_service_survives_region_loss"][labels(service="pool")] == 0


def test_what_is_not_known_has_no_sample(scene: Scene) -> None:
    scene.exporter.report(example.report())
    found = scene.samples()
    standby = {"service": "pool", "region": "asia-northeast1"}
    assert labels(**standby) not in found["spillway_region_served_requests_per_second"]
    assert labels(**standby) not in found["spillway_region_healthy_ratio"]
    assert found["spillway_region_member"][labels(**standby)] == 0
    health = labels(**standby, signal="health")
    assert found["spillway_region_signal_missing"][health] == 1
    assert health not in found["spillway_region_signal_age_seconds"]
    known = labels(service="pool", region="us-east4", signal="health")
    assert known in found["spillway_region_signal_age_seconds"]
    assert known not in found["spillway_region_signal_missing"]


def test_data_ages_while_nothing_happens(scene: Scene) -> None:
    scene.exporter.report(example.report(41))
    age = labels(service="pool", region="us-east4", signal="health")
    assert scene.samples()["spillway_region_signal_age_seconds"][age] == pytest.approx(32.0)
    scene.now += 100
    assert scene.samples()["spillway_region_signal_age_seconds"][age] == pytest.approx(132.0)


def test_before_the_first_tick_what_can_be_counted_stands_at_zero(scene: Scene) -> None:
    found = scene.samples()
    assert "spillway_region_served_requests_per_second" not in found
    assert found["spillway_ready"][()] == 0
    assert found["spillway_last_tick_timestamp_seconds"][()] == 0
    assert set(found["spillway_writes_total"]) == {labels(service="pool", outcome=o.value) for o in Outcome}
    assert set(found["spillway_writes_total"].values()) == {0}
    assert found["spillway_requests_total"] == {labels(service="pool"): 0}
    assert set(found["spillway_bad_requests_total"].values()) == {0}
    assert found["spillway_slo_target_ratio"][labels(service="pool", kind="availability")] == 0.999


def test_what_users_get_is_told_beside_what_they_were_promised(scene: Scene) -> None:
    scene.exporter.report(example.report())
    found, pool = scene.samples(), labels(service="pool")
    assert found["spillway_requests_total"][pool] == 10_000
    kinds = {dict(key)["kind"]: value for key, value in found["spillway_bad_requests_total"].items()}
    assert kinds == {"failed": 20, "refused": 5, "late": 75}
    assert found["spillway_service_bad_ratio"][pool] == pytest.approx(0.03)
    burn = {dict(key)["kind"]: value for key, value in found["spillway_error_budget_burn"].items()}
    assert burn["availability"] == pytest.approx(4.0)
    assert burn["latency"] == pytest.approx(0.5)
    assert burn["good"] == pytest.approx(0.03 / (1 - 0.999 * 0.95))
    assert found["spillway_saved_requests_estimated_total"][pool] == 1234
    assert found["spillway_advised_requests_estimated_total"][pool] == 56
    (service,) = scene.json("/status")["services"]
    assert service["bad_share"] == pytest.approx(0.03)
    assert service["burn"]["availability"] == pytest.approx(4.0)
    assert service["estimate"] == {
        "since": example.AT,
        "saved_requests": 1234,
        "advised_requests": 56,
        "mode": "act",
        "method": "by the model: an estimate",
    }


def test_without_answers_there_is_no_share(scene: Scene) -> None:
    scene.exporter.report(example.report(figures=Figures()))
    found = scene.samples()
    assert "spillway_service_bad_ratio" not in found
    assert "spillway_error_budget_burn" not in found
    (service,) = scene.json("/status")["services"]
    assert (service["bad_share"], service["burn"], service["estimate"]) == (None, None, None)


# alarms


def test_an_alarm_tells_since_when_it_is_up(scene: Scene) -> None:
    key = labels(code="shortage", severity="page", load_balancer="lb", service="pool", region="")
    assert "spillway_alarm" not in scene.samples()
    scene.alarms = (example.SHORTAGE,)
    found = scene.samples()
    assert found["spillway_alarm"] == {key: example.AT}
    assert "spillway_alarm_silenced" not in found
    scene.alarms = (replace(example.SHORTAGE, silenced_until=example.AT + 900.0),)
    found = scene.samples()
    assert found["spillway_alarm"] == {key: example.AT}
    assert found["spillway_alarm_silenced"] == {key: example.AT + 900.0}


def test_alarms_of_several_parts_are_one_series_since_the_oldest(scene: Scene) -> None:
    """No sentence and no name of a part is in a label: each would be a series of its own."""
    gone = replace(example.SHORTAGE, code="part-gone", service="")
    scene.alarms = (
        replace(gone, part="URL map lb-routes", since=example.AT + 60.0, silenced_until=example.AT + 900.0),
        replace(gone, part="address lb", since=example.AT),
    )
    found = scene.samples()
    assert list(found["spillway_alarm"].values()) == [example.AT]
    assert "spillway_alarm_silenced" not in found, "one of the two is not silenced"


# what is counted


def test_no_label_set_stands_twice(scene: Scene) -> None:
    """Prometheus drops all but one of them, and logs it at each scrape."""
    newer = replace(example.ORDER, number=4, service="all", until=example.AT + 9000.0)
    scene.orders = Orders(items=(example.ORDER, newer))
    twins = tuple(
        CertificateState(name="lb-own", status=s, expires=e) for s, e in (("ACTIVE", 7.0), ("FAILED", 5.0))
    )
    alarms = tuple(replace(example.SHORTAGE, part=part) for part in "ab")
    scene.alarms = alarms
    drift = replace(example.DRIFT, certificates=(*twins, twins[0], replace(twins[0], expires=None)))
    scene.exporter.report(replace(example.report(), drift=drift))
    lines = [line.rpartition(" ")[0] for line in scene.get("/metrics")[2].splitlines() if line[0] != "#"]
    assert len(lines) == len(set(lines))
    found = scene.samples()
    assert found["spillway_order"] == {
        labels(kind="drain", service="all", region="us-east4"): example.AT + 9000.0
    }
    assert found["spillway_certificate_expiry_timestamp_seconds"] == {labels(certificate="lb-own"): 5.0}


def test_passes_are_counted(scene: Scene) -> None:
    exporter = scene.exporter
    applied = Applied(
        outcome=Outcome.CONFLICT, sentence="no", engine_processes=2, engine_seconds=3.0, foreign_edit=True
    )
    exporter.report(example.report(1))
    exporter.report(example.report(2, verdicts=(verdict(better=False),), applied=applied))
    exporter.report(example.quiet(2, kind=Pass.HEALTH))
    exporter.failed("tick")
    exporter.reloaded("refused")
    found = scene.samples()
    shed = labels(**SLOW, lever="scaler", reason="shed-slow", mode="act")
    assert found["spillway_decisions_total"] == {shed: 2}
    assert found["spillway_guard_refusals_total"] == {labels(**SLOW, guard="receiver-limit"): 2}
    assert found["spillway_writes_total"][labels(service="pool", outcome="done")] == 1
    assert found["spillway_writes_total"][labels(service="pool", outcome="conflict")] == 1
    assert found["spillway_engine_seconds_sum"][()] == pytest.approx(14.2)
    assert found["spillway_engine_seconds_count"][()] == 2
    assert found["spillway_engine_processes_total"][()] == 3
    assert found["spillway_foreign_edits_total"][()] == 1
    assert found["spillway_verdicts_total"] == {labels(**SLOW, result="worse"): 1}
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


def test_advice_is_counted_when_it_comes_up(scene: Scene) -> None:
    """Where nobody follows it, every tick gives it again; the numbers in it may differ."""
    exporter = scene.exporter
    lower = replace(example.SHED, after="0.55")
    modes = (("pool", Mode.OBSERVE),)
    for number, advice in enumerate([(example.SHED,), (lower,), (), (lower,)]):
        exporter.report(example.quiet(number, advice=advice, modes=modes))
        if number == 1:
            exporter.report(example.quiet(number, kind=Pass.HEALTH, advice=(), modes=modes))
    shed = labels(**SLOW, lever="scaler", reason="shed-slow", mode="observe")
    assert scene.samples()["spillway_decisions_total"] == {shed: 2}


def test_a_service_that_was_left_out_of_a_write_counts_as_refused(scene: Scene) -> None:
    moves = (example.SHED, replace(example.SHED, service="other"))
    applied = Applied(outcome=Outcome.DONE, sentence="one", refused=(("other", "held"),))
    scene.fleet = example.fleet(("other", "pool"))
    scene.exporter.report(example.report(moves=moves, applied=applied))
    writes = {key: value for key, value in scene.samples()["spillway_writes_total"].items() if value}
    assert writes == {
        labels(service="pool", outcome="done"): 1,
        labels(service="other", outcome="refused"): 1,
    }


def test_what_belongs_to_a_service_goes_with_it(scene: Scene) -> None:
    scene.fleet = example.fleet(("other", "pool"))
    other = replace(example.SHED, service="other")
    scene.exporter.report(example.report(1, moves=(example.SHED, other)))
    scene.fleet = example.fleet(("pool",))
    scene.exporter.report(example.quiet(2))
    for name, samples in scene.samples().items():
        assert not [key for key in samples if dict(key).get("service") == "other"], name


def test_an_edit_that_a_build_met_is_counted_too(scene: Scene) -> None:
    """On a reload and a first build the counter used to stay at 0."""
    built = Applied(outcome=Outcome.DONE, sentence="built", foreign_edit=True)
    scene.exporter.built(built)
    scene.exporter.built(Applied(outcome=Outcome.CONFLICT, sentence="no"))
    scene.exporter.built(Applied(outcome=Outcome.DONE, sentence="built"))
    assert scene.samples()["spillway_foreign_edits_total"][()] == 2


# forms


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
    assert BY_NAME["spillway_decisions_total"].labels == ("service", "region", "lever", "reason", "mode")


SERVICES, REGIONS = 200, 10


def test_a_scrape_of_a_large_fleet_is_bounded() -> None:
    """Lines of one scrape; a state used to be eleven samples, of which ten were zero."""
    services = tuple(f"service-{number:03d}" for number in range(SERVICES))
    regions = tuple(f"region-{number}" for number in range(REGIONS))
    backends = tuple(example.backend(region) for region in regions)
    scene = Scene()
    scene.fleet = example.fleet(services, regions)
    scene.exporter.report(
        example.quiet(1, assessments=tuple(example.service(name, backends=backends) for name in services))
    )
    lines = sum(len(family.samples) for family in scene.exporter.registry.collect())
    assert lines < 21 * SERVICES * REGIONS + 35 * SERVICES + 500

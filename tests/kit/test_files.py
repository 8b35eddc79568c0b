"""The files of the kit without Prometheus: what they name exists, and what a person reads is there."""

from __future__ import annotations

import re
import tomllib
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from tests.kit import alarm_rules, dashboards
from tests.kit.files import (
    GRAFANA,
    NAME,
    PROMETHEUS,
    ROOT,
    RULE_FILES,
    VALUES,
    alerts,
    panels,
    queries,
    rules,
)
from tests.kit.files import dashboards as files

from spillway.adapters.metrics import BY_NAME, Kind
from spillway.core.explain.reasons import ALARMS
from spillway.core.values.alarms import Severity

TARGET = {"job", "instance"}
"""Labels that Prometheus gives to every series."""

RECORDED = {"service", "slo"}
"""Labels of what the rules record, beside those of the target."""

PROCESS = re.compile(r"\b(?:up|process_[a-z_]+)\b(?=\{)")


def labels_of(name: str) -> set[str]:
    """The labels that a series has; fails where there is no such series."""
    if name.startswith("service:"):
        assert name in {rule.get("record") for rule in rules()}, f"no rule records {name}"
        return RECORDED | TARGET
    family, _, suffix = name.rpartition("_")
    if suffix in {"bucket", "sum", "count"} and family in BY_NAME:
        assert BY_NAME[family].kind is Kind.HISTOGRAM, name
        return {*BY_NAME[family].labels, *TARGET, *(("le",) if suffix == "bucket" else ())}
    assert name in BY_NAME, f"no metric {name}"
    return {*BY_NAME[name].labels, *TARGET}


def names(expr: str) -> list[str]:
    return NAME.findall(expr)


@pytest.mark.parametrize("named", list(queries()), ids=lambda named: named.where)
def test_every_series_and_label_of_a_query_exists(named: Any) -> None:
    expr = named.expr
    found = names(expr)
    assert found or PROCESS.search(expr), expr
    known = set().union(TARGET, *(labels_of(name) for name in found))
    for selector in re.finditer(rf"({NAME.pattern})\{{([^}}]*)\}}", expr):
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector[2]))
        assert used <= labels_of(selector[1]), selector[0]
    for listed in re.finditer(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expr):
        assert {label.strip() for label in listed[1].split(",")} <= known | {"le"}, listed[0]
    legend = set(re.findall(r"\{\{(\w+)\}\}", named.legend))
    assert legend <= known, f"{named.where}: {legend - known}"


def test_every_family_of_the_table_that_people_watch_is_on_a_dashboard() -> None:
    shown = {name for named in queries() for name in names(named.expr)}
    shown |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    left_out = {name for name in BY_NAME if name not in shown}
    assert left_out == {
        "spillway_service_demand_requests_per_second",  # the sum of the regions' demand
        "spillway_service_forecast_requests_per_second",
        "spillway_service_capacity_requests_per_second",
        "spillway_service_shortage",  # an alarm of severity page
        "spillway_service_posture",
        "spillway_region_headroom_ratio",  # load over capacity says the same
        "spillway_region_signal_missing",
        "spillway_verdicts_total",
        "spillway_kept_settings",
        "spillway_held_parts",  # an alarm
        "spillway_parts_read",
        "spillway_parts_read_timestamp_seconds",
        "spillway_certificate_status",  # an alarm
        "spillway_engine_processes_total",
        "spillway_monitoring_calls_total",  # among the reads
        "spillway_config_reloads_total",
        "spillway_recoveries_total",
        "spillway_log_lines_lost_total",  # a note
        "spillway_engine_info",
    }


# rules


def test_every_alarm_of_severity_page_and_ticket_has_a_rule() -> None:
    wanted = {
        alarm_rules.name_of(row.code): (
            f'code="{row.code}",severity="{row.severity.value}"',
            row.severity.value,
        )
        for row in ALARMS.values()
        if row.severity is not Severity.NOTE
    }
    found = {
        name: (rule["expr"].removeprefix("spillway_alarm{").partition("}")[0], rule["labels"]["severity"])
        for name, rule in alerts().items()
        if rule["expr"].startswith("spillway_alarm{")
    }
    assert found == wanted


def test_the_rules_of_the_alarms_are_made_from_their_table() -> None:
    assert alarm_rules.FILE.read_text(encoding="utf-8") == alarm_rules.render(), "run `make docs`"


def test_names_of_alerts_differ() -> None:
    told = [rule["alert"] for rule in rules() if "alert" in rule]
    assert len(told) == len(set(told))


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as renderers of Markdown make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", list(alerts()))
def test_an_alert_says_what_it_is_and_where_to_read_on(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert "{{" in rule["annotations"]["summary"] or "absent" in rule["expr"], "it says where"
    url = rule["annotations"]["runbook_url"]
    page, _, anchor = url.removeprefix(f"{alarm_rules.DOCS}/").partition("#")
    assert anchor in slugs(ROOT / "docs" / page), url


def test_the_burn_rates_are_those_of_the_workbook() -> None:
    """Table 5-8: 2 % of the budget in an hour, 5 % in six, 10 % in one day or three."""
    fast = alerts()["SpillwayErrorBudgetBurnsFast"]["expr"]
    slow = alerts()["SpillwayErrorBudgetBurnsSlowly"]["expr"]
    found = re.findall(r"rate(\w+) > ([\d.]+)", fast + slow)
    assert found == [
        ("1h", "14.4"), ("5m", "14.4"), ("6h", "6"), ("30m", "6"), ("1d", "3"), ("2h", "3"), ("3d", "1"), ("6h", "1"),
    ]  # fmt: skip


# dashboards


@pytest.mark.parametrize("name", list(dashboards.DASHBOARDS))
def test_dashboards_are_made_from_their_description(name: str) -> None:
    file = GRAFANA / f"{name}.json"
    assert file.read_text(encoding="utf-8") == dashboards.render(name), "run `make docs`"


@pytest.mark.parametrize("file", list(files()))
def test_every_panel_can_be_read(file: str) -> None:
    board = files()[file]
    assert board["uid"].startswith("spillway-")
    assert board["description"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels(board):
        title = panel["title"]
        assert panel["description"].endswith("."), title
        assert panel["fieldConfig"]["defaults"]["unit"], title
        assert panel["targets"], title
        assert panel["datasource"]["uid"] == "${datasource}", title
    names = [panel["title"] for panel in panels(board)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("file", list(files()))
def test_no_two_panels_cover_each_other(file: str) -> None:
    places = [(panel["title"], panel["gridPos"]) for panel in files()[file]["panels"]]
    for title, place in places:
        assert 0 <= place["x"] <= 24 - place["w"], title
    for (one, a), (other, b) in combinations(places, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (one, other)


@pytest.mark.parametrize("file", list(files()))
def test_every_variable_of_a_dashboard_is_defined(file: str) -> None:
    board = files()[file]
    defined = {variable["name"] for variable in board["templating"]["list"]}
    exprs = [target["expr"] for panel in panels(board) for target in panel["targets"]]
    exprs += [mark["expr"] for mark in board["annotations"]["list"]]
    used = {name for expr in exprs for name in re.findall(r"\$(\w+)", expr)}
    assert {name for name in used if not name.startswith("__")} <= defined
    assert used <= set(VALUES)


# packaging


def test_the_kit_is_in_the_wheel_and_in_the_archive() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared["config/prometheus"] == "share/spillway/prometheus"
    assert shared["config/grafana"] == "share/spillway/grafana"
    assert {file.name for file in PROMETHEUS.iterdir()} == {*RULE_FILES, "prometheus.yml"}

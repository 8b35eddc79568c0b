"""The rules by promtool: they can be read, and each alert fires at its limit, and not below it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.kit.alarm_rules import TOLD, name_of
from tests.kit.files import PROMETHEUS, RULE_FILES, alerts
from tests.kit.server import need_prometheus, promtool

from spillway.core.explain.reasons import ALARMS

pytestmark = pytest.mark.kit

TARGET = 'job="spillway",instance="a"'
SINCE = 1_795_000_000
"""UTC seconds since when an alarm is up."""


@pytest.fixture(autouse=True)
def _prometheus() -> None:
    need_prometheus()


def test_rules_and_configuration_can_be_read() -> None:
    said = promtool("check", "rules", *(PROMETHEUS / name for name in RULE_FILES))
    assert said.count("SUCCESS") == len(RULE_FILES)
    assert "SUCCESS" in promtool("check", "config", PROMETHEUS / "prometheus.yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One alert over made-up series: minutes at which it must fire, and at which it must not."""

    alert: str
    series: dict[str, str]
    """Values in promtool's notation, by series."""
    fires: tuple[str, ...] = ()
    """Moments at which it fires."""
    rests: tuple[str, ...] = ()
    labels: dict[str, str]
    """Of the alert, severity and target apart."""
    value: str = ""
    """As the summary shows it."""
    interval: str = "1m"
    """Between two values and two evaluations."""


def counters(failed: str, late: str = "0x600", requests: str = "0+6000x800") -> dict[str, str]:
    """The counters of a service of 100 requests/s."""
    return {
        f'spillway_requests_total{{{TARGET},service="pool"}}': requests,
        f'spillway_bad_requests_total{{{TARGET},service="pool",kind="failed"}}': failed,
        f'spillway_bad_requests_total{{{TARGET},service="pool",kind="late"}}': late,
        f'spillway_slo_target_ratio{{{TARGET},service="pool",kind="availability"}}': "0.999x800",
        f'spillway_slo_target_ratio{{{TARGET},service="pool",kind="latency"}}': "0.95x800",
    }


FAST, SLOW = "SpillwayErrorBudgetBurnsFast", "SpillwayErrorBudgetBurnsSlowly"
AVAILABILITY = {"service": "pool", "slo": "availability"}

CASES = (
    # 2 % of the answers fail: 20 times what the SLO allows
    Case(alert=FAST, series=counters("0x60 0+120x120 14400x120"), rests=("50m", "4h30m"), fires=("2h30m",), labels=AVAILABILITY, value="20.0"),
    # 1 % for an hour is 10 times as much: neither 14.4 for an hour nor 6 for six
    Case(alert=FAST, series=counters("0x360 0+60x60 3600x300"), rests=("6h", "6h50m", "7h30m"), labels=AVAILABILITY),
    # 0.7 % for hours is more than 6 times as much over six hours
    Case(alert=FAST, series=counters("0x360 0+42x400"), rests=("7h",), fires=("12h30m",), labels=AVAILABILITY, value="7.0"),
    # few answers: one failure in five minutes is 4 % of them, and chance
    Case(alert=FAST, series=counters("0x60 0+0.2x20 4x100", requests="0+5x200"), rests=("75m", "80m"), labels=AVAILABILITY),
    # 90 % of the answers are late: 18 times what the SLO allows
    Case(alert=FAST, series=counters("0x600", late="0x60 0+5400x200"), rests=("50m",), fires=("3h",), labels={"service": "pool", "slo": "latency"}, value="18.0"),
    # 0.2 % fail for days: twice what the SLO allows
    Case(alert=SLOW, series=counters("0+120x600", requests="0+60000x600"), fires=("80h",), labels=AVAILABILITY, value="2.0", interval="10m"),
    Case(alert=FAST, series=counters("0+12x600"), rests=("3h",), labels=AVAILABILITY),
    # just what the SLO allows
    Case(alert=SLOW, series=counters("0+59x600", requests="0+60000x600"), rests=("80h",), labels=AVAILABILITY, interval="10m"),
    Case(alert="SpillwayDown", series={f"up{{{TARGET}}}": "1x10 0x30"}, rests=("9m", "14m"), fires=("17m",), labels={}),
    Case(alert="SpillwayNotScraped", series={'up{job="other"}': "1x60"}, rests=("9m",), fires=("11m",), labels={}),
    Case(
        alert="SpillwayStale",
        series={
            f'spillway_passes_total{{{TARGET},kind="tick"}}': "1+1x60 61x60",
            f"spillway_last_tick_timestamp_seconds{{{TARGET}}}": "1+60x60 3601x60",
        },
        rests=("60m", "68m"), fires=("74m",), labels={"kind": "tick"},
    ),
    # a start that takes long has finished no tick yet: `SpillwayNotReady` is for that
    Case(
        alert="SpillwayStale",
        series={f'spillway_passes_total{{{TARGET},kind="tick"}}': "0x60", f"spillway_last_tick_timestamp_seconds{{{TARGET}}}": "0x60"},
        rests=("30m",), labels={"kind": "tick"},
    ),
    Case(alert="SpillwayNotReady", series={f"spillway_ready{{{TARGET}}}": "0x20 1x20"}, rests=("14m", "21m"), fires=("16m",), labels={}),
    Case(
        alert="SpillwayWritesRefused",
        series={f'spillway_writes_total{{{TARGET},service="pool",outcome="{outcome}"}}': values for outcome, values in (("refused", "0x10 1x5 2x5 4x40"), ("done", "0+1x60"))},
        rests=("15m", "25m"), fires=("35m",), labels={"service": "pool"}, value="4",
    ),
    # where no write works, the daemon's own alarm says so
    Case(
        alert="SpillwayWritesRefused",
        series={
            f'spillway_writes_total{{{TARGET},service="pool",outcome="refused"}}': "0x10 1x5 2x5 4x40",
            f'spillway_alarm{{{TARGET},code="writes-failing",severity="ticket"}}': "1x60",
        },
        rests=("35m",), labels={"service": "pool"},
    ),
    Case(alert="SpillwayTicksMissed", series={f'spillway_passes_missed_total{{{TARGET},kind="tick"}}': "0x60 0+0.5x120"}, rests=("60m", "70m"), fires=("2h",), labels={"kind": "tick"}),
)  # fmt: skip


def unit_test(case: Case) -> dict[str, Any]:
    """A case as promtool wants it."""
    rule = alerts()[case.alert]
    labels = {
        **({} if case.alert == "SpillwayNotScraped" else {"instance": "a"}),
        "job": "spillway",
        **case.labels,
    }
    told = {key: _filled(text, labels, case.value) for key, text in rule["annotations"].items()}
    firing = {"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": told}
    return {
        "interval": case.interval,
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [
            {"alertname": case.alert, "eval_time": at, "exp_alerts": expected}
            for moments, expected in ((case.rests, []), (case.fires, [firing]))
            for at in moments
        ],
    }


def _filled(text: str, labels: dict[str, str], value: str) -> str:
    for name, label in labels.items():
        text = text.replace("{{ $labels." + name + " }}", label)
    for form in ("%.1f", "%.0f"):
        text = text.replace('{{ $value | printf "' + form + '" }}', value)
    return text


def check(tmp_path: Path, *tests: dict[str, Any]) -> None:
    """Let promtool run unit tests, recordings before the alerts that read them: else it leaves the order of the groups to chance."""
    file = tmp_path / "tests.yml"
    paths = [PROMETHEUS / name for name in RULE_FILES]
    groups = [group for path in paths for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    document = {
        "rule_files": [str(path) for path in paths],
        "group_eval_order": [g["name"] for g in sorted(groups, key=lambda g: "record" not in g["rules"][0])],
        "evaluation_interval": tests[0]["interval"],
        "tests": list(tests),
    }
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    promtool("test", "rules", file)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert} {case.value}".strip())
def test_an_alert_fires_at_its_limit_and_not_below(tmp_path: Path, case: Case) -> None:
    check(tmp_path, unit_test(case))


def test_a_check_that_must_fail_fails(tmp_path: Path) -> None:
    """Promtool looks at what it is given: a wrong expectation is told."""
    case = next(case for case in CASES if case.alert == "SpillwayDown")
    wrong = unit_test(case)
    wrong["alert_rule_test"][0]["exp_alerts"] = wrong["alert_rule_test"][-1]["exp_alerts"]
    with pytest.raises(AssertionError, match="SpillwayDown"):
        check(tmp_path, wrong)


def test_each_alarm_fires_its_alert_unless_it_is_silenced(tmp_path: Path) -> None:
    """All in one call: promtool reads the rules once."""
    check(tmp_path, *(alarm_test(row.code) for row in ALARMS.values() if row.severity in TOLD))


def alarm_test(code: str) -> dict[str, Any]:
    """An alarm that comes and goes in one region, and is silenced in another."""
    severity = ALARMS[code].severity.value
    rule = alerts()[name_of(code)]
    when = f"{datetime.fromtimestamp(SINCE, UTC):%Y-%m-%d %H:%M:%S} +0000 UTC"

    def alarm(series: str, region: str) -> str:
        place = f'load_balancer="lb",service="pool",region="{region}"'
        return f'{series}{{{TARGET},code="{code}",severity="{severity}",{place}}}'

    labels = {
        "job": "spillway",
        "instance": "a",
        "code": code,
        "severity": severity,
        "load_balancer": "lb",
        "service": "pool",
        "region": "us-east4",
    }
    what = rule["annotations"]["summary"].partition("{{ end }}: ")[2].partition(", since")[0]
    told = {**rule["annotations"], "summary": f"pool in us-east4: {what}, since {when}"}
    firing = {"exp_labels": labels, "exp_annotations": told}
    return {
        "interval": "1m",
        "input_series": [
            {"series": alarm("spillway_alarm", "us-east4"), "values": f"_x5 {SINCE}x5 stale"},
            {"series": alarm("spillway_alarm", "europe-west4"), "values": f"{SINCE}x20"},
            {"series": alarm("spillway_alarm_silenced", "europe-west4"), "values": f"{SINCE + 3600}x20"},
        ],
        "alert_rule_test": [
            {"alertname": name_of(code), "eval_time": at, "exp_alerts": expected}
            for at, expected in (("4m", []), ("8m", [firing]), ("15m", []))
        ],
    }

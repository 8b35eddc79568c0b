"""Writes `config/prometheus/alarms.yml` from the table of alarms: `python -m tests.kit.alarm_rules`, part of `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from spillway.core.explain.reasons import ALARMS
from spillway.core.explain.templates import AlarmTemplate
from spillway.core.values.alarms import Severity

FILE = Path(__file__).resolve().parents[2] / "config" / "prometheus" / "alarms.yml"
DOCS = "https://spillway.example"
"""Stands for the place of docs/ in every rule; operators replace it."""

TOLD = (Severity.PAGE, Severity.TICKET)
"""Severities that have a rule: a note needs nobody."""

_HEAD = """# Alerts on what the daemon has found: one for each alarm of severity page and ticket, unless an operator has silenced it.
# Made by `make docs` from the table of alarms; do not edit.
# They have no `for`: the daemon itself waits until an alarm is worth telling (docs/runbook.md).
# Replace https://spillway.example by the place of your copy of docs/ (docs/prometheus.md).

"""

_WHERE = "{{ or $labels.service $labels.load_balancer }}{{ with $labels.region }} in {{ . }}{{ end }}"


def name_of(code: str) -> str:
    """The name of the alert of an alarm: `region-dead` is `SpillwayRegionDead`."""
    return "Spillway" + "".join(word.capitalize() for word in _words(code))


def _words(code: str) -> list[str]:
    return code.removesuffix("-alarm").split("-")


def _rule(row: AlarmTemplate) -> dict[str, object]:
    what = " ".join("SLO" if word == "slo" else word for word in _words(row.code))
    same = f'code="{row.code}",severity="{row.severity.value}"'
    return {
        "alert": name_of(row.code),
        "expr": f"spillway_alarm{{{same}}} unless spillway_alarm_silenced{{{same}}}",
        "labels": {"severity": row.severity.value},
        "annotations": {
            "summary": f"{_WHERE}: {what}, since {{{{ $value | humanizeTimestamp }}}}",
            "description": f"Whom it hurts: {row.hurts} What Spillway does: {row.does}",
            "runbook_url": f"{DOCS}/runbook.md#{row.code}",
        },
    }


def render() -> str:
    """The text of the file."""
    groups = [
        {
            "name": f"spillway-alarms-{severity.value}",
            "rules": [_rule(row) for row in ALARMS.values() if row.severity is severity],
        }
        for severity in TOLD
    ]
    return _HEAD + yaml.safe_dump({"groups": groups}, sort_keys=False, width=140, allow_unicode=True)


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"wrote {FILE.relative_to(FILE.parents[2])}\n")

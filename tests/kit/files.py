"""The files of the kit, and the queries in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "config" / "prometheus"
GRAFANA = ROOT / "config" / "grafana"
RULE_FILES = ("rules.yml", "alerts.yml", "alarms.yml")

NAME = re.compile(r"\b(?:service:)?spillway_[a-z0-9_]+(?::[a-z0-9]+)?\b")
"""Names of metrics and of recorded series."""

VALUES = {
    "datasource": "prometheus",
    "__rate_interval": "5m",
    "__interval": "1m",
    "__range": "1h",
    "service": ".*",
    "region": ".*",
    "instance": ".*",
}
"""What Grafana puts in the place of each variable, for queries without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A query and where it stands."""

    where: str
    expr: str
    legend: str = ""


@cache
def rules() -> list[dict[str, Any]]:
    """All rules of the kit."""
    found: list[dict[str, Any]] = []
    for name in RULE_FILES:
        document = yaml.safe_load((PROMETHEUS / name).read_text(encoding="utf-8"))
        found += [rule for group in document["groups"] for rule in group["rules"]]
    return found


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@cache
def dashboards() -> dict[str, dict[str, Any]]:
    """The dashboards, by the name of their file."""
    return {
        file.name: json.loads(file.read_text(encoding="utf-8")) for file in sorted(GRAFANA.glob("*.json"))
    }


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels of a dashboard, without the headings of its rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Named]:
    """Every query of rules, panels, variables and annotations, as it stands there."""
    for rule in rules():
        yield Named(where=rule.get("alert") or rule["record"], expr=rule["expr"])
    for file, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                legend = target["legendFormat"]
                yield Named(where=f"{file}: {panel['title']}", expr=target["expr"], legend=legend)
        for mark in dashboard["annotations"]["list"]:
            legend = mark["titleFormat"] + mark["textFormat"]
            yield Named(where=f"{file}: {mark['name']}", expr=mark["expr"], legend=legend)
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                selector = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
                assert selector is not None, variable["definition"]
                yield Named(
                    where=f"{file}: ${variable['name']}",
                    expr=selector[1],
                    legend="{{" + selector[2] + "}}",
                )


def filled(expr: str) -> str:
    """A query with the variables of Grafana filled in."""
    return re.sub(r"\$(\w+)", lambda found: VALUES[found[1]], expr)

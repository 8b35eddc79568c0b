"""Parts of Grafana dashboards as plain dictionaries (schema: grafana/grafana, kinds/dashboard/dashboard_kind.cue)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
"""Chosen at the top of each dashboard."""

GREEN, BLUE, YELLOW, ORANGE, RED, PURPLE, GREY = (
    "green", "blue", "yellow", "orange", "red", "purple", "#808080",
)  # fmt: skip

COLUMNS = 24
"""Of Grafana's grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of a panel."""

    expr: str
    legend: str = ""
    instant: bool = False
    """True for the value at the end of the range alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel, without its place."""

    title: str
    description: str
    kind: str
    """Grafana's name of the type."""
    unit: str
    """Grafana's name of the unit."""
    queries: tuple[Query, ...]
    width: int = 12
    height: int = 8
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Beside the unit, in `fieldConfig.defaults`."""
    overrides: tuple[Json, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    transformations: tuple[Json, ...] = ()

    def place(self, number: int, x: int, y: int) -> Json:
        """The panel in the grid."""
        made: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {
                "defaults": {"unit": self.unit, **self.defaults},
                "overrides": list(self.overrides),
            },
            "options": dict(self.options),
            "targets": [
                _target(query, ref, self.kind) for ref, query in zip("ABCDEFGH", self.queries, strict=False)
            ],
        }
        return made | ({"transformations": list(self.transformations)} if self.transformations else {})


def _target(query: Query, ref: str, kind: str) -> Json:
    return {
        "refId": ref,
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": query.instant,
        "range": not query.instant,
        "format": "table" if kind == "table" else "time_series",
    }


def steps(*points: tuple[float | None, str]) -> Json:
    """Colours from these values on; the first has none."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in points]}


def lines(
    title: str, description: str, unit: str, *queries: Query, limits: Json | None = None, **more: Any
) -> Panel:
    """Curves over time."""
    custom: Json = {"lineWidth": 1, "fillOpacity": 6, "showPoints": "never", "spanNulls": False}
    defaults: Json = {"color": {"mode": "palette-classic"}}
    if not more.pop("below_zero", False):
        defaults["min"] = 0
    if limits is not None:
        custom["thresholdsStyle"] = {"mode": "dashed"}
        defaults["thresholds"] = limits
    return Panel(
        title=title,
        description=description,
        kind="timeseries",
        unit=unit,
        queries=queries,
        defaults={**defaults, "custom": custom, **more.pop("defaults", {})},
        options={
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"], "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        **more,
    )  # fmt: skip


def stat(title: str, description: str, unit: str, query: Query, limits: Json, **more: Any) -> Panel:
    """One large number."""
    return Panel(
        title=title,
        description=description,
        kind="stat",
        unit=unit,
        queries=(query,),
        defaults={"thresholds": limits, "color": {"mode": "thresholds"}, **more.pop("defaults", {})},
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background",
            "graphMode": "none",
            "textMode": "auto",
            "justifyMode": "auto",
        },
        width=more.pop("width", 4),
        height=more.pop("height", 4),
        **more,
    )


def timeline(
    title: str, description: str, query: Query, words: Sequence[tuple[str, str]], **more: Any
) -> Panel:
    """Words over time, each with its colour; the value is the place of the word."""
    mapping = {str(n): {"text": word, "color": color, "index": n} for n, (word, color) in enumerate(words)}
    return Panel(
        title=title,
        description=description,
        kind="state-timeline",
        unit="none",
        queries=(query,),
        defaults={
            "mappings": [{"type": "value", "options": mapping}],
            "color": {"mode": "thresholds"},
            "thresholds": steps((None, GREY)),
            "custom": {"lineWidth": 0, "fillOpacity": 80},
        },
        options={
            "showValue": "auto",
            "mergeValues": True,
            "rowHeight": 0.85,
            "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "single"},
        },
        width=more.pop("width", COLUMNS),
        **more,
    )


def table(
    title: str, description: str, query: Query, unit: str, names: Mapping[str, str], **more: Any
) -> Panel:
    """A table with the labels that `names` names, in its order; all others are left out."""
    left_out = ["Time", "__name__", "job", *more.pop("hidden", ())]
    return Panel(
        title=title,
        description=description,
        kind="table",
        unit="none",
        queries=(query,),
        defaults={"custom": {"align": "auto", "filterable": True}},
        overrides=(
            {
                "matcher": {"id": "byName", "options": names["Value"]},
                "properties": [{"id": "unit", "value": unit}],
            },
            *more.pop("overrides", ()),
        ),
        options={"showHeader": True, "cellHeight": "sm"},
        transformations=(
            {
                "id": "organize",
                "options": {
                    "excludeByName": dict.fromkeys(left_out, True),
                    "indexByName": {name: n for n, name in enumerate(names)},
                    "renameByName": dict(names),
                },
            },
        ),
        width=more.pop("width", COLUMNS),
        **more,
    )


def by_word(metric: str, label: str, words: Sequence[tuple[str, str]], where: str) -> str:
    """A query whose value is the place of the word that the region has."""
    parts = [f'{n} * {metric}{{{label}="{word}", {where}}}' for n, (word, _) in enumerate(words)]
    return f"max by (service, region) ({' or '.join(parts)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A row of the dashboard with its panels, laid out from left to right."""

    title: str
    panels: tuple[Panel, ...]


def dashboard(
    uid: str,
    title: str,
    description: str,
    sections: Iterable[Section],
    *,
    variables: Sequence[Json],
    annotations: Sequence[Json] = (),
) -> Json:
    """A whole dashboard."""
    panels: list[Json] = []
    number, y = 1, 0
    for section in sections:
        panels.append(
            {"id": number, "type": "row", "title": section.title, "collapsed": False, "panels": [],
             "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y}}
        )  # fmt: skip
        number, y, x, high = number + 1, y + 1, 0, 0
        for panel in section.panels:
            if x + panel.width > COLUMNS:
                x, y, high = 0, y + high, 0
            panels.append(panel.place(number, x, y))
            number, x, high = number + 1, x + panel.width, max(high, panel.height)
        y += high
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["spillway"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": 36,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {},
        "links": [
            {"title": "Spillway", "type": "dashboards", "tags": ["spillway"], "asDropdown": False, "icon": "external link",
             "includeVars": True, "keepTime": True, "targetBlank": False, "tooltip": "", "url": ""}
        ],
        "annotations": {"list": list(annotations)},
        "templating": {"list": [_datasource(), *variables]},
        "panels": panels,
    }  # fmt: skip


def _datasource() -> Json:
    return {
        "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
        "hide": 0, "refresh": 1, "regex": "", "multi": False, "includeAll": False, "current": {}, "options": [],
    }  # fmt: skip


def variable(name: str, label: str, query: str) -> Json:
    """A choice among the values of a label; all of them by default."""
    return {
        "name": name, "label": label, "type": "query", "datasource": SOURCE,
        "query": {"query": query, "refId": f"variable-{name}"}, "definition": query,
        "hide": 0, "refresh": 2, "regex": "", "sort": 1, "multi": True, "includeAll": True, "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]}, "options": [],
    }  # fmt: skip


def annotation(name: str, expr: str, color: str, title: str, text: str) -> Json:
    """Marks on every panel."""
    return {
        "name": name, "datasource": SOURCE, "enable": True, "hide": False, "iconColor": color,
        "expr": expr, "step": "60s", "titleFormat": title, "textFormat": text, "tagKeys": "service,region",
        "useValueForTime": False,
    }  # fmt: skip

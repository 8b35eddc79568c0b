"""An exporter over reports with made-up numbers, asked over real HTTP on loopback."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families as parse_text
from tests.exporter import example_report as example

from spillway.adapters.exporter import Exporter
from spillway.adapters.reads import Reads
from spillway.adapters.status_document import About
from spillway.core.values.alarms import ActiveAlarm, Silence
from spillway.core.values.orders import Orders
from spillway.core.values.policy import Policy

ABOUT = About(
    name="spillway", project="demo-project", cloud="sandbox", engine="embedded", speed=60.0, tick=60.0
)


class Scene:
    """An exporter, and what it asks for."""

    def __init__(self, listen: str = "127.0.0.1:0", journal: Path | None = None) -> None:
        self.health = (True, "ok: finished tick 1 s ago")
        self.now = example.AT + 41 * 60 + 30.0
        self.fleet = example.fleet()
        self.alarms: tuple[ActiveAlarm, ...] = ()
        self.silences: tuple[Silence, ...] = ()
        self.orders = Orders(items=(example.ORDER,))
        self.exporter = Exporter(
            listen,
            ABOUT,
            fleet=lambda: self.fleet,
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
            orders=lambda: self.orders,
            alarms=lambda: self.alarms,
            silences=lambda: self.silences,
            journal=journal,
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


def labels(**pairs: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs.items()))

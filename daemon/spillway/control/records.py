"""The journal's records: one for each pass, one for each intent, one for each start and reload.

Values stay values here; the journal's adapter turns dataclasses into JSON.
A tick's record holds what the core was given and what it gave back, so that `explain` and `replay` need nothing else.
Minutes of traffic are written once, by the first record that saw them: a window of fifteen overlapping minutes
would make every record fifteen times as large.
"""

from __future__ import annotations

from typing import Any

from spillway.control.report import TickReport
from spillway.core.overlay import Overlay
from spillway.core.result import Plan
from spillway.core.snapshot import (
    Minute,
    Missing,
    Seen,
    ServiceView,
    Snapshot,
)


class MinutesSeen:
    """Remembers which minutes are in the journal already; bounded by the windows of the newest snapshot."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, str], frozenset[float]] = {}
        self._bounds: dict[tuple[float, ...], int] = {}

    def begin(self) -> None:
        """A new record: it names the bucket bounds that it uses itself."""
        self._bounds = {}

    def bounds(self) -> list[list[float]]:
        """Bucket bounds used in this record; minutes name them by their place here."""
        return [list(bounds) for bounds in self._bounds]

    def fresh(self, service: str, region: str, minutes: tuple[Minute, ...]) -> list[Any]:
        """Those of `minutes` that no record has yet, as plain values."""
        known = self._ends.get((service, region), frozenset())
        self._ends[service, region] = frozenset(minute.end for minute in minutes)
        return [self._minute(minute) for minute in minutes if minute.end not in known]

    def _minute(self, minute: Minute) -> dict[str, Any]:
        """A minute; of its distribution only the buckets that are not empty, as [index, count]."""
        latency = minute.latency
        return {
            "end": minute.end,
            "ok": minute.ok,
            "client_error": minute.client_error,
            "too_many": minute.too_many,
            "server_error": minute.server_error,
            "latency": None
            if latency is None
            else {
                "mean": latency.mean,
                "bounds": self._bounds.setdefault(latency.bounds, len(self._bounds)),
                "counts": [[i, count] for i, count in enumerate(latency.counts) if count],
            },
        }


def overlay_record(overlay: Overlay) -> dict[str, Any]:
    """What is wanted, by service and region: [member, scaler, preference]."""
    return {
        s.service: {
            "posture": s.posture.value,
            "backends": {b.region: [b.member, b.scaler, b.preference.value] for b in s.backends},
        }
        for s in overlay.services
    }


def _traffic(seen: MinutesSeen, service: str, region: str, value: Seen[tuple[Minute, ...]] | Missing) -> Any:
    if isinstance(value, Missing):
        return value
    return {"age": value.age, "evidence": value.evidence, "minutes": seen.fresh(service, region, value.value)}


def _service(seen: MinutesSeen, view: ServiceView) -> dict[str, Any]:
    return {
        "policy": view.policy,
        "places": view.places,
        "unassigned": _traffic(seen, view.service, "", view.unassigned),
        "backends": {
            backend.region: {
                "observed": backend.observed,
                "health": backend.health,
                "traffic": _traffic(seen, view.service, backend.region, backend.traffic),
            }
            for backend in view.backends
        },
    }


def snapshot_record(seen: MinutesSeen, snapshot: Snapshot) -> dict[str, Any]:
    """What was observed, with ages and evidence."""
    seen.begin()
    services = {view.service: _service(seen, view) for view in snapshot.services}
    return {
        "at": snapshot.at,
        "lag": snapshot.lag,
        "problems": list(snapshot.problems),
        "bounds": seen.bounds(),
        "services": services,
    }


def pass_record(seen: MinutesSeen, report: TickReport, before: Overlay, plan: Plan) -> dict[str, Any]:
    """One tick or health pass: inputs, what was wanted, what guards left, what became of it."""
    return {
        "kind": report.kind.value,
        "tick": report.number,
        "at": report.at,
        "sentence": report.sentence,
        "durations": dict(report.durations),
        "inputs": snapshot_record(seen, report.snapshot),
        "overlay": overlay_record(before),
        "assessments": report.assessments,
        "modes": dict(report.modes),
        "moves": report.moves,
        "advice": report.advice,
        "refusals": report.refusals,
        "verdicts": report.verdicts,
        "alarms": report.alarms,
        "plan": None if plan.empty else overlay_record(plan.overlay),
        "applied": report.applied,
    }


def intent_record(number: int, at: float, plan: Plan) -> dict[str, Any]:
    """What is about to be written."""
    return {
        "kind": "intent",
        "tick": number,
        "at": at,
        "moves": plan.moves,
        "overlay": overlay_record(plan.overlay),
    }


def event_record(kind: str, at: float, sentence: str, **details: object) -> dict[str, Any]:
    """A start, a provisioning, a reload, a stop."""
    return {
        "kind": kind,
        "at": at,
        "sentence": sentence,
        **details,
    }

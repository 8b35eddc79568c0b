"""What the daemon shows: the last report, the decisions before it, and the /status document made of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import islice
from math import isfinite
from typing import Any

from spillway import __version__
from spillway.control.answered import Answered
from spillway.control.decisions import Stories, decision
from spillway.control.records import told_record
from spillway.control.report import Pass, TickReport
from spillway.control.savings import METHOD, Saving
from spillway.core.estimate.answers import burn
from spillway.core.values.alarms import ActiveAlarm, Silence
from spillway.core.values.decision import BackendAssessment, ServiceAssessment
from spillway.core.values.drift import DriftReport
from spillway.core.values.orders import Orders
from spillway.core.values.policy import Policy

SCHEMA = 1
"""Version of /status; raised when a field changes its meaning or disappears."""

DECISIONS = 60
"""Passes that are remembered for the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What does not change while the daemon runs."""

    name: str
    project: str
    cloud: str
    engine: str
    speed: float
    """The world's seconds in one real second; 1 in production."""
    tick: float
    """The world's seconds between ticks."""


class StatusDocument:
    """Keeps what the exporter shows. Written by the thread of the loop, read by the thread of the web server.

    Args:
        about: the daemon's fixed facts.
        policies: policy of each service, by service name, as it is in force now.
        now: the world's UTC seconds.
        orders: operators' orders in force now.
        alarms: those that are up now, the most urgent first.
        silences: operators' silences in force now.
    """

    def __init__(
        self,
        about: About,
        *,
        policies: Callable[[], Mapping[str, Policy]],
        now: Callable[[], float],
        orders: Callable[[], Orders],
        alarms: Callable[[], tuple[ActiveAlarm, ...]] = tuple,
        silences: Callable[[], tuple[Silence, ...]] = tuple,
    ) -> None:
        self.about = about
        self._policies = policies
        self._now = now
        self._orders = orders
        self.alarms = alarms
        self.silences = silences
        self._lock = threading.Lock()
        self._last: TickReport | None = None
        self._ticked_at = 0.0
        self._stories = Stories()
        self._decisions: deque[dict[str, Any]] = deque(maxlen=DECISIONS)

    def report(self, report: TickReport) -> None:
        """Take in one finished pass."""
        with self._lock:
            self._last = report
            if report.kind is Pass.TICK:
                self._ticked_at = report.at
            self._remember(report)

    def recall(self, earlier: Iterable[dict[str, Any]]) -> None:
        """Put the decisions of an earlier process, newest first, behind those of this one, as far as there is room."""
        with self._lock:
            self._decisions.extend(islice(earlier, DECISIONS - len(self._decisions)))

    def last(self) -> TickReport | None:
        """The last report, or None before the first."""
        with self._lock:
            return self._last

    def ticked_at(self) -> float:
        """The world's UTC time of the last finished tick; 0 before the first."""
        with self._lock:
            return self._ticked_at

    def status(self, *, ready: bool, healthy: bool, missed: int) -> dict[str, Any]:
        """The document of /status; docs/http.md explains its fields."""
        with self._lock:
            last, decisions = self._last, list(self._decisions)
        about, alarms = self.about, self.alarms()
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "version": __version__,
            "name": about.name,
            "project": about.project,
            "cloud": about.cloud,
            "engine": about.engine,
            "speed": about.speed,
            "tick_seconds": about.tick,
            "now": self._now(),
            "ready": ready,
            "healthy": healthy,
            "missed_ticks": missed,
            "tick": 0,
            "at": None,
            "sentence": "Starting: the first tick is not done yet.",
            "address": None,
            "outputs": {},
            "alarms": [plain(alarm) for alarm in alarms],
            "silences": [plain(silence) for silence in self.silences()],
            "orders": [plain(order) for order in self._orders().items],
            "problems": [],
            "services": [],
            "drift": [],
            "kept": [],
            "held": [],
            "certificates": [],
            "certificate_waits": [],
            "certificate_step": "",
            "parts_at": None,
            "decisions": decisions,
        }
        if last is None:
            return document
        policies = self._policies()
        modes = dict(last.modes)
        answered = {each.service: each for each in last.figures.answered}
        savings = {each.service: each for each in last.figures.savings.services}
        return document | {
            "tick": last.number,
            "at": last.at,
            "sentence": last.sentence,
            "address": last.address,
            "outputs": dict(last.outputs),
            "problems": list(last.snapshot.problems) + _unread(last.drift),
            **_beside(last.drift),
            "services": [
                _service(s, policies.get(s.service), str(modes.get(s.service, "observe")), alarms)
                | {"calendar": _calendar(policies.get(s.service), document["now"])}
                | _quality(answered.get(s.service), policies.get(s.service))
                | {"estimate": _estimate(savings.get(s.service), str(modes.get(s.service, "observe")))}
                for s in last.assessments
            ],
        }

    def _remember(self, report: TickReport) -> None:
        """Keep what a person would want to read again; quiet passes that say the same in other numbers are one entry."""
        told = plain(told_record(report))
        if self._stories.repeats(told) and self._decisions:
            newest = self._decisions[0]
            fresh = {"sentence": report.sentence, "last_at": report.at, "times": newest["times"] + 1}
            self._decisions[0] = {**newest, **fresh}
            return
        self._decisions.appendleft(decision(told))


def _unread(report: DriftReport | None) -> list[str]:
    return [] if report is None else list(report.problems)


def _beside(report: DriftReport | None) -> dict[str, Any]:
    """What stands beside the configuration, by the last look; nothing before the first."""
    if report is None:
        return {}
    return {
        "drift": [plain(drift) for drift in report.drifts],
        "kept": [plain(kept) for kept in report.kept],
        "held": [plain(held) for held in report.held],
        "certificates": [plain(certificate) for certificate in report.certificates],
        "certificate_waits": [plain(wait) for wait in report.waits],
        "certificate_step": report.certificate_step,
        "parts_at": report.at,
    }


def _service(
    assessment: ServiceAssessment, policy: Policy | None, mode: str, alarms: tuple[ActiveAlarm, ...]
) -> dict[str, Any]:
    """One service of /status: the assessment, the mode, the promise it is measured by, and its alarms that are up."""
    fields: dict[str, Any] = plain(assessment)
    slo = plain(policy.slo) if policy is not None else None
    own = [plain(alarm) for alarm in alarms if alarm.service == assessment.service]
    return {**fields, "alarms": own, "mode": mode, "slo": slo}


def _calendar(policy: Policy | None, now: float) -> list[dict[str, Any]]:
    """Freezes and planned work of a service that are in force now."""
    windows = (*policy.freezes, *policy.planned) if policy is not None else ()
    return [plain(window) for window in windows if window.start <= now < window.end]


def _quality(answered: Answered | None, policy: Policy | None) -> dict[str, Any]:
    """What users of a service got in the judged minutes."""
    if answered is None or policy is None or answered.recent.total <= 0.0:
        return {"bad_share": None, "burn": None}
    rates = burn(answered.recent, policy.slo)
    return {
        "bad_share": answered.recent.bad / answered.recent.total,
        "burn": None if rates is None else rates._asdict(),
    }


def _estimate(saving: Saving | None, mode: str) -> dict[str, Any] | None:
    """What acting has saved of a service by the model, and what its advice would have; None before the first tick."""
    if saving is None:
        return None
    return {
        "since": saving.since,
        "saved_requests": round(saving.saved),
        "advised_requests": round(saving.advised),
        "mode": mode,
        "method": METHOD,
    }


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def plain(value: Any) -> Any:
    """Dataclasses and assessments of backends as objects, enums as their values, tuples as lists; a number that is not finite as null.

    Raises:
        TypeError: something that has no JSON.
    """
    if value is None or isinstance(value, str | int):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, BackendAssessment):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in _names(type(value))}
    raise TypeError(f"{type(value).__name__} has no JSON")

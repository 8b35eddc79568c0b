"""The journal's records: one for each pass, one for each intent, one for each start and reload.

Values stay values here; the journal's adapter turns dataclasses and enumerations into JSON.
A tick's record holds what the core was given and what it gave back, so that `explain` and `replay` need nothing else;
docs/journal.md describes it. The controller's memory is large and follows from the inputs: it stands in records in which
something was decided, and in one an hour, together with fleet and policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from spillway.control.answered import Answered
from spillway.control.inputs import MinutesSeen, snapshot_record
from spillway.control.report import TickReport
from spillway.core.values.decision import BackendAssessment, Plan, Refusal, ServiceAssessment
from spillway.core.values.orders import Orders
from spillway.core.values.overlay import Overlay
from spillway.core.values.policy import Policy
from spillway.core.values.state import ControllerMemory
from spillway.core.values.topology import Fleet

BACKEND = BackendAssessment._fields
"""What the values of a backend's assessment are, in their order."""
_SERVICE = tuple(each.name for each in fields(ServiceAssessment) if each.name != "backends")


CHECKPOINT_SECONDS = 3600.0
"""The world's seconds between two records that hold everything that a replay begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the core was given beside the snapshot."""

    overlay: Overlay
    orders: Orders = field(default_factory=Orders)
    """Those in force."""
    edit_told: bool = False
    memory: ControllerMemory | None = None
    """None where the record need not hold it."""
    fleet: Fleet | None = None
    policies: Mapping[str, Policy] | None = None


def overlay_record(overlay: Overlay) -> dict[str, Any]:
    """What is wanted, by service and region: [member, scaler, preference]."""
    return {
        s.service: {
            "posture": s.posture,
            "backends": {b.region: (b.member, b.scaler, b.preference) for b in s.backends},
        }
        for s in overlay.services
    }


def assessments_record(
    assessments: tuple[ServiceAssessment, ...], answered: tuple[Answered, ...] = ()
) -> dict[str, Any]:
    """What the core believes: each service's fields, what its users got, and its backends as rows of values under `columns`."""
    recent = {each.service: each.recent for each in answered if each.recent.total > 0.0}
    bad_share = {service: answers.bad / answers.total for service, answers in recent.items()}
    return {
        "columns": BACKEND,
        "services": [
            {
                **{name: getattr(a, name) for name in _SERVICE},
                "bad_share": bad_share.get(a.service),
                "backends": [tuple(b) for b in a.backends],
            }
            for a in assessments
        ],
    }


def told_record(report: TickReport) -> dict[str, Any]:
    """What a pass says about itself: what was decided and refused, and what became of it."""
    return {
        "kind": report.kind.value,
        "tick": report.number,
        "at": report.at,
        "sentence": report.sentence,
        "durations": dict(report.durations),
        "modes": dict(report.modes),
        "candidates": report.candidates,
        "moves": report.moves,
        "advice": report.advice,
        "refusals": [_refusal(refusal) for refusal in report.refusals],
        "verdicts": report.verdicts,
        "alarms": report.alarms,
        "raised": report.news.raised,
        "ended": report.news.ended,
        "applied": report.applied,
    }


def pass_record(seen: MinutesSeen, report: TickReport, given: Given, plan: Plan) -> dict[str, Any]:
    """One tick or health pass: inputs, what was observed and believed, what was decided and refused, what became of it."""
    return {
        **told_record(report),
        "inputs": snapshot_record(seen, report.snapshot),
        "overlay": overlay_record(given.overlay),
        "orders": given.orders,
        "edit_told": given.edit_told,
        "memory": given.memory,
        "fleet": given.fleet,
        "policies": given.policies,
        "assessments": assessments_record(report.assessments, report.figures.answered),
        "plan": None if plan.empty else overlay_record(plan.overlay),
    }


def _refusal(refusal: Refusal) -> dict[str, Any]:
    """A refusal as the journal has it, with the limit under `guard`."""
    return {
        "guard": refusal.limit,
        "move": refusal.move,
        "sentence": refusal.sentence,
        "ordered": refusal.ordered,
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

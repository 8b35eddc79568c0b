"""What the two entrances give back."""

from __future__ import annotations

from dataclasses import dataclass

from spillway.core.values.decision import Move, Plan, Reason, Refusal, ServiceAssessment, Verdict
from spillway.core.values.overlay import Overlay
from spillway.core.values.state import ControllerMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What deciding for one service looked at, in shares of bad requests: for the journal."""

    service: str
    bad_now: float
    bad_best: float
    name: str
    second: str
    second_bad: float
    least: float
    """Share of bad requests that no set of ceilings gets below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """One step: what the core thinks, what it wants, what is left of that, and one sentence about it."""

    assessment: tuple[ServiceAssessment, ...]
    wanted: tuple[Move, ...]
    """All moves before the guards."""
    advice: tuple[Move, ...]
    """Moves that passed the guards of services whose mode only observes or recommends."""
    refusals: tuple[Refusal, ...]
    plan: Plan
    """What is to be written now; `plan.overlay` is the overlay to go on with once that is done."""
    overlay: Overlay
    """The overlay to go on with if nothing is written: edits from outside are taken over in it."""
    memory: ControllerMemory
    verdicts: tuple[Verdict, ...]
    alarms: tuple[Reason, ...]
    sentence: str
    candidates: tuple[Candidate, ...] = ()


def tell(plan: Plan, advice: tuple[Move, ...], refusals: tuple[Refusal, ...], quiet: str, mode: str) -> str:
    """One sentence: what is done and why, or why nothing is."""
    if plan.moves:
        return "; ".join(line(m) for m in plan.moves)
    if advice:
        return f"nothing done, because the mode is {mode}; advice: " + "; ".join(line(m) for m in advice)
    gone = [r for r in refusals if r.narrowed_to is None]
    if gone:
        more = f" (and {len(gone) - 1} more)" if len(gone) > 1 else ""
        first = gone[0]
        move = first.move
        return f"nothing done, because {first.sentence}{more}; wanted: {_where(move)} {move.lever} {move.before} -> {move.after}"
    return f"nothing done, because {quiet}"


def line(move: Move) -> str:
    """One move and its reason."""
    return f"{_where(move)} {move.lever} {move.before} -> {move.after}: {move.reason.sentence}"


def _where(move: Move) -> str:
    return f"{move.service}/{move.region}" if move.region else move.service

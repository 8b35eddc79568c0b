"""One sentence about a step: what is done and why, or why nothing is."""

from __future__ import annotations

from spillway.core.estimate.backend import is_known
from spillway.core.explain.assessment import failing
from spillway.core.explain.reasons import reason
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Candidate, Move, Plan, Refusal


def tell(plan: Plan, advice: tuple[Move, ...], refusals: tuple[Refusal, ...], quiet: str, mode: str) -> str:
    """One sentence: what is done and why, or why nothing is."""
    if plan.moves:
        return "; ".join(line(m) for m in plan.moves)
    if advice:
        return f"nothing done, because the mode is {mode}; advice: " + "; ".join(line(m) for m in advice)
    if refusals:
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        first = refusals[0]
        move = first.move
        return f"nothing done, because {first.sentence}{more}; wanted: {_where(move)} {move.lever} {move.before} -> {move.after}"
    return f"nothing done, because {quiet}"


def line(move: Move) -> str:
    """One move and its reason."""
    return f"{_where(move)} {move.lever} {move.before} -> {move.after}: {move.reason.sentence}"


def _where(move: Move) -> str:
    return f"{move.service}/{move.region}" if move.region else move.service


def quiet_reason(model: ServiceModel, candidate: Candidate | None) -> str:
    """Why nothing is proposed for a service."""
    traffic = model.traffic
    if traffic.forecast <= 0.0:
        return reason("no-data").sentence
    if candidate is not None:
        numbers = {"bad": candidate.bad_now, "best": candidate.bad_best, "least": candidate.least}
        return reason("no-better", **numbers).sentence
    if model.memory.flights:
        count = len(model.memory.flights)
        return reason("in-flight", moves="1 move is" if count == 1 else f"{count} moves are").sentence
    headroom = f"{traffic.potential / traffic.forecast - 1.0:.0%}"
    members = sum(r.member for r in traffic.regions)
    sick = failing(model.facts, model.policy.slo)
    if sick is not None:
        return sick.sentence
    well = sum(is_known(f) and f.serving and not f.dead for f in model.facts)
    if not well:
        return reason("no-data").sentence
    which = f"all {members}" if well == members else f"{well} of {members}"
    who = "its one region is" if members == 1 else f"{which} regions are"
    return reason("all-well", regions=who, headroom=headroom).sentence

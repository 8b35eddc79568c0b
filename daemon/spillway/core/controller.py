"""The entrances of the core: `step`, `health_step` and `confirm`. Values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from spillway.core.bookkeeping import account
from spillway.core.holds import Holds
from spillway.core.memory import ControllerMemory, Flight, ServiceMemory, fresh
from spillway.core.neighbours import Neighbours
from spillway.core.outcome import StepResult, tell
from spillway.core.overlay import Overlay
from spillway.core.passage import Part, passage
from spillway.core.plan import ordered
from spillway.core.policy import Mode, Policy
from spillway.core.result import Lever, Move, Plan
from spillway.core.snapshot import Snapshot
from spillway.core.topology import Fleet
from spillway.core.wishes import Change

__all__ = ["StepResult", "confirm", "fresh", "health_step", "step"]


def step(
    fleet: Fleet,
    policies: Mapping[str, Policy],
    snapshot: Snapshot,
    overlay: Overlay,
    memory: ControllerMemory,
    holds: Holds = Holds(),  # noqa: B008 - a frozen value
) -> StepResult:
    """One full pass: assess every service, decide, guard and plan.

    Args:
        fleet: All services, as configured.
        policies: By name; every service's `policy` must be among them.
        snapshot: What was observed.
        overlay: What the daemon wants at present.
        memory: As the last step (and `confirm`) gave it back.
        holds: Operators' commands; expired ones are ignored.

    Raises:
        KeyError: a policy or a service is missing from what was given.
    """
    return _run(fleet, policies, snapshot, overlay, memory, holds.active(snapshot.at), only_dead=False)


def health_step(
    fleet: Fleet,
    policies: Mapping[str, Policy],
    snapshot: Snapshot,
    overlay: Overlay,
    memory: ControllerMemory,
    holds: Holds = Holds(),  # noqa: B008 - a frozen value
) -> StepResult:
    """The fast pass: it may only drain dead regions that Google's auto-drain leaves in service.

    Same arguments as `step`; the snapshot needs listing and health alone.

    Raises:
        KeyError: a policy or a service is missing from what was given.
    """
    return _run(fleet, policies, snapshot, overlay, memory, holds.active(snapshot.at), only_dead=True)


def _run(
    fleet: Fleet,
    policies: Mapping[str, Policy],
    snapshot: Snapshot,
    overlay: Overlay,
    memory: ControllerMemory,
    holds: Holds,
    *,
    only_dead: bool,
) -> StepResult:
    neighbours = Neighbours(fleet, None if only_dead else snapshot, memory)
    views = {v.service: v for v in snapshot.services}
    settings = {s.service: s for s in overlay.services}
    memories = {s.service: s for s in memory.services}
    parts: list[tuple[Part, Policy]] = []
    for service in sorted(fleet.services, key=lambda s: s.name):
        view = views.get(service.name)
        if view is None:
            continue
        policy = policies[service.policy]
        part = passage(
            service,
            policy,
            view,
            settings[service.name],
            memories.get(service.name) or ServiceMemory(service=service.name),
            snapshot.at,
            holds,
            neighbours,
            only_dead=only_dead,
        )
        neighbours.expect(part.memory)
        parts.append((part, policy))
    return _assemble(parts, overlay, memory)


def _assemble(parts: list[tuple[Part, Policy]], overlay: Overlay, memory: ControllerMemory) -> StepResult:
    written: list[Change] = []
    advised: list[Change] = []
    modes: set[str] = set()
    settings = {s.service: s for s in overlay.services}
    afters = dict(settings)
    for part, policy in parts:
        settings[part.setting.service] = afters[part.setting.service] = part.setting
        if policy.mode is Mode.ACT:
            afters[part.after.service] = part.after
            written.extend(part.changes)
        else:
            advised.extend(part.changes)
            modes.add(policy.mode.value)
    plan = Plan(
        overlay=Overlay(services=tuple(afters.values())), moves=tuple(c.move() for c in ordered(written))
    )
    advice = tuple(c.move() for c in ordered(advised))
    refusals = tuple(r for p, _ in parts for r in p.refusals)
    quiet = "; ".join(p.quiet if len(parts) == 1 else f"{p.assessment.service}: {p.quiet}" for p, _ in parts)
    known = {p.memory.service: p.memory for p, _ in parts}
    kept = {s.service: s for s in memory.services}
    services = tuple(sorted({**kept, **known}.values(), key=lambda s: s.service))
    return StepResult(
        assessment=tuple(p.assessment for p, _ in parts),
        wanted=tuple(c.move() for p, _ in parts for c in p.wanted),
        advice=advice,
        refusals=refusals,
        plan=plan,
        overlay=Overlay(services=tuple(settings.values())),
        memory=replace(memory, services=services),
        verdicts=tuple(v for p, _ in parts for v in p.verdicts),
        alarms=tuple(a for p, _ in parts for a in p.assessment.alarms),
        sentence=tell(
            plan, advice, refusals, quiet or "there is no data to judge by", "/".join(sorted(modes))
        ),
        candidates=tuple(p.candidate for p, _ in parts if p.candidate is not None),
    )


def confirm(memory: ControllerMemory, plan: Plan, outcome_done: bool, at: float) -> ControllerMemory:  # noqa: FBT001 - the contract with the loop
    """The memory after the write of `plan`.

    Args:
        memory: As `step` gave it back with this plan.
        plan: What was written.
        outcome_done: True if the write was carried out. Otherwise nothing is assumed: the next listing tells.
        at: UTC seconds of the write's end.
    """
    made = set(plan.moves)
    return replace(memory, services=tuple(_confirm(s, made, outcome_done, at) for s in memory.services))


def _confirm(memory: ServiceMemory, made: set[Move], done: bool, at: float) -> ServiceMemory:  # noqa: FBT001 - as above
    flights = tuple(replace(f, made_at=at) for f in memory.proposed if f.move in made)
    memory = replace(memory, proposed=())
    if not flights:
        return memory
    if not done:
        return replace(memory, unknown=(*memory.unknown, *flights))
    for flight in flights:
        memory = _make(memory, flight, at)
    counted = (at,) if any(not f.move.urgent for f in flights) else ()
    return replace(memory, flights=(*memory.flights, *flights), writes=(*memory.writes, *counted))


def _make(memory: ServiceMemory, flight: Flight, at: float) -> ServiceMemory:
    if flight.lever is Lever.POSTURE or flight.region is None:
        return replace(memory, posture_at=at, posture_wanted=None)
    ours = account(
        memory.backend(flight.region),
        member=flight.member,
        scaler=flight.after,
        at=at,
        hold=flight.hold,
        leaving=flight.leaving,
    )
    return memory.with_backend(ours)

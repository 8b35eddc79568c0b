"""Where an oracle's search begins: plans that no single step leads to, because draining one region fills the next.

Overfill is proportional to ceilings, so when all are full the ceilings are the shares of the load. A start is
therefore a wished load for each region, turned into ceilings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from spillway.core.values.topology import legal_scaler
from spillway.sim.baselines.levers import Key
from spillway.sim.baselines.trial import Plan, Trial

SHARES = (1.0, 0.97, 0.94, 0.9, 0.8)
"""Shares of the true capacity at which all regions are capped together."""

ILL = 0.05
"""Share of requests that fail by themselves from which a region counts as bad."""


class Truth:
    """What the regions can do and what is asked of them, at the moment of a trial."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        world = trial.world
        self.demand: dict[str, float] = {}
        for service, rate in zip(world.service_of(), world.demand().tolist(), strict=True):
            if service is not None:
                self.demand[service] = self.demand.get(service, 0.0) + rate
        self.able: dict[str, float] = {}
        """Good answers/s that a region can give for ever."""
        self.ill: dict[str, float] = {}
        """Share of requests that fail whatever the load."""
        for plant in world.setup.regions:
            state = world.state(plant.name)
            quick = min(1.0, sum(share for _, share in state.fast))
            self.ill[plant.name] = 1.0 - (1.0 - state.dead) * (1.0 - quick) * (1.0 - state.errors)
            able = state.capacity if state.dead < 1.0 else 0.0
            self.able[plant.name] = min(able, state.quota if state.quota is not None else able)
        self._users = _users(trial)

    def cap(self, key: Key, share: float) -> float:
        """Requests/s: this share of what the region can do, fairly shared among the services that use it."""
        service, region = key
        rivals = self._users.get(region, set()) | {service}
        total = sum(self.demand.get(s, 0.0) for s in rivals)
        part = self.demand.get(service, 0.0) / total if total > 0 else 1.0 / len(rivals)
        return share * self.able[region] * part


def _users(trial: Trial) -> dict[str, set[str]]:
    users: dict[str, set[str]] = {}
    for (service, region), scaler in trial.leave.scalers.items():
        if scaler > 0:
            users.setdefault(region, set()).add(service)
    return users


def starts(trial: Trial) -> Iterator[Plan]:
    """All starts, the likeliest first."""
    truth = Truth(trial)
    home, leave = trial.levers.home, trial.leave.scalers
    everywhere = dict.fromkeys(home, 1.0)
    yield Plan(scalers=home, postures={})
    opens = {k: (k in leave and leave[k] > 0) or s > 0 for k, s in home.items()}
    for members in (opens, dict.fromkeys(home, True)):
        for share in SHARES:
            yield _capped(trial, truth, members, share)
        well = {k: open_ and truth.ill[k[1]] < ILL for k, open_ in members.items()}
        if well != members:
            yield from (_capped(trial, truth, well, share) for share in (1.0, 0.94))
            yield _plan(trial, {k: 1.0 if w else 0.0 for k, w in well.items()})
        for region in sorted({k[1] for k in home}):
            yield _closed(trial, truth, members, region)
            yield _given_up(trial, truth, members, region, 0.94)
        if all(opens.values()):
            return
        yield _plan(trial, everywhere)


def _capped(trial: Trial, truth: Truth, members: Mapping[Key, bool], share: float) -> Plan:
    """Every open region at a share of what it can do."""
    return _plan(
        trial,
        {k: truth.cap(k, share) / trial.levers.targets[k] if open_ else 0.0 for k, open_ in members.items()},
    )


def _closed(trial: Trial, truth: Truth, members: Mapping[Key, bool], region: str) -> Plan:
    """One region closed, the others capped at what they can do."""
    return _capped(trial, truth, {k: open_ and k[1] != region for k, open_ in members.items()}, 1.0)


def _given_up(trial: Trial, truth: Truth, members: Mapping[Key, bool], region: str, share: float) -> Plan:
    """One region takes all that the others, kept whole, cannot: overload in one place instead of everywhere."""
    loads: dict[Key, float] = {}
    for service in {k[0] for k in members}:
        mine = [k for k in members if k[0] == service and members[k]]
        if (service, region) not in mine:
            loads |= {k: truth.cap(k, share) for k in mine}
            continue
        rest = [k for k in mine if k[1] != region]
        loads |= {k: truth.cap(k, share) for k in rest}
        left = truth.demand.get(service, 0.0) - sum(loads[k] for k in rest)
        loads[service, region] = max(left, truth.cap((service, region), share))
    top = {s: max(1.0, *(loads[k] / trial.levers.targets[k] for k in loads if k[0] == s)) for s, _ in loads}
    return _plan(
        trial,
        {k: loads[k] / trial.levers.targets[k] / top[k[0]] if k in loads else 0.0 for k in members},
    )


def _plan(trial: Trial, scalers: Mapping[Key, float]) -> Plan:
    """Legal scalers; a service of which nothing would be open keeps what it has."""
    legal = {k: legal_scaler(min(1.0, v)) for k, v in scalers.items()}
    for service in {k[0] for k in legal}:
        keys = [k for k in legal if k[0] == service]
        if all(legal[k] == 0.0 for k in keys):
            legal |= {k: trial.leave.scalers[k] for k in keys}
    return Plan(scalers=legal, postures={})


__all__ = ["ILL", "SHARES", "Truth", "starts"]

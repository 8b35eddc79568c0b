"""A tiny fluid plant for closed-loop tests: regions with slots and a queue, Google's waterfall, late eyes and hands."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import erf, exp, log, sqrt

from spillway.core.estimate.failover import posture_set
from spillway.core.loop import StepResult, confirm, fresh, health_step, step
from spillway.core.values.histogram import Distribution
from spillway.core.values.overlay import Overlay, Posture, ServiceSetting, initial_overlay
from spillway.core.values.policy import Mode, Policy
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    HealthCount,
    Minute,
    Missing,
    ObservedBackend,
    ObservedPolicy,
    PlaceDemand,
    Seen,
    ServiceView,
    Snapshot,
)
from spillway.core.values.state import ControllerMemory
from spillway.core.values.topology import Backend, BalancingMode, Fleet, GroupKey, Preference, Service, Target

BOUNDS = tuple(0.05 * 1.15**i for i in range(60))
PERIOD = 60
STEP = 10
SERVICE = "pool"
MEDIAN, SIGMA = 0.9, log(2.2 / 0.9) / 1.645
MEAN = MEDIAN * exp(SIGMA * SIGMA / 2)

Factor = Callable[[float], float]


def one(_: float) -> float:
    return 1.0


@dataclass(kw_only=True)
class Zone:
    """One region of the plant. Factors are functions of the time in seconds."""

    name: str
    latitude: float
    longitude: float
    target: float
    capacity: float
    endpoints: int = 10
    standby: bool = False
    cost: float = 1.0
    slow: Factor = one
    working: Factor = one
    healthy: Factor = one
    errors: Factor = field(default=lambda _: 0.0)
    refused: Factor = field(default=lambda _: 0.0)
    quota: Factor = field(default=lambda _: 1e9)
    blind: Factor = field(default=lambda _: 0.0)
    queue: float = 0.0
    sums: list[float] = field(default_factory=lambda: [0.0] * 6)
    minutes: list[Minute] = field(default_factory=list)


@dataclass(kw_only=True)
class Client:
    place: str
    latitude: float
    longitude: float
    rate: Factor


class Plant:
    """Zones and clients in steps of ten seconds; `observe` and `write` are what the controller gets of it."""

    def __init__(
        self,
        zones: list[Zone],
        clients: list[Client],
        *,
        seed: int = 1,
        noise: float = 0.03,
        propagation: float = 90.0,
        write_time: float = 20.0,
        lag: float = 210.0,
        auto_drain: bool = True,
    ) -> None:
        self.zones, self.clients = zones, clients
        self.chance = random.Random(seed)
        self.noise, self.propagation, self.write_time, self.lag = noise, propagation, write_time, lag
        self.auto_drain = auto_drain
        self.now = 0.0
        self.scalers = {z.name: 0.0 if z.standby else 1.0 for z in zones}
        self.members = {z.name: not z.standby for z in zones}
        self.listed = (dict(self.scalers), dict(self.members))
        self.policy, self.posture = Policy(), Posture.NORMAL
        self.pending: list[tuple[float, dict[str, float], dict[str, bool]]] = []
        self.bad = self.total = 0.0
        self.bad_by_minute: list[float] = []
        self.places: dict[tuple[str, str], float] = {}
        self.place_minutes: list[dict[tuple[str, str], float]] = []
        self.jitter = [1.0] * len(clients)
        self.loads: dict[str, float] = {}

    def fleet(self, **backend_changes: object) -> Fleet:
        del backend_changes
        return Fleet(
            services=(
                Service(
                    name=SERVICE,
                    resource=SERVICE,
                    policy="default",
                    backends=tuple(
                        Backend(
                            service=SERVICE,
                            region=z.name,
                            groups=(GroupKey(name=f"{z.name}-g", scope=f"{z.name}-a"),),
                            target=Target(mode=BalancingMode.RATE, per_endpoint=z.target / z.endpoints),
                            cost=z.cost,
                            standby=z.standby,
                            latitude=z.latitude,
                            longitude=z.longitude,
                        )
                        for z in sorted(self.zones, key=lambda z: z.name)
                    ),
                ),
            )
        )

    def _ceilings(self) -> dict[str, float]:
        found = {}
        for z in self.zones:
            health = z.healthy(self.now)
            factor = 0.0 if self.auto_drain and health < 0.25 else min(1.0, health / 0.7)
            found[z.name] = self.scalers[z.name] * z.target * factor if self.members[z.name] else 0.0
        return found

    def _route(self) -> dict[str, float]:
        ceilings = self._ceilings()
        rates = [c.rate(self.now) * j for c, j in zip(self.clients, self.jitter, strict=True)]
        total, room = sum(rates), sum(ceilings.values())
        if room <= 0:
            return {}
        if total > room:
            ceilings = {k: v * total / room for k, v in ceilings.items()}
        loads = dict.fromkeys(ceilings, 0.0)
        for rank in range(len(self.zones)):
            for i, client in enumerate(self.clients):
                order = sorted(
                    self.zones,
                    key=lambda z: (z.latitude - client.latitude) ** 2 + (z.longitude - client.longitude) ** 2,
                )
                name = order[rank].name
                taken = min(rates[i], max(0.0, ceilings[name] - loads[name]))
                rates[i] -= taken
                loads[name] += taken
                if taken:
                    key = (client.place, name)
                    self.places[key] = self.places.get(key, 0.0) + taken * STEP
        return loads

    def advance(self) -> None:
        """One step of ten seconds."""
        for item in [p for p in self.pending if p[0] <= self.now]:
            self.scalers, self.members = item[1], item[2]
            self.pending.remove(item)
        if self.now % PERIOD == 0:
            self.jitter = [max(0.0, 1 + self.noise * self.chance.gauss(0, 1)) for _ in self.clients]
        loads = self._route()
        arrived = sum(c.rate(self.now) * j for c, j in zip(self.clients, self.jitter, strict=True)) * STEP
        lost = arrived - sum(loads.values()) * STEP
        self.total += arrived
        self.bad += lost
        for z in self.zones:
            self.bad += self._serve(z, loads.get(z.name, 0.0))
        self.loads = loads
        self.now += STEP
        if self.now % PERIOD == 0:
            self._close_minute()

    def _serve(self, z: Zone, load: float) -> float:
        """Serve one step; returns the bad requests."""
        arriving = load * STEP
        if z.healthy(self.now) <= 0.0:
            z.sums[3] += arriving + z.queue
            lost, z.queue = arriving + z.queue, 0.0
            return lost
        refused = max(0.0, load - z.quota(self.now)) * STEP
        refused += (arriving - refused) * z.refused(self.now)
        work = arriving - refused
        factor = z.slow(self.now)
        capacity = z.capacity * z.working(self.now) * z.healthy(self.now) / factor * STEP
        z.queue += work
        done = min(z.queue, capacity)
        wait = (z.queue - done) / max(capacity, 1e-9) * STEP
        z.queue -= done
        timed_out = max(0.0, z.queue - 28.0 * capacity / STEP)
        z.queue -= timed_out
        failed = done * z.errors(self.now)
        ok = done - failed
        slow = ok * (1 - _cdf((4.0 - wait) / factor))
        s = z.sums
        s[0] += ok
        s[1] += refused
        s[3] += failed + timed_out
        s[4] += ok * wait
        s[5] += ok * factor
        return refused + failed + timed_out + slow

    def _close_minute(self) -> None:
        for z in self.zones:
            ok, refused, _, failed, waits, factors = z.sums
            spread = None
            if ok >= 1:
                wait, factor = waits / ok, factors / ok
                shares = [_cdf((b - wait) / factor) for b in BOUNDS]
                counts = [
                    shares[0],
                    *(b - a for a, b in pairwise(shares)),
                    1 - shares[-1],
                ]
                spread = Distribution(
                    bounds=BOUNDS, counts=tuple(max(0.0, c) * ok for c in counts), mean=wait + MEAN * factor
                )
            if ok + refused + failed >= 1:
                z.minutes.append(
                    Minute(
                        end=self.now,
                        ok=ok,
                        client_error=0.0,
                        too_many=refused,
                        server_error=failed,
                        latency=spread,
                    )
                )
            z.sums = [0.0] * 6
        self.place_minutes.append(self.places)
        self.places = {}
        self.bad_by_minute.append(self.bad)

    def write(self, setting: ServiceSetting) -> None:
        """Tell the balancer; it shows in the listing at once and acts later."""
        scalers = {b.region: b.scaler for b in setting.backends}
        members = {b.region: b.member for b in setting.backends}
        self.listed, self.posture = (scalers, members), setting.posture
        self.pending.append((self.now + self.write_time + self.propagation, scalers, members))

    def observe(self) -> Snapshot:
        """What Cloud Monitoring would show by now."""
        return Snapshot(
            at=self.now,
            lag=self.lag,
            services=(
                ServiceView(
                    service=SERVICE,
                    backends=tuple(self._view(z) for z in sorted(self.zones, key=lambda z: z.name)),
                    policy=self._policy(),
                    places=self._places(),
                    unassigned=Missing(absence=Absence.NO_SERIES),
                ),
            ),
        )

    def _policy(self) -> Seen[ObservedPolicy]:
        settings = posture_set(self.policy, self.posture)
        found = ObservedPolicy(failover_threshold=settings.failover_threshold, auto_drain=settings.auto_drain)
        return Seen(value=found, age=1.0, evidence=1)

    def _places(self) -> Seen[tuple[PlaceDemand, ...]] | Missing:
        seen = [m for i, m in enumerate(self.place_minutes) if (i + 1) * PERIOD <= self.now - self.lag][-3:]
        if not seen:
            return Missing(absence=Absence.NO_SERIES)
        keys = sorted({k for m in seen for k in m})
        rows = tuple(
            PlaceDemand(place=p, region=r, rate=sum(m.get((p, r), 0.0) for m in seen) / (PERIOD * len(seen)))
            for p, r in keys
        )
        return Seen(value=rows, age=self.now - PERIOD * ((self.now - self.lag) // PERIOD), evidence=len(rows))

    def _view(self, z: Zone) -> BackendView:
        scalers, members = self.listed
        shown = tuple(m for m in z.minutes if self.now - 900 <= m.end <= self.now - self.lag)
        healthy = round(z.healthy(self.now) * z.endpoints)
        member = members[z.name]
        return BackendView(
            region=z.name,
            observed=Seen(
                value=ObservedBackend(
                    member=member, scaler=scalers[z.name], mixed=False, preference=Preference.DEFAULT
                ),
                age=1.0,
                evidence=1,
            ),
            health=Seen(value=HealthCount(healthy=healthy, total=z.endpoints), age=1.0, evidence=z.endpoints)
            if member
            else Missing(absence=Absence.NOT_MEMBER),
            traffic=Seen(value=shown, age=self.now - shown[-1].end, evidence=int(sum(m.total for m in shown)))
            if shown and not z.blind(self.now)
            else Missing(absence=Absence.NO_SERIES),
        )


def _cdf(seconds: float) -> float:
    if seconds <= 0.0:
        return 0.0
    return 0.5 * (1 + erf(log(seconds / MEDIAN) / (SIGMA * sqrt(2))))


@dataclass(kw_only=True)
class Run:
    """A closed-loop run: what was done when, and what became of the requests."""

    plant: Plant
    results: list[tuple[float, StepResult]] = field(default_factory=list)
    overlay: Overlay | None = None
    memory: ControllerMemory = field(default_factory=fresh)

    @property
    def moves(self) -> list[tuple[float, str]]:
        return [
            (at, f"{m.region or 'all'} {m.lever.value} {m.before}->{m.after} [{m.reason.code}]")
            for at, r in self.results
            for m in r.plan.moves
        ]

    def scaler_path(self, region: str) -> list[float]:
        return [
            float(m.after)
            for _, r in self.results
            for m in r.plan.moves
            if m.region == region and m.after != "detached"
        ]


def drive(
    plant: Plant,
    seconds: float,
    policy: Policy | None = None,
    *,
    write: Callable[[float], bool] = lambda _: True,
    hooks: Mapping[float, Callable[[Run], None]] | None = None,
) -> Run:
    """Run the loop: a tick each minute, a health pass each quarter of it."""
    policies = {"default": policy or Policy(mode=Mode.ACT)}
    plant.policy = policies["default"]
    fleet = plant.fleet()
    run = Run(plant=plant, overlay=initial_overlay(fleet))
    while plant.now < seconds:
        if hooks and plant.now in hooks:
            hooks[plant.now](run)
        if plant.now % 60 == 0 or plant.now % 20 == 0:
            act = step if plant.now % 60 == 0 else health_step
            assert run.overlay is not None
            result = act(fleet, policies, plant.observe(), run.overlay, run.memory)
            run.overlay, run.memory = result.overlay, result.memory
            if act is step or result.plan.moves:
                run.results.append((plant.now, result))
            if result.plan.moves:
                done = write(plant.now)
                if done:
                    plant.write(result.plan.overlay.service(SERVICE))
                    run.overlay = result.plan.overlay
                run.memory = confirm(run.memory, result.plan, done, plant.now)
        plant.advance()
    return run


def settled(run: Run, **changes: object) -> Run:
    """A copy with fields replaced; for tests that tamper with a run."""
    return replace(run, **changes)  # type: ignore[arg-type]

"""Ports without a cloud: eyes, hands, clock, journal and store that a test drives step by step."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

from spillway.adapters.journal.rows import encode
from spillway.control.memory import Keeper, Kept, dump
from spillway.control.tick import Loop, Parts
from spillway.control.timing import Progress
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.overlay import Overlay, initial_overlay
from spillway.core.values.policy import Drift, Mode, Policy, Postures, PostureSet
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    HealthCount,
    Minute,
    Missing,
    ObservedBackend,
    ObservedPolicy,
    Seen,
    ServiceView,
    Snapshot,
)
from spillway.core.values.topology import Backend, BalancingMode, Fleet, GroupKey, Service, Target
from spillway.errors import TemporaryError
from spillway.ports import Applied, Clock, Outcome, Preview

REGIONS = ("asia-east1", "europe-west4", "us-east4")
START = 1_795_000_000.0


class Crash(BaseException):
    """The process is gone: nothing may catch it."""


def fleet(services: tuple[str, ...] = ("pool",), regions: tuple[str, ...] = REGIONS) -> Fleet:
    """Services with one group of ten endpoints in every region."""
    return Fleet(
        services=tuple(
            Service(
                name=name,
                resource=f"spillway-{name}",
                policy="default",
                backends=tuple(
                    Backend(
                        service=name,
                        region=region,
                        groups=(GroupKey(name=f"neg-{region}", scope=f"{region}-a"),),
                        target=Target(mode=BalancingMode.RATE, per_endpoint=20.0),
                    )
                    for region in regions
                ),
            )
            for name in services
        )
    )


class FakeClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class FakeCloud:
    """What Google would have: an overlay, and health; it is eyes and hands at once."""

    kind = "fake"

    def __init__(self, clock: Clock, starting: Overlay) -> None:
        self.clock = clock
        self.overlay = starting
        self.healthy = dict.fromkeys(REGIONS, 10)
        self.rate = 20.0
        self.readable = True
        self.built = True
        """False where the backend services do not exist."""
        self.auto_drain = True
        self.silent_since = inf
        """UTC seconds from which on there are no samples, although the query succeeds."""
        self.mute: frozenset[str] = frozenset()
        """Regions without series."""
        self.refused: tuple[tuple[str, str], ...] = ()
        """Services that the next writes leave out."""
        self.applied: list[Overlay] = []
        self.recovered = 0
        self.outcomes: list[Outcome] = []
        self.edits = 0
        """Counted in the fingerprint: every edit gives another one."""
        self.lie: Callable[[Snapshot], Snapshot] = _as_it_is
        """What the listing makes of the truth."""
        self.looks = 0
        self.carried_out = True
        """Whether a write of an outcome that is not good changes the cloud all the same."""
        self.before_write: Callable[[], None] = _nothing
        self.after_write: Callable[[], None] = _nothing

    def preview(self, overlay: Overlay) -> Preview:
        return Preview(changes=(), same=1)

    def build(self, overlay: Overlay) -> Applied:
        return self.apply(overlay)

    def apply(self, overlay: Overlay) -> Applied:
        self.before_write()
        self.applied.append(overlay)
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.DONE
        if outcome in {Outcome.DONE, Outcome.UNCHANGED} or (
            self.carried_out and outcome is not Outcome.CONFLICT
        ):
            left = dict(self.refused)
            for setting in overlay.services:
                if setting.service not in left:
                    self.overlay = self.overlay.with_service(setting)
            self.built = True
            self.edits += 1
        self.after_write()
        return Applied(
            outcome=outcome,
            sentence=f"it ended {outcome.value}",
            outputs=(("load_balancer_ip", "203.0.113.7"),),
            engine_processes=1,
            engine_seconds=0.4,
            foreign_edit=outcome is Outcome.CONFLICT,
            refused=self.refused,
        )

    def edit(self, region: str, scaler: float, *, member: bool = True) -> None:
        """Somebody else sets a region of the first service."""
        setting = self.overlay.services[0]
        changed = replace(setting.backend(region), member=member, scaler=scaler)
        self.overlay = self.overlay.with_service(setting.with_backend(changed))
        self.edits += 1

    def destroy(self) -> Applied:
        return Applied(outcome=Outcome.DONE, sentence="gone")

    def recover(self) -> str | None:
        self.recovered += 1
        return None

    def outputs(self) -> dict[str, str]:
        return {}

    def observe(self) -> Snapshot:
        self.looks += 1
        return self.lie(self._snapshot(traffic=True))

    def observe_health(self) -> Snapshot:
        return self.lie(self._snapshot(traffic=False))

    def _snapshot(self, *, traffic: bool) -> Snapshot:
        failed = Missing(absence=Absence.QUERY_FAILED, detail="no answer")
        services = []
        for setting in self.overlay.services:
            views = tuple(
                BackendView(
                    region=b.region,
                    observed=Missing(absence=Absence.NOT_BUILT)
                    if not self.built
                    else Seen(
                        value=ObservedBackend(
                            member=b.member, scaler=b.scaler, mixed=False, preference=b.preference
                        ),
                        age=1.0,
                        evidence=1,
                    )
                    if self.readable
                    else failed,
                    health=Seen(
                        value=HealthCount(healthy=self.healthy[b.region], total=10),
                        age=1.0,
                        evidence=10,
                    )
                    if self.readable
                    else failed,
                    traffic=Missing(absence=Absence.NOT_ASKED)
                    if not traffic
                    else Missing(absence=Absence.NO_SERIES)
                    if b.region in self.mute
                    else Seen(value=self._minutes(), age=230.0, evidence=int(self.rate * 180))
                    if self.readable
                    else failed,
                )
                for b in setting.backends
            )
            services.append(
                ServiceView(
                    service=setting.service,
                    backends=views,
                    policy=Seen(
                        value=ObservedPolicy(failover_threshold=70, auto_drain=self.auto_drain),
                        age=1.0,
                        evidence=1,
                    ),
                    places=failed,
                    unassigned=Missing(absence=Absence.NO_SERIES),
                    fingerprint=f"{setting.service}-{self.edits}",
                )
            )
        return Snapshot(at=self.clock.now(), lag=270.0, services=tuple(services))

    def _minutes(self) -> tuple[Minute, ...]:
        newest = min((self.clock.now() - 220.0) // 60.0 * 60.0, self.silent_since // 60.0 * 60.0)
        return tuple(
            Minute(
                end=newest - 60.0 * back,
                ok=self.rate * 60.0,
                client_error=0.0,
                too_many=0.0,
                server_error=0.0,
                latency=None,
            )
            for back in reversed(range(8))
        )


class FakeJournal:
    """Records as they would come back from the disk."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.full = False

    def append(self, record: dict[str, Any]) -> None:
        if self.full:
            raise TemporaryError("no space left", remedy="Free some.")
        self.records.append(json.loads(encode(record)))

    def kinds(self) -> list[str]:
        return [record["kind"] for record in self.records]


class FakeStore:
    """A file that survives the loop."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.aside: list[bytes] = []
        self.full = False
        self.saves = 0

    def load(self) -> bytes | None:
        return self.content

    def save(self, content: bytes) -> None:
        if self.full:
            raise TemporaryError("no space left", remedy="Free some.")
        self.saves += 1
        self.content = content

    def set_aside(self) -> str:
        assert self.content is not None
        self.aside.append(self.content)
        self.content = None
        return "state.json.unreadable-1"


class Rig:
    """A loop over fakes; `restart` makes a new one over the same store and cloud."""

    def __init__(
        self,
        *,
        mode: Mode = Mode.ACT,
        services: tuple[str, ...] = ("pool",),
        digest: str = "one",
        auto_drain: bool = True,
        drift: Drift = Drift(),  # noqa: B008 - a frozen value
    ) -> None:
        self.clock = FakeClock()
        self.fleet = fleet(services)
        self.cloud = FakeCloud(self.clock, initial_overlay(self.fleet))
        self.cloud.auto_drain = auto_drain
        self.waits: list[float] = []
        self.journal = FakeJournal()
        self.store = FakeStore()
        normal = PostureSet(auto_drain=auto_drain)
        self.policy = Policy(
            mode=mode, drift=drift, postures=Postures(normal=normal, guarded=normal, scarce=normal)
        )
        self.digest = digest
        self.wall = 0.0
        self.restart()

    def parts(self, **changes: Any) -> Parts:
        made = Parts(
            fleet=self.fleet,
            policies={"default": self.policy},
            starting=initial_overlay(self.fleet),
            observer=self.cloud,
            deployer=self.cloud,
            digest=self.digest,
        )
        return replace(made, **changes)

    def restart(self) -> None:
        """A new process."""
        self.progress = Progress(lambda: self.wall, tick=60.0, write_limit=900.0)
        self.loop = Loop(
            self.parts(),
            journal=self.journal,
            keeper=Keeper(self.store),
            clock=self.clock,
            progress=self.progress,
            stopwatch=lambda: self.wall,
            wait=self._wait,
        )

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.later(seconds)

    def started(self, *holds: Order) -> Rig:
        """Restored and built, with operators' commands in force."""
        if holds:
            self.store.content = dump(Kept(holds=Orders(items=holds)))
        self.loop.restore()
        self.loop.provision()
        return self

    def later(self, seconds: float = 60.0) -> None:
        """Let time pass."""
        self.clock.at += seconds

    def scaler(self, region: str) -> float:
        """What the cloud has."""
        return self.cloud.overlay.service("pool").backend(region).scaler


def drain(region: str, *, until: float = START + 7200.0) -> Order:
    """An operator wants this region empty: the plainest reason for a write."""
    return Order(kind=OrderKind.DRAIN, at=START, until=until, reason="new kernel", region=region)


def _as_it_is(snapshot: Snapshot) -> Snapshot:
    """No lie."""
    return snapshot


def _nothing() -> None:
    """Nothing happens."""

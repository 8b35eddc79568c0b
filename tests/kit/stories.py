"""What goes wrong, and which alerts must fire for it. Each story is a run of the simulator with the daemon's own loop and exporter."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat
from multiprocessing import get_context

from tests.bench.library import FOLDER
from tests.kit.recording import Recording, exporter_of
from tests.kit.simulated import SimulatedDaemon

from spillway.adapters.stopped import Stopped
from spillway.control.report import TickReport
from spillway.core.explain.reasons import ALARMS
from spillway.core.values.alarms import Alarm
from spillway.core.values.drift import (
    CertificateState,
    CertificateWait,
    DriftReport,
    HeldPart,
    SettingDrift,
)
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.policy import CalendarWindow, Drift, DriftAnswer, Mode, Policy
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    HealthCount,
    Minute,
    Missing,
    Seen,
    ServiceView,
    Snapshot,
)
from spillway.ports import Outcome
from spillway.sim.control import ServiceControl
from spillway.sim.controller import Sight
from spillway.sim.run import Run
from spillway.sim.scenario_file import load_setup
from spillway.sim.setup import Setup

MINUTE, HOUR = 60.0, 3600.0

BEGINS = HOUR
"""Seconds after its start at which a fault begins that a test makes; before that all is quiet."""

TICK = 60.0

EPOCH = 1_795_000_020.0
"""UTC seconds at which every recording begins, whatever the time of the story: so all lie beside each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One story. `fires` names the alerts that it is for, `may` what else may come with it."""

    name: str
    world: str = "quiet"
    """A scenario of the library."""
    mode: Mode = Mode.ACT
    hours: float | None = 2.5
    """Duration; None for all of the scenario."""
    before: Callable[[SimulatedDaemon, float], bool] | None = None
    steering: Callable[[Policy, float], Policy] | None = None
    fires: frozenset[str]
    may: frozenset[str] = field(default_factory=frozenset)


# what the observer makes of the truth


def _services(snapshot: Snapshot, change: Callable[[ServiceView], ServiceView]) -> Snapshot:
    return replace(snapshot, services=tuple(change(view) for view in snapshot.services))


def _backends(change: Callable[[BackendView], BackendView]) -> Callable[[Snapshot], Snapshot]:
    """A lie about every backend."""

    def service(view: ServiceView) -> ServiceView:
        return replace(view, backends=tuple(change(backend) for backend in view.backends))

    return lambda snapshot: replace(_services(snapshot, service), columns={})


def lying(
    lie: Callable[[Snapshot], Snapshot], until: float = 10 * HOUR
) -> Callable[[SimulatedDaemon, float], bool]:
    """The observer lies from `BEGINS` on."""

    def before(daemon: SimulatedDaemon, elapsed: float) -> bool:
        daemon.world.lie = lie if BEGINS <= elapsed < until else _true
        return True

    return before


def _true(snapshot: Snapshot) -> Snapshot:
    return snapshot


def _no_traffic(absence: Absence) -> Callable[[Snapshot], Snapshot]:
    return _backends(lambda b: replace(b, traffic=Missing(absence=absence)))


_all_dead = _backends(
    lambda b: replace(b, health=Seen(value=HealthCount(healthy=0, total=12), age=1.0, evidence=12))
)
_unread = _backends(lambda b: replace(b, observed=Missing(absence=Absence.QUERY_FAILED, detail="no answer")))


def _closed(backend: BackendView) -> BackendView:
    if isinstance(backend.observed, Missing):
        return backend
    return replace(
        backend, observed=replace(backend.observed, value=backend.observed.value._replace(scaler=0.0))
    )


def _unassigned(snapshot: Snapshot) -> Snapshot:
    """A tenth of the requests reaches no backend."""
    newest = max(
        m.end
        for v in snapshot.services
        for b in v.backends
        if isinstance(b.traffic, Seen)
        for m in b.traffic.value
    )
    lost = tuple(
        Minute(end=newest - MINUTE * n, ok=0.0, client_error=0.0, too_many=0.0, server_error=600.0, latency=None)
        for n in reversed(range(3))
    )  # fmt: skip
    return _services(
        snapshot, lambda v: replace(v, unassigned=Seen(value=lost, age=snapshot.at - newest, evidence=1800))
    )


# what becomes of the daemon


def from_then_on(act: Callable[[SimulatedDaemon], None]) -> Callable[[SimulatedDaemon, float], bool]:
    """Something is done before each pass from `BEGINS` on."""

    def before(daemon: SimulatedDaemon, elapsed: float) -> bool:
        if elapsed >= BEGINS:
            act(daemon)
        return True

    return before


def _hang(daemon: SimulatedDaemon, elapsed: float) -> bool:
    return elapsed < BEGINS


def _late(daemon: SimulatedDaemon, elapsed: float) -> bool:
    """Every second tick does not happen."""
    if elapsed < BEGINS or int(elapsed // TICK) % 2:
        return True
    daemon.missed += 1
    return False


def _refuse(daemon: SimulatedDaemon) -> None:
    daemon.world.outcome = lambda _: Outcome.REFUSED


def _full(daemon: SimulatedDaemon) -> None:
    daemon.store.full = daemon.journal.full = True


def _parts(daemon: SimulatedDaemon) -> None:
    at = daemon.world.now()
    drift = SettingDrift(
        kind="backend service", name="lb-pool", field="timeoutSec", expected="30", found="3", since=at,
        answer=DriftAnswer.ALARM, service="pool",
    )  # fmt: skip
    daemon.drift = DriftReport(
        at=at,
        drifts=(
            drift,
            replace(drift, kind="forwarding rule", name="lb-http", field="", found="gone", service=None),
        ),
        held=(HeldPart(kind="backend service", name="lb-pool", service="pool", field="metadatas"),),
        certificates=(
            CertificateState(name="lb-old", status="ACTIVE", expires=at - HOUR),
            CertificateState(name="lb-soon", status="ACTIVE", expires=at + 3 * 86400.0),
            CertificateState(name="lb-new", status="PROVISIONING_FAILED", expires=None),
        ),
        waits=(
            CertificateWait(name="lb-next", since=at - 2 * 86400.0, limit=86400.0, missing="a DNS record"),
        ),
        parts=9,
    )


SAID = ("config-not-in-force", "writes-blocked", "pass-defect", "webhooks-lost", "unsafe-plan-alarm")
"""Alarms that the daemon raises about itself: they are raised as it raises them."""


def _say(daemon: SimulatedDaemon) -> None:
    for code in SAID:
        alarm = Alarm(code=code, severity=ALARMS[code].severity, sentence="as a test says")
        daemon.loop.alarms.set(alarm, daemon.world.now(), seconds=10 * MINUTE)


def ordered(*orders: Order) -> Callable[[SimulatedDaemon], None]:
    """Orders are in force."""

    def act(daemon: SimulatedDaemon) -> None:
        kept = daemon.loop.kept
        daemon.loop.keep_later(replace(kept, holds=Orders(items=orders)))

    return act


def _order(kind: OrderKind, region: str, scaler: float | None = None) -> Order:
    return Order(kind=kind, until=None, reason="a test", region=region, scaler=scaler, by="ana")


def _planned(policy: Policy, begun: float) -> Policy:
    window = CalendarWindow(
        start=begun + 2 * HOUR, end=begun + 3 * HOUR, reason="new switches", region="us-east4"
    )
    return replace(policy, planned=(window,))


def _asking(policy: Policy, begun: float) -> Policy:
    return replace(policy, drift=Drift(levers=DriftAnswer.ALARM))


def named(*words: str) -> frozenset[str]:
    """Alerts by the end of their names."""
    return frozenset(f"Spillway{word}" for word in words)


BURNS = named("ErrorBudgetBurnsFast", "ErrorBudgetBurnsSlowly")

TROUBLE = BURNS | named("SloMissed", "NoSurvival", "Shortage")
"""What may come with every fault that users feel."""

STORIES = (
    Story(name="quiet", hours=3.0, fires=frozenset()),
    Story(name="errors", world="fast-failures-that-look-healthy", mode=Mode.OBSERVE, hours=4.0, fires=BURNS | named("SloMissed", "NoSurvival"), may=TROUBLE),
    Story(name="slow", world="region-slow", mode=Mode.OBSERVE, hours=None, fires=named("ErrorBudgetBurnsSlowly", "SloMissed"), may=TROUBLE),
    Story(name="dead", world="region-dead", hours=3.0, fires=named("RegionDead"), may=TROUBLE),
    Story(name="short", world="all-regions-short", hours=3.0, fires=named("Shortage", "SloMissed"), may=TROUBLE),
    Story(name="edited", world="outside-edit", hours=3.0, fires=named("OutsideEdit"), may=TROUBLE),
    Story(name="asked", world="outside-edit", hours=3.0, steering=_asking, fires=named("ForeignPin"), may=TROUBLE),
    Story(name="silent", before=lying(_no_traffic(Absence.NO_SERIES)), fires=named("SilentService"), may=named("Blind", "BlindLong", "Panic")),
    Story(name="blind", before=lying(_no_traffic(Absence.QUERY_FAILED)), fires=named("Blind", "BlindLong", "Panic")),
    Story(name="unassigned", before=lying(_unassigned), fires=named("Unassigned"), may=BURNS),
    Story(name="all-dead", before=lying(_all_dead), fires=named("AllRegionsDead", "RegionDead"), may=named("Shortage", "Panic")),
    Story(name="unreadable", before=lying(_unread), fires=named("CloudUnreadable")),
    Story(name="listing", before=lying(_backends(_closed)), fires=named("ListingPanic")),
    Story(name="refused", world="region-slow", hours=3.0, before=from_then_on(_refuse), fires=named("WritesFailing"), may=TROUBLE),
    Story(name="full", before=from_then_on(_full), fires=named("StateNotKept", "JournalNotWritten")),
    Story(
        name="parts", before=from_then_on(_parts),
        fires=named("PartGone", "SettingDrift", "PartHeld", "CertificateExpired", "CertificateExpires", "CertificateFailed", "CertificateWaits"),
    ),
    Story(name="said", before=from_then_on(_say), fires=named("ConfigNotInForce", "WritesBlocked", "PassDefect", "WebhooksLost", "UnsafePlan")),
    Story(
        name="pinned", world="region-slow", hours=3.0, before=from_then_on(ordered(_order(OrderKind.PIN, "us-east4", 1.0))),
        fires=named("PinInTheWay"), may=TROUBLE,
    ),
    Story(
        name="waiting", world="all-regions-short", hours=3.0, before=from_then_on(ordered(_order(OrderKind.DRAIN, "us-east4"))),
        fires=named("OrderWaits"), may=TROUBLE,
    ),
    Story(name="planned", world="all-regions-short", hours=3.0, steering=_planned, fires=named("PlannedLate"), may=TROUBLE),
    Story(name="hanging", before=_hang, fires=named("Stale")),
    Story(name="late", hours=3.0, before=_late, fires=named("TicksMissed")),
)  # fmt: skip
"""Beside these: a daemon that is gone, one that waits until somebody acts, and none at all (`without_loop`)."""


class _Recorded(SimulatedDaemon):
    """A simulated daemon that is scraped at every tick, also at those that it misses."""

    def __init__(self, story: Story, recording: Recording) -> None:
        super().__init__(story.mode, self._took, before=story.before, steering=story.steering)
        self._story, self._recording = story, recording
        self._exporter: object = None

    def initial(self, setup: Setup, controls: tuple[ServiceControl, ...], /) -> tuple[ServiceControl, ...]:
        first = super().initial(setup, controls)
        self.exporter = exporter_of(self)
        return first

    def tick(self, sight: Sight, /) -> tuple[ServiceControl, ...] | None:
        written = super().tick(sight)
        if self.world.sight is not None:
            self._recording.add(self.exporter.registry, self._story.name, EPOCH + self.elapsed(sight))
        return written

    def _took(self, report: TickReport) -> None:
        self.exporter.report(report)
        self.exporter.set_ready()


def record(name: str, names: frozenset[str]) -> Recording:
    """Run a story and take in every scrape of it; of the exporter's series those that are named."""
    (story,) = (story for story in STORIES if story.name == name)
    setup = load_setup(FOLDER / f"{story.world}.yaml")
    if story.hours is not None:
        shorter = min(setup.scenario.duration, story.hours * HOUR)
        setup = replace(setup, scenario=setup.scenario.model_copy(update={"duration": shorter}))
    recording = Recording(names)
    Run(setup, _Recorded(story, recording)).go()
    return recording


def recorded(names: frozenset[str]) -> Recording:
    """All stories, two at once."""
    whole = Recording(names)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=_be_quiet) as pool:
        for part in pool.map(record, [story.name for story in STORIES], repeat(names)):
            whole.merge(part)
    return whole


def _be_quiet() -> None:
    """In a process of its own: a story tells of its faults in every pass."""
    logging.disable(logging.ERROR)


def without_loop(recording: Recording) -> Iterable[tuple[str, str]]:
    """Daemons that run no loop, and the alert that each must fire."""
    start, end = recording.start, recording.end
    for at in _ticks(start, end):
        recording.up("gone", at, 1 if at < start + BEGINS else 0)
        recording.add(Stopped("as a test says").registry, "stopped", at)
    yield "gone", "SpillwayDown"
    yield "stopped", "SpillwayNotReady"


def _ticks(start: float, end: float) -> Iterator[float]:
    at = start
    while at <= end:
        yield at
        at += TICK

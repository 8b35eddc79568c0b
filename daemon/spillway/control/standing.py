"""What stands in the cloud, read before every build: it wins over what is remembered.

One reading is enough where it shows what is remembered. Where it shows something else, two that agree and are `LOOKS_APART`
seconds apart are needed, at most `LOOKS` in all; after a build that met an edit by somebody else one will do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from spillway.control.memory import Kept, fit, read_back
from spillway.core import between
from spillway.core.act.sightings import LOOKS_APART
from spillway.core.estimate.belief import IDLE
from spillway.core.values.decision import BackendState
from spillway.core.values.overlay import Overlay, ServiceSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Absence, BackendView, Missing, Seen, ServiceView, Snapshot
from spillway.core.values.state import ControllerMemory, ServiceMemory
from spillway.core.values.topology import RegionName, ServiceName
from spillway.errors import TemporaryError
from spillway.ports import Clock

LOOKS = 4
"""Readings at most: two that agree, and two more for somebody who is editing just now."""

_GRACE = 5.0
"""Wall seconds past the wanted ones after which a wait ends, for a clock that stands still."""

_NAP = 0.05
"""Wall seconds between looks at the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is to be built, and what is remembered with it."""

    overlay: Overlay
    """For every service and region of the configuration."""
    memory: ControllerMemory
    told: tuple[str, ...] = ()
    """Sentences for people: what somebody else has set, and what of the memory was not believed."""
    foreign: bool = False
    """Whether something was taken over that somebody else has set."""
    missing: bool = False
    """Whether some backend service does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the configuration says, and how each service is steered."""

    starting: Overlay
    policies: Mapping[ServiceName, Policy]
    """By service."""


def wait_on(clock: Clock) -> Callable[[float], None]:
    """A wait for a number of `clock`'s seconds; it ends `_GRACE` wall seconds after them at the latest."""

    def wait(seconds: float) -> None:
        until, latest = clock.monotonic() + seconds, time.monotonic() + seconds + _GRACE
        while clock.monotonic() < until and time.monotonic() < latest:
            time.sleep(_NAP)

    return wait


def what_stands(
    wanted: Wanted,
    kept: Kept,
    look: Callable[[], Snapshot],
    wait: Callable[[float], None],
    *,
    intended: Overlay | None = None,
    edit_told: bool = False,
    where: str = "state.json",
) -> Standing:
    """Read what stands, and take it over.

    Args:
        wanted: What the configuration says.
        kept: What is remembered.
        look: One reading, with listing, health and policies; with traffic it can tell that a closed region still answers.
        wait: Lets that many of the world's seconds pass.
        intended: What an open intent of ours was to leave; None where there is none.
        edit_told: True if a build was just refused because of an edit by somebody else: one reading is enough.
        where: The state file, as people find it.

    Raises:
        TemporaryError: the cloud cannot be read, says every time something else, or says what its traffic belies.
    """
    void = implausible(kept.overlay, wanted) if kept.overlay is not None else frozenset()
    told = [
        f"{where} leaves too few regions of {name} open, so it is not believed; what stands in the cloud counts"
        for name in sorted(void)
    ]
    # 1. readings until two agree, or one shows what is remembered
    shown = _readable(look())
    for left in reversed(range(LOOKS)):
        found = _taken(wanted, kept, void, shown, intended)
        if edit_told or (not void and found.overlay == _remembered(wanted, kept)) or _nothing_stands(shown):
            break
        if left == 0:
            raise TemporaryError(
                "the cloud shows other capacity scalers at every reading, so nobody knows what stands",
                remedy="Somebody is editing just now, or its answers cannot be trusted. It is tried again at the next start.",
            )
        wait(LOOKS_APART)
        before, shown = shown, _readable(look())
        if _shape(before) == _shape(shown):
            found = _taken(wanted, kept, void, shown, intended)
            break
    # 2. what closes everything must not be belied by traffic
    _refuse_belied(wanted, kept, void, shown)
    return replace(found, told=(*told, *found.told))


def implausible(overlay: Overlay, wanted: Wanted) -> frozenset[ServiceName]:
    """Services of which an overlay leaves fewer regions open than any decision may."""
    found = set()
    for setting in overlay.services:
        policy = wanted.policies.get(setting.service)
        if policy is None:
            continue
        most = _open(wanted.starting.service(setting.service))
        if _open(setting) < min(most, max(1, policy.floors.min_serving_regions)):
            found.add(setting.service)
    return frozenset(found)


def _open(setting: ServiceSetting) -> int:
    return sum(1 for b in setting.backends if b.member and b.scaler > 0.0)


def _remembered(wanted: Wanted, kept: Kept) -> Overlay:
    """What is remembered as wanted, for the services and regions of the configuration."""
    return fit(wanted.starting, kept.overlay)


def _readable(snapshot: Snapshot) -> Snapshot:
    """The snapshot, if it says of every backend what stands.

    Raises:
        TemporaryError: it does not.
    """
    for view in snapshot.services:
        for backend in view.backends:
            observed = backend.observed
            if isinstance(observed, Missing) and observed.absence is not Absence.NOT_BUILT:
                reasons = "; ".join(snapshot.problems) or "the listing of backend services failed"
                raise TemporaryError(
                    f"the cloud cannot be read, so nobody knows which regions are drained: {reasons}",
                    remedy="Building now could open a region that somebody closed. It is tried again at the next start.",
                )
    return snapshot


def _nothing_stands(snapshot: Snapshot) -> bool:
    """Whether no backend service exists yet, so that there is nothing to misread."""
    return all(isinstance(b.observed, Missing) for v in snapshot.services for b in v.backends)


def _shape(snapshot: Snapshot) -> object:
    """What two readings must agree in."""

    def of(view: ServiceView) -> object:
        policy = view.policy.value if isinstance(view.policy, Seen) else None
        return view.service, view.fingerprint, policy, tuple(_listed(b) for b in view.backends)

    return tuple(of(view) for view in snapshot.services)


def _listed(view: BackendView) -> object:
    return view.observed.value if isinstance(view.observed, Seen) else view.region


def _taken(
    wanted: Wanted,
    kept: Kept,
    void: frozenset[ServiceName],
    shown: Snapshot,
    intended: Overlay | None,
) -> Standing:
    """What stands by one reading; services without a memory that is believed are read back whole."""
    services = kept.overlay.services if kept.overlay is not None else ()
    believed = Overlay(services=tuple(s for s in services if s.service not in void))
    regions = {(s.service, b.region) for s in believed.services for b in s.backends}
    # 1. what is not remembered is as the cloud has it, and nobody's edit
    start = fit(wanted.starting, believed)
    fresh = _part(shown, lambda service, region: (service, region) not in regions)
    overlay = read_back(start, fresh, wanted.policies, kept.overlay) or start
    memory = replace(
        kept.memory,
        services=tuple(_unplaced(s) if s.service in void else s for s in kept.memory.services),
    )
    # 2. what is remembered and stands otherwise is somebody's
    known = _part(shown, lambda service, region: (service, region) in regions)
    overlay, memory, told = between.stand(wanted.policies, known, overlay, memory, intended)
    return Standing(
        overlay=overlay,
        memory=memory,
        missing=any(isinstance(b.observed, Missing) for v in shown.services for b in v.backends),
        told=tuple(f"{service}: {why.sentence}" for service, why in told),
        foreign=bool(told),
    )


def _part(snapshot: Snapshot, belongs: Callable[[ServiceName, RegionName], bool]) -> Snapshot:
    """The snapshot with those backends alone that belong to a part, and without services that have none."""
    views = [
        replace(v, backends=tuple(b for b in v.backends if belongs(v.service, b.region)))
        for v in snapshot.services
    ]
    return replace(snapshot, services=tuple(v for v in views if v.backends))


def _unplaced(memory: ServiceMemory) -> ServiceMemory:
    """The memory of a service whose remembered settings are not believed: what was learned of its regions stays."""
    backends = tuple(
        replace(b, state=BackendState.SERVING, member=None, scaler=None, leaving=False, pin=None)
        for b in memory.backends
    )
    return replace(memory, backends=backends, sighting=None, unknown=(), late=(), listed_fingerprint="")


def _refuse_belied(wanted: Wanted, kept: Kept, void: frozenset[ServiceName], shown: Snapshot) -> None:
    """Refuse a reading by which a whole service is closed that was open, and whose regions answer.

    Raises:
        TemporaryError: it does.
    """
    remembered = _remembered(wanted, kept)
    for view in shown.services:
        seen = [b.observed.value for b in view.backends if isinstance(b.observed, Seen)]
        if not seen or any(b.member and b.scaler > 0.0 for b in seen):
            continue
        was_open = view.service in void or _open(remembered.service(view.service)) > 0
        if was_open and any(_answers(b, wanted.policies[view.service]) for b in view.backends):
            raise TemporaryError(
                f"by the listing no region of {view.service} is open, and its regions answer requests",
                remedy="One of the two is wrong, so nothing is built. It is tried again at the next start.",
            )


def _answers(view: BackendView, policy: Policy) -> bool:
    """Whether the newest trusted minute of a backend has answers worth the name."""
    traffic = view.traffic
    if not isinstance(traffic, Seen) or not traffic.value:
        return False
    return traffic.value[-1].total > IDLE * policy.timing.sample_period

"""What survives the process: the overlay, the controller's memory, an open intent, and the outputs, in one file.

Losing it is safe. The overlay is then read back from the cloud, and the estimates are learned anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import msgspec
from pydantic import TypeAdapter, ValidationError

from spillway.control.alarms import KeptAlarm
from spillway.control.answered import Counted
from spillway.control.migrate import migrate
from spillway.control.savings import Savings
from spillway.core.values.alarms import Silence
from spillway.core.values.decision import Plan
from spillway.core.values.orders import Orders
from spillway.core.values.overlay import Overlay, ServiceSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Absence, Missing, Snapshot
from spillway.core.values.state import ControllerMemory, fresh
from spillway.core.values.topology import ServiceName, legal_scaler


class Store(Protocol):
    """A place for a few bytes that survive crashes."""

    def load(self) -> bytes | None:
        """What was saved last, or None.

        Raises:
            SpillwayError: it cannot be read.
        """
        ...

    def save(self, content: bytes) -> None:
        """Replace the content, durably and atomically.

        Raises:
            SpillwayError: it cannot be written; the old content stands.
        """
        ...

    def set_aside(self) -> str:
        """Move unreadable content out of the way; where to."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A plan that was about to be written. Found at a start, it means: the outcome is unknown."""

    plan: Plan
    at: float
    """UTC seconds of the decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """What `spillway undo` brings back."""

    orders: Orders
    """Those in force before the last order."""
    told: str
    """That order in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Everything that survives. `overlay` None means that nothing was ever written from this state folder."""

    version: Literal[3] = 3
    """Of the file. An older one is migrated; one that is newer than this program is set aside, not guessed at."""
    tick: int = 0
    saved_at: float = 0.0
    overlay: Overlay | None = None
    memory: ControllerMemory = field(default_factory=fresh)
    intent: Intent | None = None
    holds: Orders = field(default_factory=Orders)
    """Operators' orders in force."""
    undo: Undo | None = None
    order_number: int = 0
    """Of the newest order that was accepted."""
    outputs: tuple[tuple[str, str], ...] = ()
    provisioned: str = ""
    """Digest of the topology that was last built in full; empty where a build is due."""
    counted: tuple[Counted, ...] = ()
    """Up to which samples answers were counted."""
    savings: Savings = field(default_factory=Savings)
    alarms: tuple[KeptAlarm, ...] = ()
    """Those that are up or may come up."""
    silences: tuple[Silence, ...] = ()
    """Operators' silences in force."""


_ADAPTER = TypeAdapter(Kept)

_MOST_TICKS = 1 << 53
"""Beyond this number of a tick a reader of JSON may round; at one tick each second it takes 285 million years."""
_MOST_TOLD = 10
"""Parts that make no sense and are told one by one."""

_ITEMS: Mapping[tuple[str, ...], str] = {
    ("holds", "items"): "order",
    ("alarms",): "alarm",
    ("silences",): "silence",
    ("counted",): "count of answers",
}
"""Lists of which one item may be given up, and what an item is called."""
_PARTS: Mapping[str, str] = {
    "undo": "what `spillway undo` would bring back",
    "savings": "the sums of what acting has saved",
    "alarms": "the alarms",
    "silences": "the silences",
    "counted": "the counts of answers",
    "outputs": "the outputs",
    "saved_at": "the time of the file",
}
"""Parts that may be given up as a whole, and what they are called."""


def dump(kept: Kept) -> bytes:
    """The file's content."""
    return msgspec.json.encode(kept)


class Keeper:
    """Reads and writes what is kept.

    Args:
        store: where.
        name: the state file, as people find it.
    """

    def __init__(self, store: Store, name: str = "state.json") -> None:
        self.name = name
        self._store = store

    def restore(self) -> tuple[Kept, str]:
        """What was kept, and a sentence about it; a file that makes no sense is kept aside and the start is a cold one.

        Raises:
            SpillwayError: the file is there and the disk does not give it.
        """
        kept, flaw, dropped = self._read()
        if flaw:
            return Kept(), f"Cold start: what was kept is {flaw} and now lies in {self._store.set_aside()}."
        if kept is None:
            return Kept(), "Cold start: nothing was kept."
        warm = f"Warm start: going on after tick {kept.tick}."
        if not dropped:
            return kept, warm
        aside = self._store.set_aside()
        self.save(kept)
        told = "; ".join(dropped[:_MOST_TOLD])
        if len(dropped) > _MOST_TOLD:
            told += f"; and {len(dropped) - _MOST_TOLD} more"
        return (
            kept,
            f"{warm} Given up, because they make no sense: {told}. The file as it was lies in {aside}.",
        )

    def look(self) -> tuple[Kept | None, str]:
        """What is kept, or None where nothing is; and what is wrong with it, empty where it makes sense. Touches nothing.

        Raises:
            SpillwayError: the file is there and the disk does not give it.
        """
        kept, flaw, _ = self._read()
        return kept, flaw

    def _read(self) -> tuple[Kept | None, str, tuple[str, ...]]:
        """What is kept, what is wrong with the whole of it, and each part that makes no sense and is left out."""
        content = self._store.load()
        if content is None:
            return None, "", ()
        try:
            kept, dropped = _without_bad_parts(migrate(content))
            # a number that is not finite is written as null: what could not be read again is left out now
            kept, more = _without_bad_parts(dump(kept))
        except ValidationError as error:
            return None, _flaw(error), ()
        dropped += more
        if not 0 <= kept.tick < _MOST_TICKS:
            dropped += ("the number of the tick",)
            kept = replace(kept, tick=0)
        return kept, "", dropped

    def save(self, kept: Kept) -> None:
        """Keep it.

        Raises:
            SpillwayError: the disk does not take it; what was kept before stands.
        """
        self._store.save(dump(kept))


def _flaw(error: ValidationError) -> str:
    """What is wrong with a file as a whole."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "the whole file"
    return f"unreadable at {place} ({first['msg']})"


def _without_bad_parts(content: bytes) -> tuple[Kept, tuple[str, ...]]:
    """What is kept without the small parts that make no sense, and each of these in words.

    An order or a silence is small beside what the file has learned: a wrong one must not cost the rest.

    Raises:
        ValidationError: something else is wrong.
    """
    try:
        return _ADAPTER.validate_json(content), ()
    except ValidationError as error:
        found = error
    items: dict[tuple[str, ...], dict[int, str]] = {}
    whole: dict[str, str] = {}
    for problem in found.errors():
        match problem["loc"]:
            case ("holds", "items", int(number), *place):
                path: tuple[str, ...] = ("holds", "items")
            case ("alarms" | "silences" | "counted" as name, int(number), *place):
                path = (name,)
            case (str(name), *_) if name in _PARTS:
                whole[name] = f"{_PARTS[name]} ({problem['msg']})"
                continue
            case _:
                raise found
        what = ".".join(str(part) for part in place)
        told = f"{_ITEMS[path]} {number + 1} ({what + ': ' if what else ''}{problem['msg']})"
        items.setdefault(path, {}).setdefault(number, told)
    document = json.loads(content)
    for path, bad in items.items():
        *above, last = path
        holder = document
        for name in above:
            holder = holder[name]
        holder[last] = [item for number, item in enumerate(holder[last]) if number not in bad]
    for name in whole:
        del document[name]
    dropped = (*(told for bad in items.values() for told in bad.values()), *whole.values())
    kept, more = _without_bad_parts(msgspec.json.encode(document))  # it ends: each call leaves something out
    return kept, (*dropped, *more)


def fit(starting: Overlay, overlay: Overlay | None) -> Overlay:
    """What `overlay` says of backends that are still there, and what `starting` says of all others."""
    if overlay is None:
        return starting
    known = {service.service: service for service in overlay.services}
    return Overlay(
        services=tuple(
            _fit_service(setting, known[setting.service]) if setting.service in known else setting
            for setting in starting.services
        )
    )


def _fit_service(setting: ServiceSetting, old: ServiceSetting) -> ServiceSetting:
    if [(b.region, b.preference) for b in setting.backends] == [
        (b.region, b.preference) for b in old.backends
    ]:
        return old  # the usual case: the configuration is the one that it was made for
    regions = {b.region: b for b in old.backends}
    backends = tuple(
        replace(b, member=known.member, scaler=known.scaler)
        if (known := regions.get(b.region)) is not None
        and (known.member, known.scaler) != (b.member, b.scaler)
        else b
        for b in setting.backends
    )
    return replace(setting, posture=old.posture, backends=backends)


def read_back(
    starting: Overlay,
    snapshot: Snapshot,
    policies: Mapping[ServiceName, Policy],
    remembered: Overlay | None = None,
) -> Overlay | None:
    """The overlay as the cloud has it, for a start without memory, or with one that is not believed.

    What does not exist yet, or is not attached, is as in `starting`: the configuration says that it belongs there, unless its
    service's policy has it out for planned work, which nobody may undo, or `remembered` has it out too.

    Returns:
        None where the listing could not be read: nobody knows then what stands.
    """
    overlay = starting
    for view in snapshot.services:
        policy = policies.get(view.service)
        away = policy.away(snapshot.at) if policy is not None else frozenset()
        setting = overlay.service(view.service)
        for backend in view.backends:
            if isinstance(backend.observed, Missing):
                if backend.observed.absence is Absence.NOT_BUILT:
                    continue
                return None
            seen = backend.observed.value
            if not seen.member and (
                backend.region in away or _is_out(remembered, view.service, backend.region)
            ):
                out = replace(setting.backend(backend.region), member=False, scaler=0.0)
                setting = setting.with_backend(out)
            elif seen.member:
                found = replace(
                    setting.backend(backend.region), member=True, scaler=legal_scaler(seen.scaler)
                )
                setting = setting.with_backend(found)
        overlay = overlay.with_service(setting)
    return overlay


def _is_out(remembered: Overlay | None, service: ServiceName, region: str) -> bool:
    """Whether an overlay has a region detached."""
    settings = remembered.services if remembered is not None else ()
    return any(
        b.region == region and not b.member for s in settings if s.service == service for b in s.backends
    )

"""Kills at random moments of an operation, and what a new daemon makes of them.

One life after another: create, scaler, membership, posture, destroy, each killed once and then finished by a new
daemon. After each the cloud must be what the program says, the objects the same ones as before, and no lock, no pending
operation, no intent and no process left over.
"""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Self

from tests.engine.plugin import ROOT, install
from tests.engine.tinycloud import TinyCloud

from spillway.adapters.engine.pulumi_cli.leftovers import MARK
from spillway.core.values.overlay import Posture

OPERATIONS = ("create", "scaler", "membership", "posture", "destroy")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
_PARTS = ("engine", "plugin", "daemon", "both")
WHO = {"embedded": ("daemon",), "cli": _PARTS, "cli+plugin": _PARTS}
"""Who can be killed, by engine: the one inside of the daemon, the real CLI with the stand-in as its plugin, and with the real one."""
_REGIONS = ("asia-northeast1", "europe-west4", "us-east4")
_SERVICE = "projects/demo-project/global/backendServices/lb-pool"
_PATIENCE = 120.0
_HOLD = 0.03
"""Seconds that the cloud holds back the answer to a change which it has carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill and what it left behind."""

    operation: str
    number: signal.Signals
    who: str
    hit: bool = False
    """True if what was to be killed was there."""
    intent: bool = False
    lock: bool = False
    pending: bool = False
    faults: tuple[str, ...] = ()
    """What was wrong after a new daemon had finished the operation; empty where all is well."""


@dataclass(slots=True)
class Life:
    """One load balancer in a cloud of its own, and the daemons that work on it one after another."""

    cloud: TinyCloud
    folder: Path
    cli: str = ""
    """The `pulumi` executable; empty for the embedded engine."""
    home: Path | None = None
    """PULUMI_HOME with the real plugin; None for the stand-in in its place."""
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    scalers: dict[str, float | None] = field(default_factory=dict)
    posture: str = Posture.NORMAL.value
    _zygote: subprocess.Popen[str] | None = None
    _reader: threading.Thread | None = None
    _lines: queue.Queue[str] = field(default_factory=queue.Queue)
    _took: dict[str, float] = field(default_factory=dict)
    """Seconds of each operation."""
    _changes: dict[str, int] = field(default_factory=dict)
    """Changes that each operation asks of the cloud."""

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.cli and self.home is None:
            install(self.folder / "home")
        path = os.pathsep.join([str(ROOT), str(ROOT / "daemon"), os.environ.get("PYTHONPATH", "")])
        with (self.folder / "log").open("w") as log:
            self._zygote = subprocess.Popen(
                [sys.executable, "-m", "tests.engine.victim"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": path},
            )
        assert self._zygote.stdout is not None
        self._reader = threading.Thread(target=self._pass_on, args=(self._zygote.stdout,), daemon=True)
        self._reader.start()
        self.cloud.after = lambda method, _path: time.sleep(_HOLD) if method != "GET" else None
        return self

    def __exit__(self, *_: object) -> None:
        assert self._zygote is not None
        self._zygote.kill()
        self._zygote.wait(10)
        assert self._zygote.stdin is not None
        self._zygote.stdin.close()
        assert self._reader is not None
        self._reader.join(10)

    def rehearse(self) -> None:
        """Each operation once without a kill, to know how long it takes."""
        for operation in OPERATIONS:
            self._choose(operation)
            self._tell(operation, recover=False)
            self._read()
            before, begun = self._asked(), time.monotonic()
            answer = self._read()
            self._took[operation] = time.monotonic() - begun
            self._changes[operation] = self._asked() - before
            assert answer["outcome"] == "done", answer
            assert self._read() is None

    def kill(self, operation: str, number: signal.Signals, who: str) -> Kill:
        """Begin an operation, kill, let a new daemon finish it, and look."""
        ids = self._ids()
        self._choose(operation)
        self._tell(operation, recover=False)
        before = self._asked()
        daemon = self._read()
        self._wait(operation, before)
        hit = self._signal(number, who, daemon)
        while self._read() is not None:
            pass  # what the daemon still had to say
        met = replace(
            Kill(operation=operation, number=number, who=who, hit=hit),
            intent=self._intent(),
            lock=bool(self._locks()),
            pending=bool(self._pending()),
        )
        self._tell(operation, recover=True)
        self._read()
        answer = self._read()
        faults = [f"the new daemon: {answer}"] if not _good(answer) else []
        if answer is not None:
            self._read()
        return replace(met, faults=(*faults, *self._faults(operation, ids)))

    def _wait(self, operation: str, before: int) -> None:
        """Until a random moment: some time after the start, or around one of the changes that the cloud is asked for."""
        if self.chance.random() < 0.5:
            time.sleep(self.chance.uniform(0.0, self._took[operation]))  # the moment is the point of the test
            return
        wanted = before + self.chance.randint(1, self._changes[operation])
        end = time.monotonic() + 2.0 * self._took[operation]
        while self._asked() < wanted and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(self.chance.uniform(0.0, 2.0 * _HOLD))

    def _asked(self) -> int:
        return len(self.cloud.calls("POST", "PUT", "PATCH", "DELETE"))

    def _choose(self, operation: str) -> None:
        """What is wanted now: something else than before."""
        if operation == "create":
            self.scalers, self.posture = {}, Posture.NORMAL.value
        elif operation == "scaler":
            self.scalers = {"europe-west4": self.chance.choice([0.0, 0.1, 0.35, 0.6])}
        elif operation == "membership":
            self.scalers = {**self.scalers, "asia-northeast1": None}
        elif operation == "posture":
            self.posture = self.chance.choice([it.value for it in Posture if it is not Posture.NORMAL])

    def _tell(self, operation: str, *, recover: bool) -> None:
        assert self._zygote is not None
        assert self._zygote.stdin is not None
        order = {
            "operation": operation,
            "recover": recover,
            "folder": str(self.folder),
            "url": self.cloud.url,
            "executable": self.cli,
            "home": str(self.home or self.folder / "home"),
            "scalers": self.scalers,
            "posture": self.posture,
        }
        self._zygote.stdin.write(json.dumps(order) + "\n")
        self._zygote.stdin.flush()

    def _pass_on(self, pipe: IO[str]) -> None:
        with pipe:
            for line in pipe:
                self._lines.put(line)

    def _read(self) -> Any:
        return json.loads(self._lines.get(timeout=_PATIENCE) or "null")

    def _signal(self, number: signal.Signals, who: str, daemon: int) -> bool:
        """Send it to whom it is for; False where nobody was there."""
        found = list(marked(self.folder / "engine"))
        engine = [pid for pid, name in found if name == "pulumi"]
        plugin = [pid for pid, name in found if name == "pulumi-resource"]
        targets = {"engine": engine, "plugin": plugin, "daemon": [daemon], "both": [daemon, *engine]}[who]
        hit = False
        for pid in targets:
            try:
                os.kill(pid, number)
                hit = True
            except ProcessLookupError:
                continue
        return hit

    def _faults(self, operation: str, ids: dict[str, str]) -> Iterator[str]:
        store = self.cloud.store
        expected = 0 if operation == "destroy" else 7
        if len(store) != expected:
            yield f"{len(store)} objects and not {expected}: {sorted(store)}"
        if expected:
            members = {
                backend["group"].rpartition("/api-")[2]: backend["capacityScaler"]
                for backend in store[_SERVICE]["backends"]
            }
            wanted = {region: self.scalers.get(region, 1.0) for region in _REGIONS}
            if members != {region: scaler for region, scaler in wanted.items() if scaler is not None}:
                yield f"scalers {members} and not {wanted}"
        if operation not in {"create", "destroy"} and self._ids() != ids:
            yield "objects were made anew"
        yield from (f"a lock: {lock}" for lock in self._locks())
        yield from (f"pending: {entry}" for entry in self._pending())
        yield from (f"a process: {pid} {name}" for pid, name in marked(self.folder / "engine"))
        if self._intent():
            yield "an open intent"

    def _ids(self) -> dict[str, str]:
        return {path: str(body["id"]) for path, body in self.cloud.store.items()}

    def _intent(self) -> bool:
        file = self.folder / "state.json"
        return file.exists() and json.loads(file.read_bytes())["intent"] is not None

    def _locks(self) -> list[str]:
        return [str(file) for file in self.folder.glob("engine/state/.pulumi/locks/*/*/*/*.json")]

    def _pending(self) -> list[Any]:
        if not self.cli:
            file = self.folder / "engine" / "main.json"
            return json.loads(file.read_bytes())["pending"] if file.exists() else []
        file = self.folder / "engine" / "state" / ".pulumi" / "stacks" / "spillway" / "main.json"
        if not file.exists():
            return []
        latest = json.loads(file.read_bytes())["checkpoint"]["latest"] or {}
        return latest.get("pending_operations") or []


def _good(answer: Any) -> bool:
    return answer is not None and answer["outcome"] in {"done", "unchanged"}


def marked(folder: Path) -> Iterator[tuple[int, str]]:
    """Living processes that carry the mark of an engine's folder, with their names."""
    mark = f"{MARK}={folder}".encode()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name), (entry / "comm").read_text().strip()
        except OSError:
            continue


def schedule(engine: str, count: int) -> Iterator[tuple[str, signal.Signals, str]]:
    """Operations in their order, each with the signals and those who get them by turns."""
    kinds = [(number, who) for who in WHO[engine] for number in SIGNALS]
    for turn in range(count):
        yield (OPERATIONS[turn % len(OPERATIONS)], *kinds[(turn // len(OPERATIONS)) % len(kinds)])


def rows(kills: Sequence[Kill]) -> list[tuple[str, ...]]:
    """The table: operation, signal, who; kills, and of them with an open intent, a lock, pending operations, recovered."""
    keys = sorted(
        {(kill.operation, kill.number, kill.who) for kill in kills},
        key=lambda key: (OPERATIONS.index(key[0]), key[1:]),
    )
    groups = [
        (
            f"{operation}",
            number.name,
            who,
            [k for k in kills if (k.operation, k.number, k.who) == (operation, number, who)],
        )
        for operation, number, who in keys
    ]
    groups.append(("all", "", "", list(kills)))
    return [
        (
            operation,
            number,
            who,
            str(len(found)),
            *(
                str(sum(getattr(kill, name) for kill in found))
                for name in ("hit", "intent", "lock", "pending")
            ),
            str(sum(not kill.faults for kill in found)),
        )
        for operation, number, who, found in groups
    ]


HEADINGS = ("operation", "signal", "who", "kills", "hit", "open intent", "lock", "pending", "recovered")

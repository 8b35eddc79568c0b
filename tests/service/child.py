"""A whole daemon over a cloud in a file, as a process of its own: `python child.py FOLDER`.

FOLDER/settings.json says how it behaves; the tests write it. The cloud survives the process, as Google would.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from tests.control.fakes import FakeCloud, fleet
from tests.control.journal_files import journal_at

from spillway.adapters import logs
from spillway.adapters.clock import CloudClock
from spillway.adapters.exporter import Exporter
from spillway.adapters.file_lock import FileLease
from spillway.adapters.files import FileStore
from spillway.adapters.process import SystemdNotifier, release_memory
from spillway.adapters.reads import ReadTotals
from spillway.adapters.status_document import About
from spillway.adapters.ticker import Ticker
from spillway.control.memory import Keeper, Kept, dump
from spillway.control.tick import Loop, Parts
from spillway.control.timing import Progress
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.overlay import Overlay, initial_overlay
from spillway.core.values.policy import Mode, Policy
from spillway.errors import (
    ConfigError,
    OutcomeUnknown,
    PermanentError,
    Problem,
    SpillwayError,
    TemporaryError,
)
from spillway.exits import Exit
from spillway.ports import Applied, Outcome
from spillway.service.control_socket import NAME
from spillway.service.life import Service
from spillway.service.roles import Candidate, Control, Rhythm

OVERLAY = TypeAdapter(Overlay)
FLEET = fleet()
EXITS = {
    ConfigError: Exit.CONFIG,
    TemporaryError: Exit.UNAVAILABLE,
    PermanentError: Exit.REFUSED,
    OutcomeUnknown: Exit.UNKNOWN,
}


class FileCloud(FakeCloud):
    """A cloud that outlives the daemon, and hangs where the settings say so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(CloudClock(), initial_overlay(FLEET))
        self.folder = folder
        self.interrupted = threading.Event()
        saved = folder / "cloud.json"
        if saved.exists():
            self.overlay = OVERLAY.validate_json(saved.read_bytes())

    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "settings.json").read_text())
        return found

    def apply(self, overlay: Overlay) -> Applied:
        settings = self.settings()
        if settings.get("defect"):
            raise ZeroDivisionError("a defect")
        if settings.get("blocked"):
            return Applied(
                outcome=Outcome.REFUSED,
                sentence="the engine's state cannot be read; nothing was changed",
                remedy="Put a copy of it back.",
                begun=False,
                lasting=True,
            )
        changed = overlay != self.overlay
        if changed and settings.get("hang"):
            (self.folder / "hanging").touch()
            for _ in range(6000):
                if (self.folder / "go").exists():
                    break
                if self.interrupted.wait(0.01):
                    return Applied(outcome=Outcome.UNKNOWN, sentence="interrupted")
        self.outcomes = [Outcome(settings.get("outcome", "done"))]
        self.carried_out = False
        applied = super().apply(overlay)
        (self.folder / "cloud.json").write_bytes(OVERLAY.dump_json(self.overlay))
        with (self.folder / "writes").open("a") as writes:
            writes.write("change\n" if changed else "same\n")
        return applied

    def interrupt(self) -> None:
        if not self.settings().get("deaf"):
            self.interrupted.set()


def candidate_from(folder: Path, parts: Parts, rhythm: Rhythm) -> Candidate:
    """What a reload would bring."""
    content = json.loads((folder / "config.json").read_text())
    if "mistake" in content:
        problem = Problem(
            file="config.json",
            line=3,
            path="policies.default",
            message=content["mistake"],
            remedy="Write it so.",
        )
        raise ConfigError((problem,))
    fresh = Parts(
        fleet=parts.fleet,
        policies=parts.policies,
        starting=parts.starting,
        observer=parts.observer,
        deployer=parts.deployer,
        digest=content["digest"],
    )
    return Candidate(
        digest=content["digest"],
        restart=tuple(content.get("restart", ())),
        changes=(f"digest: {parts.digest} -> {content['digest']}",),
        taken=lambda: None,
        rhythm=rhythm,
        build=lambda: fresh,
    )


def daemon(folder: Path) -> Service:
    """The service with everything real but the cloud."""
    cloud = FileCloud(folder)
    settings = cloud.settings()
    if largest := settings.get("largest_file"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    log = logs.setup("info", "text")
    store = FileStore(folder / "state" / "state.json")
    if store.load() is None and settings.get("drain"):
        hold = Order(
            kind=OrderKind.DRAIN, until=time.time() + 3600.0, reason="new kernel", region=settings["drain"]
        )
        store.save(dump(Kept(holds=Orders(items=(hold,)))))
    config = folder / "config.json"
    parts = Parts(
        fleet=FLEET,
        policies={"default": Policy(mode=Mode.ACT)},
        starting=initial_overlay(FLEET),
        observer=cloud,
        deployer=cloud,
        digest=json.loads(config.read_text())["digest"],
        interrupt=cloud.interrupt,
    )
    rhythm = Rhythm(tick=0.05, health=0.05, stop=settings.get("stop", 20.0), write=60.0)
    progress = Progress(time.monotonic, tick=rhythm.tick, write_limit=rhythm.write)
    journal = journal_at(folder / "state" / "journal")
    loop = Loop(parts, journal=journal, keeper=Keeper(store), clock=CloudClock(), progress=progress)
    ticker = Ticker()
    show = Exporter(
        settings["listen"],
        About(
            name="test", project="test-project", cloud="sandbox", engine="fake", speed=1.0, tick=rhythm.tick
        ),
        fleet=lambda: loop.parts.fleet,
        policies=loop.policies,
        now=time.time,
        health=progress.health,
        missed=ticker.missed,
        reads=ReadTotals(lambda: loop.parts.observer).total,
        lost=lambda: log.lost,
        orders=lambda: loop.kept.holds.active(time.time()),
        alarms=loop.active_alarms,
        silences=loop.silences,
        journal=journal.path,
        journal_problem=lambda: loop.journal_problem,
    )

    def closing() -> None:
        journal.close()
        log.close()

    return Service(
        loop=loop,
        ticker=ticker,
        server=show,
        notifier=SystemdNotifier(),
        lease=FileLease(folder / "state"),
        rhythm=rhythm,
        progress=progress,
        control=Control(path=folder / "state" / NAME),
        candidate=lambda: candidate_from(folder, loop.parts, rhythm),
        signature=lambda: config.stat().st_mtime_ns,
        settled=release_memory,
        closing=closing,
    )


def main(folder: Path) -> int:
    """Run it, with the exit codes of the command line."""
    try:
        return daemon(folder).run()
    except SpillwayError as error:
        sys.stderr.write(f"error {error} {error.remedy}\n")
        return next((code for kind, code in EXITS.items() if isinstance(error, kind)), Exit.FAILED)
    except ZeroDivisionError:
        return Exit.INTERNAL


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

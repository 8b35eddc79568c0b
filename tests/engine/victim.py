"""Daemons that are there to be killed: `python -m tests.engine.victim` forks one for each order that it reads.

An order is a line of JSON on standard input, an answer a line on standard output: first the number of the process, as
soon as it is about to begin, and at its end what became of it, or null where it was killed. All imports are done before
the first fork, so that a kill meets the work and not the start.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pulumi_gcp import compute, networkservices
from tests.control.journal_files import journal_at
from tests.engine.bench_config import config, overlay

from spillway.adapters.engine.embedded.embedded_engine import EmbeddedEngine
from spillway.adapters.engine.pulumi_cli.cli_engine import CliEngine
from spillway.adapters.engine.pulumi_cli.workspace import Workspace
from spillway.adapters.files import FileStore
from spillway.adapters.program.build import build
from spillway.control.memory import Keeper
from spillway.control.timing import Progress
from spillway.control.writer import Writer
from spillway.core.values.decision import Plan
from spillway.core.values.overlay import Overlay, Posture

TOUCHED = (
    compute.BackendService,
    compute.GlobalAddress,
    compute.GlobalForwardingRule,
    compute.HealthCheck,
    compute.TargetHttpProxy,
    compute.URLMap,
    networkservices.ServiceLbPolicies,
)
"""Classes of the program; they are loaded when they are first named."""
_DEADLINE = 60.0


def wanted(order: dict[str, Any]) -> Overlay:
    """The overlay of an order: `scalers` and `posture`."""
    return overlay(order["scalers"], posture=Posture(order["posture"]))


def engine_of(order: dict[str, Any]) -> EmbeddedEngine | CliEngine:
    """The engine of an order: `folder`, `url`, and for the CLI `executable` and `home`."""
    folder = Path(order["folder"])
    if not order["executable"]:
        return EmbeddedEngine(
            lambda it: build(config(), it),
            endpoint=order["url"],
            folder=folder / "engine",
            stack="main",
            name="lb",
            deadline=_DEADLINE,
            parallel=4,
        )
    workspace = Workspace(
        executable=order["executable"],
        installed=Path(order["home"]),
        config=config(),
        folder=folder / "engine",
        endpoint=order["url"],
    )
    return CliEngine(lambda it: build(config(), it), workspace)


def live(order: dict[str, Any], answer: Any) -> None:
    """One daemon, from its start to the end of one operation."""
    folder = Path(order["folder"])
    engine = engine_of(order)

    def stop(*_: object) -> None:
        threading.Thread(target=engine.close).start()

    signal.signal(signal.SIGTERM, stop)
    writer = Writer(
        journal=journal_at(folder / "journal"),
        keeper=Keeper(FileStore(folder / "state.json")),
        progress=Progress(time.monotonic, tick=60.0, write_limit=_DEADLINE),
        now=time.time,
    )
    answer(os.getpid())
    writer.restore()
    said = engine.recover() if order["recover"] else None
    plan = Plan(overlay=wanted(order), moves=())
    if order["operation"] == "destroy":
        applied = engine.destroy()
    elif order["operation"] == "create":
        applied = writer.build(engine, plan, time.time(), "digest")
    else:
        found = writer.write(engine, plan, time.time())
        assert found is not None, "no write has failed in this process"
        applied = found
    writer.save()
    engine.close()
    answer({"outcome": applied.outcome.value, "sentence": applied.sentence, "said": said})


def main() -> None:
    """Fork for each order."""
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                live(order, lambda value: print(json.dumps(value), flush=True))
                code = 0
            finally:
                os._exit(code)
        os.waitpid(child, 0)
        print("null", flush=True)


if __name__ == "__main__":
    assert TOUCHED
    main()

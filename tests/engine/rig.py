"""A measuring stand-in for the `pulumi` executable: the whole client side of the automation API, without the CLI.

It answers what Spillway asks of the CLI, evaluates the program through the client's language server and lets the
embedded engine's own steps do the work. It proves the client side and nothing about the real engine.

It imports what it needs where it needs it: most calls are small, and the libraries take most of a second to load.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def option(name: str) -> str:
    """The value of `--name value` or `--name=value`; empty if it is not given."""
    for position, word in enumerate(sys.argv):
        if word == name:
            return sys.argv[position + 1]
        if word.startswith(name + "="):
            return word.partition("=")[2]
    return ""


def state_folder() -> Path:
    return Path(urlsplit(os.environ["PULUMI_BACKEND_URL"]).path)


def lock_file() -> Path:
    return state_folder() / ".pulumi/locks/organization/spillway/main/one.json"


def locked() -> bool:
    """Take the stack's lock, or say who has it."""
    file = lock_file()
    if file.exists():
        held = json.loads(file.read_text())
        print("error: the stack is currently locked by 1 lock(s).", file=sys.stderr)
        print(
            f"  created by {held['username']}@{held['hostname']} (pid {held['pid']}) at {held['timestamp']}",
            file=sys.stderr,
        )
        return True
    file.parent.mkdir(parents=True, exist_ok=True)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    file.write_text(
        json.dumps(
            {"pid": os.getpid(), "username": "rig", "hostname": socket.gethostname(), "timestamp": now}
        )
    )
    return False


def tell(events: list[dict[str, Any]]) -> None:
    """Stream events to the client, as the CLI does."""
    import grpc
    from pulumi.runtime.proto import events_pb2, events_pb2_grpc

    if address := option("--event-log"):
        with grpc.insecure_channel(address.removeprefix("tcp://")) as channel:
            stream = (events_pb2.EventRequest(event=json.dumps(event)) for event in events)
            events_pb2_grpc.EventsStub(channel).StreamEvents(stream)


def step(operation: str, kind: str, name: str, *, planning: bool, **new: Any) -> dict[str, Any]:
    metadata = {
        "op": operation,
        "urn": f"urn:pulumi:main::spillway::{kind}::{name}",
        "type": kind,
        "new": new,
    }
    key = "resourcePreEvent" if planning else "resOutputsEvent"
    return {"sequence": 1, "timestamp": 1, key: {"metadata": metadata, "planning": planning}}


def operate(verb: str) -> int:
    """`up`, `preview` or `destroy`."""
    import grpc
    from pulumi.runtime.proto import language_pb2_grpc

    from spillway.adapters.engine.embedded.monitor import request, served
    from spillway.adapters.engine.embedded.run import Run
    from spillway.adapters.engine.embedded.state import State
    from spillway.adapters.engine.provider.cloud import Cloud, Deadline
    from spillway.adapters.engine.provider.standin import StandInProvider

    dry = verb == "preview"
    if not dry and locked():
        return 255
    endpoint = urlsplit(os.environ["GOOGLE_COMPUTE_CUSTOM_ENDPOINT"])
    cloud = Cloud.sandbox(f"{endpoint.scheme}://{endpoint.netloc}")
    state = State(state_folder() / "rig.json")
    run = Run(state, StandInProvider(cloud), Deadline(30), stack="main", dry=dry)
    outputs: dict[str, Any] = {}
    if verb != "destroy":
        with (
            served(run, parallel=4) as (address, given),
            grpc.insecure_channel(option("--client")) as channel,
        ):
            language_pb2_grpc.LanguageRuntimeStub(channel).Run(
                request(address, stack="main", parallel=4, dry=dry)
            )
        outputs = given()
    if not run.errors:
        run.remove_rest()
    cloud.close()
    state.save()
    lock_file().unlink(missing_ok=True)
    tell(
        [
            *[wanted(urn, inputs) for urn, inputs in run.edited.items()],
            *[step(c.operation, f"t:{c.kind}", c.name, planning=dry) for c in run.changes],
            step("same", "pulumi:pulumi:Stack", "main", planning=dry, outputs=outputs),
            *[
                failure(error, urn)
                for error, urn in zip_longest(map(str, run.errors), run.edited, fillvalue="")
            ],
            {"sequence": 3, "timestamp": 1, "summaryEvent": {"resourceChanges": {}}},
        ]
    )
    return 255 if run.errors else 0


def refresh_some() -> int:
    """`refresh`: read the resources that `--target` names, or all."""
    from spillway.adapters.engine.embedded.embedded_engine import refresh as read_again
    from spillway.adapters.engine.embedded.state import State
    from spillway.adapters.engine.provider.cloud import Cloud, CloudError, Deadline
    from spillway.adapters.engine.provider.standin import StandInProvider

    endpoint = urlsplit(os.environ["GOOGLE_COMPUTE_CUSTOM_ENDPOINT"])
    cloud = Cloud.sandbox(f"{endpoint.scheme}://{endpoint.netloc}")
    state = State(state_folder() / "rig.json")
    wanted = [sys.argv[at + 1] for at, word in enumerate(sys.argv) if word == "--target"]
    before = [resource for urn, resource in state.resources.items() if not wanted or urn in wanted]
    try:
        read_again(state, StandInProvider(cloud), Deadline(30), before)
    except CloudError as error:
        tell([failure(str(error), "")])
        return 255
    finally:
        cloud.close()
    state.save()
    tell(
        [
            {
                "sequence": 1,
                "timestamp": 1,
                "resOutputsEvent": {
                    "metadata": {
                        "op": "refresh",
                        "urn": old.urn,
                        "type": old.token,
                        "old": {"inputs": old.inputs, "outputs": old.outputs},
                        "new": {"inputs": new.inputs, "outputs": new.outputs},
                    }
                },
            }
            for old in before
            if (new := state.resources.get(old.urn)) is not None
        ]
    )
    return 0


def wanted(urn: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """A step that begins."""
    metadata = {"op": "update", "urn": urn, "type": urn.split("::")[2], "new": {"inputs": inputs}}
    return {"sequence": 1, "timestamp": 1, "resourcePreEvent": {"metadata": metadata}}


def failure(error: str, urn: str) -> dict[str, Any]:
    said = {"message": error, "color": "", "severity": "error", **({"urn": urn} if urn else {})}
    return {"sequence": 2, "timestamp": 1, "diagnosticEvent": said}


def main() -> int:
    with (Path(os.environ["PULUMI_HOME"]) / "calls").open("a") as calls:
        calls.write(" ".join(sys.argv[1:]) + "\n")
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    match words:
        case ["version", *_]:
            print("v3.272.0")
        case ["up" | "preview" | "destroy" as verb, *_]:
            return operate(verb)
        case ["refresh", *_]:
            return refresh_some()
        case ["cancel", *_]:
            lock_file().unlink(missing_ok=True)
        case ["stack", "export", *_]:
            file = state_folder() / "exported.json"
            empty = json.dumps({"version": 3, "deployment": {"resources": []}})
            print(file.read_text() if file.exists() else empty)
        case ["stack", "import", *_]:
            (state_folder() / "exported.json").write_text(Path(option("--file")).read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())

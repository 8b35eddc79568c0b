"""`spillway sandbox`: the loopback Google Cloud alone."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
from pathlib import Path

import click

from spillway.cli.console import err, out
from spillway.cli.options import CONFIG_VARIABLE, NumberRange, json_option
from spillway.errors import PermanentError
from spillway.exits import Exit

_LOOK = 0.5
"""Wall seconds between two looks at the parent's pipe and the pump."""


def _on_loopback(_context: click.Context, _option: click.Parameter, address: str | None) -> str | None:
    """The address, unless others could reach it."""
    from spillway.config.rules.daemon import exposed, is_loopback

    if address is not None and not is_loopback(address):
        raise click.BadParameter(exposed(address))
    return address


@click.command(short_help="Serve the simulated Google Cloud alone.")
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=lambda: os.environ.get(CONFIG_VARIABLE) or None,
    show_default=f"${CONFIG_VARIABLE}, or none: each zone has one group, `model`",
    help="Configuration whose groups exist in it.",
)
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    default=None,
    help="World behind it.  [default: the config's, or the demo's]",
)
@click.option(
    "--speed",
    type=NumberRange(min=0, min_open=True, max=600),
    default=None,
    help="World seconds per second.  [default: the config's, or 1]",
)
@click.option(
    "--http",
    callback=_on_loopback,
    default=None,
    help="Address of Compute and Network Services.  [default: the config's, or 127.0.0.1:8480]",
)
@click.option(
    "--grpc",
    callback=_on_loopback,
    default=None,
    help="Address of Cloud Monitoring.  [default: the config's, or 127.0.0.1:8481]",
)
@click.option(
    "--hold", is_flag=True, help="Keep the world at its start until POST /sandbox/v1/clock/release."
)
@click.option(
    "--until-eof", is_flag=True, help="End when standard input closes, that is, with the parent process."
)
@json_option
def sandbox(
    config_path: Path | None,
    scenario: Path | None,
    speed: float | None,
    http: str | None,
    grpc: str | None,
    hold: bool,
    until_eof: bool,
    as_json: bool,
) -> int:
    """Serve a simulated Google Cloud on loopback, until Ctrl-C.

    Compute and Network Services (REST), Cloud Monitoring (gRPC); Pulumi, gcloud and Google's client libraries work
    against it unmodified. Port 0 takes a free one. docs/sandbox.md tells how to point each client at it.
    Faults can be injected while it runs:

    \b
      curl -X POST http://127.0.0.1:8480/sandbox/v1/faults -H 'Content-Type: application/json' \\
        -d '{"kind": "slow", "region": "europe-west4", "factor": 3, "for": "20m"}'
    """  # noqa: D301 click wants the backspace itself, which keeps the lines below it as they are
    from spillway.adapters.permissions import Role, names_of
    from spillway.config import load
    from spillway.resources import config_file
    from spillway.sandbox.stand import stand

    config = load.load(config_path).config if config_path is not None else None
    given = config.sandbox if config is not None else None
    if config is not None and given is None:
        raise PermanentError(
            f"{config_path} has no section `sandbox`.",
            remedy=f"Set `cloud: sandbox` and add the section, or name another file: -c, or ${CONFIG_VARIABLE}.",
        )
    world = scenario or (Path(given.scenario) if given is not None else config_file("scenarios/demo.yaml"))
    server = stand(
        config,
        world,
        speed=speed if speed is not None else given.speed if given is not None else 1.0,
        http=http or (given.http if given is not None else "127.0.0.1:8480"),
        grpc=grpc or (given.grpc if given is not None else "127.0.0.1:8481"),
        held=hold,
        roles={role.value: names_of(role) for role in Role},
    )
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with server:
        host, port = server.address
        addresses = {
            "http": f"{host}:{port}",
            "grpc": f"{host}:{server.monitoring_port}",
            "speed": server.clock.speed,
        }
        if as_json:
            sys.stdout.write(json.dumps(addresses) + "\n")
            sys.stdout.flush()
        else:
            out.print(f"Compute, Network Services  http://{addresses['http']}")
            out.print(f"Cloud Monitoring (gRPC)    {addresses['grpc']}")
            out.print(f"World                      {world} at speed {server.clock.speed:g}")
            out.print("Ctrl-C ends it.")
        while not stopped.wait(_LOOK):
            if server.failure is not None:
                err.print(f"the simulated world stopped: {server.failure!r}", markup=False)
                return Exit.INTERNAL
            if until_eof and _closed():
                break
    return Exit.OK


def _closed() -> bool:
    """True once standard input has ended: whoever started us is gone."""
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(ready) and os.read(sys.stdin.fileno(), 1) == b""

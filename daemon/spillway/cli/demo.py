"""`spillway demo`: everything at once on a simulated Google Cloud, with a story, and a comparison at the end."""

from __future__ import annotations

import signal
import time
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from spillway.cli.console import out, print_json
from spillway.cli.options import json_option
from spillway.cli.rehearsal.compare import print_comparison
from spillway.cli.rehearsal.feed import Decisions
from spillway.cli.rehearsal.stage import Stage
from spillway.cli.rehearsal.telling import tell
from spillway.cli.status import service_table
from spillway.errors import SpillwayError
from spillway.exits import Exit

_LOOK = 0.5
"""Wall seconds between two looks at the daemon."""


@click.command(short_help="Watch it steer a simulated cloud, in two minutes.")
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default=None, show_default="the demo's own",
    help="Another configuration with `cloud: sandbox`.",
)  # fmt: skip
@click.option(
    "--speed",
    type=click.FloatRange(1, 600),
    default=None,
    help="World seconds per second.  [default: the config's, 60]",
)
@click.option("--keep", is_flag=True, help="Leave everything running at the end, until Ctrl-C.")
@json_option
def demo(config_path: Path | None, speed: float | None, keep: bool, as_json: bool) -> int:
    """Watch Spillway steer a simulated Google Cloud through a bad afternoon, in two minutes.

    Starts a loopback Google Cloud, builds a load balancer in it through Pulumi, runs the daemon against it sixty times
    faster than life, and tells each decision as it falls. At the end it compares the same hours without a daemon.
    Needs no account and no network; Ctrl-C leaves nothing behind.
    """
    from spillway.cli.rehearsal.opponents import run_opponents
    from spillway.resources import config_file

    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs start with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    with Stage(config_path or config_file("demo.yaml"), speed=speed) as stage:
        _build(stage, quiet=as_json)
        # Ctrl-C on a terminal reaches the worker, too, which is nothing to report; it ends with its one job
        pool = ProcessPoolExecutor(
            max_workers=1, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
        )
        opponents = pool.submit(run_opponents, stage.config)
        pool.shutdown(wait=False)
        try:
            runs = _play(stage, opponents, quiet=as_json)
        except KeyboardInterrupt:
            if not as_json:
                out.print("\nStopped; nothing is left behind.")
            return Exit.INTERRUPTED
        if as_json:
            print_json(runs)
        else:
            print_comparison(runs)
        if keep:
            _keep(stage)
    return Exit.OK


def _build(stage: Stage, *, quiet: bool) -> None:
    """Start the cloud and build the load balancer, saying what happens."""
    say = (lambda *_, **__: None) if quiet else out.print
    say("Starting a Google Cloud on loopback, with a simulated world behind it ...")
    stage.start_sandbox()
    say(f"  Compute and Network Services  http://{stage.addresses.sandbox}")
    say(f"  Cloud Monitoring (gRPC)       {stage.addresses.grpc}")
    say("Building the load balancer in it through Pulumi ...")
    began = time.monotonic()
    built = stage.provision()
    outputs = dict(built["outputs"])
    say(f"  {len(built['changes'])} resources in {time.monotonic() - began:.1f} s, engine {built['engine']}")
    say(f"  load balancer at [bold]{outputs['load_balancer_ip']}[/]")
    say("Starting the daemon ...")
    say(f"  page     [bold]http://{stage.addresses.daemon}/[/]")
    say(f"  metrics  http://{stage.addresses.daemon}/metrics\n")


def _play(stage: Stage, opponents: Future[dict[str, Any]], *, quiet: bool) -> dict[str, Any]:
    """Let the world run to the scenario's end and tell what happens; returns the runs by name."""
    from spillway.cli.rehearsal.story import tell_config

    stage.release()
    daemon = stage.start_daemon()
    clock = stage.clock()
    speed, epoch = clock["speed"], clock["epoch"]
    duration, story = tell_config(stage.config)
    decisions = Decisions(epoch)
    live = Live(console=out, auto_refresh=False, transient=True) if out.is_terminal and not quiet else None
    if live is not None:
        live.start()
    try:
        while (world := stage.clock()["world"]) < duration:
            if not daemon.running:
                raise SpillwayError(f"the daemon ended: {daemon.last_words()}")
            status = stage.status()
            lines = [story.pop(0) for _ in range(len(story)) if story[0].at <= world]
            if status is not None:
                lines += decisions.lines(status)
            if not quiet:
                for line in lines:
                    tell(out, line)
            if live is not None and status is not None:
                live.update(_picture(status, world, duration), refresh=True)
            time.sleep(min(_LOOK, max(0.0, (duration - world) / speed)))
    finally:
        if live is not None:
            live.stop()
    runs = opponents.result(timeout=120)
    runs["spillway"] = stage.report(duration) | {
        "writes": decisions.writes,
        "moves": decisions.moves,
        "levers": sorted(decisions.levers),
    }
    return runs


def _picture(status: dict[str, Any], world: float, duration: float) -> Group:
    """The live table: every service, and how far the story is."""
    done = min(1.0, world / duration)
    width = 40
    bar = "█" * int(done * width) + "░" * (width - int(done * width))
    hours, minutes = divmod(int(world) // 60, 60)
    return Group(
        *(service_table(s) for s in status["services"]), Text(f"{bar} {hours:02d}:{minutes:02d}", style="dim")
    )


def _keep(stage: Stage) -> None:
    """Wait for Ctrl-C with everything running."""
    out.print(f"\nStill running: http://{stage.addresses.daemon}/ - Ctrl-C ends it.")
    try:
        while True:
            time.sleep(1.0)
    except KeyboardInterrupt:
        out.print("\nStopped; nothing is left behind.")

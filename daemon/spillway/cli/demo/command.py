"""The command `spillway demo`: starts everything, plays the scenario to its end, and compares."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click

from spillway.cli.console import out, print_json
from spillway.cli.demo.environment import Environment
from spillway.cli.demo.events import Decisions, Timeline
from spillway.cli.demo.output import Output
from spillway.cli.options import NumberRange, json_option
from spillway.errors import SpillwayError
from spillway.exits import Exit

_LOOK = 0.5
"""Wall seconds between two looks at the daemon."""
_BASELINES = 120.0
"""Wall seconds that the runs without a daemon may take after the demo's end."""


@click.command(short_help="Watch it steer a simulated cloud, in two minutes.")
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default=None, show_default="the demo's own",
    help="Another configuration with `cloud: sandbox`.",
)  # fmt: skip
@click.option(
    "--speed",
    type=NumberRange(1, 600),
    default=None,
    help="World seconds per second.  [default: the config's, 60]",
)
@click.option("--keep", is_flag=True, help="Leave everything running at the end, until Ctrl-C.")
@json_option
def demo(config_path: Path | None, speed: float | None, keep: bool, as_json: bool) -> int:
    """Watch Spillway steer a simulated Google Cloud through an hour and a half of faults, in two minutes.

    Starts a loopback Google Cloud, builds a load balancer in it through Pulumi, runs the daemon against it sixty times
    as fast as real time, and prints each fault and each decision. At the end it compares the same hours without a daemon.
    Needs no account and no network; Ctrl-C ends everything that it started and removes its files.
    """
    from spillway.cli.demo.baselines import run_baselines
    from spillway.resources import config_file

    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs start with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    with Environment(config_path or config_file("demo.yaml"), speed=speed) as environment:
        _build(environment, quiet=as_json)
        # Ctrl-C on a terminal reaches the worker, too, which is nothing to report; it ends with its one job
        pool = ProcessPoolExecutor(
            max_workers=1, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
        )
        baselines = pool.submit(run_baselines, environment.config)
        pool.shutdown(wait=False)
        try:
            environment.release()
            output, mine = play(environment, quiet=as_json)
            runs = {**baselines.result(timeout=_BASELINES), "spillway": mine}
        except KeyboardInterrupt:
            if not as_json:
                out.print("\nStopped; nothing is left behind.")
            return Exit.INTERRUPTED
        if as_json:
            print_json(runs)
        else:
            output.compare(runs)
        if keep:
            _keep(environment)
    return Exit.OK


def _build(environment: Environment, *, quiet: bool) -> None:
    """Start the cloud and build the load balancer, saying what happens."""
    say = (lambda *_, **__: None) if quiet else out.print
    say("Starting a Google Cloud on loopback, with a simulated world behind it ...")
    environment.start_sandbox()
    say(f"  Compute and Network Services  http://{environment.addresses.sandbox}")
    say(f"  Cloud Monitoring (gRPC)       {environment.addresses.grpc}")
    say("Building the load balancer in it through Pulumi ...")
    began = time.monotonic()
    built = environment.provision()
    say(f"  {len(built['changes'])} resources in {time.monotonic() - began:.1f} s, engine {built['engine']}")
    say(f"  load balancer at [bold]{built['outputs']['load_balancer_ip']}[/]")
    say("Starting the daemon ...")
    say(f"  page     [bold]http://{environment.addresses.daemon}/[/]")
    say(f"  metrics  http://{environment.addresses.daemon}/metrics\n")


def play(environment: Environment, *, quiet: bool = False) -> tuple[Output, dict[str, Any]]:
    """Run the daemon to the scenario's end and tell what happens in order; returns the output and the world's totals.

    Raises:
        SpillwayError: the daemon ends before the scenario does.
    """
    from spillway.cli.demo.script import script_of

    daemon = environment.start_daemon()
    clock = environment.clock()
    speed, epoch = clock["speed"], clock["epoch"]
    duration, script = script_of(environment.config)
    output = Output(out, epoch=epoch, duration=duration, quiet=quiet)
    timeline, decisions = Timeline(script), Decisions(epoch)
    output.begin(speed)
    try:
        while (world := environment.clock()["world"]) < duration:
            if not daemon.running:
                raise SpillwayError(f"the daemon ended: {daemon.last_words()}")
            status = environment.status()
            if status is not None:
                timeline.add(decisions.lines(status))
                for line in timeline.due(decisions.told_until(status)):
                    output.tell(line)
                output.picture(status, world)
            time.sleep(min(_LOOK, max(0.0, (duration - world) / speed)))
        for line in timeline.due(duration):
            output.tell(line)
    finally:
        output.end()
    moved = {"writes": decisions.writes, "moves": decisions.moves, "levers": sorted(decisions.levers)}
    return output, environment.report(duration) | moved


def _keep(environment: Environment) -> None:
    """Wait for Ctrl-C with everything running."""
    out.print(f"\nStill running: http://{environment.addresses.daemon}/ - Ctrl-C ends it.")
    out.print(f"Commands, in another terminal: spillway status --config {environment.config}", soft_wrap=True)
    try:
        while True:
            time.sleep(1.0)
    except KeyboardInterrupt:
        out.print("\nStopped; nothing is left behind.")

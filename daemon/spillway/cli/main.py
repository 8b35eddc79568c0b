"""The `spillway` command: one group, one module for each command, errors turned into exit codes in one place."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

import click

from spillway import __version__
from spillway.cli import (
    adopt,
    alarms,
    backtest,
    check,
    completion,
    doctor,
    document,
    explain,
    health,
    history,
    init,
    journal,
    orders,
    provision,
    roles,
    run,
    sandbox,
    setup,
    status,
)
from spillway.cli.console import complain, complain_of_defect, drop_output, err
from spillway.cli.demo.command import demo
from spillway.errors import SpillwayError, TemporaryError
from spillway.exits import Exit, exit_code

HELP = """Build a global Application Load Balancer and move traffic between its regions.

\b
First steps
  spillway demo            see the whole thing run on a simulated Google Cloud
  spillway init            write a first configuration, from a few answers or from your project
  spillway check           read a configuration and name every mistake in it
  spillway plan            show what would be built or changed
  spillway adopt NAME      take over a load balancer that stands, without changing it
  spillway run             the daemon: build it, watch it, move traffic
  spillway backtest        try a policy on simulated traffic and faults, beside its opponents

\b
To a running daemon
  spillway status          what is wrong now, and what it sees and does
  spillway alarms          what is wrong now; also silence, unsilence
  spillway history         what it has decided and done; also without a running daemon
  spillway explain         why: the story of a move, or of its absence
  spillway drain REGION    take the load from a region; also hold, pin, mode, undo, orders
  spillway reload          read the configuration again, and hear what became of it

Every command takes --json where it prints a result. Exit codes: 0 done, 1 failed, 2 wrong input,
3 something needed is missing, 4 refused by the cloud or by a floor, 5 outcome unknown, 70 defect, 130 interrupted.
"""


@click.group(help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="spillway")
def group() -> None:
    """The group; its help stands in HELP."""


for command in (
    run.run,
    init.init,
    check.check,
    provision.plan,
    provision.up,
    provision.destroy,
    adopt.adopt,
    adopt.unadopt,
    status.status,
    health.health,
    history.history,
    explain.explain,
    journal.journal,
    orders.orders,
    orders.hold,
    orders.release,
    orders.pin,
    orders.drain,
    orders.undrain,
    orders.mode,
    orders.undo,
    orders.reload,
    alarms.alarms,
    alarms.silence,
    alarms.unsilence,
    demo,
    backtest.backtest,
    sandbox.sandbox,
    setup.setup,
    doctor.doctor,
    roles.roles,
    completion.completion,
    document.docs,
):
    group.add_command(command)


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A disk or a quota that is full, a file that may not grow."""


def _no_room(error: OSError) -> TemporaryError:
    where = error.filename or "the output"
    return TemporaryError(
        f"{where} cannot be written: {error.strerror}",
        remedy="Free space on its disk, or let the output go elsewhere.",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        result = group.main(args=list(arguments), prog_name="spillway", standalone_mode=False)
        return int(result) if isinstance(result, int) else Exit.OK
    except click.exceptions.Abort:
        err.print("interrupted")
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return Exit.CONFIG
    except SpillwayError as error:
        complain(error, as_json="--json" in arguments)
        return exit_code(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        drop_output()
        return Exit.OK
    except Exception as error:  # noqa: BLE001 the last line of defence: a defect gets an exit code and a place, not a bare trace
        if isinstance(error, OSError) and error.errno in _FULL:
            drop_output()
            complain(_no_room(error))
            return Exit.UNAVAILABLE
        complain_of_defect()
        return Exit.INTERNAL

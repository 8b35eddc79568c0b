"""Orders to the running daemon: `hold`, `release`, `pin`, `drain`, `undrain`, `mode`, `undo`, `orders` and `reload`.

They go over the control socket in the daemon's state folder, and the answer comes once the daemon has judged and kept them.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from spillway.cli.console import err, out, print_json
from spillway.cli.options import config_option, json_option
from spillway.cli.status import order_line
from spillway.config.fields import parse_duration
from spillway.control.requests import LEAST_SECONDS, MOST_SECONDS, POLICY, Answer, Command, Request, Verdict
from spillway.core.values.policy import Mode
from spillway.core.values.topology import is_in_hundredths
from spillway.errors import PermanentError, TemporaryError
from spillway.exits import Exit
from spillway.service.control_socket import NAME, address_of
from spillway.service.protocol import (
    DEFAULT_WAIT,
    LONGEST_ANSWER,
    LONGEST_WAIT,
    decode_answer,
    encode_request,
)

F = TypeVar("F", bound=Callable[..., Any])

FOREVER = "forever"
RELOAD_WAIT = 300.0
"""Wall seconds that `reload` waits: a build is mostly done by then, and a service manager waits longer (TimeoutStartSec)."""
_GRACE = 5.0
"""Wall seconds that the daemon has to say that the time is over."""

_EXITS = {
    Verdict.DONE: Exit.OK,
    Verdict.REFUSED: Exit.REFUSED,
    Verdict.MISTAKEN: Exit.CONFIG,
    Verdict.UNAVAILABLE: Exit.UNAVAILABLE,
    Verdict.FAILED: Exit.FAILED,
    Verdict.UNKNOWN: Exit.UNKNOWN,
}


class Limited(click.ParamType[float, Any]):
    """A duration such as 2h, from one minute to 30 days."""

    name = "duration"
    without_end = ""
    """What is said about an order without end; empty where there is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Its seconds."""
        if isinstance(value, float):
            return value
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            hint = f", or {FOREVER}" if self.without_end else ""
            self.fail(f"{error}{hint}", param, ctx)
        if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
            self.fail(f"{value} is not between 1m and 30d{self.without_end}", param, ctx)
        return seconds


class Lasting(Limited):
    """Such a duration, or `forever`."""

    without_end = f"; write {FOREVER} for an order without end"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Seconds of a duration; `FOREVER` stays as it is."""
        return value if value == FOREVER else super().convert(value, param, ctx)


class Wait(click.ParamType[float, Any]):
    """A duration such as 30s, up to 15m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Its seconds."""
        if isinstance(value, float):
            return value
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not 1.0 <= seconds <= LONGEST_WAIT:
            self.fail(f"{value} is not between 1s and {LONGEST_WAIT / 60:g}m", param, ctx)
        return seconds


def daemon_options(wait: float) -> Callable[[F], F]:
    """Where the daemon is, and how long to wait for it."""

    def decorate(function: F) -> F:
        function = json_option(function)
        function = click.option(
            "--timeout",
            type=Wait(),
            default=f"{wait:g}s",
            show_default=True,
            help="How long to wait for the answer: a running pass or write is not interrupted.",
        )(function)
        function = click.option(
            "--state-dir",
            # an operator may pass through it, and read nothing in it
            type=click.Path(path_type=Path, readable=False),
            default=None,
            help="The daemon's state folder, instead of the config's.",
        )(function)
        return config_option(function)

    return decorate


def service_option(function: F) -> F:
    """`--service NAME`."""
    return click.option("--service", default=None, help="For this service alone; all services by default.")(
        function
    )


def why_option(*, required: bool) -> Callable[[F], F]:
    """`--reason TEXT`."""
    words = "Why, for the journal and whoever is on call."
    if required:
        return click.option("--reason", required=True, help=words)
    return click.option("--reason", default="", help=words)


def lasting_option(function: F) -> F:
    """`--for 2h`."""
    return click.option(
        "--for",
        "lasting",
        type=Lasting(),
        default="2h",
        show_default=True,
        help=f"How long it lasts (the world's time on a sandbox), or {FOREVER}.",
    )(function)


def force_option(function: F) -> F:
    """`--force`."""
    return click.option("--force", is_flag=True, help="Also where it breaks a floor.")(function)


def _seconds(lasting: float | str) -> float | None:
    return None if isinstance(lasting, str) else lasting


@click.command(short_help="Nothing moves, until released or ended.")
@service_option
@lasting_option
@why_option(required=True)
@daemon_options(DEFAULT_WAIT)
def hold(service: str | None, lasting: float | str, reason: str, **where: Any) -> int:
    """Keep every lever as it is: the daemon watches and tells, and moves nothing, not even for a dead region.

    Health checks and Google's own failover go on.
    """
    return send(
        Request(command=Command.HOLD, service=service, seconds=_seconds(lasting), reason=reason), **where
    )


@click.command(short_help="End a hold, or with REGION a pin or a drain.")
@click.argument("region", required=False)
@service_option
@why_option(required=False)
@daemon_options(DEFAULT_WAIT)
def release(region: str | None, service: str | None, reason: str, **where: Any) -> int:
    """End holds; with REGION the pins and drains of that region."""
    return send(Request(command=Command.RELEASE, region=region, service=service, reason=reason), **where)


@click.command(short_help="Set a region's scaler and keep it there.")
@click.argument("region")
@click.argument("scaler", type=float)
@service_option
@lasting_option
@why_option(required=True)
@force_option
@daemon_options(DEFAULT_WAIT)
def pin(
    region: str,
    scaler: float,
    service: str | None,
    lasting: float | str,
    reason: str,
    force: bool,
    **where: Any,
) -> int:
    """Set the capacity scaler of REGION to SCALER (0, or 0.1 to 1) and keep it there.

    A pin holds both ways: nothing raises or lowers it, also not in a shortage or where the region fails; that is told as an alarm.
    """
    if not is_in_hundredths(scaler):
        raise click.BadParameter(
            f"{scaler} is no scaler. Write 0, or 0.1 to 1 in hundredths.", param_hint="SCALER"
        )
    request = Request(
        command=Command.PIN,
        region=region,
        scaler=scaler,
        service=service,
        seconds=_seconds(lasting),
        reason=reason,
        force=force,
    )
    return send(request, **where)


@click.command(short_help="Take the load from a region and keep it away.")
@click.argument("region")
@service_option
@lasting_option
@why_option(required=True)
@force_option
@daemon_options(DEFAULT_WAIT)
def drain(
    region: str, service: str | None, lasting: float | str, reason: str, force: bool, **where: Any
) -> int:
    """Bring REGION to scaler 0 and keep it there; room is made first.

    Standby regions join, and receivers are opened and capped, before the load goes. What would break a floor is refused.
    """
    request = Request(
        command=Command.DRAIN,
        region=region,
        service=service,
        seconds=_seconds(lasting),
        reason=reason,
        force=force,
    )
    return send(request, **where)


@click.command(short_help="End a drain; the region comes back step by step.")
@click.argument("region")
@service_option
@why_option(required=False)
@daemon_options(DEFAULT_WAIT)
def undrain(region: str, service: str | None, reason: str, **where: Any) -> int:
    """End the drain of REGION. It comes back by the steps of its policy, as after a fault."""
    return send(Request(command=Command.UNDRAIN, region=region, service=service, reason=reason), **where)


@click.command(short_help="Steer in another mode than the policy says.")
@click.argument("mode", type=click.Choice([*[m.value for m in Mode], POLICY]))
@service_option
@lasting_option
@why_option(required=False)
@daemon_options(DEFAULT_WAIT)
def mode(mode: str, service: str | None, lasting: float | str, reason: str, **where: Any) -> int:
    """Steer in MODE for a while: observe writes nothing, recommend advises, act writes. `policy` ends that."""
    if mode != POLICY and not reason:
        raise click.UsageError("Missing option '--reason'.")
    request = Request(
        command=Command.MODE, mode=mode, service=service, seconds=_seconds(lasting), reason=reason
    )
    return send(request, **where)


@click.command(short_help="Take back the last order.")
@why_option(required=False)
@daemon_options(DEFAULT_WAIT)
def undo(reason: str, **where: Any) -> int:
    """Bring back the orders as they were before the last one."""
    return send(Request(command=Command.UNDO, reason=reason), **where)


@click.command(short_help="List the orders in force.")
@daemon_options(DEFAULT_WAIT)
def orders(**where: Any) -> int:
    """List the orders in force: who, what, where, why and until when."""
    return send(Request(command=Command.ORDERS), **where)


@click.command(short_help="Read the configuration again, and hear what became of it.")
@daemon_options(RELOAD_WAIT)
def reload(**where: Any) -> int:
    """Have the daemon read its configuration again; wait for its verdict.

    Ends with 0 where what is on the disk is in force, 2 where it has mistakes, 1 where the cloud did not take it or a restart is
    needed, 5 where the build takes longer than --timeout: it goes on.
    """
    return send(Request(command=Command.RELOAD), **where)


def send(
    request: Request,
    *,
    config_path: Path,
    state_dir: Path | None,
    timeout: float,
    as_json: bool,
    shown: Callable[[Request, Answer, dict[str, Any]], None] | None = None,
) -> int:
    """Send one request to the daemon and print its answer, by `shown` if that is given; the exit code.

    Raises:
        TemporaryError: no daemon answers.
        PermanentError: this user may not send orders.
    """
    if state_dir is None:
        from spillway.config import load

        state_dir = load.state_dir(config_path)
    answer, document = ask(state_dir / NAME, request, timeout)
    if as_json:
        print_json(document)
    else:
        (shown or show)(request, answer, document)
    return _EXITS[answer.verdict]


def show(request: Request, answer: Answer, document: dict[str, Any]) -> None:
    """Print an answer for a person."""
    good = answer.verdict is Verdict.DONE
    console = out if good else err
    if good:
        console.print(f"{answer.sentence[:1].upper()}{answer.sentence[1:]}.", markup=False)
    else:
        word = "error" if answer.verdict in {Verdict.MISTAKEN, Verdict.UNAVAILABLE} else answer.verdict.value
        console.print(f"[bold red]{word}[/] ", end="")
        console.print(f"{answer.sentence}.", markup=False)
    for note in answer.notes:
        console.print(f"  {note}", markup=False)
    if answer.remedy:
        console.print(f"  {answer.remedy}", markup=False)
    if request.command is Command.ORDERS:
        for order in document["orders"]:
            out.print(order_line(order), markup=False)


def _connect(connection: socket.socket, path: Path) -> None:
    """Connect; while more senders come than the daemon lets in, wait for a place.

    Raises:
        OSError: nobody listens there, or there is no place in time.
    """
    until = time.monotonic() + _GRACE
    with address_of(path) as address:
        while True:
            try:
                connection.connect(address)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.05)
            else:
                return


def ask(path: Path, request: Request, timeout: float) -> tuple[Answer, dict[str, Any]]:
    """The daemon's answer, and the same as it was sent.

    Args:
        path: of the control socket.
        request: what to ask for.
        timeout: wall seconds.

    Raises:
        TemporaryError: no daemon answers in time.
        PermanentError: this user may not send orders.
    """
    until = time.monotonic() + timeout + _GRACE
    behalf = os.environ.get("SUDO_USER", "") if os.geteuid() == 0 else ""
    received = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_GRACE)
        try:
            _connect(connection, path)
            connection.sendall(encode_request(request, timeout, behalf))
            while b"\n" not in received and len(received) <= LONGEST_ANSWER:
                connection.settimeout(max(0.01, until - time.monotonic()))
                part = connection.recv(65536)
                if not part:
                    break
                received += part
        except PermissionError as error:
            raise PermanentError(
                f"this user may not send orders to {path}: {error.strerror}",
                remedy="Send it as root or as the daemon's user, or as a member of daemon.operators_group.",
            ) from error
        except OSError as error:
            raise TemporaryError(
                f"no daemon answers at {path}: {error.strerror or error}",
                remedy="Is it running (systemctl status spillway)? Is daemon.state_dir the same? --state-dir names another.",
            ) from error
    try:
        return decode_answer(bytes(received))
    except ValueError as error:
        raise TemporaryError(
            f"what answers at {path} is no Spillway of this version: {error}",
            remedy="Use the spillway command that the daemon was started with.",
        ) from error

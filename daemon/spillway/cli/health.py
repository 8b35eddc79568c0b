"""`spillway health`: whether the daemon of a configuration makes progress, as an exit code, for containers and scripts.

The image asks every half a minute. So this module imports little: `python -m spillway.cli.health` takes a fifth of the
processor time of the whole command line.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

import click

from spillway.cli.options import address_on_this_machine, config_option
from spillway.config.source import read
from spillway.errors import SpillwayError, TemporaryError
from spillway.exits import Exit, exit_code

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy of the environment could not reach the daemon's own machine."""
_DEADLINE = 3.0
"""Seconds for one answer; two of them, and the start of Python, fit into the ten seconds that the image gives the check."""
_MOST = 65536
"""Most bytes of an answer that are read; /healthz says one sentence."""
_LISTEN, _STATE_DIR = "127.0.0.1:9464", "/var/lib/spillway"
"""The defaults of `daemon.listen` and `daemon.state_dir`, also where the configuration cannot be read."""


@click.command(short_help="Ask whether the daemon makes progress.")
@config_option
@click.option("--ready", is_flag=True, help="Ask /readyz instead: whether its first tick is done.")
def health(config_path: Path, ready: bool) -> int:
    """Ask /healthz of the daemon at `daemon.listen` of its configuration, and end with 0 only where it says yes.

    A daemon that says no ends it with 1, and one that does not answer within three seconds with 3. Mistakes elsewhere in
    the configuration do not matter.
    """
    path = "/readyz" if ready else "/healthz"
    listen, state_dir, tls = _daemon_of(config_path)
    url = f"http://{address_on_this_machine(listen)}"
    try:
        well, sentence = _ask_over_tls(config_path, path) if tls else _ask(url + path)
    except TemporaryError:
        # After a change of daemon.listen the daemon serves at the old address until it is started again.
        from spillway.cli.status import told_page

        serving = told_page(state_dir)
        if not tls and serving in {"", f"http://{listen}", url}:
            raise
        # Where its certificate cannot be loaded, `run --stay` answers the probes over plain HTTP.
        here = url if tls else f"http://{address_on_this_machine(serving.removeprefix('http://'))}"
        well, sentence = _ask(here + path)
    click.echo(sentence, err=not well)
    return Exit.OK if well else Exit.FAILED


def _daemon_of(config_path: Path) -> tuple[str, Path, bool]:
    """`daemon.listen` and `daemon.state_dir` as they are written, else the defaults; and whether `daemon.tls` is written."""
    data = read(config_path).data
    daemon = data.get("daemon") if isinstance(data, dict) else None
    written = daemon if isinstance(daemon, dict) else {}
    listen, state_dir = written.get("listen"), written.get("state_dir")
    return (
        listen if isinstance(listen, str) else _LISTEN,
        Path(state_dir if isinstance(state_dir, str) else _STATE_DIR),
        written.get("tls") is not None,
    )


def _ask_over_tls(config_path: Path, path: str) -> tuple[bool, str]:
    """The same over TLS, with the configuration's own certificate.

    Raises:
        SpillwayError: nobody answers there in time, or somebody else does.
    """
    from spillway.cli.connection import open_url, trust_of, url_of
    from spillway.config import load

    daemon = load.daemon_section(config_path)
    trust = trust_of(daemon, None)
    return _ask(url_of(daemon) + path, lambda url, timeout: open_url(url, trust, timeout))


def _direct(url: str, timeout: float) -> HTTPResponse:
    answer: HTTPResponse = _DIRECT.open(url, timeout=timeout)
    return answer


def _ask(url: str, ask: Callable[[str, float], HTTPResponse] = _direct) -> tuple[bool, str]:
    """Whether the answer is yes, and its sentence.

    Raises:
        TemporaryError: nobody answers there in time.
    """
    try:
        try:
            with ask(url, _DEADLINE) as answer:
                return True, _sentence(answer.read(_MOST))
        except urllib.error.HTTPError as error:
            with error:
                return False, _sentence(error.read(_MOST))
    except (OSError, ValueError, HTTPException) as error:
        raise TemporaryError(
            f"no daemon answers at {url}: {getattr(error, 'reason', error)}",
            remedy="Is it running? Is daemon.listen the same?",
        ) from error


def _sentence(body: bytes) -> str:
    return body.decode(errors="replace").strip()


def main() -> int:
    """The command alone, without the rest of the command line; returns its exit code."""
    try:
        result = health.main(prog_name="spillway health", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return Exit.CONFIG
    except SpillwayError as error:
        click.echo(str(error), err=True)
        return exit_code(error)
    return int(result) if isinstance(result, int) else Exit.OK


if __name__ == "__main__":
    sys.exit(main())

"""What a daemon does that cannot run until somebody acts, where nobody would see its exit code: it stays and says why.

In a container without systemd an exit is answered by a restart, and that changes nothing. So the process stays up: alive
on /healthz, not ready on /readyz, with the reason there, in /status, on the page and in the log. SIGHUP, or a change of
the configuration's files, is a reason to try again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from spillway.compose.changes import Watch
from spillway.config import load
from spillway.config.access import Access, access_of
from spillway.config.check import look_up
from spillway.config.rules.daemon import is_loopback
from spillway.config.source import read
from spillway.errors import SpillwayError
from spillway.service.signals import RELOADING, STOPPING, SignalListener

_LISTEN = "127.0.0.1:9464"
"""Where the configuration cannot be read; its own default."""
_LOOK = 1.0
"""Wall seconds between two looks at the files of the configuration."""


def stay(why: str, config_path: Path) -> bool:
    """Serve the reason until SIGTERM or SIGINT; True where it is worth trying again.

    Raises:
        TemporaryError: the address is in use.
    """
    from spillway.adapters.stopped import Stopped
    from spillway.adapters.web import Web

    listen = _listen(config_path)
    web = Web(listen, Stopped(why, _journal(config_path)), access=_access(config_path, listen))
    signals = SignalListener()
    watch = Watch(config_path, (config_path,))
    try:
        with signals.listening():
            web.start()
            while True:
                received = signals.received(_LOOK)
                if received & STOPPING:
                    return False
                if received & RELOADING or watch():
                    return True
    finally:
        web.stop()
        signals.close()


def _journal(config_path: Path) -> Path | None:
    """The journal of `daemon.state_dir`, as far as the configuration can be read."""
    from spillway.adapters.journal.schema import NAME

    try:
        found = look_up(read(config_path).data, ("daemon", "state_dir"))
    except SpillwayError:
        return None
    return Path(found) / "journal" / NAME if isinstance(found, str) else None


def _listen(config_path: Path) -> str:
    """`daemon.listen`, as far as the configuration can be read."""
    try:
        found = look_up(read(config_path).data, ("daemon", "listen"))
    except SpillwayError:
        return _LISTEN
    return found if isinstance(found, str) and found.rpartition(":")[2].isdigit() else _LISTEN


def _access(config_path: Path, listen: str) -> Access:
    """TLS and token of the configuration. Where mistakes leave open what was meant, nobody gets in but the probes."""
    from spillway.adapters.web_tls import Certificate

    try:
        daemon, broken = load.daemon_section(config_path), load.daemon_problems(config_path)
        given = [look_up(read(config_path).data, ("daemon", key)) for key in ("tls", "token_file")]
    except SpillwayError:
        return Access(closed=not is_loopback(listen))
    access = access_of(daemon.tls, daemon.token_file)
    guarded = any(value is not None for value in given) or not is_loopback(listen)
    access = replace(access, closed=broken and guarded)
    if access.certificate_file is None or access.private_key_file is None:
        return access
    try:
        Certificate(access.certificate_file, access.private_key_file)
    except SpillwayError:
        return Access(closed=True)
    return access

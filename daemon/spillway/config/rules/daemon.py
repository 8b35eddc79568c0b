"""The daemon itself, and the cloud that it works on: real or the sandbox."""

from __future__ import annotations

import re
import ssl
from ipaddress import ip_address
from pathlib import Path

from spillway.config.access import WebTlsConfig, token_flaw
from spillway.config.draft import Draft
from spillway.config.fields import format_duration, split_address
from spillway.config.model import DaemonConfig, SandboxConfig
from spillway.config.rules.certificates import check_files
from spillway.config.rules.protection import check_secret
from spillway.config.tree import Location
from spillway.config.webhooks import url_flaw

_AT: Location = ("daemon",)
_SANDBOX: Location = ("sandbox",)
_BACKEND = re.compile(r"(file|gs|s3|azblob|postgres|https)://.*")
"""Places that Pulumi keeps state in."""


def check(draft: Draft) -> None:
    """Judge the sections `daemon` and `sandbox`, and how they fit `cloud`."""
    if draft.daemon is not None:
        _rhythm(draft, draft.daemon)
        _places(draft, draft.daemon)
        _access(draft, draft.daemon)
        _webhooks(draft, draft.daemon)
    if draft.cloud == "gcp":
        _production(draft)
    elif draft.cloud == "sandbox":
        if draft.sandbox is not None:
            _sandbox(draft, draft.sandbox)
        elif not draft.given(_SANDBOX):
            draft.error(
                ("cloud",),
                "the cloud is the sandbox, and the section `sandbox` is missing.",
                "Add `sandbox: {scenario: FILE}`.",
                uses=(_SANDBOX,),
            )


def is_loopback(address: str) -> bool:
    """True if nobody outside this machine reaches `host:port`."""
    host, _ = split_address(address)
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _rhythm(draft: Draft, daemon: DaemonConfig) -> None:
    tick = (*_AT, "tick")
    if daemon.health_pass > daemon.tick:
        draft.error(
            (*_AT, "health_pass"),
            f"the fast pass comes every {format_duration(daemon.health_pass)}, and the whole loop every {format_duration(daemon.tick)}.",
            f"Write less than {format_duration(daemon.tick)}, such as {format_duration(max(5.0, daemon.tick // 4))}.",
            uses=(tick,),
        )
    periods = [policy.timing.sample_period for policy in draft.policies.values()]
    if periods and daemon.tick < min(periods):
        draft.warn(
            tick,
            f"Cloud Monitoring has a sample every {format_duration(min(periods))}: a tick of {format_duration(daemon.tick)} "
            "sees nothing new and costs more.",
            f"Write {format_duration(min(periods))}.",
            uses=(("policies",),),
        )


def _places(draft: Draft, daemon: DaemonConfig) -> None:
    if not Path(daemon.state_dir).is_absolute():
        draft.error(
            (*_AT, "state_dir"),
            f"{daemon.state_dir!r} depends on where the daemon is started.",
            "Write the whole path, such as /var/lib/spillway.",
        )
    engine = daemon.engine
    if engine.backend is not None and not _BACKEND.fullmatch(engine.backend):
        draft.error(
            (*_AT, "engine", "backend"),
            f"{engine.backend!r} is not a place where Pulumi keeps state.",
            "Write a URL such as gs://my-bucket/spillway or file:///var/lib/spillway/pulumi, or remove the key.",
        )
    where = (*_AT, "engine", "passphrase_file")
    if (
        engine.passphrase_file is not None
        and not (draft.source.folder(where) / engine.passphrase_file).is_file()
    ):
        draft.warn(
            where,
            f"there is no file {engine.passphrase_file} on this machine.",
            "Make sure that it is there where the daemon runs.",
        )


def _access(draft: Draft, daemon: DaemonConfig) -> None:
    """The web server's TLS and token, each by itself, and whether both are there where others reach it."""
    tls, token = (*_AT, "tls"), (*_AT, "token_file")
    if daemon.tls is not None:
        _loadable(draft, daemon.tls, tls)
    if daemon.token_file is not None:
        text = check_secret(draft, token, daemon.token_file)
        flaw = token_flaw(text) if text is not None else ""
        if flaw:
            draft.error(
                token,
                f"of what {daemon.token_file} holds, {flaw}.",
                f"Make one with `openssl rand -hex 32 > {daemon.token_file}`.",
            )
    if is_loopback(daemon.listen) or (daemon.tls is not None and daemon.token_file is not None):
        return
    if daemon.token_file is None:
        flaw, missing = "the pages ask for no password", "daemon.token_file"
        if daemon.tls is None:
            missing = "daemon.tls and daemon.token_file"
    else:
        flaw, missing = "the token crosses the network unencrypted", "daemon.tls"
    draft.warn(
        (*_AT, "listen"),
        f"{daemon.listen} can be reached from outside this machine, and {flaw}.",
        f"Keep it on 127.0.0.1, let a firewall guard it, or set {missing}.",
        uses=(tls, token),
    )


def _loadable(draft: Draft, tls: WebTlsConfig, at: Location) -> None:
    """The web server itself loads these files, so whatever it could not load is a mistake."""
    if not check_files(draft, tls, at):
        return
    folder = draft.source.folder(at)
    certificate, key = folder / tls.certificate_file, folder / tls.private_key_file
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        draft.error(
            at,
            f"{certificate} and {key} cannot be loaded: {reason}.",
            "Write both files anew, in PEM form and without a passphrase.",
        )


def _webhooks(draft: Draft, daemon: DaemonConfig) -> None:
    for where, hook in draft.items((*_AT, "webhooks"), daemon.webhooks):
        if (hook.url is None) == (hook.url_file is None):
            told = "neither `url` nor `url_file`" if hook.url is None else "both `url` and `url_file`"
            draft.error(where, f"there is {told}.", "Write one of them.")
        elif hook.url_file is not None:
            at = (*where, "url_file")
            text = check_secret(draft, at, hook.url_file)
            flaw = url_flaw(text) if text is not None else ""
            if flaw:
                draft.error(
                    at, f"of what {hook.url_file} holds, {flaw}.", "Write the URL alone into the file."
                )


def _production(draft: Draft) -> None:
    if draft.given(_SANDBOX):
        draft.error(
            _SANDBOX,
            "the cloud is Google's, so there is no sandbox to set up.",
            "Remove the section, or write `cloud: sandbox`.",
            uses=(("cloud",),),
        )
    kind = draft.daemon.engine.kind if draft.daemon is not None else "auto"
    if kind not in {"auto", "cli+plugin"}:
        draft.error(
            (*_AT, "engine", "kind"),
            f"the engine {kind} cannot change Google Cloud: it is for the sandbox.",
            "Write auto or cli+plugin.",
            uses=(("cloud",),),
        )


def exposed(address: str) -> str:
    """What is wrong with a sandbox at this address."""
    return f"{address} can be reached from outside this machine; the sandbox believes whoever asks it."


def _sandbox(draft: Draft, sandbox: SandboxConfig) -> None:
    addresses = [((*_SANDBOX, key), getattr(sandbox, key)) for key in ("http", "grpc")]
    for at, address in addresses:
        if not is_loopback(address):
            draft.error(
                at,
                exposed(address),
                "Write 127.0.0.1 and a port.",
            )
    if draft.daemon is not None:
        addresses.append(((*_AT, "listen"), draft.daemon.listen))
    seen: dict[str, Location] = {}
    for at, address in addresses:
        first = seen.setdefault(address, at)
        if first != at and split_address(address)[1] != 0:
            draft.error(
                at if at[0] == "sandbox" else first,
                f"{address} is wanted twice: by {'.'.join(map(str, first))} and by {'.'.join(map(str, at))}.",
                "Give each its own port; 0 takes a free one.",
                uses=(first, at),
            )
    where = (*_SANDBOX, "scenario")
    path = draft.source.folder(where) / sandbox.scenario
    if not path.is_file():
        draft.error(where, f"there is no scenario file {path}.", "Write its path relative to this file.")

"""Examinations: of this machine, the engine, the cloud. Each answers with a finding and never raises."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from spillway.adapters.clock import CLOCK_LIMIT, SYNCHRONISE, date_of
from spillway.adapters.permissions import OBSERVING, PERMISSIONS, Role, add_command, names_of
from spillway.adapters.web import split_address
from spillway.config.model import Config, SandboxConfig
from spillway.core.values.policy import Mode
from spillway.errors import PermanentError

if TYPE_CHECKING:
    from spillway.adapters.google_http import Session

_DEADLINE = 5.0
"""Wall seconds that one look may take."""

_FULL = 16 << 20
"""Bytes left on a disk below which a journal record or the state of a large fleet may not fit."""

_CONNECTION = "Check the network, the proxy settings and the credentials of this machine."
"""What to do where Google cannot be reached."""

_RESOURCE_MANAGER = "https://cloudresourcemanager.googleapis.com"
_ASK = 100
"""Permissions that one question may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    verdict: Literal["ok", "warn", "fail"]
    subject: str
    detail: str
    remedy: str = ""


def examine(config: Config, path: Path, role: Role | None = None) -> list[Finding]:
    """Look at everything that Spillway needs with this configuration; `role` is whose work is to be done here."""
    findings = examine_machine()
    findings.append(
        Finding(verdict="ok", subject="configuration", detail=f"{path} can be used, cloud {config.cloud}")
    )
    findings.append(_state_folder(Path(config.daemon.state_dir)))
    findings.append(_listen(config.daemon.listen))
    findings.append(_engine(config))
    if config.cloud == "sandbox" and config.sandbox is not None:
        findings.extend(_sandbox(config, config.sandbox, path, role))
    if config.cloud == "gcp":
        findings.extend(_google(config, role))
    return findings


def examine_machine() -> list[Finding]:
    """Look at what needs no configuration: the interpreter and the tools on PATH."""
    version = ".".join(map(str, sys.version_info[:3]))
    findings = [Finding(verdict="ok", subject="python", detail=version)]
    found = shutil.which("pulumi")
    if found:
        findings.append(Finding(verdict="ok", subject="pulumi", detail=found))
    else:
        findings.append(
            Finding(
                verdict="warn",
                subject="pulumi",
                detail="no `pulumi` on PATH; the sandbox works without, Google Cloud does not",
                remedy="Run `spillway setup`.",
            )
        )
    return findings


def _state_folder(folder: Path) -> Finding:
    """Can the daemon write there, and does one run there already?"""
    subject = "state folder"
    existing = next((f for f in (folder, *folder.parents) if f.exists()), Path("/"))
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding(
            verdict="fail",
            subject=subject,
            detail=f"{folder} cannot be written by this user",
            remedy="Run as the daemon's user, or set daemon.state_dir to a folder of yours.",
        )
    foreign = next((entry for entry in _entries(folder) if not os.access(entry, os.W_OK)), None)
    if foreign is not None:
        return Finding(
            verdict="fail",
            subject=subject,
            detail=f"{foreign} cannot be written by this user; another one has worked here",
            remedy=f"Run every command as the daemon's user: chown -R it {folder}.",
        )
    free = shutil.disk_usage(existing).free
    if free < _FULL:
        return Finding(
            verdict="fail",
            subject=subject,
            detail=f"{folder} has {free >> 20} MiB left: intents cannot be kept, so nothing can be moved",
            remedy="Free room on the disk of daemon.state_dir.",
        )
    if free < 1 << 30:
        return Finding(
            verdict="warn",
            subject=subject,
            detail=f"{folder} has {free >> 20} MiB left; the journal may need more",
            remedy="Free room, or lower daemon.journal.max_mib.",
        )
    return Finding(verdict="ok", subject=subject, detail=f"{folder}, {free >> 30} GiB free")


def _entries(folder: Path) -> Iterator[Path]:
    """Files and folders that a daemon writes in its state folder; the engine's installed plugins are not among them."""
    for pattern in ("*", "journal/*", "engine/*", "engine/*/*"):
        yield from (entry for entry in folder.glob(pattern) if not entry.is_symlink())


def _listen(address: str) -> Finding:
    """Is the daemon's address free, or does something answer there?"""
    try:
        with socket.create_connection(split_address(address), _DEADLINE):
            return Finding(
                verdict="warn",
                subject="listen address",
                detail=f"something answers on {address} already",
                remedy="If that is not a running Spillway, set daemon.listen to another port.",
            )
    except OSError:
        return Finding(verdict="ok", subject="listen address", detail=f"{address} is free")


def _sandbox(config: Config, sandbox: SandboxConfig, path: Path, role: Role | None) -> list[Finding]:
    """Does the sandbox run, and what does it permit? One that does not run is one finding: nothing else can be asked."""
    remedy = f"Start it with `spillway sandbox -c {path}`, or correct sandbox.http and sandbox.grpc."
    addresses = {"sandbox (REST)": sandbox.http, "sandbox (gRPC)": sandbox.grpc}
    silent = {subject: why for subject, address in addresses.items() if (why := _silence(address))}
    if len(silent) == len(addresses):
        return [
            Finding(
                verdict="fail",
                subject="sandbox",
                detail=f"it does not run: {silent['sandbox (REST)']} (REST); {silent['sandbox (gRPC)']} (gRPC)",
                remedy=remedy,
            )
        ]
    findings = [
        Finding(verdict="fail", subject=subject, detail=silent[subject], remedy=remedy)
        if subject in silent
        else Finding(verdict="ok", subject=subject, detail=f"answers on {address}")
        for subject, address in addresses.items()
    ]
    if "sandbox (REST)" not in silent:
        findings += _sandbox_permissions(config, sandbox, role, remedy)
    return findings


def _silence(address: str) -> str:
    """Why nobody answers at a loopback address; empty where somebody does."""
    try:
        with socket.create_connection(split_address(address), _DEADLINE):
            return ""
    except OSError as error:
        return f"nobody answers on {address}: {error.strerror or error}"


def _engine(config: Config) -> Finding:
    """Which engine would run?"""
    from spillway.adapters.engine.choose import choose
    from spillway.errors import SpillwayError

    try:
        choice = choose(config)
    except SpillwayError as error:
        return Finding(verdict="fail", subject="engine", detail=str(error), remedy=error.remedy)
    return Finding(verdict="ok", subject="engine", detail=f"{choice.kind}: {choice.why}")


def _google(config: Config, role: Role | None) -> list[Finding]:
    """Credentials, reachability, clock and permissions."""
    from spillway.adapters.google_http import google_session

    try:
        session: Any = google_session(1)
    except PermanentError as error:
        return [
            Finding(
                verdict="fail",
                subject="credentials",
                detail=f"none found: {error.__cause__}",
                remedy="On Google Cloud attach a service account to the machine; elsewhere run `gcloud auth application-default login`.",
            )
        ]
    return [
        Finding(verdict="ok", subject="credentials", detail=type(session.credentials).__module__),
        *_look("compute API", lambda: _compute(session, config.project)),
        *_look("permissions", lambda: _permissions(session, _RESOURCE_MANAGER, config, role)),
    ]


def _sandbox_permissions(
    config: Config, sandbox: SandboxConfig, role: Role | None, remedy: str
) -> list[Finding]:
    """The same question to the sandbox, under the role that the configuration names."""
    from spillway.adapters.google_http import sandbox_session

    session = sandbox_session(1, sandbox.role)
    return _look("permissions", lambda: _permissions(session, f"http://{sandbox.http}", config, role), remedy)


def _look(subject: str, look: Callable[[], list[Finding]], remedy: str = _CONNECTION) -> list[Finding]:
    """Carry out one look at the network; its failure is a finding."""
    from spillway.adapters.answers import ShapeError
    from spillway.adapters.google_http import NoAnswerError

    try:
        return look()
    except ShapeError as error:
        return [
            Finding(
                verdict="warn",
                subject=subject,
                detail=f"the answer cannot be used: {error}",
                remedy="Is there a proxy or a gateway between this machine and Google that answers in its place?",
            )
        ]
    except NoAnswerError as error:
        return [
            Finding(
                verdict="fail",
                subject=subject,
                detail=f"could not be asked: {error}",
                remedy=remedy,
            )
        ]


def _compute(session: Session, project: str) -> list[Finding]:
    """Ask Compute for one backend service; compare clocks by the answer's Date."""
    from spillway.adapters.google_http import Call, exchange

    url = f"https://compute.googleapis.com/compute/v1/projects/{project}/global/backendServices"
    call = Call(method="GET", url=url, params=(("maxResults", "1"),))
    answer = exchange(session, call, ends=time.monotonic() + _DEADLINE)
    findings = []
    if answer.status < 400:
        findings.append(Finding(verdict="ok", subject="compute API", detail=f"answers for project {project}"))
    else:
        findings.append(
            Finding(
                verdict="fail",
                subject="compute API",
                detail=f"HTTP {answer.status}: {answer.text[:200]}",
                remedy=f"Is the Compute API enabled in {project}, and does the daemon's role hold compute.backendServices.list?",
            )
        )
    if (date := date_of(answer.headers.get("Date"))) is not None:
        error = abs(date - time.time())
        findings.append(
            Finding(verdict="ok", subject="clock", detail=f"within {error:.0f} s of Google's")
            if error <= CLOCK_LIMIT
            else Finding(
                verdict="warn",
                subject="clock",
                detail=f"{error:.0f} s off Google's; the daemon goes by Google's, the dates of its log do not",
                remedy=SYNCHRONISE,
            )
        )
    return findings


def _permissions(session: Session, api: str, config: Config, role: Role | None) -> list[Finding]:
    """Ask which of the permissions that any path uses are granted."""
    from spillway.adapters.answers import parse, texts
    from spillway.adapters.google_http import Call, exchange

    granted: set[str] = set()
    wanted = sorted(names_of(Role.BUILD))
    for start in range(0, len(wanted), _ASK):
        body = {"permissions": wanted[start : start + _ASK]}
        call = Call(method="POST", url=f"{api}/v1/projects/{config.project}:testIamPermissions", body=body)
        answer = exchange(session, call, ends=time.monotonic() + _DEADLINE)
        if answer.status >= 400:
            return [
                Finding(
                    verdict="warn",
                    subject="permissions",
                    detail=f"could not be tested (HTTP {answer.status})",
                    remedy="Enable the Cloud Resource Manager API to have them tested, or compare by hand with `spillway roles`.",
                )
            ]
        granted.update(texts(parse(answer.body), "permissions"))
    acts = any(policy.mode is Mode.ACT for policy in config.policies.values())
    return judge(granted, config.project, role, acts=acts)


def judge(granted: Collection[str], project: str, role: Role | None, *, acts: bool = True) -> list[Finding]:
    """What the granted permissions suffice for.

    Args:
        granted: by name.
        project: for the commands that mend it.
        role: whose work is to be done here; without one, building is asked for only where a part of it is granted.
        acts: false if no policy moves anything: then what only moves need is a warning.
    """
    run = _judge_role(granted, project, Role.RUN, acts=acts)
    if role is Role.RUN:
        return [run]
    building = {each.name for each in PERMISSIONS if each.role is Role.BUILD}
    if role is None and not building & set(granted):
        return [
            run,
            Finding(
                verdict="ok",
                subject=f"permissions ({Role.BUILD})",
                detail="none, so `spillway up` and `destroy` need another identity; the daemon needs none of them",
            ),
        ]
    return [run, _judge_role(granted, project, Role.BUILD, acts=acts)]


def _judge_role(granted: Collection[str], project: str, role: Role, *, acts: bool) -> Finding:
    """What is missing of that which this role has and the smaller one has not."""
    subject = f"permissions ({role})"
    missing: dict[str, list[str]] = {}
    for each in PERMISSIONS:
        if each.role is role and each.name not in granted:
            missing.setdefault(each.purpose, []).append(each.name)
    if not missing:
        return Finding(verdict="ok", subject=subject, detail="all that the role needs are granted")
    detail = "; ".join(f"missing for {purpose}: {', '.join(names)}" for purpose, names in missing.items())
    command = add_command(role, project, (name for names in missing.values() for name in names))
    spared = role is Role.RUN and not acts and OBSERVING not in missing
    return Finding(
        verdict="warn" if spared else "fail",
        subject=subject,
        detail=detail,
        remedy=f"{command} (or make the role first: `spillway roles`)",
    )

"""Examinations: of this machine, the engine, the cloud. Each answers with a finding and never raises."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from spillway.adapters.clock import CLOCK_LIMIT, SYNCHRONISE, date_of
from spillway.adapters.web import split_address
from spillway.config.model import Config
from spillway.errors import PermanentError

if TYPE_CHECKING:
    from spillway.adapters.google_http import Session

_DEADLINE = 5.0
"""Wall seconds that one look may take."""

_FULL = 16 << 20
"""Bytes left on a disk below which a journal record or the state of a large fleet may not fit."""

READING = (
    "compute.backendServices.get",
    "compute.backendServices.list",
    "compute.globalOperations.get",
    "monitoring.timeSeries.list",
    "monitoring.metricDescriptors.get",
    "networkservices.serviceLbPolicies.get",
)
"""Permissions without which the daemon is blind (reference: gcp.md section 6)."""
WRITING = (
    "compute.backendServices.update",
    "compute.healthChecks.useReadOnly",
    "compute.networkEndpointGroups.use",
    "compute.instanceGroups.use",
    "networkservices.serviceLbPolicies.update",
    "networkservices.operations.get",
)
"""Permissions without which it cannot move anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    verdict: Literal["ok", "warn", "fail"]
    subject: str
    detail: str
    remedy: str = ""


def examine(config: Config, path: Path) -> list[Finding]:
    """Look at everything that the daemon needs with this configuration."""
    findings = examine_machine()
    findings.append(
        Finding(verdict="ok", subject="configuration", detail=f"{path} can be used, cloud {config.cloud}")
    )
    findings.append(_state_folder(Path(config.daemon.state_dir)))
    findings.append(_listen(config.daemon.listen))
    findings.append(_engine(config))
    if config.cloud == "sandbox" and config.sandbox is not None:
        findings.append(_reachable("sandbox (REST)", config.sandbox.http))
        findings.append(_reachable("sandbox (gRPC)", config.sandbox.grpc))
    if config.cloud == "gcp":
        findings.extend(_google(config.project))
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
            remedy="Free room, or lower daemon.journal.max_bytes and keep.",
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


def _reachable(subject: str, address: str) -> Finding:
    """Does anything answer at a loopback address?"""
    try:
        with socket.create_connection(split_address(address), _DEADLINE):
            return Finding(verdict="ok", subject=subject, detail=f"answers on {address}")
    except OSError as error:
        return Finding(
            verdict="fail",
            subject=subject,
            detail=f"nobody answers on {address}: {error.strerror or error}",
            remedy="Start it with `spillway sandbox -c CONFIG`.",
        )


def _engine(config: Config) -> Finding:
    """Which engine would run?"""
    from spillway.adapters.engine.choose import choose
    from spillway.errors import SpillwayError

    try:
        choice = choose(config)
    except SpillwayError as error:
        return Finding(verdict="fail", subject="engine", detail=str(error), remedy=error.remedy)
    return Finding(verdict="ok", subject="engine", detail=f"{choice.kind}: {choice.why}")


def _google(project: str) -> list[Finding]:
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
        *_look("compute API", lambda: _compute(session, project)),
        *_look("permissions", lambda: _permissions(session, project)),
    ]


def _look(subject: str, look: Callable[[], list[Finding]]) -> list[Finding]:
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
                remedy="Check the network, the proxy settings and the credentials of this machine.",
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


def _permissions(session: Session, project: str) -> list[Finding]:
    """Ask which of the permissions that the daemon uses are granted."""
    from spillway.adapters.answers import parse, texts
    from spillway.adapters.google_http import Call, exchange

    wanted = [*READING, *WRITING]
    url = f"https://cloudresourcemanager.googleapis.com/v1/projects/{project}:testIamPermissions"
    call = Call(method="POST", url=url, body={"permissions": wanted})
    answer = exchange(session, call, ends=time.monotonic() + _DEADLINE)
    if answer.status >= 400:
        return [
            Finding(
                verdict="warn",
                subject="permissions",
                detail=f"could not be tested (HTTP {answer.status})",
                remedy="Enable the Cloud Resource Manager API to have them tested, or compare by hand with the README.",
            )
        ]
    granted = set(texts(parse(answer.body), "permissions"))
    blind = [p for p in READING if p not in granted]
    tied = [p for p in WRITING if p not in granted]
    if blind:
        return [
            Finding(
                verdict="fail",
                subject="permissions",
                detail="missing for reading: " + ", ".join(blind),
                remedy="Add them to the daemon's role (README, least privilege).",
            )
        ]
    if tied:
        return [
            Finding(
                verdict="warn",
                subject="permissions",
                detail="enough to observe; missing for moving traffic: " + ", ".join(tied),
                remedy="Add them before a policy is set to `act`.",
            )
        ]
    return [Finding(verdict="ok", subject="permissions", detail="all that the daemon uses are granted")]

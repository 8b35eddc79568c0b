"""The CLI's state file on this machine, when it cannot be read: which copy takes its place.

Pulumi keeps `NAME.json.bak`, the state before its last write, and a copy in its history at the end of each update
(pulumi.md 6). The newest copy that makes sense is taken: after an update that ended it is the whole state, after a
killed one it is a write behind. A refresh must follow, and what is pending in it is looked at as after a crash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from spillway.adapters.engine.language import PROJECT
from spillway.adapters.files import remedy_for, set_aside, write_atomically
from spillway.errors import PermanentError, TemporaryError

_COPIES = 20
"""Copies that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resource:
    """What the CLI and `stack_recovery` read of a resource (apitype.ResourceV3)."""

    urn: str
    type: str
    custom: bool = False
    delete: bool = False
    external: bool = False
    protect: bool = False
    pendingReplacement: bool = False  # noqa: N815 Pulumi's name
    id: str = ""
    parent: str = ""
    provider: str = ""
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
    dependencies: list[str] | None = None
    propertyDependencies: dict[str, list[str] | None] | None = None  # noqa: N815 Pulumi's name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    type: str
    resource: _Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deployment:
    manifest: dict[str, Any] = field(default_factory=dict)
    resources: list[_Resource] | None = None
    pending_operations: list[_Operation] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checkpoint:
    stack: str
    latest: _Deployment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    version: int
    checkpoint: _Checkpoint


def flaw_of(file: Path) -> str:
    """What is wrong with a state file; empty where nothing is, also where there is none.

    Raises:
        TemporaryError: the disk does not give it.
    """
    try:
        msgspec.json.decode(file.read_bytes(), type=_File)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise TemporaryError(
            f"the engine's state {file} cannot be read: {error}", remedy=remedy_for(error)
        ) from error
    except (ValueError, RecursionError) as error:
        return str(error)
    return ""


def state_file(state: Path, stack: str) -> Path:
    """Where the CLI keeps a stack in the folder `state`."""
    return state / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"


def put_last_good_in_place(state: Path, stack: str, flaw: str) -> str:
    """Replace a state file by its newest copy that makes sense, and keep it aside; a sentence about it.

    For the holder of the engine's lock, while nobody else works on the stack.

    Raises:
        PermanentError: no copy makes sense.
        OSError: the disk does not take it.
    """
    file = state_file(state, stack)
    for copy in _copies(state, stack):
        if flaw_of(copy):
            continue
        content = copy.read_bytes()
        aside = set_aside(file)
        write_atomically(file, content, mode=0o600)
        return f"the engine's state was unreadable ({flaw}): the copy {copy.name} takes its place, and it lies in {aside.name}"
    raise PermanentError(
        f"the engine's state {file} cannot be read ({flaw}), nor can any copy beside it or in its history",
        remedy=f"Put a copy of {state} back. Without a copy: move that folder away, delete by hand what this load balancer"
        " consists of, and let Spillway build it anew.",
    )


def _copies(state: Path, stack: str) -> Iterator[Path]:
    """The newest first."""
    file = state_file(state, stack)
    history = (state / ".pulumi" / "history" / PROJECT / stack).glob("*.checkpoint.json")
    found = [copy for copy in (file.with_name(f"{file.name}.bak"), *history) if copy.exists()]
    yield from sorted(found, key=lambda copy: copy.stat().st_mtime_ns, reverse=True)[:_COPIES]

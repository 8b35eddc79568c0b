"""The errors of Spillway. Imported from anywhere, imports nothing.

SpillwayError
├── ConfigError          the input is wrong; carries every problem found, with its place
├── TemporaryError       try again, not before `retry_after` seconds
├── PermanentError       trying again changes nothing; somebody must act
├── UnsafePlan           a plan refused itself; carries the floor it would break
└── OutcomeUnknown       a write may or may not have happened: observe before deciding anything
"""

from __future__ import annotations

from dataclasses import dataclass, field

_DEPTH = 10
"""Layers that `root_cause` looks through at most."""


class SpillwayError(Exception):
    """Base of all errors that Spillway raises on purpose."""

    remedy: str = ""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in an input file: where it stands, what is wrong, what to write instead."""

    file: str
    line: int
    """1-based; 0 where the place has no line (an environment variable, a missing file)."""
    path: str
    """Dotted path, such as `topology.services.pool.timeout`."""
    message: str
    remedy: str
    origin: str = field(default="", compare=False)
    """The same for what one value of the file brings about at several paths, by an anchor and its aliases; empty where nobody knows."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.path}: {self.message} {self.remedy}".rstrip()


class ConfigError(SpillwayError):
    """The configuration cannot be used; `problems` lists all that is wrong with it, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


class TemporaryError(SpillwayError):
    """Something outside did not answer in time or refused for the moment."""

    def __init__(self, message: str, *, retry_after: float = 0.0, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after


class PermanentError(SpillwayError):
    """Trying again changes nothing: a missing permission, a deleted resource, a refused value."""


class UnsafePlan(SpillwayError):
    """A plan would break a floor; it is not carried out."""


class OutcomeUnknown(SpillwayError):
    """A write was sent and no answer came: it may have been carried out."""


def root_cause(error: BaseException) -> str:
    """Why a connection failed, in the words of the operating system: `Connection refused`.

    HTTP libraries wrap the error of the operating system in three layers of their own; this looks for the lowest one.
    """
    found = error
    for _ in range(_DEPTH):
        below = getattr(found, "reason", None) or found.__cause__ or next(iter(found.args), None)
        if not isinstance(below, BaseException):
            break
        found = below
    return getattr(found, "strerror", None) or str(found) or type(found).__name__

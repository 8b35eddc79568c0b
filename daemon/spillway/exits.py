"""Exit codes, the same for every command; `docs/cli.md` lists them. Stable: scripts may rely on them."""

from __future__ import annotations

from enum import IntEnum

from spillway.errors import ConfigError, OutcomeUnknown, PermanentError, SpillwayError, TemporaryError


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    """Done, or stopped on request."""
    FAILED = 1
    """It was tried and did not work; the message says what was left as it was."""
    CONFIG = 2
    """The input is wrong: config, scenario or arguments. Nothing was touched."""
    UNAVAILABLE = 3
    """Something it needs is not there: an address in use, a lock held, a full disk, a daemon that does not answer."""
    REFUSED = 4
    """Refused for good, and trying again changes nothing until somebody acts: a permission, an illegal value, an engine state that nobody can read."""
    UNKNOWN = 5
    """A write may or may not have happened; run the command again, it observes first."""
    INTERRUPTED = 130
    """Ctrl-C, or a question that was answered with no; what was started has been stopped."""
    INTERNAL = 70
    """A defect in Spillway; the message has the place (sysexits.h EX_SOFTWARE)."""


LASTING = frozenset({Exit.CONFIG, Exit.REFUSED, Exit.INTERNAL})
"""Codes after which starting again changes nothing until somebody acts; the unit file names them, too."""


def exit_code(error: SpillwayError) -> Exit:
    """The exit code that an error ends a command with."""
    if isinstance(error, ConfigError):
        return Exit.CONFIG
    if isinstance(error, OutcomeUnknown):
        return Exit.UNKNOWN
    if isinstance(error, TemporaryError):
        return Exit.UNAVAILABLE
    if isinstance(error, PermanentError):
        return Exit.REFUSED
    return Exit.FAILED

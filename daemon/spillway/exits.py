"""Exit codes, the same for every command; `docs/cli.md` lists them. Stable: scripts may rely on them."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    """Done, or stopped on request."""
    FAILED = 1
    """It was tried and did not work; the message says what was left as it was."""
    CONFIG = 2
    """The input is wrong: config, scenario or arguments. Nothing was touched."""
    UNAVAILABLE = 3
    """Something it needs is not there: an address in use, a lease held, a daemon that does not answer."""
    REFUSED = 4
    """The cloud refused what was asked, for good: permission, quota, illegal value."""
    UNKNOWN = 5
    """A write may or may not have happened; run the command again, it observes first."""
    INTERRUPTED = 130
    """Ctrl-C; what was started has been stopped."""
    INTERNAL = 70
    """A defect in Spillway; the message has the place (sysexits.h EX_SOFTWARE)."""

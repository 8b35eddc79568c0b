"""Running the Pulumi CLI: in a process group of its own, with a deadline, and never left behind.

It dies with the thread that waits for it, and what it has started dies with it (`leftovers`).
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import CommandError, create_command_error
from semver import VersionInfo

from spillway.adapters.engine.pulumi_cli.leftovers import BOUND, MARK, end_leftovers
from spillway.errors import PermanentError

_GRACE = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
"""Each signal and the seconds that it gets: the first SIGINT lets steps in flight finish, the second signal ends
the engine, the third cannot be ignored (pulumi.md 4)."""
_VERSION_DEADLINE = 30.0
_MOST = 64 * 1024 * 1024
"""Characters of one output that are kept; the state of 200 services has 1.1 million (pulumi.md 7)."""
_LONGEST = 1024 * 1024
"""Characters of one line that are passed on at once."""

OnOutput = Callable[[str], Any]


class EngineDeadline(Exception):
    """The engine did not end within its deadline and was stopped; what it had begun may have been carried out."""


class EngineLostError(Exception):
    """Somebody killed the engine, or it said more than can be kept; what it had begun may have been carried out."""


class Command(PulumiCommand):
    """`PulumiCommand` with deadline, own process group, own environment and a count of processes."""

    def __init__(self, command: str, environment: Mapping[str, str], folder: Path) -> None:
        """`folder` is the one that the engine's lock is for: it marks all processes of a call."""
        # The base class would start the CLI without a deadline, so its __init__ is not called.
        self.command = command
        self._folder = folder
        self._environment = {**environment, MARK: str(folder)}
        self._end = 0.0
        self._group: int | None = None
        self._interrupted = threading.Event()
        self._asking = threading.Lock()
        self._asked: int | None = None
        self.processes = 0
        self.allow(_VERSION_DEADLINE)
        self.version = self._read_version()

    def allow(self, seconds: float) -> None:
        """All that runs from now on must end within `seconds`."""
        self._end = time.monotonic() + seconds

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """Run the CLI.

        Raises:
            EngineDeadline: it had to be stopped, or `interrupt` came before it.
            EngineLostError: somebody killed it, or it said more than can be kept.
            CommandError: it ended with an error.
            OSError: it cannot be started.
        """
        if self._interrupted.is_set():
            raise EngineDeadline("the Pulumi CLI is not started any more: Spillway is closing")
        if "--non-interactive" not in args:
            args.insert(0, "--non-interactive")
        if not os.access(self.command, os.X_OK):
            raise FileNotFoundError(errno.ENOENT, "there is no such program", self.command)
        environment = {**self._environment, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", BOUND, str(os.getpid()), self.command, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self.processes += 1
        self._group = process.pid
        if self._interrupted.is_set():
            self.interrupt()
        out, err = _Reader(process.stdout, on_output), _Reader(process.stderr, on_error)
        try:
            stopped = not _ended(process, self._end - time.monotonic()) and _stop(process)
            if stopped or process.returncode < 0:
                # Its plugins have process groups of their own, go on without it, and hold its pipes open.
                end_leftovers(self._folder)
        finally:
            self._group = None
            out.close()
            err.close()
        if stopped:
            raise EngineDeadline("the Pulumi CLI was stopped: it had not ended within the deadline")
        if process.returncode < 0:
            name = signal.Signals(-process.returncode).name
            raise EngineLostError(f"the Pulumi CLI was killed ({name})")
        if out.overflowing or err.overflowing:
            raise EngineLostError(f"the Pulumi CLI said more than {_MOST} characters (`{args[-1]}`)")
        result = CommandResult(stdout=out.text, stderr=err.text, code=process.returncode)
        if result.code != 0:
            raise create_command_error(result)
        return result

    def interrupt(self) -> None:
        """Ask what runs now to finish the step in flight and end, and start nothing any more. Does not wait."""
        self._interrupted.set()
        with self._asking:
            group = self._group
            # Once only: a second signal would end the engine in the middle of its step.
            if group is not None and group != self._asked:
                self._asked = group
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGINT)

    def _read_version(self) -> VersionInfo:
        try:
            result = self.run(["version"], str(Path.cwd()), {})
            return VersionInfo.parse(result.stdout.strip().removeprefix("v"))
        except (OSError, ValueError, CommandError, EngineLostError) as error:
            raise PermanentError(
                f"{self.command} does not tell its version: {error}",
                remedy="Install the Pulumi CLI anew (`spillway setup`).",
            ) from error


class _Reader:
    """Reads a pipe to its end in a thread, so that the CLI never blocks on a full one; keeps `_MOST` characters."""

    def __init__(self, pipe: IO[str] | None, callback: OnOutput | None) -> None:
        self._pipe = pipe
        self._callback = callback
        self._pieces: list[str] = []
        self._kept = 0
        self.overflowing = False
        """True if there was more than is kept."""
        self._thread = threading.Thread(target=self._read, name="spillway-pulumi-output", daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """All that was read."""
        return "".join(self._pieces).rstrip("\n")

    def close(self) -> None:
        """Wait for the end of the pipe; a plugin that outlives the CLI may hold it open, so not for long."""
        self._thread.join(_GRACE[-1][1])

    def _read(self) -> None:
        if self._pipe is None:
            return
        with self._pipe as pipe, suppress(ValueError):
            while line := pipe.readline(_LONGEST):
                self._kept += len(line)
                self.overflowing = self.overflowing or self._kept > _MOST
                if not self.overflowing:
                    self._pieces.append(line)
                if self._callback is not None:
                    self._callback(line.rstrip())


def _ended(process: subprocess.Popen[str], seconds: float) -> bool:
    try:
        process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        return False
    return True


def _stop(process: subprocess.Popen[str]) -> bool:
    """End the whole group, gently first; True."""
    for number, seconds in _GRACE:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        if _ended(process, seconds):
            break
    return True

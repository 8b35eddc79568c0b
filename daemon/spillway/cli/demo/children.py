"""Child processes that never outlive the demo."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from spillway.errors import SpillwayError

_STOP_DEADLINE = 10.0
"""Wall seconds that a child gets to end by itself before it is killed."""


class Child:
    """One `spillway` command in a process group of its own, its standard error in a file.

    It watches a pipe from us (`--until-eof` where the command has it), so that it also ends if we are killed.
    """

    def __init__(self, name: str, arguments: list[str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "spillway", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """True while the process lives."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id, which is that of its group, too."""
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def first_line(self, deadline: float) -> str:
        """The first line that it prints.

        Raises:
            SpillwayError: it ended or said nothing within `deadline` wall seconds.
        """
        pipe = self._process.stdout
        assert pipe is not None  # noqa: S101 for the type checker: we asked for a pipe
        until = time.monotonic() + deadline
        line = b""
        with selectors.DefaultSelector() as selector:  # select(2) takes no descriptor above 1023
            selector.register(pipe, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                ready = selector.select(max(0.0, until - time.monotonic()))
                part = os.read(pipe.fileno(), 4096) if ready else b""
                if not part:
                    raise SpillwayError(
                        f"the {self.name} did not start: {self.last_words()}",
                        remedy=f"Its log is {self.log}.",
                    )
                line += part
        return line.decode().splitlines()[0]

    def output(self) -> str:
        """What it printed, once it has ended."""
        pipe = self._process.stdout
        return pipe.read().decode() if pipe is not None else ""

    def wait(self, deadline: float) -> int:
        """Its exit code.

        Raises:
            SpillwayError: it did not end within `deadline` wall seconds.
        """
        try:
            return self._process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise SpillwayError(
                f"the {self.name} did not end within {deadline:g} s", remedy=f"Its log is {self.log}."
            ) from None

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) if lines else "it said nothing"

    def stop(self) -> None:
        """End it: asked first, killed with its whole group after ten seconds."""
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(_STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(_STOP_DEADLINE)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

"""Log lines on standard error, for people or for pipelines, that can never hold up the loop.

Records pass through a bounded queue to a thread of their own: where nobody reads standard error, lines are
dropped and counted, and the next line that gets through says how many.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
from datetime import UTC, datetime
from typing import TextIO

QUEUE_LIMIT = 2000
"""Log records that wait at most; a tick writes one."""

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""Levels of syslog, which journald reads from a `<N>` before the line (sd-daemon(3))."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_QUIET = {"apscheduler": logging.CRITICAL, "uvicorn": logging.ERROR, "asyncio": logging.ERROR}
"""Libraries whose lines would only repeat what Spillway says itself, and the level from which they may speak."""


class TextFormatter(logging.Formatter):
    """`2026-12-01T06:00:00Z info  sentence`; under journald the priority instead of the time."""

    def __init__(self, *, journald: bool) -> None:
        super().__init__()
        self._journald = journald

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the trace of an exception under it."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[0]:
            text += "\n" + self.formatException(record.exc_info)
        if self._journald:
            return "\n".join(f"<{_PRIORITIES.get(record.levelno, 6)}>{line}" for line in text.splitlines())
        return f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%SZ} {record.levelname.lower():7} {text}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and every extra field."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields: dict[str, object] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[0]:
            fields["trace"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


class BoundedHandler(logging.Handler):
    """Hands records to a thread that writes them; drops and counts when it cannot keep up."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter, *, limit: int = QUEUE_LIMIT) -> None:
        super().__init__()
        self.lost = 0
        self._stream = stream
        self._queue: queue.Queue[str | None] = queue.Queue(limit)
        self.setFormatter(formatter)
        self._thread = threading.Thread(target=self._write, name="spillway-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line, or count it as lost."""
        try:
            self._queue.put_nowait(self.format(record))
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Write what waits, for two seconds at most."""
        try:
            self._queue.put(None, timeout=1.0)
        except queue.Full:
            self.lost += 1
        self._thread.join(timeout=1.0)
        super().close()

    def _write(self) -> None:
        said = 0
        while (line := self._queue.get()) is not None:
            try:
                if self.lost > said:
                    self._stream.write(
                        f"{self.lost - said} log lines were lost: standard error was not read in time\n"
                    )
                    said = self.lost
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                self.lost += 1


def setup(level: str, form: str, stream: TextIO | None = None) -> BoundedHandler:
    """Send every log record of the process through one bounded handler; call its `close` at the end.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: `text` or `json`.
        stream: where to write; standard error where none is given.
    """
    formatter = JsonFormatter() if form == "json" else TextFormatter(journald="JOURNAL_STREAM" in os.environ)
    handler = BoundedHandler(stream or sys.stderr, formatter)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("spillway").setLevel(level.upper())
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(quiet)
    logging.captureWarnings(capture=True)
    return handler

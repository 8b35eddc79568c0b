"""A real Prometheus for tests: on loopback, on data of its own, ended with the test."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

PROGRAMS = ("prometheus", "promtool")
DEADLINE = 60.0
"""Seconds for a start, a query or a tool."""
FOREVER = "20y"
"""Retention: what is loaded lies at the time of its story."""


def need_prometheus() -> None:
    """Skip, aloud, where Prometheus is not installed."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(
            f"SKIPPED LOUDLY: no {' and no '.join(missing)} here; on Debian and Ubuntu: apt-get install prometheus"
        )


def promtool(*words: str | Path, fails: bool = False) -> str:
    """Run promtool; what it says."""
    done = subprocess.run(
        ["promtool", *map(str, words)], capture_output=True, text=True, timeout=10 * DEADLINE, check=False
    )
    said = done.stdout + done.stderr
    assert (done.returncode != 0) is fails, said
    return said


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Prometheus:
    """One server.

    Args:
        config: its configuration.
        data: its folder.
    """

    def __init__(self, config: Path, data: Path) -> None:
        self._config, self._data = config, data
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it answers."""
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        log = (self._data.parent / f"{self._data.name}.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                ["prometheus", f"--config.file={self._config}", f"--storage.tsdb.path={self._data}",
                 f"--storage.tsdb.retention.time={FOREVER}", f"--web.listen-address={address}", "--log.level=warn"],
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            assert self._process.poll() is None, "Prometheus ended; its log says why"
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)  # polling a child process, bounded by the deadline
        raise AssertionError("Prometheus was not ready in time")

    def stop(self) -> None:
        """End it, and wait for that."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(DEADLINE)
        self._process = None

    def query(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """The answer to a query at one moment; a scalar is a sample without labels."""
        found = self._get("query", {"query": expr, **({} if at is None else {"time": f"{at:.3f}"})})
        if found["resultType"] == "scalar":
            return [{"metric": {}, "value": found["result"]}]
        samples: list[dict[str, Any]] = found["result"]
        return samples

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series of a query over a time."""
        words = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        series: list[dict[str, Any]] = self._get("query_range", words)["result"]
        return series

    def rules(self) -> list[dict[str, Any]]:
        """The groups of rules, with what became of each."""
        groups: list[dict[str, Any]] = self._get("rules", {})["groups"]
        return groups

    def _get(self, what: str, words: dict[str, str]) -> dict[str, Any]:
        body = urllib.parse.urlencode(words).encode() or None
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{what}", body, timeout=DEADLINE) as answer:
                document = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{words}: {error.read().decode()}") from error
        assert document["status"] == "success", document
        data: dict[str, Any] = document["data"]
        return data

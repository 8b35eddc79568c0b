"""The environment of a demo: a temporary folder, free addresses, the demo's config with both written into it."""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from spillway.cli.demo.children import Child
from spillway.errors import SpillwayError

_DEADLINE = 5.0
"""Wall seconds for one answer of sandbox or daemon."""
_LOOK = 0.05
"""Wall seconds between two looks at a world that is about to arrive."""
_START = 60.0
"""Wall seconds that the sandbox may take to come up on a busy machine."""
_BUILD = 120.0
"""Wall seconds that the first build of the load balancer may take."""


def free_address() -> str:
    """A loopback address that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def ask(url: str, *, method: str = "GET", timeout: float = _DEADLINE) -> Any:
    """JSON from a loopback address.

    Raises:
        SpillwayError: no answer, or no JSON.
    """
    request = urllib.request.Request(url, method=method, data=b"" if method == "POST" else None)  # noqa: S310 loopback, built by us
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310 as above
            return json.load(answer)
    except (OSError, ValueError) as error:
        raise SpillwayError(f"{url} does not answer: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where everything is."""

    sandbox: str
    grpc: str
    daemon: str


class Environment:
    """Sandbox and daemon for one demo; leaving the block stops both and removes the folder.

    Args:
        config: the demo's configuration file.
        speed: the world's seconds in one real second; None keeps the config's.
    """

    def __init__(self, config: Path, *, speed: float | None = None) -> None:
        self._source = config
        self._speed = speed
        self.folder = Path(tempfile.mkdtemp(prefix="spillway-demo-"))
        self.config = self.folder / "spillway.yaml"
        self.children: list[Child] = []
        self.addresses = Addresses(sandbox="127.0.0.1:0", grpc="127.0.0.1:0", daemon=free_address())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self.children):
            child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_sandbox(self) -> None:
        """Start the loopback cloud with its world still at rest, and write the config that points at it.

        Raises:
            SpillwayError: it does not come up.
        """
        self._write_config()
        child = self._start(
            "sandbox", "sandbox", "--config", str(self.config), "--hold", "--until-eof", "--json"
        )
        said = json.loads(child.first_line(_START))
        self.addresses = Addresses(sandbox=said["http"], grpc=said["grpc"], daemon=self.addresses.daemon)
        self._write_config()

    def provision(self) -> dict[str, Any]:
        """Build the load balancer through Pulumi and return what `spillway up --json` says.

        Raises:
            SpillwayError: it could not be built.
        """
        child = self._start("up", "up", "--config", str(self.config), "--json")
        code = child.wait(_BUILD)
        text = child.output()
        if code != 0:
            raise SpillwayError(f"the load balancer could not be built: {text.strip() or child.last_words()}")
        said: dict[str, Any] = json.loads(text)
        return said

    def release(self) -> None:
        """Let the world begin."""
        ask(f"http://{self.addresses.sandbox}/sandbox/v1/clock/release", method="POST")

    def start_daemon(self) -> Child:
        """Start the daemon; it needs a moment until /status answers."""
        return self._start("daemon", "run", "--config", str(self.config))

    def status(self) -> dict[str, Any] | None:
        """The daemon's /status, or None while it does not answer."""
        try:
            found: dict[str, Any] = ask(f"http://{self.addresses.daemon}/status")
        except SpillwayError:
            return None
        return found

    def clock(self) -> dict[str, float]:
        """The sandbox's clock: `world` seconds since the start among the rest."""
        found: dict[str, float] = ask(f"http://{self.addresses.sandbox}/sandbox/v1/clock")
        return found

    def report(self, duration: float) -> dict[str, Any]:
        """The world's totals of the scenario's first `duration` seconds, once they are over.

        Raises:
            SpillwayError: the world does not get there.
        """
        until = time.monotonic() + _DEADLINE
        while time.monotonic() < until:
            answer = ask(f"http://{self.addresses.sandbox}/sandbox/v1/report")
            if answer["world"] >= duration:
                found: dict[str, Any] = answer["report"]
                return found
            time.sleep(_LOOK)
        raise SpillwayError(
            f"the world stands at {answer['world']:.0f} s and does not reach {duration:.0f} s"
        )

    def _start(self, name: str, *arguments: str) -> Child:
        child = Child(name, list(arguments), self.folder)
        self.children.append(child)
        return child

    def _write_config(self) -> None:
        """The demo's config with our addresses, state folder and speed in it."""
        document = yaml.safe_load(self._source.read_text(encoding="utf-8"))
        sandbox = document.get("sandbox")
        if not isinstance(sandbox, dict) or "scenario" not in sandbox:
            raise SpillwayError(
                f"{self._source} has no sandbox.scenario, so there is no world to show it in.",
                remedy="Set `cloud: sandbox` and sandbox.scenario, as config/demo.yaml does.",
            )
        sandbox["scenario"] = str((self._source.parent / sandbox["scenario"]).resolve())
        sandbox["http"], sandbox["grpc"] = self.addresses.sandbox, self.addresses.grpc
        if self._speed is not None:
            sandbox["speed"] = self._speed
        document.setdefault("daemon", {}).update(
            listen=self.addresses.daemon, state_dir=str(self.folder / "state")
        )
        self.config.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

"""A headless Chromium for tests of pages: what it shows, what it says on its console, what its policies block.

It is driven over a pair of pipes with the browser's own protocol, so that nothing but the browser is needed.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
_ANSWER = 30.0
"""Seconds for one answer of the browser on a busy machine."""

needs_browser = pytest.mark.skipif(
    PROGRAM is None,
    reason="no Chromium on this machine: what the page looks like in a browser is NOT tested here",
)


class Browser:
    """One browser with one page."""

    def __init__(self, commands: int, events: int) -> None:
        self._commands, self._events = commands, events
        self._number, self._buffer = 0, b""
        self._session = ""
        self.said: list[str] = []
        """Lines of the console, errors and violations of the content policy among them."""

    def open(
        self, url: str, *, width: int = 1440, height: int = 900, dark: bool = False, script: bool = True
    ) -> None:
        """Load a page in a new tab."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.ask("Emulation.setScriptExecutionDisabled", value=not script)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=url)
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command to the page."""
        return self._ask(method, session=self._session, **parameters)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is on the page; a promise is waited for."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = 30.0) -> Any:
        """The value of an expression as soon as it is true."""
        until = time.monotonic() + seconds
        while not (found := self.value(expression)):
            assert time.monotonic() < until, f"not within {seconds:g} s: {expression}; console: {self.said}"
            self._read(time.monotonic() + 0.05, None)
        return found

    def screenshot(self, path: Path) -> None:
        """The whole page as a picture."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _ask(self, method: str, *, session: str = "", **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        answer = self._read(time.monotonic() + _ANSWER, self._number)
        assert answer is not None, f"the browser does not answer {method}"
        assert "error" not in answer, answer["error"]
        found: dict[str, Any] = answer["result"]
        return found

    def _read(self, until: float, number: int | None) -> dict[str, Any] | None:
        """Take in what the browser says until it answers `number`, or until that moment."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._events, selectors.EVENT_READ)
            while True:
                while b"\0" in self._buffer:
                    line, self._buffer = self._buffer.split(b"\0", 1)
                    message = json.loads(line)
                    if number is not None and message.get("id") == number:
                        return dict(message)
                    self._note(message)
                if not selector.select(max(0.0, until - time.monotonic())):
                    return None
                part = os.read(self._events, 1 << 20)
                assert part, "the browser ended"
                self._buffer += part

    def _note(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.consoleAPICalled":
            self.said.append(" ".join(str(a.get("value", a.get("description"))) for a in parameters["args"]))
        elif message.get("method") == "Log.entryAdded":
            self.said.append(parameters["entry"]["text"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.said.append(str(parameters["exceptionDetails"]))


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with an empty profile; it ends with the block."""
    assert PROGRAM is not None
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="spillway-browser-", ignore_cleanup_errors=True) as profile:
        command = f'exec 3<&{to_read} 4>&{from_write}; exec "$0" "$@"'
        options = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            f"--user-data-dir={profile}",
        )
        process = subprocess.Popen(
            ("bash", "-c", command, PROGRAM, *options, "--remote-debugging-pipe"),
            pass_fds=(to_read, from_write), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        os.close(to_read)
        os.close(from_write)
        try:
            yield Browser(to_write, from_read)
        finally:
            os.close(to_write)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            os.close(from_read)

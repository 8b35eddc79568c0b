"""What holds for every test: loopback only, a clean environment, and where the shared traces are."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

ROOT = Path(__file__).resolve().parents[1]

PROFILE = os.environ.get("SPILLWAY_HYPOTHESIS")
"""Examples of the property tests: `fast` in `make test`, `whole` in `make test-long`, `deep` for a search by hand."""

for name, examples in (("fast", 15), ("whole", 40)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.register_profile(
    "deep", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(PROFILE or "fast")


def pytest_configure(config: pytest.Config) -> None:
    """Give the property tests all their examples in the long runs."""
    if PROFILE is None and _long_runs(config):
        settings.load_profile("whole")


def _long_runs(config: pytest.Config) -> bool:
    return bool(config.getoption("markexpr") == "long")


LONGEST = (
    "e2e/test_demo.py", "e2e/test_daemon.py", "sim/test_baselines.py", "service/test_life.py", "sim/test_yardsticks.py",
    "backtest/test_habit.py", "sim/test_world.py", "engine/test_crash.py", "backtest/test_pauses.py", "engine/test_client.py",
)  # fmt: skip
"""Files with few tests that take long: begun last, one of them keeps a worker busy for a minute while the other has nothing to do."""


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the longest begin first; the long runs take the property tests as well, for all their examples."""
    if _long_runs(config):
        for item in items:
            if is_hypothesis_test(getattr(item, "obj", None)):
                item.add_marker("long")
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))


_LOOPBACK = ("127.", "::1", "localhost")
_connect = socket.socket.connect


def _connect_on_loopback_only(self: socket.socket, address: Any) -> None:
    if self.family in {socket.AF_INET, socket.AF_INET6} and not str(address[0]).startswith(_LOOPBACK):
        raise AssertionError(f"a test tried to leave this machine: {address}")
    _connect(self, address)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that would leave the machine, and forget the caller's cloud settings."""
    monkeypatch.setattr(socket.socket, "connect", _connect_on_loopback_only)
    for name in list(os.environ):
        if name.startswith(("GOOGLE_", "CLOUDSDK_", "PULUMI_", "SPILLWAY_")) and name != "SPILLWAY_SHARED":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real traces; skips, and says so, where it is absent."""
    folder = Path(os.environ.get("SPILLWAY_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(
            f"SKIPPED LOUDLY: the shared traces are not at {folder}; set SPILLWAY_SHARED to run this test"
        )
    return folder

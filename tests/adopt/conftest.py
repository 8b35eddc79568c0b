"""A sandbox whose writes are counted, and the engines that adopt on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.adopt.layouts import Builder
from tests.engine import conftest as engines
from tests.engine.conftest import CALLERS, PROJECT
from tests.engine.plugin import install

from spillway.adapters.engine.pulumi_cli.installation import find_cli, has_plugin, pulumi_home
from spillway.sandbox.compute import ComputeApi
from spillway.sandbox.netservices import NetworkServicesApi
from spillway.sandbox.server import SandboxServer

sandbox = engines.sandbox


@pytest.fixture
def cloud(sandbox: SandboxServer) -> Builder:
    return Builder(sandbox)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every request that could change anything, as the sandbox gets it."""
    seen: list[str] = []

    def counted(api: Any) -> None:
        original = api.answer

        async def answer(self: Any, http: str, *where: Any, **more: Any) -> Any:
            if http != "GET" and not where[-1].endswith("/getHealth"):
                seen.append(f"{http} {where[-1]}")
            return await original(self, http, *where, **more)

        monkeypatch.setattr(api, "answer", answer)

    counted(ComputeApi)
    counted(NetworkServicesApi)
    return seen


BOTH = pytest.mark.parametrize(
    "base", ["embedded", pytest.param("cli+plugin", marks=pytest.mark.engine)], indirect=True
)
"""For tests that are about the engines: those of the CLI take a minute each."""


@pytest.fixture
def base(
    request: pytest.FixtureRequest, sandbox: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """What a new configuration begins with, for each engine.

    The CLI has the real plugin where that is installed, and otherwise the stand-in as a process of its own.
    """
    kind = getattr(request, "param", "embedded")
    if kind != "embedded":
        for name, value in CALLERS.items():
            monkeypatch.setenv(name, value)
        if find_cli(pulumi_home()) is None:
            pytest.skip("SKIPPED LOUDLY: there is no `pulumi` on PATH; `spillway setup` gets it")
        if not has_plugin(pulumi_home()):
            install(tmp_path / "home")
            monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    (tmp_path / "world.yaml").write_text("")
    file = tmp_path / "base.yaml"
    file.write_text(
        f"cloud: sandbox\nproject: {PROJECT}\n"
        f"daemon: {{state_dir: {tmp_path}/state, engine: {{kind: {kind}}}}}\n"
        f'sandbox: {{scenario: world.yaml, role: build, http: "{sandbox.url.removeprefix("http://")}"}}\n'
    )
    return file

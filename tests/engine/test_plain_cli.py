"""Nobody is locked in: plain `pulumi preview` and `pulumi up` of the project's Pulumi.yaml, for real.

The program runs under Pulumi's own language host, from the `.venv` that `make` built, on the state that the daemon's
engine has written. Needs the CLI and `pulumi-language-python`, which is in the same archive.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from tests.engine.bench_config import document, overlay
from tests.engine.conftest import PROJECT, installed
from tests.engine.standin_cli import AttachedProvider, EngineForm, engine_of
from tests.program.test_plain import ROOT

from spillway.adapters.engine.pulumi_cli.installation import pulumi_home
from spillway.config.load import load
from spillway.control.memory import Kept, dump
from spillway.ports import Outcome
from spillway.sandbox.server import SandboxServer

pytestmark = pytest.mark.engine
PATH = os.environ.get("PATH", "")
"""The caller's own, before the fixture that forgets it."""
LIMIT = 120.0
"""Seconds for one call of the CLI."""


@pytest.fixture(params=["cli+standin", "cli+plugin"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> EngineForm:
    """Each form of engine that has a CLI."""
    wanted = installed(request.param, monkeypatch)
    if shutil.which("pulumi-language-python", path=PATH) is None:
        pytest.skip(
            "SKIPPED LOUDLY: `pulumi-language-python` is not on PATH; Pulumi's archive has it beside `pulumi`"
        )
    if not (ROOT / ".venv" / "bin" / "python").exists():
        pytest.skip("SKIPPED LOUDLY: there is no .venv, which Pulumi.yaml names; `make venv` builds it")
    return wanted


class Plain:
    """The CLI as a person calls it, in the project's folder; the stack's settings lie elsewhere."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._settings = folder / "Pulumi.main.yaml"
        self._environment = environment

    def __call__(self, *words: str, fails: bool = False) -> str:
        """What it says."""
        done = subprocess.run(
            ("pulumi", *words, "--stack", "main", "--config-file", str(self._settings), "--non-interactive"),
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr


@contextmanager
def by_hand(form: EngineForm, folder: Path, sandbox: SandboxServer) -> Iterator[Plain]:
    """The environment that docs/takeover.md tells, and the provider pointed at the sandbox."""
    environment = {
        "PATH": PATH,
        "HOME": str(folder),
        "PULUMI_HOME": str(pulumi_home()),
        "PULUMI_BACKEND_URL": f"file://{folder}/state/engine/pulumi/state?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_OPTION_SKIP_PLUGIN_PRE_INSTALL": "true",
        "PULUMI_GCP_SKIP_REGION_VALIDATION": "true",
        "GOOGLE_COMPUTE_CUSTOM_ENDPOINT": f"{sandbox.url}/compute/beta/",
        "GOOGLE_NETWORK_SERVICES_CUSTOM_ENDPOINT": f"{sandbox.url}/v1/",
        "GOOGLE_OAUTH_ACCESS_TOKEN": "build",
    }
    if form == "cli+plugin":
        yield Plain(folder, environment)
        return
    attached = AttachedProvider(sandbox.url, seconds=60.0, parallel=8, role="build")
    try:
        yield Plain(folder, {**environment, "PULUMI_DEBUG_PROVIDERS": f"gcp:{attached.port}"})
    finally:
        attached.close()


def write(file: Path, timeout: str) -> None:
    """The configuration, with this time-out of its service."""
    raw: dict[str, Any] = document()
    raw["topology"]["services"]["pool"]["timeout"] = timeout
    raw["sandbox"]["scenario"] = str(ROOT / "config" / "scenarios" / "demo.yaml")
    file.write_text(yaml.safe_dump(raw))


def live(sandbox: SandboxServer) -> dict[str, Any]:
    """The backend service as it stands in the cloud."""
    url = f"{sandbox.url}/compute/v1/projects/{PROJECT}/global/backendServices/lb-pool"
    found: dict[str, Any] = requests.get(url, timeout=5).json()
    return found


def test_plain_pulumi_takes_over_and_gives_back(
    form: EngineForm, sandbox: SandboxServer, tmp_path: Path
) -> None:
    file = tmp_path / "lb.yaml"
    write(file, "30s")
    moved = overlay({"us-east4": 0.3})
    (tmp_path / "state.json").write_bytes(dump(Kept(overlay=moved)))
    daemon = engine_of(load(file).config, tmp_path / "state", kind=form, endpoint=sandbox.url)
    assert daemon.apply(moved).outcome is Outcome.DONE
    with by_hand(form, tmp_path, sandbox) as pulumi:
        pulumi("config", "set", "spillway:config", str(file))
        pulumi("config", "set", "spillway:overlay", str(tmp_path / "state.json"))
        said = pulumi("preview", "--expect-no-changes")
        assert "8 unchanged" in said, "what the daemon has built and moved, and nothing else"
        write(file, "45s")
        said = pulumi("up", "--yes")
        assert "1 updated" in said
        assert "load_balancer_ip" in said
        assert live(sandbox)["timeoutSec"] == 45
        assert sorted(backend["capacityScaler"] for backend in live(sandbox)["backends"]) == [0.3, 1, 1]
        heir = engine_of(load(file).config, tmp_path / "state", kind=form, endpoint=sandbox.url)
        assert heir.preview(moved).changes == (), "the daemon goes on from there"
        file.write_text(file.read_text().replace("45s", "45"))
        said = pulumi("preview", fails=True)
        assert "has no unit" in said
        write(file, "45s")
        pulumi("destroy", "--yes")
        assert live(sandbox)["error"]["code"] == 404
        said = pulumi("up", "--yes")
        assert "8 created" in said
        pulumi("destroy", "--yes")
    for each in (daemon, heir):
        getattr(each, "close")()  # noqa: B009 not part of the port

"""The entry for plain `pulumi up`: the same resources, from the stack's settings alone."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pulumi
import pytest
import yaml
from tests.engine.bench_config import document, overlay
from tests.program.sketch import Sketch, declared, sketch

from spillway.adapters.program.plain import standing_overlay
from spillway.config.load import load
from spillway.control.memory import Kept, dump
from spillway.errors import PermanentError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    raw = {**document(), "cloud": "gcp"}
    raw.pop("sandbox")
    (tmp_path / "lb.yaml").write_text(yaml.safe_dump(raw))
    return tmp_path


def plain(root: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Sketch:
    """Run the program's folder as the language host does."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    monkeypatch.setattr(pulumi, "get_root_directory", lambda: str(root))
    monkeypatch.setenv(
        "PULUMI_CONFIG", json.dumps({f"{project['name']}:{key}": value for key, value in settings.items()})
    )
    return declared(lambda: runpy.run_path(str(ROOT / project["main"]), run_name="__main__") and None)


def test_plain_run_declares_what_the_daemon_would(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plain(written, monkeypatch, config="lb.yaml")
    assert made.resources == sketch(load(written / "lb.yaml").config).resources
    assert made.outputs["load_balancer_ip"] == "203.0.113.7"


def test_plain_run_takes_the_daemon_s_overlay(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (written / "state.json").write_bytes(dump(Kept(overlay=overlay({"us-east4": 0.3}))))
    made = plain(written, monkeypatch, config="lb.yaml", overlay="state.json")
    scalers = [backend["capacityScaler"] for backend in made.one("BackendService")["backends"]]
    assert scalers == [1.0, 1.0, 0.3]


def test_a_file_without_overlay_is_refused(written: Path) -> None:
    config = load(written / "lb.yaml").config
    (written / "nonsense.json").write_text("[]")
    with pytest.raises(PermanentError, match="holds no overlay"):
        standing_overlay(config, written / "nonsense.json")

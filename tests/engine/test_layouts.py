"""Layouts that users have asked for in public: each is accepted, built, and then there is nothing left to change.

The files are not a part of this project; where they are absent the test says so.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.engine.standin_cli import EngineForm, engine_of

from spillway.config.load import load, starting_overlay
from spillway.core.values.overlay import Overlay
from spillway.errors import ConfigError
from spillway.ports import Outcome
from spillway.sandbox.stand import stand

FOLDER = Path(os.environ.get("SPILLWAY_SHARED", ROOT.parent / "shared")) / "cases" / "layouts"
REFUSED = {"L29-mixed-kinds-remedy": "`backends: {us-east4: {groups: [{serverless_neg: web-us}]}}`"}
"""Layouts that Google does not take, and what the remedy says."""
FILES = sorted(file for file in FOLDER.glob("[A-Z]*.yaml") if file.stem not in REFUSED)
MISSING = f"SKIPPED LOUDLY: the shared layouts are not at {FOLDER}; set SPILLWAY_SHARED to run this test"


@pytest.mark.skipif(not FILES, reason=MISSING)
@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_layout_is_built_and_then_there_is_nothing_to_change(
    file: Path, kind: EngineForm, tmp_path: Path
) -> None:
    loaded = load(file)
    config = loaded.config
    assert config.sandbox is not None
    overlay = starting_overlay(config)
    server = stand(config, Path(config.sandbox.scenario), speed=600.0, http="127.0.0.1:0", grpc="127.0.0.1:0")
    with server:
        engine = engine_of(config, tmp_path, kind=kind, endpoint=server.url)
        applied = engine.build(overlay)
        assert applied.outcome is Outcome.DONE, applied.sentence
        again = engine.build(overlay)
        assert again.outcome is Outcome.UNCHANGED, again.sentence
        assert engine.preview(overlay).changes == ()
        moved = _lowered(overlay)
        if moved is not None:
            applied = engine.apply(moved)
            assert applied.outcome is Outcome.DONE, applied.sentence


@pytest.mark.skipif(not FILES, reason=MISSING)
@pytest.mark.parametrize(("stem", "remedy"), REFUSED.items())
def test_a_layout_that_google_refuses_has_a_remedy_that_can_be_followed(stem: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(FOLDER / f"{stem}.yaml")
    assert all(remedy in problem.remedy for problem in caught.value.problems)


def _lowered(overlay: Overlay) -> Overlay | None:
    """The overlay with the scaler of one backend lowered; None where no service has two members."""
    for setting in overlay.services:
        members = [backend for backend in setting.backends if backend.member]
        if len(members) > 1:
            lowered = replace(members[0], scaler=0.5)
            return overlay.with_service(setting.with_backend(lowered))
    return None

"""Taking over what stands: nothing is written, a plan is empty, and traffic can be moved afterwards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.adopt.layouts import LAYOUTS, Builder

from spillway.adapters.adopt.refusals import RefusedError
from spillway.cli.main import group
from spillway.compose.adoption import adopt, unadopt
from spillway.compose.clouds import closer, deployer_of
from spillway.config import load
from spillway.ports import Outcome


def invoked(*words: str) -> Any:
    return CliRunner().invoke(group, words, standalone_mode=False, catch_exceptions=False)


def dump(cloud: Builder) -> dict[str, Any]:
    return cloud.server.store.dump()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_stands_is_taken_over_unchanged(
    layout: str, cloud: Builder, base: Path, writes: list[str], tmp_path: Path
) -> None:
    name = LAYOUTS[layout](cloud)
    before = dump(cloud)
    writes.clear()
    file = tmp_path / "adopted.yaml"
    adopted = adopt(name, project=None, path=file, base=base)
    # 1. the configuration is sound, and nothing was written
    loaded = load.load(file)
    assert {policy.mode for policy in loaded.config.policies.values()} == {"observe"}
    assert writes == []
    assert dump(cloud) == before
    # 2. a plan has nothing to change, and neither has a build
    deployer = deployer_of(loaded.config)
    start = load.starting_overlay(loaded.config)
    try:
        preview = deployer.preview(start)
        assert preview.changes == ()
        assert preview.drift == ()
        assert preview.same == len(adopted.resources)
        again = deployer.build(start)
        assert again.outcome is Outcome.UNCHANGED, again.sentence
        assert writes == []
        # 3. a move changes scalers of one service alone
        service = next(s for s in start.services if any(b.scaler for b in s.backends) and len(s.backends) > 1)
        moved = replace(service.backends[0], scaler=0.3)
        applied = deployer.apply(start.with_service(service.with_backend(moved)))
        assert applied.outcome is Outcome.DONE, applied.sentence
        resource = load.fleet(loaded.config).service(service.service).resource
        assert applied.changes == (("update", resource),)
        assert len(writes) == 1, writes
    finally:
        closer(deployer)()
    path = f"projects/demo-project/global/backendServices/{resource}"
    assert _without_scalers(dump(cloud)[path]) == _without_scalers(before[path])
    assert {k: v for k, v in dump(cloud).items() if k != path} == {
        k: v for k, v in before.items() if k != path
    }


def _without_scalers(body: dict[str, Any]) -> dict[str, Any]:
    """What a PUT of the provider changes besides: lists that were not there are empty."""
    rest = {
        name: value for name, value in body.items() if name not in {"fingerprint", "backends"} and value != []
    }
    backends = [{k: v for k, v in backend.items() if k != "capacityScaler"} for backend in body["backends"]]
    return {**rest, "backends": backends}

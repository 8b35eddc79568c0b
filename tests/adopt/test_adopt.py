"""Taking over what stands: nothing is written, a plan is empty, and traffic can be moved afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.adopt.conftest import BOTH
from tests.adopt.layouts import LAYOUTS, Builder

from spillway.cli.main import group
from spillway.compose.adoption import adopt, unadopt
from spillway.compose.clouds import closer, deployer_of
from spillway.config import load
from spillway.ports import Outcome


def invoked(*words: str) -> Any:
    return CliRunner().invoke(group, words, standalone_mode=False, catch_exceptions=False)


def dump(cloud: Builder) -> dict[str, Any]:
    return cloud.server.store.dump()


@pytest.mark.parametrize(
    ("layout", "base"),
    [
        *((layout, "embedded") for layout in LAYOUTS),
        pytest.param("https", "cli+plugin", marks=pytest.mark.engine),
        pytest.param("rich", "cli+plugin", marks=pytest.mark.engine),
    ],
    indirect=["base"],
)
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
        service = next(s for s in start.services if len(s.backends) > 1)
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
    """What a PUT of the provider changes besides: lists that were not there are empty, and backends are a set."""
    rest = {
        name: value for name, value in body.items() if name not in {"fingerprint", "backends"} and value != []
    }
    backends = [{k: v for k, v in backend.items() if k != "capacityScaler"} for backend in body["backends"]]
    return {**rest, "backends": sorted(backends, key=lambda backend: str(backend["group"]))}


@BOTH
def test_a_lost_state_is_found_again_by_the_next_build(
    cloud: Builder, base: Path, writes: list[str], tmp_path: Path
) -> None:
    """The configuration names what stands, so an `up` without a state imports it again."""
    file = tmp_path / "adopted.yaml"
    adopted = adopt(LAYOUTS["rich"](cloud), project=None, path=file, base=base)
    loaded = load.load(file)
    assert unadopt(loaded) == adopted.resources
    writes.clear()
    deployer = deployer_of(loaded.config)
    try:
        planned = deployer.preview(load.starting_overlay(loaded.config))
        assert {change.operation for change in planned.changes} == {"import"}
        assert len(planned.changes) == len(adopted.resources)
        applied = deployer.build(load.starting_overlay(loaded.config))
        assert applied.outcome is Outcome.DONE, applied.sentence
        assert {operation for operation, _ in applied.changes} == {"import"}
        assert "taken over" in applied.sentence
        assert writes == []
    finally:
        closer(deployer)()


@BOTH
def test_what_stands_otherwise_is_not_taken_over_by_a_build(
    cloud: Builder, base: Path, writes: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "adopted.yaml"
    adopt(LAYOUTS["plain"](cloud), project=None, path=file, base=base)
    loaded = load.load(file)
    unadopt(loaded)
    cloud.patch("projects/demo-project/global/backendServices/web-backend", timeoutSec=77)
    writes.clear()
    deployer = deployer_of(loaded.config)
    try:
        applied = deployer.build(load.starting_overlay(loaded.config))
    finally:
        closer(deployer)()
    assert applied.outcome in {Outcome.REFUSED, Outcome.FAILED}, applied.sentence
    assert "match the existing resource" in applied.sentence or "stands otherwise" in applied.sentence
    assert writes == []


@BOTH
def test_unadopt_leaves_everything_in_place_and_says_so(
    cloud: Builder, base: Path, writes: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "adopted.yaml"
    adopted = invoked("adopt", LAYOUTS["https"](cloud), "--base", str(base), "-c", str(file))
    assert adopted.return_value == 0, adopted.output
    assert "nothing in the cloud changed" in adopted.output
    before = dump(cloud)
    writes.clear()
    asked = CliRunner().invoke(group, ["unadopt", "-c", str(file)])
    assert asked.exit_code == 2, "there is nobody to ask"
    told = invoked("unadopt", "-c", str(file), "--yes")
    assert told.return_value == 0, told.output
    assert "All of them stand in the cloud as they stood" in told.output
    assert "backend service site-api" in told.output
    assert writes == []
    assert dump(cloud) == before
    again = invoked("unadopt", "-c", str(file), "--yes", "--json")
    assert '"resources": []' in again.output


def test_a_part_that_is_deleted_after_the_adoption_is_made_anew(
    cloud: Builder, base: Path, tmp_path: Path
) -> None:
    """It keeps its own name."""
    import requests

    file = tmp_path / "adopted.yaml"
    adopt(LAYOUTS["plain"](cloud), project=None, path=file, base=base)
    loaded = load.load(file)
    for gone in ("forwardingRules/web-rule", "targetHttpProxies/web-proxy"):
        url = f"{cloud.server.url}/compute/v1/projects/demo-project/global/{gone}"
        assert requests.delete(url, timeout=10).status_code == 200
    deployer = deployer_of(loaded.config)
    try:
        applied = deployer.build(load.starting_overlay(loaded.config))
    finally:
        closer(deployer)()
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert sorted(applied.changes) == [("create", "web-proxy"), ("create", "web-rule")]


def test_certificates_that_stay_with_their_owner_are_told_with_the_reason(
    cloud: Builder, base: Path, tmp_path: Path
) -> None:
    """A private key is given to nobody, and a managed certificate under another name would be issued anew."""
    file = tmp_path / "adopted.yaml"
    adopted = adopt(LAYOUTS["https"](cloud), project=None, path=file, base=base)
    web, own = adopted.notes
    assert own.startswith("The certificate own is referred to (`certificates.existing`) and not imported: ")
    assert "Google gives its private key to nobody" in own
    assert "under `given`" in own
    assert "so it would be issued anew" in web
    assert "write example.com under `managed`" in web
    head = " ".join(file.read_text().replace("\n# ", " ").split())
    assert "Google gives its private key to nobody" in head
    assert load.load(file).config.topology.frontends.secure[0].certificates.existing


def test_files_alone_are_taken_over(cloud: Builder, base: Path, writes: list[str], tmp_path: Path) -> None:
    """The default of the URL map is a bucket, and there is no backend service at all."""
    site = cloud.post("backendBuckets", name="site", bucketName="acme-site")
    cloud.http("site", cloud.post("urlMaps", name="site", defaultService=site))
    writes.clear()
    file = tmp_path / "adopted.yaml"
    adopt("site", project=None, path=file, base=base)
    topology = load.load(file).config.topology
    assert (topology.default_service, topology.default_bucket, topology.services) == (None, "site", {})
    assert writes == []

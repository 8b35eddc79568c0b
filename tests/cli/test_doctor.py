"""What `doctor` says of permissions: what is missing, what for, and the command that adds it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.engine.bench_config import document, without_a_sandbox
from tests.sandbox.conftest import ToyPlant

from spillway.adapters.doctor import judge
from spillway.adapters.permissions import Role, names_of
from spillway.cli.main import main
from spillway.exits import Exit
from spillway.sandbox.access import Access
from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.server import SandboxServer
from spillway.sandbox.writes import Timing

RUN, BUILD = names_of(Role.RUN), names_of(Role.BUILD)


@pytest.mark.parametrize("gone", sorted(RUN))
def test_each_permission_of_the_daemon_is_missed(gone: str) -> None:
    finding, build = judge(RUN - {gone}, "p", None)
    assert finding.verdict == "fail"
    assert gone in finding.detail
    assert f"gcloud iam roles update spillwayRun --project=p --add-permissions={gone} " in finding.remedy
    assert build.verdict == "ok"


@pytest.mark.parametrize("gone", sorted(BUILD - RUN))
def test_each_permission_for_building_is_missed(gone: str) -> None:
    run, finding = judge(BUILD - {gone}, "p", None)
    assert run.verdict == "ok"
    assert finding.verdict == "fail"
    assert gone in finding.detail
    assert f"spillwayBuild --project=p --add-permissions={gone} " in finding.remedy


def test_what_is_missing_is_told_by_purpose() -> None:
    (finding,) = judge(RUN - {"compute.urlMaps.get", "compute.backendServices.update"}, "p", Role.RUN)
    assert "missing for moving traffic: compute.backendServices.update" in finding.detail
    assert "missing for reading again what was built: at a start, after a crash, for a plan: compute.urlMaps.get" in finding.detail  # fmt: skip


def test_the_role_that_is_asked_for_decides() -> None:
    assert [each.verdict for each in judge(RUN, "p", None)] == ["ok", "ok"]
    assert [each.verdict for each in judge(RUN, "p", Role.BUILD)] == ["ok", "fail"]
    assert [each.verdict for each in judge(BUILD, "p", Role.BUILD)] == ["ok", "ok"]
    assert [each.verdict for each in judge((), "p", Role.RUN)] == ["fail"]


def test_who_only_observes_is_warned() -> None:
    (finding,) = judge(RUN - {"compute.backendServices.update"}, "p", Role.RUN, acts=False)
    assert finding.verdict == "warn"
    (finding,) = judge(RUN - {"monitoring.timeSeries.list"}, "p", Role.RUN, acts=False)
    assert finding.verdict == "fail"


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    plant = ToyPlant()
    made = SandboxServer(
        plant,
        clock=ScaledClock(speed=1.0, epoch=plant.epoch),
        timing=Timing(write_time=0.0, propagation=90.0),
        access=Access({"run": RUN - {"compute.sslPolicies.get"}, "build": BUILD}),
    )
    with made:
        yield made


@pytest.mark.parametrize(
    ("role", "told"),
    [
        ("run", {"permissions (run)": "fail", "permissions (build)": "ok"}),
        ("build", {"permissions (run)": "ok", "permissions (build)": "ok"}),
    ],
)
def test_doctor_asks_the_sandbox(
    sandbox: SandboxServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    role: str,
    told: dict[str, str],
) -> None:
    (tmp_path / "none.yaml").write_text("")
    raw = document()
    raw["sandbox"].update(role=role, http=sandbox.url.removeprefix("http://"), grpc="127.0.0.1:1")
    raw["daemon"] = {"state_dir": str(tmp_path / "state"), "listen": "127.0.0.1:2"}
    raw["policies"] = {"default": {"mode": "act"}}
    file = tmp_path / "spillway.yaml"
    file.write_text(yaml.safe_dump(raw))
    assert main(["doctor", "--config", str(file), "--json"]) == Exit.UNAVAILABLE, "gRPC does not answer"
    found = {each["subject"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert {name: found[name]["verdict"] for name in told} == told
    if role == "run":
        assert "compute.sslPolicies.get" in found["permissions (run)"]["detail"]


def test_a_sandbox_that_does_not_run_is_one_finding_with_the_command_that_starts_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = without_a_sandbox(tmp_path)
    assert main(["doctor", "--config", str(file), "--json"]) == Exit.UNAVAILABLE
    findings = json.loads(capsys.readouterr().out)["findings"]
    (failed,) = [each for each in findings if each["verdict"] == "fail"]
    assert failed["subject"] == "sandbox"
    assert "127.0.0.1:1" in failed["detail"]
    assert "127.0.0.1:3" in failed["detail"]
    assert f"spillway sandbox -c {file}" in failed["remedy"]
    assert not [each for each in findings if each["subject"].startswith("permissions")]

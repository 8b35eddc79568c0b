"""`spillway init`: a configuration that can be used, from flags, from answers, and from what a project has."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.sandbox.conftest import ToyPlant

from spillway.adapters.inventory import take_inventory
from spillway.adapters.permissions import Role, names_of
from spillway.cli.main import main
from spillway.compose.adoption import reader_of
from spillway.config import load
from spillway.config.check import look_up
from spillway.config.starter import MARK
from spillway.core.values.policy import Mode
from spillway.errors import PermanentError
from spillway.exits import Exit
from spillway.resources import config_file
from spillway.sandbox.access import Access
from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.server import SandboxServer
from spillway.sandbox.stand import stand
from spillway.sandbox.writes import Timing

PROJECT = "demo-project"
ZONES = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/zones"
TWO = (
    "--region",
    f"europe-west4={ZONES}/europe-west4-a/networkEndpointGroups/chat-a,europe-west4-b/chat-b",
    "--region",
    "us-east4=us-east4-c/chat",
)


class Terminal(io.StringIO):
    """A standard input at which a person sits."""

    def isatty(self) -> bool:
        return True


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["init", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file to write, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "spillway.yaml"


def seeded(*groups: SeedGroup) -> SandboxServer:
    plant = ToyPlant()
    return SandboxServer(
        plant,
        clock=ScaledClock(speed=60.0, epoch=plant.epoch),
        timing=Timing(write_time=0.0, propagation=90.0),
        groups=list(groups),
        access=Access({role.value: names_of(role) for role in Role}),
    )


@pytest.fixture
def project() -> Iterator[SandboxServer]:
    """A project with two kinds of groups, one of them in two zones of a region."""
    made = seeded(
        SeedGroup(project=PROJECT, zone="europe-west4-a", name="chat-eu", endpoints=4),
        SeedGroup(project=PROJECT, zone="europe-west4-b", name="chat-eu", endpoints=2),
        SeedGroup(project=PROJECT, zone="us-east4-b", name="chat-us", endpoints=4),
        SeedGroup(project=PROJECT, zone="us-east4-b", name="batch", kind="instance_group", endpoints=1),
        SeedGroup(project=PROJECT, zone="us-east4", name="web", kind="regional_instance_group", endpoints=3),
        SeedGroup(project=PROJECT, zone="us-east4", name="run", kind="serverless_neg", endpoints=0),
        SeedGroup(project=PROJECT, zone="us-east4", name="apigee", kind="psc_neg", endpoints=0),
        SeedGroup(project=PROJECT, zone="global", name="partner", kind="internet_neg", endpoints=0),
    )
    with made:
        yield made


def asking(server: SandboxServer) -> tuple[str, ...]:
    return ("--sandbox", "--from-project", "--project", PROJECT, "--http", server.url.removeprefix("http://"))


def test_flags_alone_make_a_file_that_check_takes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *TWO, "--yes")
    assert code == Exit.OK, err
    loaded = load.load(file)
    config = loaded.config
    assert (config.cloud, config.project) == ("gcp", PROJECT), "the project is that of the URL"
    assert {policy.mode for policy in config.policies.values()} == {Mode.OBSERVE}
    regions = config.topology.regions
    assert [(g.zone, g.neg, g.url) for g in regions["europe-west4"].groups] == [
        ("europe-west4-a", "chat-a", None),
        ("europe-west4-b", "chat-b", None),
    ]
    assert [g.neg for g in regions["us-east4"].groups] == ["chat"]
    assert "mode observe" in out
    steps = [f"spillway {step} -c spillway.yaml" for step in ("check", "doctor", "plan", "up", "run")]
    assert [out.index(step) for step in steps] == sorted(out.index(step) for step in steps)
    assert main(["check", "-c", str(file)]) == Exit.OK


def test_it_is_short_and_says_what_its_lines_are(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, *TWO, "--yes")
    lines = file.read_text().splitlines()
    assert len(lines) < 45
    keys = (
        "cloud",
        "project",
        "name",
        "state_dir",
        "listen",
        "http",
        "ready",
        "mode",
        "slo",
        "timeout",
        "regions: all",
    )
    for key in keys:
        assert any(line.strip().startswith(key) and "  # " in line for line in lines), key


def test_a_target_that_nobody_has_measured_is_marked_and_told(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *TWO, "--yes", "--json")
    assert code == Exit.OK
    told = json.loads(out)["unmeasured"]
    assert told == [
        f"topology.regions.{region}.balancing.max_rate_per_endpoint"
        for region in ("europe-west4", "us-east4")
    ]
    data = load.load(file).data
    assert {look_up(data, tuple(path.split("."))) for path in told} == {10}
    assert file.read_text().count("MEASURE THIS") == 2
    code, out, err = run(capsys, *TWO, "--yes", "--force")
    assert "warning nobody has measured what an endpoint takes" in err
    assert "2 lines" in err
    code, out, err = run(capsys, *TWO, "--yes", "--force", "--target", "12.5", "--json")
    assert json.loads(out)["unmeasured"] == []
    assert "MEASURE" not in file.read_text()
    assert (
        load.load(file).data["topology"]["regions"]["us-east4"]["balancing"]["max_rate_per_endpoint"] == 12.5
    )


def test_a_file_that_is_there_stays(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("mine")
    code, _, err = run(capsys, *TWO, "--yes")
    assert code == Exit.REFUSED
    assert "--force" in err
    assert file.read_text() == "mine"
    assert run(capsys, *TWO, "--yes", "--force")[0] == Exit.OK
    assert load.load(file).config.project == PROJECT


@pytest.mark.parametrize("force", [(), ("--force",)], ids=["new", "force"])
def test_a_disk_that_does_not_take_it_is_no_defect(
    file: Path, capsys: pytest.CaptureFixture[str], force: tuple[str, ...]
) -> None:
    code, _, err = run(capsys, *TWO, "--yes", "--out", str(file.parent / "none" / "x.yaml"), *force)
    assert code == Exit.REFUSED
    assert "No such file or directory" in err
    assert "--out" in err


def test_answers_that_make_no_configuration_write_nothing(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, *TWO, "--yes", "--domain", "no domain", "--project", "X", "--latency", "10m")
    assert code == Exit.CONFIG
    assert "Nothing was written" in err
    for path in (
        "topology.frontends.https.certificates.managed[0]",
        "project",
        "policies.default.slo.latency",
    ):
        assert path in err, "all mistakes at once"
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--project PROJECT"),
        (("--project", PROJECT), "--region REGION=GROUP"),
        (("--project", PROJECT, "--region", "europe-west4"), "names no group"),
        (("--project", PROJECT, "--region", "europe-west4=chat"), "ZONE/NAME"),
        (("--project", PROJECT, "--region", "europe-west4=us-east4-a/chat"), "is in us-east4"),
        (("--project", PROJECT, "--region", f"us-east4={ZONES}/us-east4-a/instances/x"), "no group"),
        ((*TWO, "--region", f"us-west1={ZONES}/us-west1-a/instanceGroups/x"), "one kind"),
        ((*TWO, "--from-project"), "--from-project"),
        ((*TWO, "--http", "127.0.0.1:1"), "--sandbox"),
        ((*TWO, "--latency", "fast"), "'fast' is no time"),
        ((*TWO, "--target", "0"), "--target"),
    ],
)
def test_without_a_terminal_it_says_what_is_missing(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == Exit.CONFIG
    assert says in err
    assert out == ""
    assert not file.exists()


def test_groups_of_other_kinds_get_what_fits_them(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    regional = f"projects/{PROJECT}/regions/us-east4"
    code, _, err = run(
        capsys,
        *("--region", f"us-east4={regional}/instanceGroups/web"),
        *("--region", f"us-west1={ZONES}/us-west1-a/instanceGroups/web", "--yes"),
    )
    assert code == Exit.OK, err
    regions = load.load(file).config.topology.regions
    assert regions["us-east4"].groups[0].regional_instance_group == "web"
    assert {r.balancing.max_rate_per_instance for r in regions.values() if r.balancing is not None} == {10}
    code, out, err = run(
        capsys, "--region", f"us-east4={regional}/networkEndpointGroups/run", "--yes", "--force", "--json"
    )
    assert code == Exit.OK, err
    assert json.loads(out)["unmeasured"] == []
    topology = load.load(file).config.topology
    assert topology.regions["us-east4"].groups[0].serverless_neg == "run"
    assert topology.regions["us-east4"].balancing is None
    assert dict(topology.health_checks) == {}


def test_https_and_the_place_of_the_state(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(
        capsys,
        *TWO,
        "--yes",
        "--domain",
        "api.example.com",
        "--state",
        "gs://bucket/spillway",
        "--name",
        "no",
    )
    assert code == Exit.OK, err
    config = load.load(file).config
    assert config.name == "no", "text, not a truth value"
    assert config.daemon.engine.backend == "gs://bucket/spillway"
    (https,) = config.topology.frontends.secure
    assert list(https.certificates.managed or ()) == ["api.example.com"]


def test_a_person_is_asked_what_no_flag_says(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [
        "My Project",  # a display name: asked again
        "my-project-123",
        "n",  # name the groups by hand
        "europe-west4=chat",  # no zone: asked again
        "europe-west4=europe-west4-a/chat",
        "us-east4=us-east4-a/chat",
        "",  # that was all
        "many",  # no number: asked again
        "12",
        "10m",  # longer than the timeout: asked again
        "2s",
        "/ready",
        "no domain",
        "api.example.com",
        "gs://bucket/spillway",
    ]
    monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{answer}\n" for answer in answers)))
    code, out, err = run(capsys)
    assert code == Exit.OK, err
    config = load.load(file).config
    assert config.project == "my-project-123"
    assert set(config.topology.regions) == {"europe-west4", "us-east4"}
    assert {r.balancing.max_rate_per_endpoint for r in config.topology.regions.values() if r.balancing} == {
        12
    }
    assert config.policies["default"].slo.latency == 2.0
    assert config.topology.health_checks["ready"].path == "/ready"
    assert config.daemon.engine.backend == "gs://bucket/spillway"
    for told in ("is not a project ID", "is no number above 0", "'no domain' is not a domain name"):
        assert told in err
    assert "MEASURE" not in out + err


def test_flags_that_cannot_be_used_are_told_before_anything_is_asked(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    code, _, err = run(capsys, *TWO, "--domain", "no domain")
    assert code == Exit.CONFIG
    assert "is not a domain name" in err
    assert not file.exists()


def test_a_person_may_leave(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("my-project-123\n"))
    code, _, _ = run(capsys)
    assert code == Exit.INTERRUPTED
    assert not file.exists()


def test_yes_asks_nothing_on_a_terminal(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    assert run(capsys, *TWO, "--yes")[0] == Exit.OK
    assert file.exists()


def test_groups_are_read_from_the_project(
    file: Path, project: SandboxServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, *asking(project))
    assert code == Exit.CONFIG, "nobody says which kind is meant"
    assert "1 instance group" in err
    assert "--kind" in err
    assert not file.exists()
    code, out, err = run(capsys, *asking(project), "--kind", "endpoints", "--json")
    assert code == Exit.OK, err
    told = json.loads(out)
    assert told["regions"] == {"europe-west4": ["chat-eu", "chat-eu"], "us-east4": ["chat-us"]}
    assert "2 groups of other kinds left out" in told["notes"][0]
    groups = load.load(file).config.topology.regions["europe-west4"].groups
    assert [(group.zone, group.neg) for group in groups] == [
        ("europe-west4-a", "chat-eu"),
        ("europe-west4-b", "chat-eu"),
    ]
    code, out, _ = run(capsys, *asking(project), "--match", "we?", "--match", "bat*", "--force", "--json")
    assert json.loads(out)["regions"] == {"us-east4": ["web", "batch"]}
    code, _, err = run(capsys, *asking(project), "--match", "none", "--force")
    assert code == Exit.CONFIG
    assert "None of the 6 groups" in err


def test_a_person_chooses_from_the_project(
    file: Path, project: SandboxServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("all\n9\nchat-u* 1-2\n"))
    code, out, err = run(capsys, *asking(project))
    assert code == Exit.OK, err
    assert "europe-west4-a  chat-eu  NEG, 4 endpoints" in err
    assert "us-east4        web      regional instance group, 3 instances" in err
    told = out + err
    assert "One service takes groups of one kind" in told
    assert "'9' means none of them" in told
    assert set(load.load(file).config.topology.regions) == {"europe-west4", "us-east4"}


def test_a_load_balancer_that_stands_is_told(
    file: Path, project: SandboxServer, capsys: pytest.CaptureFixture[str]
) -> None:
    places = f"{project.url}/compute/v1/projects/{PROJECT}/global"
    service = {"name": "old", "loadBalancingScheme": "EXTERNAL_MANAGED", "protocol": "HTTP"}
    assert requests.post(f"{places}/backendServices", json=service, timeout=5).ok
    link = f"projects/{PROJECT}/global/backendServices/old"
    assert requests.post(f"{places}/urlMaps", json={"name": "web", "defaultService": link}, timeout=5).ok
    _, _, err = run(capsys, *asking(project), "--kind", "endpoints")
    assert "load balancers already (web)" in err
    assert "spillway adopt" in err


def test_a_role_that_may_not_list_groups_hears_which_permission_it_lacks(project: SandboxServer) -> None:
    sections = {"cloud": "sandbox", "project": PROJECT}
    address = project.url.removeprefix("http://")
    builds = reader_of({**sections, "sandbox": {"http": address, "role": "build"}})
    assert len(take_inventory(builds).groups) == 6
    builds.close()
    runs = reader_of({**sections, "sandbox": {"http": address, "role": "run"}})
    with pytest.raises(PermanentError) as refused:
        take_inventory(runs)
    runs.close()
    assert "compute.networkEndpointGroups.list" in refused.value.remedy


def test_a_project_without_groups_says_what_to_do(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with seeded() as empty:
        code, _, err = run(capsys, *asking(empty))
    assert code == Exit.REFUSED
    assert "no instance group and no network endpoint group" in err
    assert "--region" in err
    assert not file.exists()


def test_a_sandbox_that_does_not_run_says_how_to_start_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "--sandbox", "--from-project", "--http", "127.0.0.1:1")
    assert code == Exit.UNAVAILABLE
    assert "spillway sandbox" in err
    assert not file.exists()


def test_the_sandbox_serves_what_was_written(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From nothing to a load balancer that stands: init, check, doctor, plan, up, each with the file that init has written."""
    world = config_file("scenarios/demo.yaml")
    roles = {role.value: names_of(role) for role in Role}
    with stand(None, world, speed=600.0, http="127.0.0.1:0", grpc="127.0.0.1:0", roles=roles) as server:
        host, port = server.address
        addresses = ("--http", f"{host}:{port}", "--grpc", f"{host}:{server.monitoring_port}")
        code, out, err = run(capsys, "--sandbox", "--from-project", *addresses, "--json")
        assert code == Exit.OK, err
        read = json.loads(out)
        code, out, err = run(capsys, "--sandbox", "--out", "same.yaml", *addresses, "--json")
        assert json.loads(out)["regions"] == read["regions"], "known without a sandbox that runs"
        text = file.read_text()
        assert "listen: 127.0.0.1:9464" in text
        file.write_text(text.replace("listen: 127.0.0.1:9464", "listen: 127.0.0.1:2"))
        for step in ("check", "doctor", "plan", "up"):
            code = main([step, "-c", str(file)])
            said = capsys.readouterr()
            assert code == Exit.OK, f"{step}: {said.out}{said.err}"
        built = requests.get(
            f"{server.url}/compute/v1/projects/sandbox/global/backendServices/spillway-main", timeout=5
        ).json()
        assert len(built["backends"]) == len(read["regions"])


def test_a_sandbox_needs_no_flag(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--sandbox")
    assert code == Exit.OK, err
    config = load.load(file).config
    assert config.cloud == "sandbox"
    assert config.daemon.state_dir == str(file.parent / "spillway-state"), "nobody needs rights for it"
    assert f"spillway sandbox -c {file.name}" in out
    assert MARK not in file.read_text(), "what an endpoint of the simulated world takes is known"

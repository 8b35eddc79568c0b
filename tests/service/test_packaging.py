"""The unit files and the Dockerfile: what their tools say of them, and the promises that they must keep."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from spillway.cli.orders import RELOAD_WAIT
from spillway.config.model import DaemonConfig
from spillway.exits import LASTING

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "spillway.service"
INSTANCES = ROOT / "systemd" / "spillway@.service"
WORST_EXPOSURE = 1.5
"""Of `systemd-analyze security`: 0 is locked in, 10 wide open; the network that the daemon needs costs about one."""

analyzer = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="SKIPPED LOUDLY: systemd-analyze is not installed (Debian package systemd)",
)


def unit(file: Path = UNIT) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def seconds(text: str) -> float:
    number, word = re.fullmatch(r"(\d+)(s|min)", text).groups()  # type: ignore[union-attr]  # a mismatch is a failure
    return float(number) * {"s": 1.0, "min": 60.0}[word]


@analyzer
@pytest.mark.parametrize("file", [UNIT, INSTANCES], ids=lambda file: file.name)
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path, file: Path) -> None:
    """Verified with an executable that exists here, as the installed one need not."""
    copy = tmp_path / file.name.replace("@", "@llm")
    copy.write_text(
        file.read_text(encoding="utf-8").replace("/opt/spillway/bin/spillway", "/bin/true"),
        encoding="utf-8",
    )
    result = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=60, check=False
    )
    if "Failed to" in result.stderr and "manager" in result.stderr:
        pytest.skip(f"SKIPPED LOUDLY: systemd-analyze verify cannot run here: {result.stderr.strip()}")
    assert result.returncode == 0, result.stderr
    assert copy.name not in result.stderr


@analyzer
@pytest.mark.parametrize("file", [UNIT, INSTANCES], ids=lambda file: file.name)
def test_the_unit_is_locked_in(file: Path) -> None:
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    match = re.search(r"Overall exposure level for spillway\S*\.service: (\d+\.\d+)", result.stdout)
    if match is None and "offline" in result.stderr:
        pytest.skip(f"SKIPPED LOUDLY: this systemd cannot judge a unit offline: {result.stderr.strip()}")
    assert match is not None, result.stderr
    assert float(match[1]) <= WORST_EXPOSURE


def test_the_unit_gives_the_daemon_the_time_that_it_takes() -> None:
    found, defaults = unit(), DaemonConfig()
    assert found["Type"] == ["notify"]
    assert seconds(found["TimeoutStopSec"][0]) > defaults.stop_deadline + 10
    assert seconds(found["TimeoutStartSec"][0]) > defaults.engine.deadline + 3 * defaults.tick
    assert seconds(found["WatchdogSec"][0]) > defaults.engine.deadline + 3 * defaults.tick
    assert found["StateDirectory"] == [Path(defaults.state_dir).name]
    assert found["ExecReload"] == ["/opt/spillway/bin/spillway reload --config /etc/spillway/spillway.yaml"]
    assert seconds(found["TimeoutStartSec"][0]) > 2 * RELOAD_WAIT, "a reload tells before it is cut off"
    assert found["RestartPreventExitStatus"] == [" ".join(str(code.value) for code in sorted(LASTING))]
    assert found["Restart"] == ["on-failure"], "all other codes, signals and the watchdog are tried again"
    assert found["StartLimitIntervalSec"] == ["0"], "and never given up"


def test_an_instance_differs_from_the_one_unit_in_its_names_alone() -> None:
    """Nothing that one instance writes, or is, may be another's."""
    found, own = unit(INSTANCES), unit()
    changed = {key: values for key, values in found.items() if values != own[key]}
    assert found.keys() == own.keys()
    assert changed == {
        "Description": ["Spillway of %i, keeps traffic between regions where it is served well"],
        "ExecStart": ["/opt/spillway/bin/spillway run --config /etc/spillway/%i.yaml"],
        "ExecReload": ["/opt/spillway/bin/spillway reload --config /etc/spillway/%i.yaml"],
        "User": ["spillway-%i"],
        "StateDirectory": ["spillway-%i"],
        "WorkingDirectory": ["/var/lib/spillway-%i"],
        "Environment": [
            value.replace("/var/lib/spillway", "/var/lib/spillway-%i") for value in own["Environment"]
        ],
        "EnvironmentFile": ["-/etc/spillway/environment", "-/etc/spillway/%i.environment"],
    }


DOCKER = (ROOT / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = [
    re.sub(r"\s+", " ", text).strip()
    for text in re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", DOCKER)).splitlines()
    if text.strip()
]


def instructions(name: str) -> list[str]:
    return [text.removeprefix(f"{name} ") for text in INSTRUCTIONS if text.startswith(f"{name} ")]


def test_the_image_is_built_in_stages_on_a_base_of_your_choice() -> None:
    stages = instructions("FROM")
    assert [stage.split()[0] for stage in stages] == ["${BASE}", "${BASE}"]
    assert all(" AS " in stage for stage in stages)
    assert instructions("ARG")[0].startswith("BASE=")
    assert not re.search(r":latest\b", DOCKER)


def test_the_stage_that_fetches_the_engine_has_what_its_installer_needs() -> None:
    """A slim base has no curl, so the default build would end there. The image itself needs none."""
    build, run = DOCKER.split(" AS run\n")
    assert re.search(r"apt-get install [^&]*\bcurl\b", build)
    assert "curl" not in run


def test_the_container_runs_without_root_and_in_exec_form() -> None:
    last = DOCKER[DOCKER.rindex("\nFROM ") :]
    users = re.findall(r"(?m)^USER (\S+)", last)
    assert users
    assert all(int(part) > 0 for part in users[-1].split(":"))
    for name in ("ENTRYPOINT", "CMD"):
        (form,) = instructions(name)
        assert form.startswith("["), f"{name} must be in exec form, or signals end in a shell"
    assert "dumb-init" in instructions("ENTRYPOINT")[0], "plugins of the engine are reaped by an init"
    assert '"--stay"' in instructions("CMD")[0], "an exit would only be answered by a restart"


def test_the_image_checks_progress_where_the_daemon_listens() -> None:
    """By the command, which asks /healthz at `daemon.listen` of the same configuration as the daemon's."""
    (check,) = instructions("HEALTHCHECK")
    assert check.endswith('CMD ["/opt/spillway/bin/python", "-m", "spillway.cli.health"]')
    assert "--start-period" in check
    assert "9464" not in check
    assert "--config" not in instructions("CMD")[0], "both go by $SPILLWAY_CONFIG and the same default"


@pytest.mark.parametrize(
    ("value", "code", "fetched"), [("1", 0, True), ("0", 0, False), ("yes", 2, False), ("", 2, False)]
)
def test_the_image_has_the_engine_unless_it_is_declined(
    tmp_path: Path, value: str, code: int, fetched: bool
) -> None:
    """The step as the builder runs it; a value that is neither ends the build."""
    assert "WITH_ENGINE=1" in instructions("ARG")
    (step,) = (run for run in instructions("RUN") if run.startswith("case"))
    program = tmp_path / "spillway"
    program.write_text('#!/bin/sh\necho "$1 into $PULUMI_HOME"\n', encoding="utf-8")
    program.chmod(0o755)
    result = subprocess.run(
        ["/bin/sh", "-eu", "-c", step.replace("/opt/spillway/bin/spillway", str(program))],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"WITH_ENGINE": value, "PATH": "/usr/bin:/bin"},
    )
    assert result.returncode == code, result.stderr
    assert ("setup into /opt/spillway/pulumi" in result.stdout) is fetched


def test_the_layers_are_clean() -> None:
    for run in instructions("RUN"):
        if "apt-get install" in run:
            assert "apt-get update" in run
            assert "--no-install-recommends" in run
            assert "rm -rf /var/lib/apt/lists" in run
        assert "sudo" not in run
        assert "apt-get upgrade" not in run
        assert not re.search(r"\bcd\b", run), "use WORKDIR"
    assert not instructions("ADD"), "COPY says what it does"
    assert "--require-hashes" in DOCKER
    for copy in instructions("COPY"):
        if not copy.startswith("--from"):
            assert not copy.startswith(". "), "name what is copied"


def test_the_build_sees_only_what_it_needs() -> None:
    lines = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert lines[0] == "*"
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        part.removeprefix("./")
        for copy in instructions("COPY")
        if not copy.startswith("--from")
        for part in copy.split()[:-1]
    }
    assert copied == allowed


def test_no_host_but_none_is_named() -> None:
    for text in (DOCKER, *(file.read_text(encoding="utf-8") for file in (UNIT, INSTANCES))):
        assert set(re.findall(r"https?://([\w.-]+)", text)) <= {"127.0.0.1"}


def test_what_the_wheel_takes_along_is_there() -> None:
    """Units, pages, the man page and the files for Kubernetes, Prometheus and Grafana lie beside the installed program."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert all((ROOT / name).exists() for name in shared)
    assert {"docs", "docs/spillway.1", "systemd", "config/kubernetes"} <= set(shared)
    assert shared["docs/spillway.1"].startswith("share/man/man1/")


def test_the_lock_is_whole() -> None:
    """`make` installs what the lock names and resolves nothing beside it: no requirement may be missing or conflict."""
    result = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout

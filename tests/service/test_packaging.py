"""The unit file and the Dockerfile: what their tools say of them, and the promises that they must keep."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spillway.cli.orders import RELOAD_WAIT
from spillway.config.model import DaemonConfig
from spillway.exits import LASTING

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "spillway.service"
WORST_EXPOSURE = 1.5
"""Of `systemd-analyze security`: 0 is locked in, 10 wide open; the network that the daemon needs costs about one."""

analyzer = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="SKIPPED LOUDLY: systemd-analyze is not installed (Debian package systemd)",
)


def unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def seconds(text: str) -> float:
    number, word = re.fullmatch(r"(\d+)(s|min)", text).groups()  # type: ignore[union-attr]  # a mismatch is a failure
    return float(number) * {"s": 1.0, "min": 60.0}[word]


@analyzer
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    """Verified with an executable that exists here, as the installed one need not."""
    copy = tmp_path / UNIT.name
    copy.write_text(
        UNIT.read_text(encoding="utf-8").replace("/opt/spillway/bin/spillway", "/bin/true"),
        encoding="utf-8",
    )
    result = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=60, check=False
    )
    if "Failed to" in result.stderr and "manager" in result.stderr:
        pytest.skip(f"SKIPPED LOUDLY: systemd-analyze verify cannot run here: {result.stderr.strip()}")
    assert result.returncode == 0, result.stderr
    assert UNIT.name not in result.stderr


@analyzer
def test_the_unit_is_locked_in() -> None:
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    match = re.search(r"Overall exposure level for spillway\.service: (\d+\.\d+)", result.stdout)
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


def test_the_image_checks_progress_and_not_a_port() -> None:
    (check,) = instructions("HEALTHCHECK")
    assert "/healthz" in check
    assert 'CMD ["' in check
    assert "--start-period" in check


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
    for text in (DOCKER, UNIT.read_text(encoding="utf-8")):
        assert set(re.findall(r"https?://([\w.-]+)", text)) <= {"127.0.0.1"}


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

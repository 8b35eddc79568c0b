"""`spillway completion`: a shell that loads it completes commands and options."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spillway.cli.main import main


@pytest.mark.parametrize(
    ("shell", "hook"),
    [("bash", "complete -o"), ("zsh", "#compdef spillway"), ("fish", "complete --no-files")],
)
def test_each_shell_gets_its_own_script(capsys: pytest.CaptureFixture[str], shell: str, hook: str) -> None:
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert hook in said
    assert f"_SPILLWAY_COMPLETE={shell}_complete" in said
    installed = shutil.which(shell)
    if installed is not None:
        result = subprocess.run(
            [installed, "-n"], input=said, capture_output=True, text=True, timeout=30, check=False
        )
        assert (result.returncode, result.stderr) == (0, "")


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("bash") is None, reason="SKIPPED LOUDLY: bash is not installed")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [("al", ["alarms"]), ("drain --rea", ["--reason"]), ("completion z", ["zsh"]), ("docs", [])],
)
def test_bash_completes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, typed: str, offered: list[str]
) -> None:
    """As a terminal does it: the script is loaded, and its function is asked with the words before the cursor."""
    assert main(["completion", "bash"]) == 0
    program = tmp_path / "spillway"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m spillway "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    words = ["spillway", *typed.split()]
    script = f"""{capsys.readouterr().out}
COMP_WORDS=({" ".join(words)})
COMP_CWORD={len(words) - 1}
_spillway_completion {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    result = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stderr == ""
    assert result.stdout.split() == offered

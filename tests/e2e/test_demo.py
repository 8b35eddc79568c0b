"""The first command of the README: the whole story from end to end, and Ctrl-C in the middle of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from tests.terminal import CTRL_C, children, gone, on_terminal, read

from spillway.exits import Exit

DEMO = (sys.executable, "-m", "spillway", "demo")
SPEED = 120
"""World seconds per second; the story's 88 minutes pass in 44 s."""
LIMIT = 150.0
"""Seconds that the whole story may take on a busy machine."""
TOLD = 60.0
"""Seconds within which the demo must have told its first fault."""


def rehearsals() -> set[Path]:
    """Folders of demos that exist now."""
    return set(Path(tempfile.gettempdir()).glob("spillway-demo-*"))


def test_the_story_uses_every_lever_and_ends_better_than_without() -> None:
    done = subprocess.run(
        (*DEMO, "--json", "--speed", str(SPEED)), capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == Exit.OK, done.stderr
    runs = json.loads(done.stdout)
    assert set(runs["spillway"]["levers"]) == {"scaler", "membership", "posture"}
    assert runs["spillway"]["moves"] >= 3
    for other in ("static", "google"):
        assert runs["spillway"]["bad_requests"] < runs[other]["bad_requests"]
        assert runs["spillway"]["requests"] == pytest.approx(runs[other]["requests"], rel=0.001), (
            "the same hours"
        )


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="children of a process are read from /proc, which is Linux"
)
def test_ctrl_c_leaves_nothing_behind() -> None:
    before = rehearsals()
    with on_terminal(*DEMO, "--speed", "60") as (program, terminal):
        said, until = b"", time.monotonic() + TOLD
        while b"turns slow" not in said and time.monotonic() < until:
            said += read(terminal, 0.5)
        assert b"turns slow" in said, said
        assert rehearsals() > before
        below = children(program.pid)
        assert len(below) >= 2, "sandbox and daemon"
        os.write(terminal, CTRL_C)
        said += read(terminal, 20.0)
        os.close(terminal)
        assert program.wait(10.0) == Exit.INTERRUPTED
        assert b"nothing is left behind" in said
        assert b"Traceback" not in said, said
        assert gone(below, 10.0)
    assert rehearsals() <= before

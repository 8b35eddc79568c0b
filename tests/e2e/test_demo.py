"""The first command of the README: the whole story from end to end, and Ctrl-C in the middle of it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from tests.bench.library import FOLDER, chosen
from tests.terminal import CTRL_C, children, gone, on_terminal, read

from spillway.exits import Exit
from spillway.sim.baselines import BASELINES
from spillway.sim.control import ServiceControl
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Moment, Run

DEMO = (sys.executable, "-m", "spillway", "demo")
SPEED = 120
"""World seconds per second; the story's 88 minutes pass in 44 s."""
LIMIT = 150.0
"""Seconds that the whole story may take on a busy machine."""
TOLD = 60.0
"""Seconds within which the demo must have told its first fault."""


def folders() -> set[Path]:
    """Folders of demos that exist now."""
    return set(Path(tempfile.gettempdir()).glob("spillway-demo-*"))


def changed(before: tuple[ServiceControl, ...], after: tuple[ServiceControl, ...]) -> set[str]:
    """The levers that differ between two listings."""
    found = set()
    for one, two in zip(before, after, strict=True):
        was, now = ({b.region: b.scaler for b in control.backends} for control in (one, two))
        found |= {"membership"} if was.keys() != now.keys() else set()
        found |= {"scaler"} if any(was[r] != now[r] for r in was.keys() & now.keys()) else set()
        drains = one.auto_drain, two.auto_drain
        thresholds = one.failover_threshold, two.failover_threshold
        found |= {"posture"} if drains[0] != drains[1] or thresholds[0] != thresholds[1] else set()
    return found


def test_the_story_in_virtual_time_uses_every_lever_and_ends_better_than_without() -> None:
    (story,) = chosen(["demo"], FOLDER)
    moments: list[Moment] = []
    mine = Run(story, Pilot()).go(moments.append)
    listings = [moment.listing for moment in moments]
    levers = set().union(*(changed(a, b) for a, b in itertools.pairwise(listings)))
    assert levers == {"scaler", "membership", "posture"}
    assert mine.writes >= 3
    for other in ("static", "google"):
        report = Run(story, BASELINES[other]()).go().report
        assert mine.report.bad_requests < report.bad_requests
        assert mine.report.requests == pytest.approx(report.requests, rel=0.001), "the same hours"


@pytest.mark.long
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
    before = folders()
    with on_terminal(*DEMO, "--speed", str(SPEED)) as (program, terminal):
        said, until = b"", time.monotonic() + TOLD
        while b"turns slow" not in said and time.monotonic() < until:
            said += read(terminal, 0.5)
        assert b"turns slow" in said, said
        assert folders() > before
        below = children(program.pid)
        assert len(below) >= 2, "sandbox and daemon"
        os.write(terminal, CTRL_C)
        said += read(terminal, 20.0)
        os.close(terminal)
        assert program.wait(10.0) == Exit.INTERRUPTED
        assert b"nothing is left behind" in said
        assert b"Traceback" not in said, said
        assert gone(below, 10.0)
    assert folders() <= before

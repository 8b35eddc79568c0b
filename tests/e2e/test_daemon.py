"""The daemon as a child process against the sandbox as another: build, tick, scrape, reload, crash, go on, stop."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from spillway.cli.rehearsal.children import Child
from spillway.cli.rehearsal.stage import Stage

CONFIG = Path(__file__).resolve().parents[2] / "config" / "demo.yaml"
DEADLINE = 60.0


def until(what: str, look: Callable[[], Any]) -> Any:
    """Poll until `look` gives something true; fails with `what` after a minute."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)  # polling a child process, bounded by the deadline
    raise AssertionError(f"not within {DEADLINE:g} s: {what}")


def get(stage: Stage, path: str) -> tuple[int, str]:
    """Status and body of one of the daemon's addresses."""
    try:
        with urllib.request.urlopen(f"http://{stage.addresses.daemon}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(CONFIG, speed=120) as made:
        made.start_sandbox()
        yield made


@pytest.fixture(scope="module")
def daemon(stage: Stage) -> Child:
    built = stage.provision()
    assert dict(built["outputs"])["load_balancer_ip"]
    stage.release()
    child = stage.start_daemon()
    until("the first tick", lambda: (stage.status() or {}).get("tick"))
    return child


def samples(text: str) -> dict[str, float]:
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line and line[0] != "#"
    }


def test_every_address_answers(stage: Stage, daemon: Child) -> None:
    for path, what in (
        ("/healthz", ""),
        ("/readyz", ""),
        ("/", "<html"),
        ("/status", "services"),
        ("/history", "{"),
    ):
        status, body = get(stage, path)
        assert status == 200, (path, body)
        assert what in body
    assert get(stage, "/nothing")[0] == 404
    found = samples(get(stage, "/metrics")[1])
    assert any(name.startswith("spillway_passes_total") for name in found)
    assert any('region="us-east4"' in name and "scaler" in name for name in found)


def test_traffic_becomes_visible(stage: Stage, daemon: Child) -> None:
    def served() -> dict[str, float] | None:
        status = stage.status()
        pool = next((s for s in status["services"] if s["service"] == "pool"), None) if status else None
        found = {b["region"]: b["served"] for b in pool["backends"] if b["served"]} if pool else {}
        return found if len(found) >= 4 else None

    rates = until("traffic in four regions", served)
    assert 150 < sum(rates.values()) < 350, rates  # the demo's quiet start is 226 requests/s
    until("the alarm in the log", lambda: "Alarm: europe: losing europe-west4" in daemon.log.read_text())


def test_bad_config_changes_nothing_and_good_one_is_taken(stage: Stage, daemon: Child) -> None:
    good = stage.config.read_text()
    document = yaml.safe_load(good)
    stage.config.write_text(good.replace("timeout: 30s", "timeout: 30"))
    daemon.signal(signal.SIGHUP)
    until("the refusal in the log", lambda: "Reload refused" in daemon.log.read_text())
    assert "has no unit" in daemon.log.read_text()
    assert get(stage, "/healthz")[0] == 200
    document["policies"]["default"]["rhythm"] = {"moves_per_hour": 11}
    stage.config.write_text(yaml.safe_dump(document, sort_keys=False))
    daemon.signal(signal.SIGHUP)
    until("the reload in the log", lambda: "Reload accepted" in daemon.log.read_text())
    text = get(stage, "/metrics")[1]
    assert 'outcome="accepted"' in text
    assert 'outcome="refused"' in text


def test_what_somebody_sets_is_told_and_stands(stage: Stage, daemon: Child) -> None:
    service = f"http://{stage.addresses.sandbox}/compute/beta/projects/spillway-demo/global/backendServices/demo-pool"
    edit = {"customRequestHeaders": ["X-Team:ours"], "timeoutSec": 77}
    assert requests.patch(service, json=edit, timeout=5).status_code == 200

    def told() -> tuple[set[str], set[str]]:
        status = stage.status() or {"drift": [], "kept": []}
        return {d["field"] for d in status["drift"]}, {k["field"] for k in status["kept"]}

    until(
        "drift and kept settings in the status", lambda: told() == ({"timeoutSec"}, {"customRequestHeaders"})
    )
    until("drift in the log", lambda: "timeoutSec is 77 instead of" in daemon.log.read_text())
    found = samples(get(stage, "/metrics")[1])
    assert found['spillway_drift{field="timeoutSec",kind="backend service",name="demo-pool"}'] == 1
    # A reload builds: neither goes.
    before = daemon.log.read_text().count("Reload accepted")
    with stage.config.open("a") as config:
        config.write("# touched\n")
    until("a reload", lambda: daemon.log.read_text().count("Reload accepted") > before)
    live = requests.get(service, timeout=5).json()
    assert {name: live[name] for name in edit} == edit


def test_a_killed_daemon_starts_again_and_goes_on(stage: Stage, daemon: Child) -> None:
    before = (stage.status() or {})["tick"]
    daemon.signal(signal.SIGKILL)
    assert daemon.wait(10) == -signal.SIGKILL
    again = stage.start_daemon()
    status = until("a tick after the crash", lambda: (s := stage.status()) and s["tick"] > before and s)
    assert status["address"]
    again.signal(signal.SIGTERM)
    assert again.wait(30) == 0
    assert "Stopped." in again.log.read_text()


def test_a_second_daemon_is_refused(stage: Stage, daemon: Child) -> None:
    first = stage.start_daemon()
    until("the first build, in which the world waits", lambda: (stage.status() or {}).get("ready"))
    with Child("second", ["run", "--config", str(stage.config)], stage.folder) as second:
        assert second.wait(30) == 3
        assert str(first.pid) in second.log.read_text()
    first.stop()


def test_nothing_is_left_behind() -> None:
    with Stage(CONFIG, speed=120) as made:
        made.start_sandbox()
        folder = made.folder
        pids = [child.pid for child in made.children]
    assert not folder.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

"""The daemon as a child process against the sandbox as another: build, tick, scrape, reload, crash, go on, stop.

The load balancer is built under the role `build`, the daemon runs under the role `run`; the sandbox enforces both.
"""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from spillway.cli.demo.children import Child
from spillway.cli.demo.environment import Environment
from spillway.cli.main import main

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


def get(environment: Environment, path: str) -> tuple[int, str]:
    """Status and body of one of the daemon's addresses."""
    try:
        with urllib.request.urlopen(f"http://{environment.addresses.daemon}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    with Environment(CONFIG, speed=120) as made:
        made.start_sandbox()
        yield made


def work_under(environment: Environment, role: str) -> None:
    """From now on everybody who reads the configuration has this role."""
    document = yaml.safe_load(environment.config.read_text())
    document["sandbox"]["role"] = role
    environment.config.write_text(yaml.safe_dump(document, sort_keys=False))


@pytest.fixture(scope="module")
def daemon(environment: Environment) -> Child:
    work_under(environment, "build")
    built = environment.provision()
    assert built["outputs"]["load_balancer_ip"]
    work_under(environment, "run")
    environment.release()
    child = environment.start_daemon()
    until("the first tick", lambda: (environment.status() or {}).get("tick"))
    return child


def samples(text: str) -> dict[str, float]:
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line and line[0] != "#"
    }


def test_every_address_answers(environment: Environment, daemon: Child) -> None:
    for path, what in (
        ("/healthz", ""),
        ("/readyz", ""),
        ("/", "<html"),
        ("/status", "services"),
        ("/history", "{"),
    ):
        status, body = get(environment, path)
        assert status == 200, (path, body)
        assert what in body
    assert get(environment, "/nothing")[0] == 404
    found = samples(get(environment, "/metrics")[1])
    assert any(name.startswith("spillway_passes_total") for name in found)
    assert any('region="us-east4"' in name and "scaler" in name for name in found)


def test_traffic_becomes_visible(environment: Environment, daemon: Child) -> None:
    def served() -> dict[str, float] | None:
        status = environment.status()
        pool = next((s for s in status["services"] if s["service"] == "pool"), None) if status else None
        found = {b["region"]: b["served"] for b in pool["backends"] if b["served"]} if pool else {}
        return found if len(found) >= 4 else None

    rates = until("traffic in four regions", served)
    assert 150 < sum(rates.values()) < 350, rates  # the demo's quiet start is 226 requests/s
    alarms = (environment.status() or {})["alarms"]
    assert [a for a in alarms if a["service"] == "europe"] == [], (
        "its standby regions cover the loss of its home"
    )
    assert "losing europe-west4" not in daemon.log.read_text()


def test_bad_config_changes_nothing_and_good_one_is_taken(environment: Environment, daemon: Child) -> None:
    good = environment.config.read_text()
    document = yaml.safe_load(good)
    environment.config.write_text(good.replace("timeout: 30s", "timeout: 30"))
    daemon.signal(signal.SIGHUP)
    until("the refusal in the log", lambda: "Reload refused" in daemon.log.read_text())
    assert "has no unit" in daemon.log.read_text()
    assert get(environment, "/healthz")[0] == 200
    document["policies"]["default"]["rhythm"] = {"moves_per_hour": 11}
    environment.config.write_text(yaml.safe_dump(document, sort_keys=False))
    daemon.signal(signal.SIGHUP)
    until("the reload in the log", lambda: "Reload accepted" in daemon.log.read_text())
    text = get(environment, "/metrics")[1]
    assert 'outcome="accepted"' in text
    assert 'outcome="refused"' in text


def spillway(environment: Environment, *words: str) -> tuple[int, dict[str, Any]]:
    """A command of an operator: exit code, and the JSON that it prints."""
    with redirect_stdout(StringIO()) as told:
        code = main([*words, "--config", str(environment.config), "--json"])
    found: dict[str, Any] = json.loads(told.getvalue())
    return code, found


def test_orders_are_judged_shown_and_carried_out_on_the_cloud(
    environment: Environment, daemon: Child
) -> None:
    words = ("pin", "us-east4", "0.9", "--service", "pool", "--reason", "a trial")
    given: list[tuple[int, dict[str, Any]]] = []

    def judged() -> bool:
        given.append(spillway(environment, *words))
        return bool(given[-1][1]["verdict"] != "unavailable")

    until("a tick since the last reload, by which an order is judged", judged)
    code, answer = given[-1]
    assert (code, answer["verdict"]) == (0, "done"), answer

    def pinned() -> bool:
        status = environment.status() or {"services": []}
        backends = [b for s in status["services"] if s["service"] == "pool" for b in s["backends"]]
        return any(b["region"] == "us-east4" and b["scaler_observed"] == 0.9 for b in backends)

    until("the pin on the cloud", pinned)
    (order,) = (environment.status() or {})["orders"]
    assert (order["kind"], order["region"], order["reason"]) == ("pin", "us-east4", "a trial")
    name = 'spillway_order{kind="pin",region="us-east4",service="pool"}'
    assert samples(get(environment, "/metrics")[1])[name] == order["until"]
    code, answer = spillway(environment, "drain", "nowhere", "--reason", "a trial")
    assert (code, answer["verdict"]) == (2, "mistaken")
    assert spillway(environment, "release", "us-east4")[0] == 0
    assert spillway(environment, "orders")[1]["orders"] == []


def test_reload_waits_for_the_verdict(environment: Environment, daemon: Child) -> None:
    good = environment.config.read_text()
    document = yaml.safe_load(good)
    document["policies"]["default"]["rhythm"] = {"moves_per_hour": 10}
    environment.config.write_text(yaml.safe_dump(document, sort_keys=False))
    code, answer = spillway(environment, "reload")
    assert code == 0
    assert any("rhythm.moves_per_hour: 11 -> 10" in note for note in answer["notes"]), answer
    environment.config.write_text(good.replace("timeout: 30s", "timeout: 30"))
    code, answer = spillway(environment, "reload")
    assert code == 2
    assert any("has no unit" in note for note in answer["notes"])
    until(
        "the alarm",
        lambda: any(a["code"] == "config-not-in-force" for a in (environment.status() or {})["alarms"]),
    )
    until(
        "the alarm in the log",
        lambda: (
            "Alarm: config-not-in-force (ticket): the configuration on the disk" in daemon.log.read_text()
        ),
    )
    environment.config.write_text(good)
    assert spillway(environment, "reload")[0] == 0
    assert not [a for a in (environment.status() or {})["alarms"] if a["code"] == "config-not-in-force"]


def test_what_somebody_sets_is_told_and_stands(environment: Environment, daemon: Child) -> None:
    service = f"http://{environment.addresses.sandbox}/compute/beta/projects/spillway-demo/global/backendServices/demo-pool"
    edit = {"customRequestHeaders": ["X-Team:ours"], "timeoutSec": 77}
    assert requests.patch(service, json=edit, timeout=5).status_code == 200

    def told() -> tuple[set[str], set[str]]:
        status = environment.status() or {"drift": [], "kept": []}
        return {d["field"] for d in status["drift"]}, {k["field"] for k in status["kept"]}

    until(
        "drift and kept settings in the status", lambda: told() == ({"timeoutSec"}, {"customRequestHeaders"})
    )
    until("drift in the log", lambda: "timeoutSec is 77 instead of" in daemon.log.read_text())
    found = samples(get(environment, "/metrics")[1])
    assert found['spillway_drift{field="timeoutSec",kind="backend service",name="demo-pool"}'] == 1
    # A reload builds: neither goes.
    before = daemon.log.read_text().count("Reload accepted")
    with environment.config.open("a") as config:
        config.write("# touched\n")
    until("a reload", lambda: daemon.log.read_text().count("Reload accepted") > before)
    live = requests.get(service, timeout=5).json()
    assert {name: live[name] for name in edit} == edit


@pytest.fixture(scope="module")
def heir(environment: Environment, daemon: Child) -> Child:
    """The daemon that follows on the killed one."""
    before = (environment.status() or {})["tick"]
    daemon.signal(signal.SIGKILL)
    assert daemon.wait(10) == -signal.SIGKILL
    again = environment.start_daemon()
    until("a tick after the crash", lambda: (environment.status() or {"tick": 0})["tick"] > before)
    return again


def test_a_killed_daemon_starts_again_and_goes_on(environment: Environment, heir: Child) -> None:
    assert (environment.status() or {})["address"]


def test_a_second_daemon_is_refused(environment: Environment, heir: Child) -> None:
    until("the first tick, after the build", lambda: (environment.status() or {}).get("at"))
    with Child("second", ["run", "--config", str(environment.config)], environment.folder) as second:
        assert second.wait(30) == 3
        assert str(heir.pid) in second.log.read_text()


def test_a_daemon_that_is_told_to_stop_says_so(environment: Environment, heir: Child) -> None:
    heir.signal(signal.SIGTERM)
    assert heir.wait(30) == 0
    assert "Stopped." in heir.log.read_text()


def pool_of(environment: Environment) -> tuple[str, dict[str, Any]]:
    """URL of the pool's backend service, and how it stands."""
    project = yaml.safe_load(environment.config.read_text())["project"]
    url = f"http://{environment.addresses.sandbox}/compute/v1/projects/{project}/global/backendServices"
    services = requests.get(url, timeout=5).json()["items"]
    (live,) = [service for service in services if service["name"].endswith("-pool")]
    return f"{url}/{live['name']}", live


def edit_scaler(environment: Environment, region: str, scaler: float) -> None:
    """Somebody sets a ceiling by hand."""
    url, live = pool_of(environment)
    for backend in live["backends"]:
        if f"/{region}-" in backend["group"]:
            backend["capacityScaler"] = scaler
    body = {"fingerprint": live["fingerprint"], "backends": live["backends"]}
    answer = requests.patch(url, json=body, timeout=5)
    assert answer.status_code == 200, answer.text


def test_after_an_outside_edit_a_dead_region_is_still_drained(environment: Environment) -> None:
    """The edit makes the engine read again; with exactly the role `run` that must not end all writes."""
    # Google drains no dead region by itself, so Spillway must; the daemon's own role may set that.
    document = yaml.safe_load(environment.config.read_text())
    document["policies"]["default"]["postures"] = {"normal": {"failover_threshold": 70, "auto_drain": False}}
    environment.config.write_text(yaml.safe_dump(document, sort_keys=False))
    child = environment.start_daemon()
    until("the first tick", lambda: (environment.status() or {}).get("tick"))
    edit_scaler(environment, "us-east4", 0.9)
    outage = {"kind": "outage", "region": "asia-northeast1", "for": "2h"}
    answer = requests.post(
        f"http://{environment.addresses.sandbox}/sandbox/v1/faults", json=outage, timeout=5
    )
    assert answer.status_code == 200, answer.text

    def drained() -> bool:
        backends = pool_of(environment)[1]["backends"]
        return {b["capacityScaler"] for b in backends if "/asia-northeast1-" in b["group"]} == {0}

    until("the drain of the dead region", drained)
    found = samples(get(environment, "/metrics")[1])
    assert not [
        name
        for name in found
        if name.startswith("spillway_writes_total") and "refused" in name and found[name]
    ]
    assert "permission" not in child.log.read_text()
    child.stop()


def test_nothing_is_left_behind() -> None:
    with Environment(CONFIG, speed=120) as made:
        made.start_sandbox()
        folder = made.folder
        pids = [child.pid for child in made.children]
    assert not folder.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

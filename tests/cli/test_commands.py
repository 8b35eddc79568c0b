"""The command line: exit codes, JSON, errors with a remedy, no colours where nobody looks."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from spillway import compose
from spillway.adapters.files import FileStore
from spillway.adapters.permissions import Role, names_of
from spillway.cli import console
from spillway.cli.history import render_history
from spillway.cli.main import main
from spillway.cli.provision import _finish
from spillway.cli.status import estimate_line, fetch_status, render_status, steering
from spillway.errors import ConfigError, OutcomeUnknown, PermanentError, SpillwayError, TemporaryError
from spillway.exits import Exit, exit_code
from spillway.ports import Applied, Outcome, PreviewedChange

CONFIG = Path(__file__).resolve().parents[2] / "config"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("name", "service"), [("demo.yaml", "pool"), ("spillway.yaml", "chat"), ("reference.yaml", "pool")]
)
def test_check_takes_the_examples(capsys: pytest.CaptureFixture[str], name: str, service: str) -> None:
    code, out, _ = run(capsys, "check", "--config", str(CONFIG / name))
    assert code == Exit.OK
    assert out.startswith("ok ")
    assert f"{service}: scalers" in out
    assert "\x1b" not in out


def test_check_names_all_mistakes_at_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = (CONFIG / "demo.yaml").read_text()
    text = text.replace("scenarios/demo.yaml", str(CONFIG / "scenarios/demo.yaml"))
    bad = tmp_path / "bad.yaml"
    bad.write_text(text.replace("port: 80}", "port: 80-443}").replace("timeout: 30s", "timeout: 30"))
    code, _, err = run(capsys, "check", "--config", str(bad))
    assert code == Exit.CONFIG
    assert "range of ports" in err
    assert err.count("has no unit") == 2
    assert "3 problems" in err
    code, out, _ = run(capsys, "check", "--config", str(bad), "--json")
    assert code == Exit.CONFIG
    found = json.loads(out)
    assert len(found["problems"]) == 3
    assert all(p["line"] > 0 and p["remedy"] for p in found["problems"])


@pytest.mark.parametrize(("old", "new"), [("max_bytes: 50000000", "max_mib"), ("keep: 10", "max_age")])
def test_keys_of_the_old_journal_are_refused_with_the_new_ones(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, old: str, new: str
) -> None:
    text = (CONFIG / "demo.yaml").read_text()
    text = text.replace("scenarios/demo.yaml", str(CONFIG / "scenarios/demo.yaml"))
    path = tmp_path / "old.yaml"
    path.write_text(f"{text}\ndaemon:\n  journal: {{{old}}}\n")
    code, _, err = run(capsys, "check", "--config", str(path))
    assert code == Exit.CONFIG
    assert f"`{new}`" in err


def test_check_prints_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "check", "--schema")
    assert code == Exit.OK
    assert "topology" in json.loads(out)["properties"]


def test_a_missing_file_is_wrong_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "check", "--config", str(tmp_path / "none.yaml"))
    assert code == Exit.CONFIG
    assert "none.yaml" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--url", "127.0.0.1:9464"),
        ("sandbox", "--http", "0.0.0.0:0"),
        ("sandbox", "--grpc", "192.0.2.1:8481"),
    ],
)
def test_an_address_that_will_not_do_is_wrong_input(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == Exit.CONFIG
    assert arguments[1] in err


def test_status_tells_what_is_wrong_and_how_old_its_picture_is(capsys: pytest.CaptureFixture[str]) -> None:
    alarm = {
        "code": "region-dead",
        "severity": "ticket",
        "load_balancer": "lb",
        "service": "pool",
        "region": "us-east4",
        "part": "",
        "since": 1_699_999_310.0,
        "sentence": "us-east4 has 0 of 16 endpoints healthy",
        "runbook": "docs/runbook.md#region-dead",
        "silenced_until": None,
    }
    found = {
        "services": [],
        "alarms": [alarm, {**alarm, "region": None, "severity": "page", "silenced_until": 1_700_003_600.0}],
        "silences": [
            {
                "code": "region-dead",
                "service": None,
                "region": None,
                "by": "ana",
                "until": 1_700_003_600.0,
                "reason": "rack",
            }
        ],
        "problems": ["latencies could not be read: 503"],
        "tick": 7,
        "at": 1_700_000_000.0,
        "now": 1_700_000_030.0,
        "healthy": True,
        "sentence": "nothing done, because.",
    }
    render_status(found)
    assert capsys.readouterr().out.splitlines() == [
        "Ticket: pool us-east4: us-east4 has 0 of 16 endpoints healthy (region-dead, since 2023-11-14 22:01:50 UTC, 12 min)",
        "  docs/runbook.md#region-dead",
        "Page: pool: us-east4 has 0 of 16 endpoints healthy (region-dead, since 2023-11-14 22:01:50 UTC, 12 min, silenced until 2023-11-14 23:13:20 UTC)",
        "Silence: region-dead in all services, by ana, until 2023-11-14 23:13:20 UTC: rack",
        "Problem: latencies could not be read: 503",
        "Tick 7 at 22:13:20 UTC, 30 s ago: nothing done, because.",
    ]
    render_status({**found, "now": 1_700_000_900.0, "healthy": False})
    stuck = capsys.readouterr().out
    assert stuck.startswith("The daemon is stuck: its last pass ended 15 min ago.")
    assert "15 min ago, and the daemon is stuck" in stuck
    render_status({**found, "alarms": []})
    assert capsys.readouterr().out.startswith("Nothing is wrong: no alarm is up.")
    render_status({**found, "at": None, "sentence": "Starting."})
    assert capsys.readouterr().out.endswith("No tick yet. Starting.\n")


def test_a_long_alarm_continues_indented_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alarm = {
        "code": "no-survival",
        "severity": "ticket",
        "service": "pool",
        "region": None,
        "part": "",
        "since": 1_699_999_310.0,
        "sentence": "losing us-east4 would leave 406 requests/s for a demand of 539",
        "runbook": "docs/runbook.md#no-survival",
        "silenced_until": None,
    }
    found = {
        "services": [], "alarms": [alarm], "problems": [], "tick": 7, "at": 1_700_000_000.0, "now": 1_700_000_030.0,
        "healthy": True, "sentence": "nothing done, because.",
    }  # fmt: skip
    monkeypatch.setattr(console.out, "_force_terminal", True)
    monkeypatch.setattr(console.out, "_color_system", None)
    monkeypatch.setattr(console.out, "_width", 72)
    monkeypatch.setattr(console.out, "_height", 40)
    render_status(found)
    assert capsys.readouterr().out.splitlines()[:4] == [
        "Ticket: pool: losing us-east4 would leave 406 requests/s for a demand of",
        "  539 (no-survival, since 2023-11-14 22:01:50 UTC, 12 min)",
        "  docs/runbook.md#no-survival",
        "Tick 7 at 22:13:20 UTC, 30 s ago: nothing done, because.",
    ]


def test_status_shows_the_health_of_a_region_apart_from_what_spillway_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend = {
        "region": "us-east4",
        "state": "serving",
        "member": True,
        "scaler_wanted": 1.0,
        "served": 88.0,
        "target": 160.0,
        "latency": 1.9,
        "error_ratio": 0.0,
        "healthy_share": 1.0,
        "age": 231.0,
        "health": "ok",
    }
    rows: dict[str, dict[str, Any]] = {
        "open": {"health": "dead", "healthy_share": 0.0},
        "capped at 0.40": {"state": "degraded", "scaler_wanted": 0.4},
        "closing": {"state": "draining", "scaler_wanted": 0.0},
        "closed": {"state": "drained", "scaler_wanted": 0.0, "health": "idle"},
        "opening at 0.20": {"state": "recovering", "scaler_wanted": 0.2},
        "pinned at 0.90": {"state": "pinned", "scaler_wanted": 0.9},
        "changed by others": {"state": "edited"},
        "held": {"state": "held", "health": "saturated"},
        "held at 0.10": {"state": "held", "scaler_wanted": 0.1},
        "standby": {"state": "standby", "member": False, "health": "idle", "age": None},
        "joining at 0.50": {"state": "joining", "scaler_wanted": 0.5},
        "leaving": {"state": "leaving", "scaler_wanted": 0.0},
    }
    for words, changes in rows.items():
        assert steering({**backend, **changes}) == words
    service = {"service": "pool", "mode": "act", "posture": "normal", "demand": 88.0, "foreign_pins": []}
    found = {
        "services": [{**service, "backends": [{**backend, **changes} for changes in rows.values()]}],
        "alarms": [],
        "problems": [],
        "tick": 1,
        "at": 1_700_000_000.0,
        "now": 1_700_000_040.0,
        "healthy": True,
        "sentence": "nothing done.",
    }
    render_status(found)
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["us-east4", "dead", "open", "88.0", "160.0", "1.90s", "0.0%", "0%"] in said
    assert ["us-east4", "ok", "capped", "at", "0.40", "88.0", "64.0", "1.90s", "0.0%", "100%"] in said
    assert ["figures", "of", "its", "traffic", "are", "4", "min", "old"] in said, "as old as they are now"


def test_status_tells_what_others_have_set(capsys: pytest.CaptureFixture[str]) -> None:
    pin = {
        "region": "us-east4",
        "lever": "scaler",
        "value": "0.60",
        "wanted": "1.00",
        "until": 1_700_000_030.0,
    }
    policy = {"region": None, "lever": "posture", "value": "other", "wanted": "normal", "until": None}
    service = {"service": "pool", "mode": "act", "posture": "normal", "demand": 1.0, "backends": []}
    found = {
        "services": [{**service, "foreign_pins": [pin, policy]}],
        "alarms": [],
        "problems": [],
        "kept": [
            {"kind": "backend service", "name": "lb-pool", "field": "customRequestHeaders", "value": "X-Team"}
        ],
        "held": [{"kind": "backend service", "name": "lb-raw", "field": "metadatas"}],
        "tick": 1,
        "at": None,
        "now": 1_700_000_000.0,
        "healthy": True,
        "sentence": "Starting.",
    }
    render_status(found)
    said = " ".join(capsys.readouterr().out.split())
    assert "pool: us-east4 scaler is 0.60 instead of 1.00; left alone until 2023-11-14 22:13:50 UTC" in said
    assert "pool: posture is other instead of normal; left alone until a person decides" in said
    assert "Not written: backend service lb-raw: metadatas" in said
    assert "Kept, not managed: backend service lb-pool: customRequestHeaders: X-Team" in said


def test_status_asks_where_a_configuration_with_mistakes_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text('daemon: {listen: 127.0.0.1:1}\nproject: ["no word"]\n')
    code, _, err = run(capsys, "status", "--config", str(bad))
    assert code == Exit.UNAVAILABLE
    assert "no daemon answers at http://127.0.0.1:1: Connection refused" in " ".join(err.split())


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """An address that gives this answer once."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silence."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.handle_request, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize("body", [b"[1, 2]", b"{}", b"hello", b"[" * 200_000])
def test_status_of_something_else_is_no_defect(body: bytes) -> None:
    with answering(body) as url, pytest.raises(TemporaryError):
        fetch_status(url)
    with pytest.raises(TemporaryError, match=r"no daemon answers at http://127\.0\.0\.1:notaport"):
        fetch_status("http://127.0.0.1:notaport")


def test_of_a_status_without_end_only_so_much_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spillway.cli.connection.LARGEST_ANSWER", 1000)
    body = b'{"schema": 1, "services": [], "sentence": "' + b"x" * 2000 + b'"}'
    with answering(body) as url, pytest.raises(TemporaryError, match="no daemon answers"):
        fetch_status(url)


def test_status_asks_past_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    with answering(b'{"schema": 1, "services": [], "sentence": "ok"}') as url:
        assert fetch_status(url)["sentence"] == "ok"


def test_a_state_folder_that_cannot_be_made_is_no_defect(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(TemporaryError, match="cannot be made") as told:
        FileStore(blocked / "state" / "state.json")
    assert "daemon.state_dir" in told.value.remedy


def test_status_without_a_daemon_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "status", "--url", "http://127.0.0.1:9")
    assert code == Exit.UNAVAILABLE
    assert "no daemon answers" in err
    assert "systemctl" in err


def test_doctor_tells_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = tmp_path / "spillway.yaml"
    text = (CONFIG / "demo.yaml").read_text().replace("127.0.0.1:848", "127.0.0.1:")
    config.write_text(text.replace("scenarios/demo.yaml", str(CONFIG / "scenarios/demo.yaml")))
    code, out, _ = run(capsys, "doctor", "--config", str(config), "--json")
    assert code == Exit.UNAVAILABLE
    found = {f["subject"]: f for f in json.loads(out)["findings"]}
    assert found["python"]["verdict"] == "ok"
    assert found["sandbox"]["verdict"] == "fail"
    assert "spillway sandbox" in found["sandbox"]["remedy"]


def test_roles_prints_commands_with_every_permission(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "roles", "--project", "my-project")
    assert code == Exit.OK
    commands = [line for line in out.splitlines() if line.startswith("gcloud iam roles create ")]
    assert [command.split()[4] for command in commands] == ["spillwayRun", "spillwayBuild"]
    for role, command in zip(Role, commands, strict=True):
        assert "--project=my-project" in command
        assert set(command.rpartition("--permissions=")[2].split(",")) == names_of(role)
    code, out, _ = run(capsys, "roles", "--json")
    assert code == Exit.OK
    assert [{each["name"] for each in role["permissions"]} for role in json.loads(out)] == [
        names_of(role) for role in Role
    ]


def test_destroy_does_not_guess_that_it_may(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "destroy", "--config", str(CONFIG / "demo.yaml"))
    assert code == Exit.CONFIG
    assert "--yes" in err


class Terminal(io.StringIO):
    """A standard input at which a person sits."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("command", "answer", "says"),
    [
        ("destroy", "n\n", "Nothing was deleted."),
        ("destroy", "", "Nothing was deleted."),
        ("unadopt", "n\n", "Nothing was forgotten."),
    ],
    ids=["no", "end of input", "unadopt"],
)
def test_no_is_an_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, answer: str, says: str
) -> None:
    standing = ("backend service lb-pool", "address lb-ip")
    monkeypatch.setattr(compose, "standing_resources", lambda _: standing)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    code, out, err = run(capsys, command, "--config", str(CONFIG / "demo.yaml"))
    assert code == Exit.INTERRUPTED
    assert err.strip().endswith(says)
    if command == "destroy":
        listed = out.index(
            "2 resources of 'demo' in project 'spillway-demo':\n  - backend service lb-pool\n  - address lb-ip"
        )
        assert listed < out.index("Delete all of it?"), "told before it is asked"


def test_what_an_engine_did_has_the_shape_of_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    applied = Applied(
        outcome=Outcome.DONE,
        sentence="1 updated",
        changes=(("update", "lb-pool"),),
        outputs=(("load_balancer_ip", "203.0.113.7"),),
        refused=(("pool", "somebody has set it"),),
    )
    _finish(applied, "embedded", as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["changes"] == [{"operation": "update", "kind": "", "name": "lb-pool", "details": []}]
    assert set(said["changes"][0]) == {field.name for field in fields(PreviewedChange)}
    assert said["outputs"] == {"load_balancer_ip": "203.0.113.7"}, "as /status has them"
    assert said["refused"] == [{"service": "pool", "sentence": "somebody has set it"}]


def test_a_wrong_option_is_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "check", "--colour")
    assert code == Exit.CONFIG
    assert "--colour" in err


@pytest.mark.parametrize(
    "command",
    [
        "check",
        "demo",
        "destroy",
        "doctor",
        "init",
        "plan",
        "roles",
        "run",
        "sandbox",
        "setup",
        "status",
        "up",
    ],
)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == Exit.OK
    assert len(out) > 200
    assert "\\b" not in out
    assert all(len(line) <= 100 for line in out.splitlines()), "wrapped for a terminal"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(()), Exit.CONFIG),
        (TemporaryError("x"), Exit.UNAVAILABLE),
        (PermanentError("x"), Exit.REFUSED),
        (OutcomeUnknown("x"), Exit.UNKNOWN),
        (SpillwayError("x"), Exit.FAILED),
    ],
)
def test_each_kind_of_error_has_its_code(error: Any, code: Exit) -> None:
    assert exit_code(error) is code


def config_without_cloud(tmp_path: Path) -> Path:
    """A configuration whose sandbox does not run: nobody listens at ports 1 and 3."""
    text = (CONFIG / "demo.yaml").read_text()
    text = text.replace("scenarios/demo.yaml", str(CONFIG / "scenarios/demo.yaml"))
    text = text.replace("127.0.0.1:8480", "127.0.0.1:1").replace("127.0.0.1:8481", "127.0.0.1:3")
    file = tmp_path / "dead.yaml"
    file.write_text(f"{text}\ndaemon: {{state_dir: {tmp_path / 'state'}, listen: '127.0.0.1:2'}}\n")
    return file


def test_a_plan_that_cannot_see_what_stands_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It used to say "14 to create" and to end with 0."""
    code, out, err = run(capsys, "plan", "-c", str(config_without_cloud(tmp_path)))
    assert (code, out) == (Exit.UNAVAILABLE, "")
    assert "What stands could not be read" in err
    assert "spillway sandbox -c" in err
    code, out, _ = run(capsys, "plan", "-c", str(config_without_cloud(tmp_path)), "--json")
    assert (code, json.loads(out)["error"]) == (Exit.UNAVAILABLE, "TemporaryError")


def test_the_sandbox_goes_by_the_variable_that_names_the_configuration(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPILLWAY_CONFIG", str(CONFIG / "spillway.yaml"))
    code, _, err = run(capsys, "sandbox", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    assert code == Exit.REFUSED
    assert "spillway.yaml has no section `sandbox`" in err
    assert "$SPILLWAY_CONFIG" in err


@pytest.mark.parametrize(
    ("was", "wrong", "count"),
    [
        (
            "&rate {mode: RATE, max_rate_per_endpoint: 10}",
            "&rate {mode: RATES, max_rate_per_endpoint: 10}",
            1,
        ),
        ("&rate {mode: RATE, max_rate_per_endpoint: 10}", "&rate {mode: RATE, max_rate_per_endpiont: 10}", 1),
        (
            "&rate {mode: RATE, max_rate_per_endpoint: 10}",
            "&rate {mode: RATES, max_rate_per_endpiont: 10}",
            2,
        ),
        ("cost: 1.0", "cost: -1.0", 1),
        ("timeout: 30s", "timeout: 30", 2),
    ],
    ids=["value", "key", "two", "no-anchor", "written-twice"],
)
def test_a_mistake_in_an_anchor_counts_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, was: str, wrong: str, count: int
) -> None:
    """It used to count once for each alias."""
    text = config_without_cloud(tmp_path).read_text()
    assert was in text
    (tmp_path / "bad.yaml").write_text(text.replace(was, wrong))
    code, out, _ = run(capsys, "check", "-c", str(tmp_path / "bad.yaml"), "--json")
    problems = json.loads(out)["problems"]
    assert (code, len(problems)) == (Exit.CONFIG, count), problems
    if "&rate" in was:
        assert {p["path"].split(".")[2] for p in problems} == {"europe-west4"}, "where the anchor stands"


def test_an_up_without_a_cloud_says_what_to_start(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = run(capsys, "up", "-c", str(config_without_cloud(tmp_path)))
    assert (code, out) == (Exit.FAILED, "")
    assert "nothing was changed" in err
    assert "spillway sandbox -c" in err


def test_up_prints_addresses_by_what_they_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = (
        ("load_balancer_ip", "203.0.113.7"),
        ("urls./eu/*", "http://203.0.113.7/eu/"),
        ("urls.[bold]", "http://x/"),
    )
    applied = Applied(outcome=Outcome.UNCHANGED, sentence="nothing to change", outputs=outputs)
    assert _finish(applied, "embedded", as_json=False) == Exit.OK
    assert capsys.readouterr().out.splitlines() == [
        "done nothing to change",
        "  load_balancer_ip  203.0.113.7",
        "  /eu/*             http://203.0.113.7/eu/",
        "  [bold]            http://x/",
    ]


def spillway(*arguments: str, **how: Any) -> subprocess.Popen[bytes]:
    """The command as a process of its own, without the encoding of this one."""
    environment = {k: v for k, v in os.environ.items() if k not in {"LC_ALL", "LANG", "PYTHONUTF8"}}
    environment |= {"PYTHONIOENCODING": "ascii", "COLUMNS": "80"}
    return subprocess.Popen([sys.executable, "-m", "spillway", *arguments], env=environment, **how)


def test_an_output_that_takes_nothing_is_no_defect() -> None:
    with Path("/dev/full").open("wb") as full:
        process = spillway("check", "--schema", stdout=full, stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=60)
    assert process.returncode == Exit.UNAVAILABLE
    assert b"the output cannot be written: No space left on device" in said
    assert b"Traceback" not in said


def test_an_output_that_nobody_reads_ends_the_command_well() -> None:
    process = spillway("roles", "--project", "p", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (Exit.OK, b"")


def test_what_the_terminal_cannot_show_is_told_as_an_escape(tmp_path: Path) -> None:
    sound = (CONFIG / "demo.yaml").read_text(encoding="utf-8")
    (tmp_path / "\u6f22.yaml").write_text(
        sound.replace("scenario: ", f"scenario: {CONFIG}/"), encoding="utf-8"
    )
    process = spillway(
        "check", "-c", str(tmp_path / "\u6f22.yaml"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = process.communicate(timeout=60)
    assert process.returncode == Exit.OK, said.decode()
    assert b"\\u6f22.yaml" in said


@pytest.mark.parametrize("scaler", ["1.0000001", "0.333", "0.05", "nan", "1e9"])
def test_a_pin_tells_a_wrong_scaler_as_it_was_written(
    capsys: pytest.CaptureFixture[str], scaler: str
) -> None:
    code, _, said = run(capsys, "pin", "us-east4", scaler, "--reason", "a test")
    assert code == Exit.CONFIG
    assert f"{float(scaler)} is no scaler. Write 0, or 0.1 to 1 in hundredths." in said


@pytest.mark.parametrize(
    ("saved", "advised", "told"),
    [
        (0, 0, ""),
        (12345, 0, "acting has kept 12,345 requests from being bad"),
        (0, 7, "its advice would have kept 7 requests from being bad"),
        (
            1,
            2,
            "acting has kept 1 request from being bad, and its advice would have kept 2 requests from being bad",
        ),
    ],
)
def test_status_says_what_acting_saves_and_that_it_is_an_estimate(
    saved: int, advised: int, told: str
) -> None:
    estimate = {
        "since": 1_700_000_000.0,
        "saved_requests": saved,
        "advised_requests": advised,
        "mode": "act",
        "method": "by the model: an estimate",
    }
    whole = f"Since 2023-11-14 22:13:20 UTC {told} (by the model: an estimate)."
    assert estimate_line({"estimate": estimate}) == (whole if told else "")
    assert estimate_line({"estimate": None}) == estimate_line({}) == ""


def _past(**changes: Any) -> dict[str, Any]:
    """An entry of /decisions."""
    entry = {
        "tick": 12_345,
        "kind": "tick",
        "at": 1_700_000_000.0,
        "last_at": 1_700_000_000.0,
        "times": 1,
        "sentence": "nothing done, because " + " ".join(f"word{i}" * (1 + i % 3) for i in range(60)),
        **dict.fromkeys(("moves", "advice", "refusals", "alarms", "verdicts"), ()),
        "applied": None,
    }
    return {**entry, **changes}


def test_history_cuts_no_word_and_pads_no_line_also_after_a_week(capsys: pytest.CaptureFixture[str]) -> None:
    entries = [_past(), _past(tick=9, at=1_699_999_000.0)]
    render_history({"decisions": entries, "left_out": 0})
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 and line == line.rstrip() for line in lines)
    assert lines[:2] == ["UTC          tick  what", "2023-11-14"]
    assert lines[2].startswith("21:56:40        9  nothing done, because word0 ")
    told = " ".join(" ".join(line[19:].strip() for line in lines[2:-1]).split())
    assert told == f"{entries[0]['sentence']} {entries[1]['sentence']}"


def test_history_tells_who_gave_an_order_and_that_one_ended_by_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = _past(tick=0, kind="order", sentence="ana: hold: order 1 is in force", by="ana", command="hold")
    over = _past(tick=0, kind="order", sentence="order 1 has expired", by="ana", command="expired")
    render_history({"decisions": [over, given], "left_out": 0})
    lines = [line[18:] for line in capsys.readouterr().out.splitlines()]
    assert lines[2:4] == ["order by ana: hold: order 1 is in force", "order: order 1 has expired"]


def test_history_without_an_entry_says_when_the_newest_record_is(capsys: pytest.CaptureFixture[str]) -> None:
    render_history({"decisions": [], "left_out": 0, "newest": 1_700_000_000.0})
    said = capsys.readouterr().out
    assert said == "Nothing is recorded in this time. The newest record is of 2023-11-14 22:13:20 UTC.\n"
    render_history({"decisions": [], "left_out": 0, "newest": None})
    assert capsys.readouterr().out == "Nothing is recorded in this time.\n"


def test_status_tells_whom_it_hurts_what_is_left_and_why_a_region_is_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    note = {
        "code": "saturated",
        "sentence": "us-east4 is saturated: its answer rate, 44 requests/s, is its capacity",
    }
    backend = {
        **dict.fromkeys(("served", "target", "latency", "error_ratio", "healthy_share", "age")),
        "region": "us-east4", "state": "serving", "member": True, "scaler_wanted": 1.0, "notes": [note],
    }  # fmt: skip
    service = {
        "service": "pool",
        "mode": "act",
        "posture": "normal",
        "demand": 228.0,
        "backends": [backend],
        "capacity": 365.0,
        "headroom": 0.6,
        "bad_share": 0.3547,
        "survives_loss": False,
        "shortage": False,
        "burn": {"latency": 12.3, "availability": 266.2, "good": None},
    }
    found = {
        "services": [service],
        "alarms": [],
        "problems": [],
        "tick": 1,
        "healthy": True,
        "sentence": "done.",
        "at": 1_700_000_000.0,
        "now": 1_700_000_040.0,
        "name": "night",
        "project": "p",
        "cloud": "sandbox",
        "address": "203.0.113.10",
        "speed": 40.0,
    }
    render_status(found)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert "35.5% bad · burn rate 266 · capacity 365.0 · headroom 60% · N-1 does not hold" in lines
    assert "Note: us-east4 is saturated: its answer rate, 44 requests/s, is its capacity" in lines
    place = "night in p, address 203.0.113.10. Times are the sandbox's, 40 times as fast as real ones."
    assert place in " ".join(lines)
    render_status({**found, "cloud": "gcp", "services": [{**service, "backends": [backend] * 30}]})
    said = capsys.readouterr().out
    assert "\nnight in p, address 203.0.113.10\n" in said
    assert "and 10 more notes: spillway status --json" in said


@pytest.mark.parametrize("command", ["demo", "sandbox"])
@pytest.mark.parametrize("speed", ["nan", "-1", "inf"])
def test_a_speed_that_is_no_number_is_a_wrong_argument(
    command: str, speed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--speed", speed]) == Exit.CONFIG
    assert "--speed" in capsys.readouterr().err

"""The life of the process: a real child, real signals, real files; only the cloud is a file."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from tests.control.journal_files import records_in

from spillway.cli.main import main
from spillway.exits import Exit

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
EUROPE = "europe-west4"


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, with patience and without luck."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class Daemon:
    """A child process and its folder."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.listen = free_address()
        self.settings = {"listen": self.listen, **settings}
        self.configure(digest="one")
        self.behave()
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.settimeout(PATIENCE)
        self.heard: list[str] = []
        """What it has told the service manager so far, where it tells it anything."""
        self.process: subprocess.Popen[bytes] | None = None

    def behave(self, **changes: Any) -> None:
        self.settings |= changes
        self.replace("settings.json", self.settings)

    def configure(self, **content: Any) -> None:
        self.replace("config.json", content)

    def replace(self, name: str, content: Any) -> None:
        fresh = self.folder / f"{name}.new"
        fresh.write_text(json.dumps(content))
        fresh.replace(self.folder / name)

    def start(self) -> Daemon:
        environment = {
            "PYTHONPATH": f"{ROOT / 'daemon'}:{ROOT}",
            "PATH": os.environ["PATH"],
        }
        if self.settings.get("notify"):
            # a socket that nobody reads is full after ten words, and then holds up every pass
            environment["NOTIFY_SOCKET"] = str(self.folder / "notify")
            threading.Thread(target=self.listen_to_it, daemon=True).start()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.service.child", str(self.folder)],
                stderr=log,
                env=environment,
                cwd=ROOT,
            )
        return self

    def listen_to_it(self) -> None:
        """Hear what it tells the service manager, until the test ends."""
        with suppress(OSError):
            while True:
                self.heard.append(self.notify.recv(8192).decode())

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def says(self, words: str) -> None:
        """Wait for words in the log: its lines are written by a thread of their own."""
        until(lambda: words in self.log())

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{self.listen}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> Daemon:
        until(lambda: self.get("/readyz")[0] == 200)
        return self

    def metric(self, sample: str) -> float:
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(f"{sample} "):
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"no sample {sample}")

    def kept(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "state" / "state.json").read_text())
        return found

    def scaler(self) -> float:
        cloud = json.loads((self.folder / "cloud.json").read_text())
        (found,) = [b["scaler"] for b in cloud["services"][0]["backends"] if b["region"] == EUROPE]
        return float(found)

    def writes(self) -> list[str]:
        return (self.folder / "writes").read_text().split()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    made: list[Daemon] = []

    def daemon(**settings: Any) -> Daemon:
        folder = tmp_path / f"d{len(made)}"
        folder.mkdir()
        made.append(Daemon(folder, **settings))
        return made[-1]

    yield daemon
    for each in made:
        if each.process is not None and each.process.poll() is None:
            each.process.kill()
            each.process.wait(PATIENCE)
        each.notify.close()


Make = Callable[..., Daemon]


def test_it_starts_gets_ready_tells_systemd_and_stops_on_request(make: Make) -> None:
    daemon = make(notify=True).start()
    until(lambda: "READY=1" in daemon.heard)
    heard = daemon.heard[: daemon.heard.index("READY=1")]
    assert heard[0].startswith("STATUS=Starting")
    assert heard.count("WATCHDOG=1") == 1, (
        "the watchdog is fed by the first finished tick, before it says ready"
    )
    until(lambda: daemon.get("/healthz")[0] == 200)
    until(lambda: daemon.get("/readyz") == (200, "ready\n"))
    assert json.loads(daemon.get("/status")[1])["tick"] >= 1
    daemon.signal(signal.SIGTERM)
    until(lambda: "STOPPING=1" in daemon.heard)
    assert daemon.wait() == Exit.OK
    assert "Stopped." in daemon.log()
    kinds = [record["kind"] for record in records_in(daemon.folder / "state" / "journal")]
    assert kinds[:3] == ["start", "intent", "build"]
    assert kinds[-1] == "stop"
    assert daemon.kept()["tick"] == kinds.count("tick")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_write_under_way_is_finished_before_the_end(make: Make, number: signal.Signals) -> None:
    daemon = make(drain=EUROPE, hang=True).start()
    until((daemon.folder / "hanging").exists)
    daemon.signal(number)
    daemon.says("Stopping")
    (daemon.folder / "go").touch()
    assert daemon.wait() == Exit.OK
    assert daemon.scaler() == 0.0
    assert daemon.kept()["intent"] is None


def test_a_write_past_the_deadline_is_interrupted(make: Make) -> None:
    daemon = make(drain=EUROPE, hang=True, stop=0.3).start()
    until((daemon.folder / "hanging").exists)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == Exit.OK
    assert "interrupted" in daemon.log()
    assert daemon.scaler() == 1.0


def test_a_write_that_cannot_be_interrupted_is_abandoned_and_looked_up_at_the_next_start(make: Make) -> None:
    daemon = make(drain=EUROPE, hang=True, deaf=True, stop=0.3).start()
    until((daemon.folder / "hanging").exists)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == Exit.OK
    assert daemon.kept()["intent"] is not None
    daemon.behave(hang=False)
    daemon.start().ready()
    daemon.says("in the middle of a write")
    until(lambda: daemon.scaler() == 0.0)
    assert daemon.writes().count("change") == 1


def test_a_second_signal_shortens_the_wait(make: Make) -> None:
    daemon = make(drain=EUROPE, hang=True, stop=3600.0).start()
    until((daemon.folder / "hanging").exists)
    daemon.signal(signal.SIGTERM)
    daemon.says("Stopping")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == Exit.OK


def test_killed_in_the_middle_of_a_write_it_goes_on_and_does_nothing_twice(make: Make) -> None:
    daemon = make(drain=EUROPE, hang=True).start()
    until((daemon.folder / "hanging").exists)
    daemon.signal(signal.SIGKILL)
    assert daemon.wait() == -signal.SIGKILL
    daemon.behave(hang=False)
    daemon.start().ready()
    until(lambda: daemon.scaler() == 0.0)
    ticks = daemon.kept()["tick"]
    until(lambda: daemon.kept()["tick"] > ticks + 3)
    assert daemon.writes().count("change") == 1
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == Exit.OK


def test_a_second_daemon_on_the_same_state_is_turned_away(make: Make) -> None:
    first = make().start().ready()
    second = make()
    (second.folder / "state").symlink_to(first.folder / "state")
    assert second.start().wait() == Exit.UNAVAILABLE
    assert "another spillway" in second.log()


def test_an_address_in_use_ends_it_before_anything_is_touched(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        daemon = make(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        assert daemon.start().wait() == Exit.UNAVAILABLE
    assert "Address already in use" in daemon.log()
    assert not (daemon.folder / "writes").exists()


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ({"outcome": "refused"}, Exit.REFUSED),
        ({"outcome": "unknown"}, Exit.UNKNOWN),
        ({"outcome": "failed"}, Exit.FAILED),
        ({"defect": True}, Exit.INTERNAL),
    ],
)
def test_a_first_build_that_fails_has_its_exit_code(
    make: Make, behaviour: dict[str, Any], code: Exit
) -> None:
    daemon = make(**behaviour).start()
    assert daemon.wait() == code


@pytest.mark.parametrize(("in_the_way", "words"), [("a quota", "disk I/O error"), ("a file", "File exists")])
def test_a_journal_that_cannot_be_written_is_no_matter_of_permissions(
    make: Make, in_the_way: str, words: str
) -> None:
    """It used to end with 4 and to send people to `doctor` for the cloud's permissions."""
    daemon = make(largest_file=40_000 if in_the_way == "a quota" else None)
    journal = daemon.folder / "state" / "journal"
    journal.parent.mkdir()
    if in_the_way == "a file":
        journal.touch()
    assert daemon.start().wait() == Exit.UNAVAILABLE
    assert words in daemon.log()
    assert "doctor" not in daemon.log()
    assert "daemon.state_dir" in daemon.log()
    assert not (daemon.folder / "writes").exists()


def test_a_journal_that_takes_nothing_any_more_does_not_end_the_daemon(make: Make) -> None:
    """The loop goes on, the page has the last hours from memory, and all of it says why, once."""
    daemon = make(largest_file=300_000).start().ready()

    def troubled(ticks: int) -> bool:
        """Whether the journal takes nothing, and still nothing so many ticks later."""
        for _ in range(2):
            status = json.loads(daemon.get("/status")[1] or "{}")
            if not any("takes no record" in problem for problem in status.get("problems", ())):
                return False
            until(lambda: bool(daemon.kept()["tick"] >= status["tick"] + ticks))  # noqa: B023 called at once
        return True

    until(lambda: troubled(2))
    said = daemon.log().count("takes no record")
    assert troubled(2)
    assert daemon.log().count("takes no record") == said, "it is said when it begins, and not with every pass"
    history = json.loads(daemon.get("/history")[1])
    assert "takes no record" in history["problem"]
    assert len(history["at"]) > 5
    newest = json.loads(daemon.get("/decisions?limit=5")[1])["decisions"][0]
    assert newest["last_at"] >= history["at"][-1]
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == Exit.OK
    kinds = [record["kind"] for record in records_in(daemon.folder / "state" / "journal")]
    assert kinds[:3] == ["start", "intent", "build"]


def test_the_past_is_asked_of_the_daemon_and_of_its_file(make: Make, tmp_path: Path) -> None:
    daemon = make(drain=EUROPE).start().ready()
    until(lambda: daemon.scaler() == 0.0)
    until(lambda: daemon.kept()["tick"] > 3)
    config = tmp_path / "spillway.yaml"
    config.write_text(f"daemon:\n  state_dir: {daemon.folder / 'state'}\n  listen: {daemon.listen}\n")

    def asked(*words: str) -> tuple[int, str]:
        with redirect_stdout(StringIO()) as told:
            code = main([*words, "--config", str(config)])
        return code, told.getvalue()

    answers = [asked("history"), asked("explain", EUROPE), asked("history", "--json", "--region", EUROPE)]
    assert [code for code, _ in answers] == [Exit.OK] * 3
    assert f"pool/{EUROPE} scaler 1.00 -> 0.00: done" in answers[0][1]
    assert max(map(len, answers[0][1].splitlines())) <= 80
    assert f"  {EUROPE} (clos" in answers[1][1]
    entries = json.loads(answers[2][1])["decisions"]
    (moved,) = [entry for entry in entries if entry["moves"]]
    assert moved["moves"][0]["region"] == EUROPE
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == Exit.OK
    code, told = asked("history", "--json", "--region", EUROPE)
    assert code == Exit.OK
    assert [entry for entry in json.loads(told)["decisions"] if entry["moves"]] == [moved]
    code, told = asked("explain", "--id", moved["id"])
    assert code == Exit.OK
    assert f"Moved pool/{EUROPE} scaler 1.00 -> 0.00" in told
    assert max(map(len, told.splitlines())) <= 82
    assert asked("explain", "--at", "soon")[0] == Exit.CONFIG
    assert asked("explain", "nowhere")[0] == Exit.FAILED
    target = tmp_path / "figures.csv"
    assert asked("journal", "export", "--out", str(target))[0] == Exit.OK
    assert target.read_text().startswith("time,at,service,region,")
    assert asked("journal", "export", "--table", "moves", "--out", str(target))[0] == Exit.OK
    assert target.read_text().count(",operator-drain,") == 1


def test_an_engine_that_cannot_work_leaves_a_daemon_that_watches_and_says_why(make: Make) -> None:
    """And it goes on by itself, or with a reload, once somebody has acted."""
    daemon = make(blocked=True).start()
    daemon.says("Spillway only observes, nothing can be written: the engine's state cannot be read")
    until(lambda: json.loads(daemon.get("/status")[1] or "{}").get("tick", 0) > 12)
    code, why = daemon.get("/readyz")
    assert code == 503
    assert "Put a copy of it back." in why
    assert daemon.metric("spillway_ready") == 0
    status = json.loads(daemon.get("/status")[1])
    assert "cannot be read" in status["problems"][0]
    until(lambda: daemon.get("/healthz")[0] == 200)
    assert not (daemon.folder / "writes").exists()
    daemon.behave(blocked=False)
    daemon.signal(signal.SIGHUP)
    daemon.ready()
    daemon.says("The engine works again.")
    assert json.loads(daemon.get("/status")[1])["problems"] == []
    daemon.behave(blocked=True)
    daemon.configure(digest="two")
    until(lambda: daemon.get("/readyz")[0] == 503)
    daemon.behave(blocked=False)
    daemon.ready()


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_without_a_meaning_ends_nothing(make: Make, number: signal.Signals) -> None:
    """Tools that rotate logs send them to any daemon."""
    daemon = make().start().ready()
    daemon.signal(number)
    daemon.signal(signal.SIGHUP)
    until(lambda: daemon.metric(outcome("unchanged")) == 1)
    assert daemon.get("/readyz")[0] == 200


def outcome(name: str) -> str:
    return f'spillway_config_reloads_total{{outcome="{name}"}}'


def test_sighup_reloads_a_good_configuration(make: Make) -> None:
    daemon = make().start().ready()
    daemon.signal(signal.SIGHUP)
    until(lambda: daemon.metric(outcome("unchanged")) == 1)
    daemon.configure(digest="two")
    daemon.signal(signal.SIGHUP)
    until(lambda: daemon.metric(outcome("accepted")) == 1)
    until(lambda: daemon.kept()["provisioned"] == "two")
    assert daemon.metric("spillway_config_last_reload_successful") == 1
    until(lambda: daemon.get("/readyz")[0] == 200)


def test_a_changed_file_is_enough_and_a_mistake_changes_nothing(make: Make) -> None:
    daemon = make().start().ready()
    daemon.configure(mistake="the dwell is shorter than the dead time")
    until(lambda: daemon.metric(outcome("refused")) == 1)
    assert daemon.metric("spillway_config_last_reload_successful") == 0
    daemon.says("config.json:3: policies.default: the dwell is shorter")
    daemon.says("the last good one stays in force")
    daemon.configure(digest="one", restart=["daemon.listen"])
    until(lambda: daemon.metric(outcome("unchanged")) == 1)
    daemon.configure(digest="three", restart=["daemon.listen"])
    until(lambda: daemon.metric(outcome("restart-needed")) == 1)
    daemon.says("a restart is needed to change daemon.listen")
    daemon.behave(outcome="refused")
    daemon.configure(digest="four")
    until(lambda: daemon.metric(outcome("failed")) == 1)
    ticks = json.loads(daemon.get("/status")[1])["tick"]
    until(lambda: json.loads(daemon.get("/status")[1])["tick"] > ticks)


def spillway(daemon: Daemon, *words: str) -> tuple[int, dict[str, Any]]:
    """A command of an operator to the child's state folder: exit code, and the JSON that it prints."""
    with redirect_stdout(StringIO()) as told:
        code = main([*words, "--state-dir", str(daemon.folder / "state"), "--json"])
    found: dict[str, Any] = json.loads(told.getvalue()) if told.getvalue().strip() else {}
    return code, found


def test_an_order_is_answered_kept_carried_out_shown_and_outlives_a_kill(make: Make) -> None:
    daemon = make().start().ready()
    code, answer = spillway(daemon, "drain", EUROPE, "--reason", "new kernel", "--for", "3h")
    assert (code, answer["verdict"]) == (Exit.OK, "done")
    (order,) = daemon.kept()["holds"]["items"]
    assert (order["region"], order["reason"], order["by"]) == (
        EUROPE,
        "new kernel",
        answer["orders"][0]["by"],
    )
    until(lambda: daemon.scaler() == 0.0)
    (shown,) = json.loads(daemon.get("/status")[1])["orders"]
    assert (shown["kind"], shown["region"], shown["reason"]) == ("drain", EUROPE, "new kernel")
    sample = f'spillway_order{{kind="drain",region="{EUROPE}",service="all"}}'
    assert daemon.metric(sample) == pytest.approx(order["until"])
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    code, _ = spillway(daemon, "orders")
    assert code == Exit.UNAVAILABLE, "nobody answers, and the socket of the dead daemon is still there"
    daemon.start().ready()
    code, listed = spillway(daemon, "orders")
    assert code == Exit.OK
    assert [o["number"] for o in listed["orders"]] == [1]
    assert spillway(daemon, "undrain", EUROPE)[0] == Exit.OK
    assert daemon.kept()["holds"]["items"] == []
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == Exit.OK
    assert not (daemon.folder / "state" / "control.sock").exists()
    records = records_in(daemon.folder / "state" / "journal")
    told = [(r["command"], r["reason"]) for r in records if r["kind"] == "order"]
    assert told == [("drain", "new kernel"), ("undrain", "")]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("drain", "mars-north1", "--reason", "new kernel"), Exit.CONFIG),
        (("pin", EUROPE, "0.05", "--reason", "new kernel"), Exit.CONFIG),
        (("hold", "--reason", "new kernel", "--for", "2"), Exit.CONFIG),
        (("hold",), Exit.CONFIG),
        (("mode", "act"), Exit.CONFIG),
        (("undo",), Exit.REFUSED),
        (("release",), Exit.OK),
        (("mode", "policy"), Exit.OK),
        (("undrain", EUROPE), Exit.OK),
        (("undrain", "mars-north1"), Exit.CONFIG),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_exit_codes_of_orders(shared: Daemon, words: tuple[str, ...], code: Exit) -> None:
    assert spillway(shared, *words)[0] == code


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for what changes nothing."""
    daemon = Daemon(tmp_path_factory.mktemp("shared"))
    daemon.start().ready()
    yield daemon
    daemon.signal(signal.SIGTERM)
    daemon.wait()
    daemon.notify.close()


def _silence_and_back(daemon: Daemon, alarm: dict[str, Any]) -> None:
    """By commands: the alarm is listed, silenced for a while, still shown, and no longer silenced."""
    assert spillway(daemon, "alarms")[1]["alarms"] == [alarm]
    words = ("silence", alarm["code"], "--for", "1h", "--reason", "known")
    code, answer = spillway(daemon, *words)
    assert (code, answer["verdict"]) == (Exit.OK, "done"), answer
    (shown,) = json.loads(daemon.get("/status")[1])["alarms"]
    assert shown["silenced_until"] == answer["silences"][0]["until"]
    assert daemon.kept()["silences"][0]["code"] == alarm["code"]
    assert spillway(daemon, "unsilence", alarm["code"])[0] == Exit.OK
    assert spillway(daemon, "silence", "no-such-code", "--reason", "known")[0] == Exit.CONFIG
    assert json.loads(daemon.get("/status")[1])["alarms"] == [alarm]


def test_reload_waits_for_the_verdict_and_tells_what_changed(make: Make) -> None:
    daemon = make().start().ready()
    code, answer = spillway(daemon, "reload")
    assert (code, answer["sentence"]) == (
        Exit.OK,
        "the configuration says the same as before",
    )
    daemon.says("Reload unchanged: the configuration says the same as before.")
    told = [line for line in daemon.log().splitlines() if "reload" in line.lower()]
    assert len(told) == 2, told
    assert "asked for a reload" in told[0]
    assert "Reload unchanged" in told[1]
    daemon.configure(digest="two")
    code, answer = spillway(daemon, "reload")
    assert (code, answer["notes"]) == (Exit.OK, ["digest: one -> two"])
    assert daemon.kept()["provisioned"] == "two"
    daemon.configure(mistake="the dwell is shorter than the dead time")
    code, answer = spillway(daemon, "reload")
    assert code == Exit.CONFIG
    assert "config.json:3: policies.default: the dwell is shorter than the dead time" in answer["notes"][0]
    (alarm,) = [a for a in json.loads(daemon.get("/status")[1])["alarms"] if not a["service"]]
    assert (alarm["code"], alarm["severity"]) == ("config-not-in-force", "ticket")
    daemon.says("Alarm: config-not-in-force (ticket): the configuration on the disk is not in force")
    assert "the dwell is shorter" in alarm["sentence"]
    _silence_and_back(daemon, alarm)
    assert daemon.metric("spillway_config_last_reload_successful") == 0
    daemon.configure(digest="three", restart=["daemon.listen"])
    code, answer = spillway(daemon, "reload")
    assert code == Exit.FAILED
    assert "restart is needed to change daemon.listen" in answer["sentence"]
    assert answer["notes"] == ["digest: two -> three"]
    daemon.configure(digest="two")
    assert spillway(daemon, "reload")[0] == Exit.OK
    assert not [a for a in json.loads(daemon.get("/status")[1])["alarms"] if not a["service"]]


def test_status_finds_a_daemon_whose_configuration_names_another_address_since(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reload cannot change `daemon.listen`; `status` used to find nobody at the new one."""
    daemon = make().start().ready()
    config = tmp_path / "new.yaml"
    state = daemon.folder / "state"
    config.write_text(f"daemon: {{state_dir: {state}, listen: '{free_address()}'}}\n")
    assert main(["status", "-c", str(config), "--json"]) == Exit.OK
    said = capsys.readouterr()
    assert json.loads(said.out)["services"]
    assert f"still serves at http://{daemon.listen}" in said.err
    config.write_text(f"daemon: {{state_dir: {state}, listen: '{daemon.listen}'}}\n")
    assert main(["status", "-c", str(config)]) == Exit.OK
    assert capsys.readouterr().err == ""
    config.write_text(f"daemon: {{state_dir: {tmp_path}, listen: '{free_address()}'}}\n")
    assert main(["status", "-c", str(config)]) == Exit.UNAVAILABLE
    assert "no daemon answers" in capsys.readouterr().err

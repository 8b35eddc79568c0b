"""`run --stay`: a daemon that cannot start stays up, not ready, and says why, until somebody acts."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.control.journal_files import journal_at
from tests.exporter import example_report as example
from tests.journal.samples import record_of

from spillway.cli.main import main
from spillway.errors import PermanentError, TemporaryError
from spillway.exits import Exit, exit_code
from spillway.ports import Applied, Outcome
from spillway.service.life import _refusal

PATIENCE = 20.0


def get(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end
        time.sleep(0.02)


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"127.0.0.1:{found.getsockname()[1]}"


def ended_by(work: Callable[[], None], arguments: list[str]) -> int:
    """Run the command in this thread, which alone gets signals, while `work` looks at it; then end it."""
    failures: list[BaseException] = []
    ended = threading.Event()

    def look() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 told by the thread of the test
            failures.append(error)
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    worker = threading.Thread(target=look)
    worker.start()
    code = main(arguments)
    ended.set()
    worker.join(PATIENCE)
    if failures:
        raise failures[0]
    return code


def test_a_mistake_in_the_configuration_is_told_until_it_is_corrected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, path = free_address(), tmp_path / "spillway.yaml"
    path.write_text(f"daemon: {{listen: '{address}', state_dir: '{tmp_path}'}}\nnonsense: 1\n")
    journal = journal_at(tmp_path / "journal")
    journal.append(record_of(example.report(1)))
    journal.close()
    assert main(["run", "--config", str(path)]) == Exit.CONFIG, "without the switch it ends"

    def look() -> None:
        until(lambda: get(address, "/readyz")[0] == 503)
        assert "nonsense" in get(address, "/readyz")[1]
        assert get(address, "/healthz")[0] == 200, "a restart would change nothing"
        assert "spillway_ready 0.0" in get(address, "/metrics")[1]
        status = json.loads(get(address, "/status")[1])
        assert status["sentence"] == "Stopped until somebody acts."
        assert "nonsense" in status["problems"][0]
        assert "<html" in get(address, "/")[1]
        (moved,) = json.loads(get(address, f"/decisions?since={example.AT}")[1])["decisions"]
        assert moved["moves"], "what happened before is told all the same"
        path.write_text(f"daemon: {{listen: '{address}'}}\nanother: 1\n")
        until(lambda: "another" in get(address, "/readyz")[1])

    assert ended_by(look, ["run", "--stay", "--config", str(path)]) == Exit.OK
    told = capsys.readouterr().err
    assert "nonsense" in told
    assert "stays, not ready, until somebody acts" in told


@pytest.mark.parametrize(
    "error", [PermanentError("no such permission", remedy="Grant it."), ZeroDivisionError()]
)
def test_what_is_refused_for_good_and_a_defect_stay_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    address, path = free_address(), tmp_path / "spillway.yaml"
    path.write_text(f"daemon: {{listen: '{address}'}}\n")
    tried: list[int] = []

    def fail(*_: object) -> None:
        tried.append(1)
        raise error

    monkeypatch.setattr("spillway.config.load.load", fail)

    def look() -> None:
        until(lambda: get(address, "/readyz")[0] == 503)
        assert ("Grant it." if isinstance(error, PermanentError) else "defect") in get(address, "/readyz")[1]
        os.kill(os.getpid(), signal.SIGHUP)
        until(lambda: len(tried) == 2)
        until(lambda: get(address, "/readyz")[0] == 503)

    assert ended_by(look, ["run", "--stay", "--config", str(path)]) == Exit.OK


def test_what_may_pass_ends_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TemporaryError("no answer")

    monkeypatch.setattr("spillway.config.load.load", fail)
    assert main(["run", "--stay", "--config", str(tmp_path / "spillway.yaml")]) == Exit.UNAVAILABLE


def test_the_advice_of_a_first_build_that_failed_is_the_engines_own() -> None:
    locked = Applied(outcome=Outcome.FAILED, sentence="locked", begun=False, remedy="Stop the other one.")
    told = _refusal(locked)
    assert isinstance(told, TemporaryError)
    assert told.remedy == "Stop the other one."
    assert "doctor" in _refusal(Applied(outcome=Outcome.REFUSED, sentence="refused with 403")).remedy
    missing = _refusal(Applied(outcome=Outcome.REFUSED, sentence="refused with 404", absent=True))
    assert exit_code(missing) is Exit.UNAVAILABLE, (
        "the service manager starts it again, and the group may be there then"
    )
    assert "next start" in missing.remedy
    assert "repairs" in _refusal(Applied(outcome=Outcome.FAILED, sentence="half done")).remedy

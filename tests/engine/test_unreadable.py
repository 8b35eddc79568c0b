"""An engine state that nobody can read: the last good one takes its place, or nothing is written and a person is asked."""

from __future__ import annotations

import copy
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.engine.bench_config import config, overlay
from tests.engine.tinycloud import TinyCloud, serving

from spillway.adapters.engine.embedded.embedded_engine import EmbeddedEngine
from spillway.adapters.engine.embedded.state import Resource, State
from spillway.adapters.engine.ownership import Ownership
from spillway.adapters.engine.pulumi_cli.checkpoints import flaw_of, put_last_good_in_place, state_file
from spillway.adapters.engine.pulumi_cli.locks import (
    Lock,
    Locked,
    locks_in,
    locks_told,
    note_host,
    refuse_living,
)
from spillway.adapters.engine.recovery import CREATING, Recoveries
from spillway.adapters.program.build import build
from spillway.cli.provision import _finish
from spillway.errors import PermanentError, SpillwayError, TemporaryError
from spillway.exits import Exit
from spillway.ports import Applied, Outcome


def resource(name: str) -> Resource:
    return Resource(
        urn=f"urn::{name}",
        token="t",
        name=name,
        id=f"id/{name}",
        inputs={"name": name, "backends": [{"group": "g", "capacityScaler": 0.5}]},
        outputs={"fingerprint": "fp1="},
        dependencies=("urn::other",),
        property_dependencies={"backends": ("urn::other",)},
    )


WRONG: tuple[Any, ...] = (None, 5, "x", [], {}, [{"urn": 7}])
"""Values that stand nowhere in a state, or nowhere that they are put."""


def written(folder: Path) -> Path:
    """A state file with all that a state may hold."""
    state = State(folder / "main.json")
    state.put(resource("pool"))
    state.doomed.append(replace(resource("old"), doomed=True))
    state.outputs = {"urls": {"http": "http://203.0.113.3/"}}
    state.begin(CREATING, resource("new"))
    return folder / "main.json"


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value of a document stands, the whole included."""
    yield here
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, part in children:
        yield from places(part, (*here, name))


def spoilt(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    changed = copy.deepcopy(document)
    part = changed
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    return changed


def test_a_state_with_anything_wrong_anywhere_gives_way_to_the_last_good_one(tmp_path: Path) -> None:
    file = written(tmp_path)
    good, document = file.read_bytes(), json.loads(file.read_bytes())
    expected = State(file)
    assert not expected.restored
    bad = [good[:cut] for cut in range(0, len(good) - 1, 97)]
    bad += [b"\xff\xfe" + good, b"null", b"[]", b"7", b"[" * 100_000, good + good, b"\0" * len(good)]
    bad += [
        json.dumps(spoilt(document, place, wrong)).encode()
        for place in places(document)
        if place != ("checksum",)
        for wrong in WRONG
        if spoilt(document, place, wrong) != document
    ]
    assert len(bad) > 300
    for content in bad:
        file.write_bytes(content)
        state = State(file)
        assert state.restored, content[:200]
        assert (state.resources, state.doomed) == (expected.resources, expected.doomed)
        assert (state.pending, state.outputs) == (expected.pending, expected.outputs)
        assert file.read_bytes() == content, "looking touches nothing"
    state.save()
    assert (tmp_path / "main.json.unreadable-1").read_bytes() == content
    assert not State(file).restored
    assert file.read_bytes() == (tmp_path / "main.json.bak").read_bytes() == good


def test_a_state_of_an_earlier_version_has_no_checksum(tmp_path: Path) -> None:
    file = written(tmp_path)
    document = json.loads(file.read_bytes())
    del document["checksum"]
    file.write_text(json.dumps(document, indent=1))
    assert not State(file).restored
    assert list(State(file).resources) == ["urn::pool"]


@pytest.fixture
def cloud() -> Iterator[TinyCloud]:
    with serving(TinyCloud()) as served:
        yield served


def engine(cloud: TinyCloud, folder: Path, recoveries: Recoveries | None = None) -> EmbeddedEngine:
    return EmbeddedEngine(
        lambda wanted: build(config(), wanted),
        endpoint=cloud.url,
        folder=folder,
        stack="main",
        name="lb",
        deadline=20.0,
        parallel=4,
        recoveries=recoveries,
    )


def test_the_engine_goes_on_from_the_last_good_state_and_says_so(
    cloud: TinyCloud, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    first = engine(cloud, tmp_path)
    assert first.apply(overlay()).outcome is Outcome.DONE
    first.close()
    (tmp_path / "main.json").write_text('{"version": 1, "resources": 5}')
    recoveries = Recoveries()
    heir = engine(cloud, tmp_path, recoveries)
    assert heir.preview(overlay()).changes == ()
    assert not list(tmp_path.glob("*.unreadable-*")), "a preview touches nothing"
    said = heir.recover()
    assert said is not None
    assert "unreadable (Expected `array`, got `int`" in said
    assert recoveries.counts() == {"lock": 0, "operation": 0, "state": 1, "process": 0}
    assert "Recovered: the engine's state was unreadable" in caplog.text
    assert heir.recover() is None
    assert heir.apply(overlay({"europe-west4": 0.4})).outcome is Outcome.DONE
    assert heir.apply(overlay({"europe-west4": 0.4})).outcome is Outcome.UNCHANGED
    (tmp_path / "main.json").write_bytes(b"")
    assert heir.apply(overlay({"europe-west4": 0.5})).outcome is Outcome.DONE, "also without a word before"
    (tmp_path / "main.json").write_bytes(b"")
    assert heir.destroy().outcome is Outcome.DONE
    assert cloud.store == {}
    heir.close()


def test_without_a_last_good_state_nothing_is_written_and_a_person_is_asked(
    cloud: TinyCloud, tmp_path: Path
) -> None:
    made = engine(cloud, tmp_path)
    assert made.apply(overlay()).outcome is Outcome.DONE
    for name in ("main.json", "main.json.bak"):
        (tmp_path / name).write_bytes(b"\xff")
    asked = len(cloud.requests)
    assert "until somebody acts" in str(made.recover())
    for applied in (made.build(overlay()), made.apply(overlay()), made.destroy()):
        assert applied.outcome is Outcome.REFUSED
        assert applied.blocked
        assert "cannot be read" in applied.sentence
        assert "Put a copy of" in applied.remedy
        assert _finish(applied, "embedded", as_json=False) == Exit.REFUSED
    with pytest.raises(PermanentError, match="cannot be read"):
        made.preview(overlay())
    assert made.outputs() == {}
    assert len(cloud.requests) == asked
    made.close()


def checkpoint(*names: str, **changes: Any) -> bytes:
    resources = [{"urn": f"urn:pulumi:main::spillway::t::{name}", "type": "t"} for name in names]
    latest = {"manifest": {}, "resources": resources, "pending_operations": None, **changes}
    return json.dumps(
        {"version": 3, "checkpoint": {"stack": "organization/spillway/main", "latest": latest}}
    ).encode()


def copies(state: Path) -> tuple[Path, Path, Path]:
    """The CLI's state, its `.bak` and the copy in its history, the last one the newest."""
    file = state_file(state, "main")
    history = state / ".pulumi" / "history" / "spillway" / "main" / "main-2.checkpoint.json"
    backup = file.with_name("main.json.bak")
    for number, path in enumerate((file, backup, history)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(checkpoint(*"abc"[: number + 1]))
        os.utime(path, (number, number))
    return file, backup, history


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"\xff\xfe",
        checkpoint("a")[:60],
        checkpoint(resources=5),
        checkpoint(resources=[{"urn": 5, "type": "t"}]),
        checkpoint(resources=[{"urn": "u", "type": "t", "dependencies": "all"}]),
        checkpoint(pending_operations=[{"type": "creating"}]),
    ],
)
def test_the_newest_copy_of_the_clis_state_that_makes_sense_takes_its_place(
    tmp_path: Path, content: bytes
) -> None:
    file, backup, history = copies(tmp_path)
    assert flaw_of(file) == ""
    assert flaw_of(tmp_path / "none.json") == "", "a stack that was never made has no state"
    file.write_bytes(content)
    flaw = flaw_of(file)
    assert flaw
    said = put_last_good_in_place(tmp_path, "main", flaw)
    assert "main-2.checkpoint.json takes its place" in said
    assert file.read_bytes() == history.read_bytes()
    assert file.with_name("main.json.unreadable-1").read_bytes() == content
    history.write_bytes(content)
    file.write_bytes(content)
    put_last_good_in_place(tmp_path, "main", flaw)
    assert file.read_bytes() == backup.read_bytes()
    backup.unlink()
    file.write_bytes(content)
    with pytest.raises(PermanentError, match="nor can any copy"):
        put_last_good_in_place(tmp_path, "main", flaw)
    assert file.read_bytes() == content


def test_nobody_touches_a_state_that_somebody_works_on() -> None:
    started = Lock(pid=os.getpid(), host=socket.gethostname(), user="u", since=4e9)
    gone = Lock(pid=2**22 + 1, host=socket.gethostname(), user="u", since=0.0)
    elsewhere = Lock(pid=1, host="another-machine", user="u", since=0.0)
    refuse_living([gone])
    for lock in (started, elsewhere):
        with pytest.raises(Locked) as told:
            refuse_living([gone, lock])
        assert told.value.remedy


def test_the_lock_of_an_earlier_container_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new container has another host name; whoever holds the engine's lock knows that the one before has ended."""
    locks = tmp_path / ".pulumi" / "locks" / "organization" / "spillway" / "main"
    locks.mkdir(parents=True)
    held = {"pid": 23, "username": "u", "hostname": "container-1", "timestamp": "2026-11-30T08:00:00Z"}
    (locks / "one.json").write_text(json.dumps(held))
    hosts = tmp_path / "hosts"
    monkeypatch.setattr(socket, "gethostname", lambda: "container-2")
    (lock,) = locks_in(tmp_path, "main", note_host(hosts))
    assert not lock.dead, "nobody knows that machine"
    hosts.unlink()
    for number in range(200):
        monkeypatch.setattr(socket, "gethostname", lambda number=number: f"container-{number % 60}")
        known = note_host(hosts)
    (lock,) = locks_in(tmp_path, "main", known | {"container-1"})
    assert lock.dead
    (told,) = locks_told("created by u@container-1 (pid 23) at 2026-11-30T08:00:00Z", known | {"container-1"})
    assert told.dead
    assert len(known) == 50


@pytest.mark.parametrize(("wrong", "kind"), [("bytes", PermanentError), ("folder", TemporaryError)])
def test_a_name_note_that_cannot_be_read_is_no_defect(
    cloud: TinyCloud, tmp_path: Path, wrong: str, kind: type[SpillwayError]
) -> None:
    note = tmp_path / "main.name"
    if wrong == "bytes":
        note.write_bytes(b"\xff\xfe")
    else:
        note.mkdir()
    with pytest.raises(kind) as told:
        Ownership(note, "lb").check()
    assert told.value.remedy
    made = engine(cloud, tmp_path)
    applied = made.build(overlay())
    made.close()
    assert not applied.begun
    assert applied.remedy == told.value.remedy
    assert _finish(applied, "embedded", as_json=False) == (
        Exit.REFUSED if kind is PermanentError else Exit.UNAVAILABLE
    )
    assert cloud.requests == []


def test_a_command_that_failed_shows_no_address(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = (("load_balancer_ip", "203.0.113.3"),)
    lost = Applied(outcome=Outcome.UNKNOWN, sentence="the Pulumi CLI was killed (SIGKILL)", outputs=outputs)
    assert _finish(lost, "cli+plugin", as_json=False) == Exit.UNKNOWN
    told = capsys.readouterr()
    assert told.out == ""
    assert "203.0.113.3" not in told.err
    good = Applied(outcome=Outcome.UNCHANGED, sentence="nothing to change", outputs=outputs)
    assert _finish(good, "cli+plugin", as_json=False) == Exit.OK
    assert "203.0.113.3" in capsys.readouterr().out


def test_a_full_disk_in_the_middle_is_told_as_half_done(
    cloud: TinyCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engine(cloud, tmp_path)
    writes = iter(range(100))

    def full(path: Path, content: bytes, **_: Any) -> None:
        if next(writes) > 3:
            raise OSError(28, "No space left on device")
        path.write_bytes(content)

    monkeypatch.setattr("spillway.adapters.engine.embedded.state.write_atomically", full)
    applied = made.apply(overlay())
    assert applied.outcome is Outcome.FAILED
    assert applied.begun
    monkeypatch.undo()
    assert made.apply(overlay()).outcome is Outcome.DONE
    assert len(cloud.store) == 7
    made.close()

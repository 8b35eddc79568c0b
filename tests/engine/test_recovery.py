"""Crash recovery, which both engines share: what becomes of each open operation, and what is kept of it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import Deployment, Stack
from pulumi.automation.events import EngineEvent

from spillway.adapters.engine.embedded.state import Resource, State
from spillway.adapters.engine.provider.cloud import CloudTimeout, Deadline
from spillway.adapters.engine.pulumi_cli.events import Events
from spillway.adapters.engine.pulumi_cli.stack_recovery import (
    DeploymentLog,
    OrphanedCreates,
    PendingOperation,
    recover_stack,
)
from spillway.adapters.engine.recovery import CREATING, DELETING, ORPHANED, UPDATING, recover, summary
from spillway.adapters.engine.verdicts import cloud_error
from spillway.errors import PermanentError, TemporaryError

Props = dict[str, Any]


class Cloud:
    """Has what it is told to have; each object is named like its resource."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.asked: list[str] = []

    def resource_id(self, token: str, inputs: Props) -> str:
        return f"id/{inputs['name']}"

    def read(
        self, token: str, resource: str, inputs: Props, deadline: Deadline
    ) -> tuple[Props, Props] | None:
        self.asked.append(resource)
        if "slow" in resource:
            raise CloudTimeout("no answer")
        if resource.removeprefix("id/") not in self.names:
            return None
        return inputs, {**inputs, "selfLink": resource}


def pending(operation: str, name: str) -> PendingOperation:
    resource = {"urn": f"urn:pulumi:main::spillway::t::{name}", "type": "t", "inputs": {"name": name}}
    return PendingOperation(operation, resource)


def test_a_deployment_adopts_what_was_made_and_keeps_what_may_still_be_made() -> None:
    known = {"urn": "urn:pulumi:main::spillway::t::old", "type": "t", "id": "old"}
    open_ones = [
        pending(CREATING, "made"),
        pending(CREATING, "late"),
        pending(CREATING, "made"),
        pending(UPDATING, "old"),
    ]
    before: Props = {
        "resources": [known],
        "pending_operations": [{"type": one.operation, "resource": one.resource} for one in open_ones],
    }
    log = DeploymentLog(before, [pending(ORPHANED, "known"), pending(ORPHANED, "old")])
    cloud = Cloud("made")
    news = recover(log.operations, log, cloud, Deadline(5))
    assert news == [
        "t made had been made and is adopted",
        "t late is not there so far",
        "t made is looked at again",
        "t old is looked at again",
    ]
    assert log.orphaned == [pending(CREATING, "late"), pending(ORPHANED, "known")]
    assert cloud.asked == ["id/made", "id/late", "id/known"]
    after = log.deployment
    assert "pending_operations" not in after
    assert [resource["urn"].rsplit("::", 1)[-1] for resource in after["resources"]] == ["old", "made"]
    assert after["resources"][1]["id"] == "id/made"
    assert after["resources"][1]["outputs"] == {"name": "made"}
    assert len(before["resources"]) == 1
    assert len(before["pending_operations"]) == 4


def test_a_new_one_takes_the_place_of_what_was_deleted_for_it() -> None:
    """Killed between the delete and the create of a replacement: both have the same URN."""

    def known(name: str, **others: Any) -> Props:
        return {"urn": f"urn:pulumi:main::spillway::t::{name}", "type": "t", "id": f"id/{name}", **others}

    before = {
        "resources": [known("first"), known("rule", pendingReplacement=True), known("last")],
        "pending_operations": [{"type": CREATING, "resource": pending(CREATING, "rule").resource}],
    }
    log = DeploymentLog(before, [])
    assert recover(log.operations, log, Cloud("rule"), Deadline(5)) == ["t rule had been made and is adopted"]
    after = log.deployment["resources"]
    assert [one["id"] for one in after] == ["id/first", "id/rule", "id/last"]
    assert "pendingReplacement" not in after[1]
    log = DeploymentLog(before, [])
    assert recover(log.operations, log, Cloud(), Deadline(5)) == ["t rule is not there so far"]
    assert log.deployment["resources"] == before["resources"], "Pulumi makes it anew"
    assert [one.name for one in log.orphaned] == ["rule"]


def test_orphaned_creates_are_kept_without_secrets(tmp_path: Path) -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"KEY"'}
    made = {"urn": "u", "type": "t", "inputs": {"name": "own", "privateKey": secret}}
    kept = OrphanedCreates(tmp_path / "missed.json")
    assert kept.operations() == []
    kept.keep([PendingOperation(CREATING, made)])
    assert kept.operations() == [PendingOperation(ORPHANED, {**made, "inputs": {"name": "own"}})]
    assert "KEY" not in kept.path.read_text()
    assert kept.path.stat().st_mode & 0o077 == 0
    kept.keep([])
    assert not kept.path.exists()
    kept.path.write_text("{")
    with pytest.raises(PermanentError, match="cannot be read"):
        kept.operations()


class KnownStack(Stack):
    """A stack with this deployment; it notes what is done to it."""

    def __init__(self, deployment: Props) -> None:
        self.name = "main"
        self.deployment = deployment
        self.done: list[str] = []
        self.imports: Callable[[], None] = lambda: None

    def export_stack(self) -> Deployment:
        return Deployment(version=3, deployment=self.deployment)

    def import_stack(self, state: Deployment) -> None:
        self.imports()
        self.done.append("import")
        self.deployment = dict(state.deployment or {})

    def cancel(self) -> None:
        self.done.append("cancel")


def opened(*operations: PendingOperation) -> Props:
    entries = [{"type": one.operation, "resource": one.resource} for one in operations]
    return {"resources": [], "pending_operations": entries}


def test_a_stack_is_recovered_once_and_its_orphans_until_they_turn_up(tmp_path: Path) -> None:
    stack = KnownStack(opened(pending(CREATING, "made"), pending(CREATING, "late")))
    orphans = OrphanedCreates(tmp_path / "missed.json")
    said = recover_stack(stack, None, orphans, Cloud("made"), Deadline(5))
    assert said is not None
    assert said.startswith(
        "closed 2 operation(s) that a crash had left open: t made had been made and is adopted"
    )
    assert [one["id"] for one in stack.deployment["resources"]] == ["id/made"]
    assert [one.name for one in orphans.operations()] == ["late"]
    assert recover_stack(stack, None, orphans, Cloud("made"), Deadline(5)) is None
    assert stack.done == ["import"], "nothing has changed, so nothing is imported"
    assert [one.name for one in orphans.operations()] == ["late"]
    assert recover_stack(stack, None, orphans, Cloud("made", "late"), Deadline(5)) is not None
    assert [one["id"] for one in stack.deployment["resources"]] == ["id/made", "id/late"]
    assert orphans.operations() == []


def test_orphans_are_on_the_disk_before_pulumi_forgets_them(tmp_path: Path) -> None:
    stack = KnownStack(opened(pending(CREATING, "late")))
    orphans = OrphanedCreates(tmp_path / "missed.json")
    seen: list[list[str]] = []
    stack.imports = lambda: seen.append([one.name for one in orphans.operations()])
    recover_stack(stack, None, orphans, Cloud(), Deadline(5))
    assert seen == [["late"]]


def test_a_cloud_that_does_not_answer_leaves_the_stack_as_it_is(tmp_path: Path) -> None:
    before = opened(pending(CREATING, "late"), pending(CREATING, "slow"))
    stack = KnownStack(before)
    orphans = OrphanedCreates(tmp_path / "missed.json")
    with pytest.raises(CloudTimeout):
        recover_stack(stack, None, orphans, Cloud(), Deadline(5))
    assert stack.done == []
    assert orphans.operations() == []


@pytest.mark.parametrize("alive", [False, True])
def test_only_a_dead_lock_is_cleared(tmp_path: Path, alive: bool) -> None:
    folder = tmp_path / ".pulumi" / "locks" / "organization" / "spillway" / "main"
    folder.mkdir(parents=True)
    when = "2099-01-01T00:00:00Z" if alive else "2001-01-01T00:00:00Z"
    held = {"pid": os.getpid(), "username": "u", "hostname": socket.gethostname(), "timestamp": when}
    (folder / "one.json").write_text(json.dumps(held))
    stack = KnownStack({"resources": []})
    orphans = OrphanedCreates(tmp_path / "missed.json")
    if alive:
        with pytest.raises(TemporaryError, match="locked by u@"):
            recover_stack(stack, tmp_path, orphans, Cloud(), Deadline(5))
        assert stack.done == []
        return
    said = recover_stack(stack, tmp_path, orphans, Cloud(), Deadline(5))
    assert said is not None
    assert said.startswith("cleared the lock of u@")
    assert stack.done == ["cancel"]


def resource(name: str, **others: Any) -> Resource:
    inputs = {"name": name}
    return Resource(
        urn=f"urn::{name}", token="t", name=name, id=f"id/{name}", inputs=inputs, outputs={}, **others
    )


def recovered(folder: Path, cloud: Cloud) -> tuple[State, list[str]]:
    """The state as a new process finds it, recovered, and read again."""
    state = State(folder / "main.json")
    news = recover(list(state.pending), state, cloud, Deadline(5))
    return State(folder / "main.json"), news


def test_a_state_holds_what_the_cloud_has_after_recovery(tmp_path: Path) -> None:
    dying = State(tmp_path / "main.json")
    for name in ("kept", "changed", "lost", "deleted"):
        dying.put(resource(name))
    for operation, name in [
        (CREATING, "made"),
        (CREATING, "late"),
        (UPDATING, "changed"),
        (UPDATING, "lost"),
        (DELETING, "deleted"),
        (DELETING, "kept"),
    ]:
        dying.begin(operation, resource(name))
    state, news = recovered(tmp_path, Cloud("made", "changed", "kept"))
    assert news == [
        "t made had been made and is adopted",
        "t late is not there so far",
        "t changed is there",
        "t lost is not there",
        "t deleted had been deleted",
        "t kept is there",
    ]
    assert sorted(state.resources) == ["urn::changed", "urn::kept", "urn::made"]
    assert state.resources["urn::made"].outputs == {"name": "made", "selfLink": "id/made"}
    assert [(one.operation, one.name) for one in state.pending] == [(ORPHANED, "late")]
    state, news = recovered(tmp_path, Cloud())
    assert news == [], "an orphan that is not there yet is no news"
    assert [one.name for one in state.orphaned("id/late")] == ["late"]
    state, news = recovered(tmp_path, Cloud("late"))
    assert news == ["t late had been made and is adopted"]
    assert state.pending == []
    assert "urn::late" in state.resources


def test_what_was_not_looked_at_stays_open(tmp_path: Path) -> None:
    dying = State(tmp_path / "main.json")
    for name in ("first", "slow", "last"):
        dying.begin(CREATING, resource(name))
    with pytest.raises(CloudTimeout):
        recovered(tmp_path, Cloud("first", "last"))
    state = State(tmp_path / "main.json")
    assert list(state.resources) == ["urn::first"]
    assert [one.name for one in state.pending] == ["slow", "last"]


@pytest.mark.parametrize("gone", [True, False])
def test_a_replaced_resource_never_takes_the_place_of_the_new_one(tmp_path: Path, gone: bool) -> None:
    """Killed while it deletes what it has replaced: both have the same URN."""
    dying = State(tmp_path / "main.json")
    new = replace(resource("own"), id="id/own-2")
    old = replace(resource("own"), id="id/own-1", doomed=True)
    dying.put(new)
    dying.doomed.append(old)
    dying.begin(DELETING, old)
    state, _ = recovered(tmp_path, Cloud(*([] if gone else ["own-1"])))
    assert state.resources["urn::own"].id == "id/own-2"
    assert [one.id for one in state.doomed] == ([] if gone else ["id/own-1"])
    assert state.pending == []


def test_the_sentence_counts() -> None:
    assert summary([]) is None
    assert summary(["a is there", "b is there"]) == (
        "closed 2 operation(s) that a crash had left open: a is there; b is there"
    )


def event(key: str, op: str, name: str, **new: Any) -> EngineEvent:
    kind = "t" if name != "stack" else "pulumi:pulumi:Stack"
    metadata = {"op": op, "urn": f"urn:pulumi:main::spillway::{kind}::{name}", "type": kind, "new": new}
    content = {"metadata": metadata, "planning": False}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, key: content})


def test_a_create_that_was_begun_and_did_not_end_well_is_kept_with_what_it_wanted(tmp_path: Path) -> None:
    events = Events()
    for name in ("made", "lost", "stack"):
        events.on_event(
            event("resourcePreEvent", "create", name, inputs={"name": name}, parent="p", provider="g")
        )
    events.on_event(event("resourcePreEvent", "update", "old", inputs={"name": "old"}))
    events.on_event(event("resOutputsEvent", "create", "made", outputs={}))
    assert [urn.rsplit("::", 1)[-1] for urn in events.creating] == ["lost"]
    orphans = OrphanedCreates(tmp_path / "missed.json")
    orphans.add(events.creating.values())
    orphans.add(events.creating.values())
    (kept,) = orphans.operations()
    assert (kept.name, kept.inputs, kept.resource["provider"]) == ("lost", {"name": "lost"}, "g")
    orphans.add([])
    assert orphans.operations() == [kept]
    for wrong in ("5", '["x"]', '[{"urn": 5, "type": "t"}]', '[{"type": "t"}]'):
        orphans.path.write_text(wrong)
        with pytest.raises(PermanentError, match="cannot be read"):
            orphans.operations()


@pytest.mark.parametrize("step", ["**creating failed**", "refreshing urn:pulumi:x"])
def test_a_plugin_that_died_leaves_a_change_in_doubt_and_a_look_not(step: str) -> None:
    text = f"{step}\nerror reading from server: EOF\nDetected that /x/pulumi-resource-gcp exited prematurely."
    error = cloud_error(text)
    assert error is not None
    assert (error.doubtful, error.unsent) == ((True, False) if "creating" in step else (False, True))
    assert str(error) == "the engine's plugin ended before it had answered"

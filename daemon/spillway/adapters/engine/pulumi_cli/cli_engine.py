"""The engine that drives Pulumi's CLI: one process for a change, one writer at a time, recovery after a crash."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pulumi import RunError
from pulumi.automation import Deployment
from pulumi.automation.errors import CommandError, ConcurrentUpdateError

from spillway.adapters.engine.exclusive_calls import ExclusiveCalls, engine_lock, unusable
from spillway.adapters.engine.language import quiet_pulumi
from spillway.adapters.engine.provider.cloud import Cloud, CloudError, CloudTimeout, Deadline
from spillway.adapters.engine.provider.standin import StandInProvider
from spillway.adapters.engine.pulumi_cli.checkpoints import flaw_of, put_last_good_in_place, state_file
from spillway.adapters.engine.pulumi_cli.command import Command, EngineDeadline, EngineLostError
from spillway.adapters.engine.pulumi_cli.events import Events, ReadEvents, urn_type, urn_words
from spillway.adapters.engine.pulumi_cli.leftovers import end_leftovers
from spillway.adapters.engine.pulumi_cli.locks import (
    Locked,
    locks_in,
    locks_told,
    note_host,
    refuse_living,
    unlock,
)
from spillway.adapters.engine.pulumi_cli.stack_recovery import recover_stack
from spillway.adapters.engine.pulumi_cli.workspace import LeanStack, Workspace, prune
from spillway.adapters.engine.recovery import Recoveries, RecoveryKind
from spillway.adapters.engine.verdicts import (
    ForeignEdit,
    applied,
    broken_off,
    cloud_error,
    flatten,
    is_conflict,
    is_taken,
    not_begun,
    shorten,
)
from spillway.adapters.files import write_atomically
from spillway.core.values.overlay import Overlay
from spillway.errors import PermanentError, SpillwayError, TemporaryError
from spillway.ports import Applied, Outcome, Preview

Program = Callable[[], None]
Problem = CloudError | SpillwayError
_RAISED = (CommandError, EngineDeadline, EngineLostError, OSError, RuntimeError)
"""What the automation API raises for a CLI that failed, hung or is gone."""


_UNREADABLE = "failed to load checkpoint"
"""How the CLI words a state that it cannot read, wherever that is (measured, 3.260.0)."""
_BRING_BACK = "Bring back a copy of the state (daemon.engine.backend, or state_dir/engine), then start again."


_CONTENT = frozenset({"resources", "pending_operations"})
"""Parts of an exported deployment that tell of resources."""


class CliEngine:
    """`ports.Deployer` over the CLI and the real plugin."""

    kind = "cli+plugin"

    def __init__(
        self,
        program: Callable[[Overlay], Program],
        workspace: Workspace,
        recoveries: Recoveries | None = None,
    ) -> None:
        """`program` makes the Pulumi program of an overlay; `recoveries` is told what is put right after crashes."""
        self._recoveries = recoveries or Recoveries()
        self._program = program
        self._workspace = workspace
        self._calls = ExclusiveCalls(self._free)
        self._ready: tuple[Command, LeanStack] | None = None
        self._cloud: Cloud | None = None
        self._doubtful = False
        """True after a run whose end was not seen: the state must be looked at before the next."""
        self._hosts: frozenset[str] = frozenset()
        """Names that this machine, or this container, has had."""
        self._put_right = ""
        """What was done to an unreadable state before the call that runs."""
        self._stale = False
        """True after a recovery: the next run must read the cloud first."""

    def close(self) -> None:
        """Interrupt what runs, and close the connections once nothing does. Does not wait."""
        self._calls.close()
        ready = self._ready
        if ready is not None:
            ready[0].interrupt()

    def preview(self, overlay: Overlay) -> Preview:
        """What `build` would change; reads the cloud, and leaves both it and the state as they are.

        Raises:
            SpillwayError: the engine cannot tell.
        """
        with self._alone(touch=False) as (command, stack):
            self._workspace.ownership.check()
            command.allow(self._workspace.deadline)
            events = Events()
            problem = self._call(
                events,
                lambda program: stack.preview(
                    program=program, on_event=events.on_event, refresh=True, **self._options()
                ),
                self._program(overlay),
            )
            if problem is not None:
                raise TemporaryError(f"the preview stopped: {shorten(str(problem))}")
            return Preview(changes=tuple(events.changes), same=events.same)

    def build(self, overlay: Overlay) -> Applied:
        """Make the load balancer what (config, overlay) say, after reading what stands."""
        return self._up(overlay, look=True)

    def apply(self, overlay: Overlay) -> Applied:
        """The same by what is remembered."""
        return self._up(overlay, look=False)

    def _up(self, overlay: Overlay, *, look: bool) -> Applied:
        ownership = self._workspace.ownership

        def up(stack: LeanStack, events: Events, *, refresh: bool) -> Problem | None:
            ownership.claim()
            return self._call(
                events,
                lambda program: stack.up(
                    program=program,
                    on_event=events.on_event,
                    refresh=refresh or None,
                    **self._options(),
                ),
                self._program(overlay),
            )

        done = ownership.settle(self._mutate(up, look=look))
        if done.outcome in {Outcome.DONE, Outcome.UNCHANGED}:
            # All that is declared is in the state by now: no create is orphaned any more.
            self._workspace.orphans.keep([])
        return done

    def destroy(self) -> Applied:
        """Remove all that this stack has made."""

        def down(stack: LeanStack, events: Events, *, refresh: bool) -> Problem | None:
            self._workspace.ownership.check()
            return self._call(
                events,
                lambda program: stack.destroy(
                    program=program, on_event=events.on_event, refresh=refresh or None, **self._options()
                ),
                lambda: None,
            )

        done = self._mutate(down)
        if done.outcome in {Outcome.DONE, Outcome.UNCHANGED}:
            self._keep_outputs({})
            self._workspace.ownership.free()
        return done

    def resources(self) -> tuple[str, ...]:
        """Kind and name of all that the state holds.

        Raises:
            SpillwayError: it cannot be read.
        """
        with self._stack_alone() as stack:
            return _held(stack)

    def forget(self) -> tuple[str, ...]:
        """Let go of all that the state holds, and leave it as it stands; kind and name of each.

        Raises:
            SpillwayError: the state belongs to another name, is locked, or cannot be read or written.
        """
        workspace = self._workspace
        with self._stack_alone() as stack:
            workspace.ownership.check()
            self._recover(stack)
            let_go = _held(stack)
            exported = stack.export_stack()
            kept = {name: part for name, part in (exported.deployment or {}).items() if name not in _CONTENT}
            stack.import_stack(Deployment(version=exported.version, deployment=kept))
            workspace.orphans.keep([])
            self._keep_outputs({})
            workspace.ownership.free()
            return let_go

    @contextmanager
    def _stack_alone(self) -> Iterator[LeanStack]:
        """The stack, for calls that change nothing in the cloud; what the CLI raises becomes an error of ours."""
        try:
            with self._alone() as (command, stack):
                command.allow(self._workspace.deadline)
                yield stack
        except (CloudError, *_RAISED) as error:
            told = _told(error)
            if isinstance(told, SpillwayError):
                raise told from error
            raise TemporaryError(f"the engine's state cannot be used: {shorten(str(told))}") from error

    def recover(self) -> str | None:
        """Clear locks of dead processes and close pending operations; a sentence if something was done."""
        try:
            with self._alone() as (command, stack):
                command.allow(self._workspace.deadline)
                return "; ".join(filter(None, (self._put_right, self._recover(stack)))) or None
        except PermanentError as error:
            self._doubtful = True
            return f"recovery stopped until somebody acts: {shorten(str(error))}"
        except (CloudError, SpillwayError, *_RAISED) as error:
            self._doubtful = True
            return f"recovery stopped and is tried again with the next change: {shorten(str(error))}"

    def outputs(self) -> dict[str, str]:
        """Outputs of the last successful `apply`."""
        try:
            kept = json.loads((self._workspace.folder / "outputs.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(kept, dict):
            return {}
        return {str(name): str(value) for name, value in kept.items()}

    def _mutate(self, act: Callable[..., Problem | None], *, look: bool = False) -> Applied:
        """One change: recover, attempt, clear what stands in the way and attempt again, classify. `look` reads the cloud first."""
        begun, sending = time.monotonic(), False
        try:
            with self._alone() as (command, stack):
                processes = command.processes
                command.allow(self._workspace.deadline)
                foreign: ForeignEdit | None = None
                # 1. Close what an earlier run has left open. The attempt then reads the cloud first.
                if self._doubtful:
                    self._recover(stack)
                refreshed = self._stale
                events = Events()
                problem = act(stack, events, refresh=refreshed or look)
                # 2. A dead run holds the lock: clear it, close what that run has left open, attempt again.
                if isinstance(problem, Locked):
                    unlock(stack, problem.locks)
                    self._recoveries.note(
                        RecoveryKind.LOCK, f"cleared the lock of {problem.locks[0]}, which is dead"
                    )
                    self._recover(stack)
                    refreshed, problem = True, act(stack, events, refresh=True)
                sending = True
                # 3. A dead run's create arrived after recovery had looked for it: adopt it, attempt again.
                if is_taken(problem) and self._recover(stack) is not None:
                    refreshed = True
                    events.forget_errors()
                    problem = act(stack, events, refresh=True)
                # 4. Somebody else wrote: read what was refused. The same change is sent again only if it undoes nothing of theirs.
                if is_conflict(problem):
                    refreshed, foreign = True, self._edit(stack, events)
                    if not foreign.undone:
                        events.forget_errors()
                        problem = act(stack, events, refresh=False)
                        foreign = self._edit(stack, events) if is_conflict(problem) else foreign
                # 5. Keep what the next call must know.
                self._doubtful = isinstance(problem, CloudError) and problem.doubtful
                if self._doubtful:
                    self._workspace.orphans.add(events.creating.values())
                self._stale = self._doubtful or (self._stale and problem is not None)
                if problem is None:
                    self._keep_outputs(events.outputs)
                if self._workspace.state is not None and events.changes:
                    prune(self._workspace.state, stack.name)
                return applied(
                    events.changes,
                    problem,
                    begun,
                    outputs=tuple(sorted(self.outputs().items())),
                    processes=command.processes - processes,
                    refreshed=refreshed,
                    foreign=foreign,
                )
        except (CloudError, SpillwayError, *_RAISED) as error:
            told = _told(error)
            self._doubtful = self._doubtful or not isinstance(told, PermanentError)
            return broken_off(told, begun) if sending else not_begun(told, begun)

    def _edit(self, stack: LeanStack, events: Events) -> ForeignEdit:
        """What somebody else had changed of that which the run of `events` wanted to change; the state then has it as it stands."""
        urns = sorted({urn for urn, said in events.failed if is_conflict(cloud_error(said))})
        seen = ReadEvents(events.wanted)
        problem = self._call(
            seen,
            lambda program: stack.refresh(
                program=program,
                run_program=False,
                # An engine that does not tell which step failed leaves us to read all.
                target=urns or None,
                on_event=seen.on_event,
                **self._options(),
            ),
            lambda: None,
        )
        names = tuple(map(urn_words, urns))
        if problem is not None:
            return ForeignEdit(names=names, undone=True, unread=shorten(str(problem)))
        return ForeignEdit(names=names, undone=any(seen.undone.get(urn, True) for urn in urns or [""]))

    def _call(self, events: Events, act: Callable[[Program], Any], program: Program) -> Problem | None:
        """Run one engine call; what went wrong, or None."""
        raised: list[SpillwayError] = []

        def guarded() -> None:
            try:
                program()
            except SpillwayError as error:
                raised.append(error)
                # A program that merely ended early would have everything else deleted.
                raise RunError(str(error)) from error

        try:
            with quiet_pulumi():
                act(guarded)
        except EngineDeadline as error:
            return CloudTimeout(str(error))
        except EngineLostError as error:
            killed = CloudError(0, str(error))
            killed.doubtful = True
            return killed
        except ConcurrentUpdateError as error:
            return Locked(locks_told(str(error), self._hosts))
        except _RAISED as error:
            text = "\n".join([*events.errors, str(error)])
            return (
                next(iter(raised), None)
                or cloud_error(text)
                or TemporaryError(shorten(_essence(events, error)))
            )
        return None

    def _recover(self, stack: LeanStack) -> str | None:
        workspace, provider = self._workspace, StandInProvider(self._client())
        deadline = Deadline(workspace.deadline)
        done = recover_stack(
            stack,
            workspace.state,
            workspace.orphans,
            provider,
            deadline,
            recoveries=self._recoveries,
            hosts=self._hosts,
        )
        self._doubtful = False
        # Also where nothing is left open: an update that was ended from outside may have arrived all the same.
        self._stale = True
        return done

    def _client(self) -> Cloud:
        if self._cloud is None:
            endpoint = self._workspace.endpoint
            self._cloud = (
                Cloud.google() if endpoint is None else Cloud.sandbox(endpoint, self._workspace.sandbox_role)
            )
        return self._cloud

    def _keep_outputs(self, outputs: dict[str, Any]) -> None:
        document = json.dumps(dict(flatten(outputs)), indent=1)
        write_atomically(self._workspace.folder / "outputs.json", document.encode())

    def _options(self) -> dict[str, Any]:
        parallel = self._workspace.config.daemon.engine.parallel
        return {"parallel": parallel, "color": "never", "suppress_progress": True}

    @contextmanager
    def _alone(self, *, touch: bool = True) -> Iterator[tuple[Command, LeanStack]]:
        """One call at a time, in this process and among all that share the folder; without `touch` no state is put right."""
        workspace = self._workspace
        with self._calls.exclusive(workspace.deadline):
            try:
                workspace.prepare()
            except OSError as error:
                raise unusable(workspace.folder, error) from error
            with engine_lock(workspace.folder / "lock", workspace.deadline):
                self._hosts = self._host()
                self._put_right = self._put_state_right(touch=touch)
                if self._ready is None:
                    self._ready = self._start()
                if self._calls.closed:
                    self._ready[0].interrupt()
                yield self._ready

    def _host(self) -> frozenset[str]:
        folder = self._workspace.folder
        try:
            return note_host(folder / "hosts")
        except OSError as error:
            raise unusable(folder, error) from error

    def _put_state_right(self, *, touch: bool) -> str:
        """Put the last good state in the place of one that nobody can read; a sentence if that was done.

        Raises:
            SpillwayError: no copy makes sense, somebody else works on the stack, or nothing may be touched.
        """
        state, stack = self._workspace.state, self._workspace.config.daemon.engine.stack
        flaw = "" if state is None else flaw_of(state_file(state, stack))
        if state is None or not flaw:
            return ""
        if not touch:
            raise TemporaryError(
                f"the engine's state {state_file(state, stack)} cannot be read ({flaw})",
                remedy="`spillway up`, or a daemon, puts the newest copy in its place that makes sense.",
            )
        refuse_living(locks_in(state, stack, self._hosts))
        try:
            done = put_last_good_in_place(state, stack, flaw)
        except OSError as error:
            raise unusable(state, error) from error
        self._doubtful = self._stale = True
        self._recoveries.note(RecoveryKind.STATE, done)
        return done

    def _free(self) -> None:
        cloud, self._cloud = self._cloud, None
        if cloud is not None:
            cloud.close()

    def _start(self) -> tuple[Command, LeanStack]:
        folder = self._workspace.folder.absolute()
        if count := end_leftovers(folder):
            self._recoveries.note(
                RecoveryKind.PROCESS, f"ended {count} process(es) of an earlier engine call", count=count
            )
        command = self._workspace.command()
        command.allow(self._workspace.deadline)
        return command, self._workspace.stack(command)


def _held(stack: LeanStack) -> tuple[str, ...]:
    """Kind and name of each resource in a stack's state."""
    deployment = stack.export_stack().deployment or {}
    urns = [str(resource["urn"]) for resource in deployment.get("resources") or ()]
    return tuple(urn_words(urn) for urn in urns if not urn_type(urn).startswith("pulumi:"))


def _essence(events: Events, error: Exception) -> str:
    """The engine's own words, not the whole of its output."""
    return "; ".join(events.errors) or _last_words(error)


def _last_words(error: Exception) -> str:
    """What the CLI called an error; it has much to say besides."""
    if not isinstance(error, CommandError):
        return str(error)
    lines = [line.strip() for line in str(error).rpartition("stderr: ")[2].splitlines() if line.strip()]
    found = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return "; ".join(found or lines[-1:]) or "the Pulumi CLI ended with an error and did not say why"


def _told(error: Exception) -> Exception:
    """What the CLI raised outside an update, as an error of ours."""
    if isinstance(error, CloudError | SpillwayError | OSError):
        return error
    if not isinstance(error, CommandError):
        return TemporaryError(str(error))
    words = _last_words(error)
    if _UNREADABLE in words:
        return PermanentError(f"the engine's state cannot be read: {words}", remedy=_BRING_BACK)
    return TemporaryError(words)

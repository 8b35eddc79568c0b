"""The engine inside this process: Pulumi's runtime evaluates the program, the stand-in provider carries it out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from spillway.adapters.engine.embedded.monitor import evaluate
from spillway.adapters.engine.embedded.run import Run
from spillway.adapters.engine.embedded.state import Resource, State
from spillway.adapters.engine.exclusive_calls import ExclusiveCalls, engine_lock
from spillway.adapters.engine.ownership import Ownership
from spillway.adapters.engine.provider.cloud import Cloud, CloudError, Deadline
from spillway.adapters.engine.provider.standin import StandInProvider, words_for
from spillway.adapters.engine.recovery import Recoveries, RecoveryKind, recover, summary
from spillway.adapters.engine.verdicts import (
    ForeignEdit,
    applied,
    broken_off,
    flatten,
    is_conflict,
    not_begun,
    shorten,
    unread,
    unseen,
)
from spillway.core.values.overlay import Overlay
from spillway.errors import PermanentError, SpillwayError, TemporaryError
from spillway.ports import Applied, Preview

Program = Callable[[], None]

_PARALLEL_READS = 8
"""Reads at the same time."""


class EmbeddedEngine:
    """`ports.Deployer` without any binary; for the sandbox alone."""

    kind = "embedded"

    def __init__(
        self,
        program: Callable[[Overlay], Program],
        *,
        endpoint: str,
        folder: Path,
        stack: str,
        name: str,
        deadline: float,
        parallel: int,
        role: str = "everything",
        recoveries: Recoveries | None = None,
    ) -> None:
        """`program` makes the Pulumi program of an overlay, all for one load balancer `name`.

        `deadline` is in wall seconds, for one call; `role` is who the engine is in the sandbox; `recoveries` is told what is
        put right after crashes.
        """
        self._recoveries = recoveries or Recoveries()
        self._program = program
        self._cloud = Cloud.sandbox(endpoint, role)
        self._provider = StandInProvider(self._cloud)
        self._folder = folder
        self._stack = stack
        self._name = name
        self._deadline = deadline
        self._parallel = parallel
        self._calls = ExclusiveCalls(self._cloud.close)
        self._running: Deadline | None = None

    def close(self) -> None:
        """Let what runs begin nothing more, and close the connections to the sandbox. Does not wait."""
        self._calls.close()
        if self._running is not None:
            self._running.stop.set()

    def preview(self, overlay: Overlay) -> Preview:
        """What `build` would change; reads the cloud, and leaves both it and the state as they are.

        Raises:
            SpillwayError: the engine cannot tell.
        """
        with self._alone() as deadline:
            self._ownership().check()
            state = self._state()
            try:
                refresh(state, self._provider, deadline)
            except CloudError as error:
                raise unread(error) from error
            run = Run(state, self._provider, deadline, stack=self._stack, dry=True)
            problem = self._evaluate(run, overlay)
            if problem is not None:
                raise TemporaryError(f"the preview stopped: {shorten(str(problem))}")
            run.remove_rest()
            return Preview(changes=tuple(run.changes), same=run.same)

    def build(self, overlay: Overlay) -> Applied:
        """Make the load balancer what (config, overlay) say, after reading what stands."""
        return self._up(overlay, look=True)

    def apply(self, overlay: Overlay) -> Applied:
        """The same by what is remembered."""
        return self._up(overlay, look=False)

    def destroy(self) -> Applied:
        """Remove all that this stack has made."""

        def act(state: State, deadline: Deadline, begun: float, *, recovered: bool) -> Applied:
            run = Run(state, self._provider, deadline, stack=self._stack, dry=False)
            run.remove_rest()
            if not run.errors:
                state.outputs = {}
                state.save()
                self._ownership().free()
            return self._result(run, run.problem, begun, refreshed=recovered, state=state)

        return self._mutate(self._ownership().check, act)

    def resources(self) -> tuple[str, ...]:
        """Kind and name of all that the state holds.

        Raises:
            SpillwayError: it cannot be read.
        """
        state = self._state()
        return tuple(f"{words_for(it.token)} {it.name}" for it in (*state.resources.values(), *state.doomed))

    def forget(self) -> tuple[str, ...]:
        """Let go of all that the state holds, and leave it as it stands; kind and name of each.

        Raises:
            SpillwayError: the state belongs to another name, or cannot be read or written.
        """
        with self._alone():
            self._ownership().check()
            let_go = self.resources()
            state = self._state()
            state.resources, state.doomed, state.pending, state.outputs = {}, [], [], {}
            state.save()
            self._ownership().free()
        return let_go

    def recover(self) -> str | None:
        """Finish what a crash left open: look at each object in the cloud and write down what is there."""
        try:
            with self._alone() as deadline:
                return self._close_open(self._state(), deadline)
        except PermanentError as error:
            return f"recovery stopped until somebody acts: {shorten(str(error))}"
        except (CloudError, SpillwayError, OSError) as error:
            return f"recovery stopped and is tried again with the next change: {shorten(str(error))}"

    def outputs(self) -> dict[str, str]:
        """Outputs of the last successful `apply`."""
        try:
            return dict(flatten(self._state().outputs))
        except SpillwayError:
            return {}

    def _close_open(self, state: State, deadline: Deadline) -> str | None:
        """Put the last good state in place where it was needed, close what a crash has left open; a sentence if there was anything."""
        said: list[str] = []
        if state.restored:
            said.append(f"the engine's state was unreadable ({state.restored}): the last good one counts")
            # It was written together with the one that it replaces, so nothing has to be read anew.
            state.save()
            self._recoveries.note(RecoveryKind.STATE, said[0])
        news = recover(list(state.pending), state, self._provider, deadline)
        if closed := summary(news):
            self._recoveries.note(RecoveryKind.OPERATION, closed, count=len(news))
            said.append(closed)
        return "; ".join(said) or None

    def _up(self, overlay: Overlay, *, look: bool) -> Applied:
        ownership = self._ownership()

        def act(state: State, deadline: Deadline, begun: float, *, recovered: bool) -> Applied:
            return self._apply(overlay, state, deadline, begun, look=look, refreshed=recovered)

        return ownership.settle(self._mutate(ownership.claim, act))

    def _apply(
        self,
        overlay: Overlay,
        state: State,
        deadline: Deadline,
        begun: float,
        *,
        look: bool,
        refreshed: bool,
    ) -> Applied:
        # 1. Read the cloud, where the caller asks for it, and attempt the change.
        if look:
            try:
                refresh(state, self._provider, deadline)
            except CloudError as error:
                return unseen(error, begun)
            state.save()
        run, problem = self._once(state, overlay, deadline)
        # 2. Somebody else wrote: read what was refused. The same change is sent again only if it undoes nothing of theirs.
        foreign = self._edit(run, state, deadline)
        if foreign is not None and is_conflict(problem) and not foreign.undone:
            done = list(run.changes)
            run, problem = self._once(state, overlay, deadline)
            run.changes[:0] = done
            foreign = self._edit(run, state, deadline) or foreign
        return self._result(
            run, problem, begun, refreshed=refreshed or foreign is not None, foreign=foreign, state=state
        )

    def _edit(self, run: Run, state: State, deadline: Deadline) -> ForeignEdit | None:
        """What somebody else had changed of that which `run` wanted to change; the state then has it as it stands."""
        if not run.edited:
            return None
        before = [state.resources[urn] for urn in sorted(run.edited)]
        names = tuple(f"{words_for(resource.token)} {resource.name}" for resource in before)
        try:
            refresh(state, self._provider, deadline, before)
        except CloudError as error:
            return ForeignEdit(names=names, undone=True, unread=shorten(str(error)))
        state.save()
        return ForeignEdit(names=names, undone=any(self._undoes(resource, run, state) for resource in before))

    def _undoes(self, before: Resource, run: Run, state: State) -> bool:
        """True if the same update would undo what somebody changed, or make anew what they deleted."""
        now = state.resources.get(before.urn)
        wanted = run.edited[before.urn]
        return now is None or self._provider.overwrites(before.token, before.inputs, now.outputs, wanted)

    def _once(self, state: State, overlay: Overlay, deadline: Deadline) -> tuple[Run, Exception | None]:
        run = Run(state, self._provider, deadline, stack=self._stack, dry=False)
        problem = self._evaluate(run, overlay, state)
        if problem is None:
            run.remove_rest()
            problem = run.problem
        state.save()
        return run, problem

    def _evaluate(self, run: Run, overlay: Overlay, state: State | None = None) -> Exception | None:
        outputs, failure = evaluate(
            self._program(overlay), run, stack=self._stack, parallel=self._parallel, dry=state is None
        )
        if run.errors:
            return run.problem
        if failure is not None:
            return TemporaryError(f"the program failed: {failure}")
        if state is not None:
            state.outputs = outputs
        return None

    def _result(
        self,
        run: Run,
        problem: object,
        begun: float,
        *,
        state: State,
        refreshed: bool = False,
        foreign: ForeignEdit | None = None,
    ) -> Applied:
        outputs = flatten(state.outputs)
        return applied(run.changes, problem, begun, outputs=outputs, refreshed=refreshed, foreign=foreign)

    def _mutate(self, prepare: Callable[[], None], act: Callable[..., Applied]) -> Applied:
        """One change, after what a crash has left open; `prepare` says whether the state is ours, before anything is sent."""
        begun, sending = time.monotonic(), False
        try:
            with self._alone() as deadline:
                state = self._state()
                prepare()
                recovered = self._close_open(state, deadline) is not None
                sending = True
                return act(state, deadline, begun, recovered=recovered)
        except (CloudError, SpillwayError, OSError) as error:
            return broken_off(error, begun) if sending else not_begun(error, begun)

    def _ownership(self) -> Ownership:
        return Ownership(self._folder / f"{self._stack}.name", self._name)

    def _state(self) -> State:
        return State(self._folder / f"{self._stack}.json")

    @contextmanager
    def _alone(self) -> Iterator[Deadline]:
        """One call at a time, in this process and among all that share the folder."""
        lock = engine_lock(self._folder / f"{self._stack}.lock", self._deadline)
        with self._calls.exclusive(self._deadline), lock:
            self._running = running = Deadline(self._deadline)
            if self._calls.closed:
                running.stop.set()
            yield running


def refresh(
    state: State, provider: StandInProvider, deadline: Deadline, resources: Sequence[Resource] | None = None
) -> None:
    """Read every resource, or those given, as `pulumi refresh` does: what is gone is forgotten, the rest is as the cloud has it.

    `save` keeps it.

    Raises:
        CloudError: the cloud did not answer.
    """
    known = list(state.resources.values() if resources is None else resources)
    with ThreadPoolExecutor(max_workers=_PARALLEL_READS, thread_name_prefix="spillway-refresh") as pool:
        seen = list(pool.map(lambda it: provider.read(it.token, it.id, it.inputs, deadline), known))
    for resource, there in zip(known, seen, strict=True):
        if there is None:
            del state.resources[resource.urn]
        else:
            state.put(replace(resource, inputs=there[0], outputs=there[1]))

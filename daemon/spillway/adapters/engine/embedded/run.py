"""One evaluation of the program by the embedded engine: what each declared resource needs, and the doing of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from spillway.adapters.engine.describe import describe, describe_new, hidden, shown_name
from spillway.adapters.engine.embedded.state import Pending, Resource, State
from spillway.adapters.engine.language import PROJECT
from spillway.adapters.engine.provider.cloud import CloudError, Deadline
from spillway.adapters.engine.provider.diff import UNKNOWN, DiffResult, reset
from spillway.adapters.engine.provider.kinds import Props
from spillway.adapters.engine.provider.standin import StandInProvider, kind_of, words_for
from spillway.adapters.engine.recovery import CREATING, DELETING, UPDATING, recover
from spillway.adapters.engine.verdicts import is_conflict, is_in_use, is_taken
from spillway.errors import SpillwayError
from spillway.ports import PreviewedChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A resource as the program declares it."""

    token: str
    name: str
    inputs: Props
    dependencies: tuple[str, ...] = ()
    property_dependencies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    secret: tuple[str, ...] = ()
    """Properties that hold a secret."""
    secret_paths: tuple[str, ...] = ()
    """Where in them it stands."""
    ignore: tuple[str, ...] = ()
    delete_before: bool | None = None
    """None leaves it to the provider."""

    @property
    def shown(self) -> str:
        """Its name, for people."""
        return shown_name(self.name, self.inputs)

    def described_new(self) -> tuple[str, ...]:
        """What people are told of it when it is new."""
        return describe_new(hidden(self.inputs, self.secret))

    def described_changes(self, diff: DiffResult, olds: Props) -> tuple[str, ...]:
        """What people are told of its changes; that a secret changed, and never to what."""
        return describe(diff.differences, hidden(olds, self.secret), hidden(self.inputs, self.secret))


class StoppedError(Exception):
    """The run has failed elsewhere; nothing new is begun."""


class Run:
    """Steps, decided and carried out. Called from several threads at once, one for each resource."""

    def __init__(
        self, state: State, provider: StandInProvider, deadline: Deadline, *, stack: str, dry: bool
    ) -> None:
        self._state = state
        self._provider = provider
        self._deadline = deadline
        self._stack = stack
        self._dry = dry
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._cleared: set[str] = set()
        self.changes: list[PreviewedChange] = []
        self.same = 0
        self.errors: list[CloudError | SpillwayError] = []
        self.edited: dict[str, Props] = {}
        """URNs of what somebody else had changed, with what the program wanted: these updates were refused."""

    def urn(self, token: str, name: str) -> str:
        """The URN of a resource at the top of the stack."""
        return f"urn:pulumi:{self._stack}::{PROJECT}::{token}::{name}"

    def register(self, declared: Declared) -> tuple[str, str, Props]:
        """Bring one resource to what the program says; its URN, id and outputs.

        Raises:
            StoppedError: another step has failed.
            CloudError, SpillwayError: this one has; it is also in `errors`.
        """
        if self.errors:
            raise StoppedError
        urn = self.urn(declared.token, declared.name)
        try:
            return self._register(urn, declared)
        except (CloudError, SpillwayError) as error:
            with self._lock:
                self.errors.append(error)
                if is_conflict(error):
                    self.edited[urn] = declared.inputs
            raise

    @property
    def problem(self) -> CloudError | SpillwayError | None:
        """What went wrong: of several errors the one that leaves most in doubt."""
        doubtful = (error for error in self.errors if isinstance(error, CloudError) and error.doubtful)
        return next(doubtful, next(iter(self.errors), None))

    def remove_rest(self) -> None:
        """Delete what the program no longer declares, and what was replaced; dependents first."""
        rest = [resource for urn, resource in self._state.resources.items() if urn not in self._seen]
        if self._dry:
            for resource in rest:
                self._note("delete", resource.token, shown_name(resource.name, resource.inputs))
            return
        for resource in list(self._state.doomed):
            self._guarded(self._delete, resource)
        self._delete_in_order(rest)

    def _register(self, urn: str, declared: Declared) -> tuple[str, str, Props]:
        failures = self._provider.check(declared.token, declared.inputs)
        if failures:
            raise CloudError(400, f"{declared.name}: {'; '.join(failures.values())}", reason="invalid")
        with self._lock:
            self._seen.add(urn)
            old = self._state.resources.get(urn)
        if old is None:
            operation = "replace" if urn in self._cleared else "create"
            try:
                return (urn, *self._create(urn, declared, operation))
            except CloudError as error:
                resource_id = self._provider.resource_id(declared.token, declared.inputs)
                orphaned = self._state.orphaned(resource_id) if is_taken(error) else []
                if recover(orphaned, self._state, self._provider, self._deadline):
                    # A dead run's request arrived after recovery had looked; from here on it is like any other.
                    return self._register(urn, declared)
                raise
        old_inputs = self._state.opened(old.inputs, declared.inputs)
        declared = replace(declared, inputs=reset(declared.inputs, old_inputs, declared.ignore))
        outputs = self._state.opened(old.outputs, declared.inputs)
        diff = self._provider.diff(declared.token, old_inputs, outputs, declared.inputs, declared.ignore)
        if not diff.differences:
            return (urn, *self._keep(old, declared))
        if diff.replaces:
            return (urn, *self._replace(urn, old, declared, diff, outputs))
        return (urn, *self._update(old, declared, diff, old_inputs, outputs))

    def _keep(self, old: Resource, declared: Declared) -> tuple[str, Props]:
        with self._lock:
            self.same += 1
        if not self._dry:
            self._state.put(_resource(old.urn, declared, old.id, old.outputs, inputs=declared.inputs))
        return old.id, self._state.opened(old.outputs, declared.inputs)

    def _create(self, urn: str, declared: Declared, operation: str) -> tuple[str, Props]:
        resource_id = self._provider.resource_id(declared.token, declared.inputs)
        if self._dry:
            self._note(operation, declared.token, declared.shown, declared.described_new())
            return "", self._provider.planned(declared.token, declared.inputs)
        pending = self._state.begin(CREATING, _resource(urn, declared, resource_id, {}))
        with _Ending(self._state, pending):
            resource_id, outputs = self._provider.create(declared.token, declared.inputs, self._deadline)
            self._state.finish(pending, _resource(urn, declared, resource_id, outputs))
        self._note(operation, declared.token, declared.shown, declared.described_new())
        return resource_id, outputs

    def _update(
        self, old: Resource, declared: Declared, diff: DiffResult, old_inputs: Props, outputs: Props
    ) -> tuple[str, Props]:
        details = declared.described_changes(diff, outputs)
        if self._dry:
            self._note("update", declared.token, declared.shown, details)
            planned = {name: UNKNOWN for name in kind_of(declared.token).computed if name == "fingerprint"}
            return old.id, {**outputs, **declared.inputs, **planned}
        pending = self._state.begin(UPDATING, _resource(old.urn, declared, old.id, outputs))
        with _Ending(self._state, pending):
            new = self._provider.update(
                declared.token,
                old.id,
                old_inputs=old_inputs,
                state=outputs,
                news=declared.inputs,
                deadline=self._deadline,
                ignore=declared.ignore,
            )
            self._state.finish(pending, _resource(old.urn, declared, old.id, new))
        self._note("update", declared.token, declared.shown, details)
        return old.id, new

    def _replace(
        self, urn: str, old: Resource, declared: Declared, diff: DiffResult, outputs: Props
    ) -> tuple[str, Props]:
        """Delete before creating where the name stays the same, for it is taken; else create first."""
        before = declared.delete_before
        if before is None:
            before = old.id == self._provider.resource_id(declared.token, declared.inputs)
        if self._dry:
            self._note("replace", declared.token, declared.shown, declared.described_changes(diff, outputs))
            return "", self._provider.planned(declared.token, declared.inputs)
        if before:
            self._clear_dependents(old)
            self._delete(old)
        else:
            self._state.doomed.append(replace(self._state.sealed(old), doomed=True))
        return self._create(urn, declared, "replace")

    def _clear_dependents(self, old: Resource) -> None:
        """Delete those that hold on to `old` by a property which cannot change in place; the program makes them anew."""
        for dependent in self._state.dependents([old.urn]):
            kind = kind_of(dependent.token)
            holds = {name for name, urns in dependent.property_dependencies.items() if old.urn in urns}
            if holds & kind.fixed or (holds and kind.update is None):
                self._clear_dependents(dependent)
                if dependent.urn in self._state.resources:
                    self._delete(dependent)
                    self._cleared.add(dependent.urn)

    def _delete_in_order(self, rest: list[Resource]) -> None:
        """Level by level: all that nothing else needs any more, at the same time.

        Dependencies do not tell everything: nothing refers any more to a group that was taken out of the program, and
        yet the cloud has it in use until the service is gone. Such a one comes last, and of several the youngest first.
        """
        left = {resource.urn: resource for resource in rest}
        held: set[str] = set()
        with ThreadPoolExecutor(max_workers=8, thread_name_prefix="spillway-delete") as pool:
            while left and not self.errors:
                needed = {urn for resource in left.values() for urn in resource.dependencies}
                level = [resource for urn, resource in left.items() if urn not in needed] or list(
                    left.values()
                )
                list(
                    pool.map(lambda resource: self._guarded(self._delete_unless_held, resource, held), level)
                )
                for resource in level:
                    del left[resource.urn]
        for resource in reversed(rest):
            if resource.urn in held and not self.errors:
                self._guarded(self._delete_and_note, resource)

    def _delete_unless_held(self, resource: Resource, held: set[str]) -> None:
        try:
            self._delete_and_note(resource)
        except CloudError as error:
            if not is_in_use(error):
                raise
            held.add(resource.urn)

    def _guarded(self, act: Callable[..., None], *what: object) -> None:
        try:
            act(*what)
        except (CloudError, SpillwayError) as error:
            with self._lock:
                self.errors.append(error)

    def _delete_and_note(self, resource: Resource) -> None:
        self._delete(resource)
        self._note("delete", resource.token, shown_name(resource.name, resource.inputs))

    def _delete(self, resource: Resource) -> None:
        pending = self._state.begin(DELETING, resource)
        with _Ending(self._state, pending):
            self._provider.delete(resource.id, self._deadline)
            self._state.finish(pending, None)

    def _note(self, operation: str, token: str, name: str, details: tuple[str, ...] = ()) -> None:
        with self._lock:
            self.changes.append(
                PreviewedChange(operation=operation, kind=words_for(token), name=name, details=details)
            )


class _Ending:
    """Takes a pending operation back if the cloud refused it: then nothing was done. Anything else stays open."""

    def __init__(self, state: State, pending: Pending) -> None:
        self._state = state
        self._pending = pending

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, CloudError) and error.refused:
            self._state.withdraw(self._pending)


def _resource(
    urn: str, declared: Declared, resource_id: str, outputs: Props, *, inputs: Props | None = None
) -> Resource:
    return Resource(
        urn=urn,
        token=declared.token,
        name=declared.name,
        id=resource_id,
        inputs=declared.inputs if inputs is None else inputs,
        outputs=outputs,
        dependencies=declared.dependencies,
        property_dependencies=declared.property_dependencies,
        secret=declared.secret,
    )

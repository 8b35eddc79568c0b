"""What an engine run tells while it runs: changes, errors, the stack's outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi.automation.events import EngineEvent, OpType, StepEventMetadata

from spillway.adapters.engine.describe import SECRET, describe, describe_new, shown_name
from spillway.adapters.engine.provider.diff import Difference, DiffKind, compare, overwrites
from spillway.adapters.engine.provider.kinds import Props
from spillway.adapters.engine.provider.standin import KINDS, words_for
from spillway.adapters.engine.provider.wire import is_secret
from spillway.ports import PreviewedChange

_STACK = "pulumi:pulumi:Stack"
_NOTES = "__defaults"
"""Where the plugin names those of a mapping's parts that it has added."""
_OPERATIONS = {
    OpType.CREATE: "create",
    OpType.UPDATE: "update",
    OpType.DELETE: "delete",
    OpType.REPLACE: "replace",
    OpType.IMPORT: "import",
}
"""Steps that people count; a replacement also has steps of its own for the new and the old."""
_ONLY_NOTED = frozenset({"pulumiLabels"})
"""Outputs in which the plugin notes which labels are the program's; their change alone sends nothing (measured)."""
_CREATES = frozenset({OpType.CREATE, OpType.CREATE_REPLACEMENT})


class Events:
    """Collects; called from another thread. Never raises: an error in a callback would be swallowed unseen."""

    def __init__(self) -> None:
        self.changes: list[PreviewedChange] = []
        self.errors: list[str] = []
        self.failed: list[tuple[str, str]] = []
        """URN of each resource whose step failed, and what was said."""
        self.wanted: dict[str, Props] = {}
        """By URN: the inputs of each step that began."""
        self.outputs: Props = {}
        self.same = 0
        self.creating: dict[str, Props] = {}
        """Creates that were begun and have not ended well, by URN, as an exported state has them."""
        self._finished: set[str] = set()

    def forget_errors(self) -> None:
        """What went wrong is mended, and the run is tried again."""
        self.errors.clear()
        self.failed.clear()

    def on_event(self, event: EngineEvent) -> None:
        """One event of the engine."""
        if event.diagnostic_event is not None and event.diagnostic_event.severity == "error":
            self.errors.append(event.diagnostic_event.message)
            if (urn := event.diagnostic_event.urn) and not urn_type(urn).startswith("pulumi:"):
                self.failed.append((urn, event.diagnostic_event.message))
        if event.resource_pre_event is not None:
            metadata = event.resource_pre_event.metadata
            if event.resource_pre_event.planning:
                self._step(metadata)
            else:
                self._begin(metadata)
            if metadata.new is not None:
                self.wanted[metadata.urn] = _props(metadata.new.inputs)
        if event.res_outputs_event is not None:
            metadata = event.res_outputs_event.metadata
            self.creating.pop(metadata.urn, None)
            if metadata.type == _STACK:
                self._stack(metadata)
            elif not event.res_outputs_event.planning:
                self._step(metadata)

    def _begin(self, metadata: StepEventMetadata) -> None:
        new = metadata.new
        if metadata.op in _CREATES and new is not None and not metadata.type.startswith("pulumi:"):
            self.creating[metadata.urn] = {
                "urn": metadata.urn,
                "type": metadata.type,
                "custom": True,
                "parent": new.parent,
                "provider": new.provider,
                "inputs": dict(new.inputs or {}),
            }

    def _stack(self, metadata: StepEventMetadata) -> None:
        if metadata.new is not None and isinstance(metadata.new.outputs, Mapping):
            self.outputs = dict(metadata.new.outputs)

    def _step(self, metadata: StepEventMetadata) -> None:
        if metadata.type.startswith("pulumi:") or f"{metadata.op} {metadata.urn}" in self._finished:
            return
        self._finished.add(f"{metadata.op} {metadata.urn}")
        if metadata.op == OpType.SAME or _is_note(metadata):
            self.same += 1
        elif metadata.op in _OPERATIONS:
            self.changes.append(
                PreviewedChange(
                    operation=_OPERATIONS[metadata.op],
                    kind=words_for(metadata.type),
                    name=_name(metadata),
                    details=_details(metadata),
                )
            )


class ReadEvents(Events):
    """The same of a run that only reads after one whose updates were refused."""

    def __init__(self, refused: Mapping[str, Props]) -> None:
        """`refused`: by URN what the program wanted."""
        super().__init__()
        self._refused = refused
        self.undone: dict[str, bool] = {}
        """By URN: whether the same update would undo what somebody changed."""

    def on_event(self, event: EngineEvent) -> None:
        """One event of the engine."""
        super().on_event(event)
        if event.res_outputs_event is not None:
            metadata = event.res_outputs_event.metadata
            if not metadata.type.startswith("pulumi:"):
                self.undone[metadata.urn] = self._undoes(metadata)

    def _undoes(self, metadata: StepEventMetadata) -> bool:
        kind, wanted = KINDS.get(metadata.type), self._refused.get(metadata.urn)
        if kind is None or wanted is None or metadata.old is None or metadata.new is None:
            return True
        return overwrites(kind, _props(metadata.old.inputs), _props(metadata.new.outputs), wanted)


def urn_type(urn: str) -> str:
    """The type in a resource's URN, without the types of its parents."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def urn_words(urn: str) -> str:
    """Kind and name of a resource, for people."""
    return f"{words_for(urn_type(urn))} {urn.rsplit('::', 1)[-1]}"


def _is_note(metadata: StepEventMetadata) -> bool:
    """True for an update of the state alone. One follows the import of what carries the provider's own label."""
    return (
        metadata.op == OpType.UPDATE and bool(metadata.diffs) and _ONLY_NOTED.issuperset(metadata.diffs or ())
    )


def _name(metadata: StepEventMetadata) -> str:
    state = metadata.new or metadata.old
    inputs = state.inputs if state is not None else None
    return shown_name(metadata.urn.rsplit("::", 1)[-1], _props(inputs))


def _details(metadata: StepEventMetadata) -> tuple[str, ...]:
    if metadata.op == OpType.CREATE and metadata.new is not None:
        return describe_new(_props(metadata.new.inputs))
    if metadata.op not in {OpType.UPDATE, OpType.REPLACE} or metadata.old is None or metadata.new is None:
        return ()
    kind = KINDS.get(metadata.type)
    if kind is None:
        return tuple(metadata.diffs or ())
    old_inputs, old, new = (
        _props(part) for part in (metadata.old.inputs, metadata.old.outputs, metadata.new.inputs)
    )
    seen = compare(kind, old_inputs, old, new)
    # Two secrets look alike here; which property holds one that changed, the engine alone knows.
    unlike = tuple(
        Difference(path, DiffKind.UPDATE)
        for name in metadata.diffs or ()
        if name not in seen.changed
        for path in _secrets(new.get(name), name)
    )
    return describe((*seen.differences, *unlike), old, new)


def _secrets(value: Any, path: str) -> Iterator[str]:
    """Paths of the marks of secrets. The plugin marks the secret alone, not the block in which it stands."""
    if value == SECRET:
        yield path
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _secrets(part, f"{path}.{name}")


def _props(value: Any) -> Props:
    return _plain(value) if isinstance(value, Mapping) else {}


def _plain(value: Any) -> Any:
    """`value` without secrets and, at any depth, without what the program did not set.

    The plugin adds its defaults to the inputs and notes their names. What it keeps in its outputs may differ from them:
    a share of logged requests is 1 by default, and 0 while logging is off (measured).
    """
    if is_secret(value):
        return SECRET
    if isinstance(value, Mapping):
        defaults = value.get(_NOTES) or ()
        return {name: _plain(part) for name, part in value.items() if name != _NOTES and name not in defaults}
    return [_plain(part) for part in value] if isinstance(value, list) else value

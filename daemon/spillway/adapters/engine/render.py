"""A preview as a person reads it: `+` create, `~` update with old and new, `-` delete, and a last line that counts."""

from __future__ import annotations

from spillway.ports import Preview, PreviewedChange

_SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-"}
_COLOURS = {"create": "32", "update": "33", "replace": "35", "delete": "31"}
_ORDER = ("create", "update", "replace", "delete")
_WORDS = {"create": "to create", "update": "to update", "replace": "to replace", "delete": "to delete"}


def render_preview(preview: Preview, *, colour: bool) -> str:
    """The text of `spillway plan`, without a line break at its end."""
    if not preview.changes:
        return f"Nothing to change: {_things(preview.same)} as the configuration says."
    width = max(len(change.kind) for change in preview.changes)
    ordered = sorted(preview.changes, key=lambda c: (_ORDER.index(c.operation), c.kind.lower(), c.name))
    lines = [line for change in ordered for line in _lines(change, width, colour=colour)]
    return "\n".join([*lines, "", _last_line(preview)])


def _lines(change: PreviewedChange, width: int, *, colour: bool) -> list[str]:
    head = f"{_SIGNS[change.operation]} {change.kind:<{width}}  {change.name}"
    if colour:
        head = f"\x1b[{_COLOURS[change.operation]}m{head}\x1b[0m"
    return [head, *(f"    {detail}" for detail in change.details)]


def _last_line(preview: Preview) -> str:
    counts = [(sum(c.operation == operation for c in preview.changes), operation) for operation in _ORDER]
    parts = [f"{count} {_WORDS[operation]}" for count, operation in counts if count]
    return f"{', '.join(parts)}, {preview.same} unchanged."


def _things(count: int) -> str:
    if count == 1:
        return "the one resource is"
    return f"all {count} resources are"

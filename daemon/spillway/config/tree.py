"""YAML text -> plain data, with the line of every value.

Plain words are read as YAML 1.2 reads them: `true` and `false` are the only truth values, so `on`, `no` and `off`
stay text; so do `80:43` (a number to base 60 in YAML 1.1), dates, `1_000`, and numbers with a leading zero, which one
version reads as octal and the other as decimal. A field that wanted something else says what it got.
Anchors, aliases and merge keys (`<<`) work; tags, several documents and endless structures are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.resolver import VersionedResolver

Location = tuple[str | int, ...]

MAX_DEPTH = 40
"""Levels of nesting; a configuration has about ten."""
MAX_NODES = 200_000
"""Values after all aliases are followed: small files can describe enormous structures."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]{0,17})(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,2})?")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What an escape can write and no file name, header or message can hold: NUL, and halves of characters."""
_TAGS = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})

_REMEDIES = (
    ("\\t", "Indent with spaces; YAML forbids tabs."),
    (
        "cannot start any token",
        "Indent with spaces, never with tabs; put text that begins with @, ` or % into quotes.",
    ),
    ("mapping values are not allowed", "Put text that holds `: ` into quotes, and check the indentation."),
    ("could not find expected ':'", "Give the key its colon, and check the indentation of this line."),
    ("did not find expected key", "Check the indentation of this line and the one above."),
    ("expected <block end>", "Check the indentation of this line and the one above."),
    ("flow sequence", "Close the bracket [ that is opened here, and put commas between its entries."),
    ("flow mapping", "Close the brace { that is opened here, and put commas between its entries."),
    ("did not find expected '-' indicator", "Begin every item of a list with `- ` in the same column."),
    ("undefined alias", "Define the anchor (&name) before it is used, in the same file."),
    ("quoted scalar", "Close the quotation mark."),
    (
        "special characters",
        "Remove the control character, or write it in double quotes as an escape such as \\x07.",
    ),
)


class _NoGuesses(VersionedResolver):
    """Says of no plain word what it is: `_scalar` does."""

    @property
    def versioned_resolver(self) -> dict[str, list[Any]]:
        """No rules."""
        return {}


def _reader() -> YAML:
    """A reader that makes nodes."""
    reader = YAML(typ="safe", pure=True)
    reader.max_depth = MAX_DEPTH
    reader.Resolver = _NoGuesses
    reader.composer.warn_double_anchors = False  # YAML lets an anchor be defined anew
    return reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """A mistake in the text itself."""

    line: int
    location: Location
    message: str
    remedy: str


@dataclass(slots=True)
class Tree:
    """What one text holds."""

    data: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    """1-based line of each value: that of its key in a mapping, of its dash in a list."""
    marks: dict[Location, int] = field(default_factory=dict)
    """Characters before each value in the text; those that an alias brings in stand where the anchor does."""
    flaws: list[Flaw] = field(default_factory=list)


def parse(text: str) -> Tree:
    """Data, lines and flaws of a YAML text; the data of a text that is no YAML is None."""
    tree = Tree()
    try:
        root = _reader().compose(text)
    except YAMLError as error:
        tree.flaws.append(_syntax(error, text))
        return tree
    if root is not None:
        _Builder(tree).build(root)
    return tree


def _syntax(error: YAMLError, text: str) -> Flaw:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = " ".join(
        str(part) for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part
    )
    if mark is None:
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
        said = said or str(getattr(error, "reason", error))
    else:
        began = getattr(error, "context_mark", None)
        if began is not None and mark.line >= len(text.splitlines()):
            mark = began  # at the end of the file nobody sees what is missing; where it began they do
        line = mark.line + 1
    if isinstance(error, MaxDepthExceededError):
        message = f"values are nested more than {MAX_DEPTH} deep."
        return Flaw(
            line=line, location=(), message=message, remedy="Look for a bracket that is never closed."
        )
    if "single document" in said:
        remedy = "Remove the line `---`, or put the document into a file of its own in a directory."
        return Flaw(line=line, location=(), message="a second YAML document begins here.", remedy=remedy)
    remedy = next(
        (r for sign, r in _REMEDIES if sign in said),
        "Check indentation, quotes and brackets here and just above.",
    )
    return Flaw(line=line, location=(), message=f"this is not YAML: {said}.", remedy=remedy)


@dataclass(slots=True)
class _Builder:
    """Follows the nodes of one document."""

    tree: Tree
    nodes: int = 0
    open: set[int] = field(default_factory=set)
    """Collections under construction, by identity: an alias to one of them would never end."""

    def build(self, root: Node) -> None:
        try:
            self.tree.data = self._value(root, ())
        except _Refused as refused:
            self.tree.data = None
            self.tree.flaws.append(refused.flaw)

    def _flaw(self, node: Node, location: Location, message: str, remedy: str) -> None:
        self.tree.flaws.append(
            Flaw(line=node.start_mark.line + 1, location=location, message=message, remedy=remedy)
        )

    def _value(self, node: Node, location: Location) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or id(node) in self.open:
            what = (
                "an alias that contains itself" if id(node) in self.open else f"more than {MAX_NODES} values"
            )
            raise _Refused(
                Flaw(
                    line=node.start_mark.line + 1,
                    location=location,
                    message=f"this describes {what}.",
                    remedy="Write the values out instead of referring to them.",
                )
            )
        self.tree.lines.setdefault(location, node.start_mark.line + 1)
        self.tree.marks[location] = node.start_mark.index
        if node.tag not in _TAGS:
            self._flaw(node, location, f"the tag {node.tag} has no meaning here.", "Remove the tag.")
        if isinstance(node, ScalarNode):
            return _scalar(node.value) if not node.style else self._text(node, location)
        self.open.add(id(node))
        result = (
            self._mapping(node, location)
            if isinstance(node, MappingNode)
            else [self._item(item, (*location, i)) for i, item in enumerate(node.value)]
        )
        self.open.discard(id(node))
        return result

    def _text(self, node: ScalarNode, location: Location) -> str:
        """A text as it stands; what nothing could hold is a flaw and left out, so that the other checks can go on."""
        text: str = node.value
        found = _NO_TEXT.search(text)
        if found is None:
            return text
        self._flaw(
            node,
            location,
            f"the text has the character {found[0]!a}, which no file, name or message can hold.",
            "Remove the escape, or write the character itself.",
        )
        return _NO_TEXT.sub("", text)

    def _item(self, node: Node, location: Location) -> Any:
        self.tree.lines[location] = node.start_mark.line + 1
        return self._value(node, location)

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        own: dict[str, Node] = {}
        merged: list[Node] = []
        result: dict[str, Any] = {}
        for key_node, value in node.value:
            if not isinstance(key_node, ScalarNode):
                self._flaw(
                    key_node,
                    location,
                    "a key must be a word.",
                    "Put the key into quotes if it begins with [ or {.",
                )
                continue
            key = self._text(key_node, location)
            if key == "<<" and not key_node.style:
                merged.append(value)
                continue
            line = key_node.start_mark.line + 1
            if key in own:
                first = self.tree.lines[(*location, key)]
                self._flaw(
                    key_node,
                    (*location, key),
                    f"{key!r} is here a second time; the first is in line {first}.",
                    "Keep one of the two: YAML would silently drop the first.",
                )
                continue
            own[key] = value
            self.tree.lines[(*location, key)] = line
            result[key] = self._value(value, (*location, key))
        for value in merged:
            self._merge(value, location, result)
        return result

    def _merge(self, node: Node, location: Location, into: dict[str, Any]) -> None:
        """Add what a merge key refers to; what the mapping says itself wins, earlier sources win over later."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, MappingNode):
                self._flaw(
                    source,
                    location,
                    "a merge key (<<) needs a mapping.",
                    "Write `<<: *name` with the anchor of a mapping.",
                )
                continue
            if id(source) in self.open:
                self._value(source, location)
            part = Tree()
            builder = _Builder(part, self.nodes, self.open)
            values = builder._value(source, location)
            self.nodes = builder.nodes
            for flaw in part.flaws:
                if flaw not in self.tree.flaws:
                    self.tree.flaws.append(flaw)
            for key, value in values.items():
                if key not in into:
                    into[key] = value
                    stem = (*location, key)
                    for whole, of_part in ((self.tree.lines, part.lines), (self.tree.marks, part.marks)):
                        whole.update({at: n for at, n in of_part.items() if at[: len(stem)] == stem})


class _Refused(Exception):
    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.message)
        self.flaw = flaw


def _scalar(text: str) -> Any:
    """What a plain word is: nothing, a truth value, a number in decimal, or else text."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text

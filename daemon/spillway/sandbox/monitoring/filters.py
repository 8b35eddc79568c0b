"""The filter language of Cloud Monitoring (reference: FILT): text to a tree, and the tree against one series.

NOT binds tightest, then OR, then AND, as in Google's other filters (google.aip.dev/160); terms side by side
are joined by AND. `-` before a term is NOT.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput, UnexpectedToken

from spillway.sandbox.monitoring.source import Invalid

_DEPTH = 50
"""Nesting that no honest filter reaches; past it the tree could not be walked."""
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_FUNCTIONS = ("starts_with", "ends_with", "has_substring", "one_of", "monitoring.regex.full_match")
_ORDER: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a filter is held against."""

    project: str
    resource_type: str
    metric_type: str
    resource: Mapping[str, str] = field(default_factory=dict)
    metric: Mapping[str, str] = field(default_factory=dict)

    def value(self, path: Path) -> str:
        """The value at `path`; a label that the series does not carry is empty."""
        if path.root == "project":
            return self.project
        if path.label is None:
            return self.resource_type if path.root == "resource" else self.metric_type
        labels = self.resource if path.root == "resource" else self.metric
        return labels.get(path.label, "")


@dataclass(frozen=True, slots=True)
class Path:
    """The left side of a comparison; `label` is None for `project` and the two types."""

    root: str
    label: str | None = None

    def __str__(self) -> str:
        if self.root == "project":
            return self.root
        return f"{self.root}.type" if self.label is None else f"{self.root}.labels.{self.label}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One test. `function` is empty for a plain value; `values` has more than one only for `one_of`."""

    path: Path
    operator: str
    values: tuple[str, ...]
    function: str = ""

    def matches(self, subject: Subject) -> bool:
        """Tell if the subject passes."""
        actual = subject.value(self.path)
        order = _ORDER.get(self.operator)
        if order is not None:
            return _is_number(actual) and order(float(actual), float(self.values[0]))
        return self._equal(actual) == (self.operator == "=")

    def _equal(self, actual: str) -> bool:
        first = self.values[0]
        if self.function == "starts_with":
            return actual.startswith(first)
        if self.function == "ends_with":
            return actual.endswith(first)
        if self.function == "has_substring":
            return first in actual
        if self.function == "monitoring.regex.full_match":
            return re.fullmatch(first, actual) is not None
        return actual in self.values


@dataclass(frozen=True, slots=True)
class All:
    """Every part must match."""

    parts: tuple[Node, ...]

    def matches(self, subject: Subject) -> bool:
        """Tell if the subject passes."""
        return all(part.matches(subject) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Either:
    """One part must match."""

    parts: tuple[Node, ...]

    def matches(self, subject: Subject) -> bool:
        """Tell if the subject passes."""
        return any(part.matches(subject) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """The part must not match."""

    part: Node

    def matches(self, subject: Subject) -> bool:
        """Tell if the subject passes."""
        return not self.part.matches(subject)


Node = Comparison | All | Either | Not


_GRAMMAR = r"""
    ?start: conjunction
    conjunction: disjunction (_AND? disjunction)*
    disjunction: _term (_OR _term)*
    _term: group | negation | comparison
    group: _OPEN conjunction _CLOSE
    negation: (_NOT | _MINUS) _term
    comparison: PATH OPERATOR _operand
    _operand: STRING | NUMBER | WORD | call
    call: FUNCTION _OPEN _argument (_COMMA _argument)* _CLOSE
    _argument: STRING | NUMBER

    _AND.3: /AND(?![\w.])/
    _OR.3: /OR(?![\w.])/
    _NOT.3: /NOT(?![\w.])/
    _OPEN: "("
    _CLOSE: ")"
    _COMMA: ","
    _MINUS: "-"
    OPERATOR: "!=" | ">=" | "<=" | "=" | ">" | "<"
    STRING: /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/s
    NUMBER.2: /-?\d+(?:\.\d+)?(?![A-Za-z0-9_])/
    FUNCTION.2: /(?!(?:AND|OR|NOT)\b)[A-Za-z_][A-Za-z0-9_.]*(?=\s*\()/
    WORD: /(?!(?:AND|OR|NOT)(?![\w.]))[A-Za-z_][A-Za-z0-9_]*(?:[.\/-][A-Za-z0-9_]+)*/
    PATH: /(?!(?:AND|OR|NOT)(?![\w.]))[A-Za-z_][A-Za-z0-9_]*(?:[.\/-][A-Za-z0-9_]+)*(?:\.(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))?/s
    %import common.WS
    %ignore WS
"""
"""NOT binds tightest, then OR, then AND."""

_WANTED = (
    ("_CLOSE", "a closing bracket"),
    ("OPERATOR", "one of = != > < >= <="),
    ("PATH", "a selector such as resource.type"),
    ("WORD", "a value"),
    ("STRING", "a quoted argument"),
    ("_AND", "AND, OR or the end"),
    ("$END", "the end"),
)
"""What the next word may be, by the grammar's names; the first that fits is said."""


def parse(text: str) -> Node:
    """The tree of a filter; the empty filter matches everything.

    Raises:
        Invalid: it is none; the message names the place and what was found there.
    """
    if not text.strip():
        return All(())
    try:
        made: Any = _parser().parse(text)  # the reader's own type, not a tree
    except UnexpectedInput as error:
        raise _misread(text, error) from None
    except _Unfit as unfit:
        raise Invalid(f'Field filter had an invalid value of "{text}": {unfit}') from None
    found: Deep = made
    if found[1] > _DEPTH:
        raise Invalid(f"Field filter is nested more than {_DEPTH} deep.")
    return found[0]


def _misread(text: str, error: UnexpectedInput) -> Invalid:
    """What the grammar did not expect, as a sentence."""
    place = error.pos_in_stream or 0
    at = place if place >= 0 else len(text)
    if isinstance(error, UnexpectedToken):
        ended = error.token.type == "$END"
        found, at = ("the end", len(text)) if ended else (repr(str(error.token)), at)
        expected = set(error.accepts or error.expected)
    else:
        sign = text[at : at + 1]
        found = "a string that is never closed" if sign in {'"', "'"} else f"the character {sign!r}"
        expected = set(getattr(error, "allowed", None) or ())
        found = repr(text[at:].split(maxsplit=1)[0]) if sign.isalpha() else found
    wanted = next((words for name, words in _WANTED if name in expected), "something else")
    return Invalid(
        f'Field filter had an invalid value of "{text}": found {found} at position {at + 1} where {wanted} must stand.'
    )


class _Unfit(Exception):
    """A word that the grammar takes and the language does not have."""


Deep = tuple[Node, int]
"""A part, and how deep it is nested."""


class _Reader(Transformer[Token, Deep]):
    """Makes the tree while the parser reads."""

    def conjunction(self, parts: list[Deep]) -> Deep:
        return _joined(parts, All)

    def disjunction(self, parts: list[Deep]) -> Deep:
        return _joined(parts, Either)

    def group(self, parts: list[Deep]) -> Deep:
        return parts[0][0], parts[0][1] + 1

    def negation(self, parts: list[Deep]) -> Deep:
        return Not(parts[0][0]), parts[0][1] + 1

    def call(self, words: list[Token]) -> tuple[str, tuple[str, ...]]:
        function, values = str(words[0]), tuple(_text(word) for word in words[1:])
        if function not in _FUNCTIONS:
            raise _Unfit(f"unknown function {function!r}; known are {', '.join(_FUNCTIONS)}.")
        if function != "one_of" and len(values) != 1:
            raise _Unfit(f"{function} takes one argument, not {len(values)}.")
        if function == "monitoring.regex.full_match":
            try:
                re.compile(values[0])
            except re.error as error:
                raise _Unfit(f"{values[0]!r} is not a regular expression: {error}.") from error
        return function, values

    def comparison(self, words: list[Any]) -> Deep:
        path, sign, operand = words
        function, values = operand if isinstance(operand, tuple) else ("", (_text(operand),))
        if sign in _ORDER and (function or not _is_number(values[0])):
            raise _Unfit(f"{sign} needs a number, and {values[0]!r} is none.")
        return Comparison(_path(str(path)), str(sign), values, function), 1


def _joined(parts: list[Deep], kind: type[All | Either]) -> Deep:
    depth = max(depth for _, depth in parts)
    return parts[0] if len(parts) == 1 else (kind(tuple(node for node, _ in parts)), depth)


def _text(word: Token) -> str:
    """The value of a word: a backslash in quotes stands for the character after it."""
    return _ESCAPE.sub(r"\1", word[1:-1]) if word.type == "STRING" else str(word)


def _path(word: str) -> Path:
    head, _, quoted = word.partition('."') if word.endswith('"') else word.partition(".'")
    if quoted:
        word = f"{head}.{_ESCAPE.sub(lambda m: m[1], quoted[:-1])}"
    parts = word.split(".", 2)
    if word == "project":
        return Path("project")
    if parts[0] in {"resource", "metric"}:
        if parts[1:] == ["type"]:
            return Path(parts[0])
        if len(parts) == 3 and parts[1] in {"label", "labels"} and parts[2]:
            return Path(parts[0], parts[2])
    raise _Unfit(
        f"unknown selector {word!r}; known are project, resource.type, resource.labels.KEY, metric.type and metric.labels.KEY."
    )


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", transformer=_Reader())


def comparisons(node: Node) -> Iterator[Comparison]:
    """All tests in a tree."""
    if isinstance(node, Comparison):
        yield node
    elif isinstance(node, Not):
        yield from comparisons(node.part)
    else:
        for part in node.parts:
            yield from comparisons(part)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

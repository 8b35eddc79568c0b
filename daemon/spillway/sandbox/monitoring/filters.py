"""The filter language of Cloud Monitoring (reference: FILT): text to a tree, and the tree against one series.

NOT binds tightest, then OR, then AND, as in Google's other filters (google.aip.dev/160); terms side by side
are joined by AND. `-` before a term is NOT.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from spillway.sandbox.monitoring.source import Invalid
from spillway.sandbox.monitoring.tokens import Kind, Token, tokens

_DEPTH = 50
"""Nesting that no honest filter reaches; past it the parser would run out of stack."""
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


def parse(text: str) -> Node:
    """The tree of a filter; the empty filter matches everything.

    Raises:
        Invalid: it is none; the message names the place and what was found there.
    """
    if not text.strip():
        return All(())
    return _Parser(text).whole()


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


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._conjunction()
        if self._peek().kind is not Kind.END:
            raise self._wrong(self._peek(), "AND, OR or the end")
        return node

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _wrong(self, token: Token, wanted: str) -> Invalid:
        found = repr(token.text) if token.text else token.kind.value
        return Invalid(
            f'Field filter had an invalid value of "{self._text}": found {found} at position {token.at + 1} '
            f"where {wanted} must stand."
        )

    def _is_keyword(self, word: str) -> bool:
        token = self._peek()
        return token.kind is Kind.WORD and token.text == word

    def _conjunction(self) -> Node:
        self._depth += 1
        if self._depth > _DEPTH:
            raise Invalid(f"Field filter is nested more than {_DEPTH} deep.")
        parts = [self._disjunction()]
        while self._peek().kind not in {Kind.END, Kind.CLOSE}:
            if self._is_keyword("AND"):
                self._take()
            parts.append(self._disjunction())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _disjunction(self) -> Node:
        parts = [self._term()]
        while self._is_keyword("OR"):
            self._take()
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _term(self) -> Node:
        if self._is_keyword("NOT") or self._peek().kind is Kind.MINUS:
            self._depth += 1
            if self._depth > _DEPTH:
                raise Invalid(f"Field filter is nested more than {_DEPTH} deep.")
            self._take()
            node = Not(self._term())
            self._depth -= 1
            return node
        if self._peek().kind is Kind.OPEN:
            self._take()
            inner = self._conjunction()
            if self._peek().kind is not Kind.CLOSE:
                raise self._wrong(self._peek(), "a closing bracket")
            self._take()
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        path = self._path()
        token = self._take()
        if token.kind is not Kind.OPERATOR or token.text in {":", "~"}:
            raise self._wrong(token, "one of = != > < >= <=")
        function, values = self._operand()
        comparison = Comparison(path, token.text, values, function)
        if token.text in _ORDER and (function or not _is_number(values[0])):
            raise self._wrong(self._tokens[self._next - 1], f"a number, because of {token.text},")
        return comparison

    def _path(self) -> Path:
        token = self._take()
        if token.kind is not Kind.WORD or token.text in {"AND", "OR", "NOT"}:
            raise self._wrong(token, "a selector such as resource.type")
        parts = token.text.split(".", 2)
        if token.text == "project":
            return Path("project")
        if parts[0] in {"resource", "metric"}:
            if parts[1:] == ["type"]:
                return Path(parts[0])
            if len(parts) == 3 and parts[1] in {"label", "labels"} and parts[2]:
                return Path(parts[0], parts[2])
        raise Invalid(
            f'Field filter had an invalid value of "{self._text}": unknown selector {token.text!r}; '
            "known are project, resource.type, resource.labels.KEY, metric.type and metric.labels.KEY."
        )

    def _operand(self) -> tuple[str, tuple[str, ...]]:
        token = self._take()
        if token.kind in {Kind.STRING, Kind.NUMBER}:
            return "", (token.text,)
        if token.kind is not Kind.WORD or token.text in {"AND", "OR", "NOT"}:
            raise self._wrong(token, "a value")
        if self._peek().kind is not Kind.OPEN:
            return "", (token.text,)
        if token.text not in _FUNCTIONS:
            raise Invalid(
                f'Field filter had an invalid value of "{self._text}": unknown function {token.text!r}; '
                f"known are {', '.join(_FUNCTIONS)}."
            )
        return token.text, self._arguments(token.text)

    def _arguments(self, function: str) -> tuple[str, ...]:
        self._take()
        values: list[str] = []
        while True:
            token = self._take()
            if token.kind not in {Kind.STRING, Kind.NUMBER}:
                raise self._wrong(token, f"a quoted argument of {function}")
            values.append(token.text)
            token = self._take()
            if token.kind is Kind.CLOSE:
                break
            if token.kind is not Kind.COMMA:
                raise self._wrong(token, "a comma or a closing bracket")
        if function != "one_of" and len(values) != 1:
            raise Invalid(f"Field filter: {function} takes one argument, not {len(values)}.")
        if function == "monitoring.regex.full_match":
            try:
                re.compile(values[0])
            except re.error as error:
                raise Invalid(f"Field filter: {values[0]!r} is not a regular expression: {error}.") from error
        return tuple(values)

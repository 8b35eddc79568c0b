"""The list filter of the Compute API, as gcloud and people write it.

    filter     = term { ("AND" | "OR") term } | "(" filter ")" { "(" filter ")" }
    term       = "(" filter ")" | "NOT" term | field operator value
    operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | ":" | "eq" | "ne"

`eq` and `ne` take a regular expression that must match the whole value; `:` means "has": a substring, or any value for
`*`. Terms in parentheses side by side are joined by AND. What is not in this grammar is refused, with its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spillway.sandbox.refusals import Refusal

Predicate = Callable[[Mapping[str, Any]], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<mark>[()]|!=|<=|>=|[=<>:])|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<word>[^\s()!=<>:"']+))"""
)
_OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">=", ":", "eq", "ne"})


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    quoted: bool = False


def refuse(text: str, why: str) -> Refusal:
    """A filter that the sandbox does not take."""
    return Refusal(
        400, "invalid", f"Invalid value for field 'filter': '{text}'. Invalid list filter expression: {why}"
    )


def compile_filter(text: str) -> Predicate:
    """Turn a filter into a test of answered resources.

    Raises:
        Refusal: the text is not in the grammar (400).
    """
    parser = _Parser(text)
    predicate = parser.expression()
    if parser.peek() is not None:
        raise refuse(text, f"unexpected '{parser.next().text}'.")
    return predicate


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._scan())
        self._at = 0

    def _scan(self) -> list[_Token]:
        tokens, at, text = [], 0, self._text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise refuse(self._text, f"cannot read from position {at}.")
            at = match.end()
            quoted = match["double"] if match["double"] is not None else match["single"]
            tokens.append(
                _Token(re.sub(r"\\([\"'])", r"\1", quoted), quoted=True)
                if quoted is not None
                else _Token(match["mark"] or match["word"])
            )
        return tokens

    def peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def next(self) -> _Token:
        token = self.peek()
        if token is None:
            raise refuse(self._text, "it ends too early.")
        self._at += 1
        return token

    def _sees(self, *texts: str) -> bool:
        token = self.peek()
        return token is not None and not token.quoted and token.text in texts

    def expression(self) -> Predicate:
        either = [self._conjunction()]
        while self._sees("OR"):
            self.next()
            either.append(self._conjunction())
        return lambda resource: any(test(resource) for test in either)

    def _conjunction(self) -> Predicate:
        tests = [self._term()]
        while self._sees("AND", "("):
            if self._sees("AND"):
                self.next()
            tests.append(self._term())
        return lambda resource: all(test(resource) for test in tests)

    def _term(self) -> Predicate:
        if self._sees("("):
            self.next()
            inner = self.expression()
            if not self._sees(")"):
                raise refuse(self._text, "a parenthesis is not closed.")
            self.next()
            return inner
        if self._sees("NOT"):
            self.next()
            denied = self._term()
            return lambda resource: not denied(resource)
        field, operator, value = self.next(), self.next(), self.next()
        if operator.quoted or operator.text not in _OPERATORS:
            raise refuse(self._text, f"'{operator.text}' is not an operator.")
        return self._comparison(field.text, operator.text, value.text)

    def _comparison(self, field: str, operator: str, value: str) -> Predicate:
        if not re.fullmatch(r"[A-Za-z][\w-]*(\.[\w-]+)*", field):
            raise refuse(self._text, f"'{field}' is not a field.")
        if operator in {"eq", "ne"}:
            try:
                pattern = re.compile(value)
            except re.error as error:
                raise refuse(self._text, f"'{value}' is not a regular expression ({error}).") from None
            return lambda resource: (
                any(pattern.fullmatch(found) for found in _values(resource, field)) == (operator == "eq")
            )
        return lambda resource: _compare(_values(resource, field), operator, value)


def _values(resource: Any, field: str) -> list[str]:
    """All values under a dotted field, through arrays, as text."""
    nodes = [resource]
    for name in field.split("."):
        inner = [node[name] for node in nodes if isinstance(node, Mapping) and name in node]
        nodes = [item for node in inner for item in (node if isinstance(node, list) else [node])]
    return [
        str(node).lower() if isinstance(node, bool) else str(node)
        for node in nodes
        if not isinstance(node, Mapping)
    ]


def _compare(found: list[str], operator: str, value: str) -> bool:
    if operator == "=":
        return value in found
    if operator == "!=":
        return value not in found
    if operator == ":":
        return bool(found) if value == "*" else any(value.lower() in text.lower() for text in found)
    return any(_ordered(text, operator, value) for text in found)


def _ordered(left: str, operator: str, right: str) -> bool:
    try:
        a, b = float(left), float(right)
    except ValueError:
        order = (left > right) - (left < right)
    else:
        order = (a > b) - (a < b)
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]

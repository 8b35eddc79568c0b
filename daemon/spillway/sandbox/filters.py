"""The list filter of the Compute API, as gcloud and people write it.

`eq` and `ne` take a regular expression that must match the whole value; `:` means "has": a substring, or any value for
`*`. Terms in parentheses side by side are joined by AND. What is not in the grammar is refused with its place, and so is a
field that the resource does not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput

from spillway.published.schemas import fields
from spillway.sandbox.refusals import Refusal

Predicate = Callable[[Mapping[str, Any]], bool]

_GRAMMAR = r"""
    ?start: either
    either: all (_OR all)*
    all: _term (_AND _term | _group)*
    _term: _group | denial | comparison
    _group: "(" either ")"
    denial: _NOT _term
    comparison: FIELD OPERATOR (WORD | QUOTED)

    _AND.2: /AND(?![\w.-])/
    _OR.2: /OR(?![\w.-])/
    _NOT.2: /NOT(?![\w.-])/
    FIELD: /[A-Za-z][\w-]*(?:\.[\w-]+)*/
    OPERATOR.2: /!=|<=|>=|[=<>:]|(?:eq|ne)(?![\w.-])/
    WORD: /[^\s()!=<>:"']+/
    QUOTED: /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/s
    %import common.WS
    %ignore WS
"""


def refuse(text: str, why: str) -> Refusal:
    """A filter that the sandbox does not take."""
    return Refusal(
        400, "invalid", f"Invalid value for field 'filter': '{text}'. Invalid list filter expression: {why}"
    )


def compile_filter(text: str, schema: str) -> Predicate:
    """Turn a filter into a test of answered resources.

    Args:
        text: the filter.
        schema: the published schema of what is listed.

    Raises:
        Refusal: the text is not in the grammar, or names a field that the schema does not have (400).
    """
    try:
        read: Any = _parser().parse(text)  # the reader's own type, not a tree
        predicate: Predicate = read(schema)
    except UnexpectedInput as error:
        at = error.pos_in_stream or 0
        rest = text[at:].split(maxsplit=1) if at >= 0 else []
        why = f"unexpected '{rest[0]}' at position {at + 1}." if rest else "it ends too early."
        raise refuse(text, why) from None
    except _Unfit as unfit:
        raise refuse(text, str(unfit)) from None
    return predicate


class _Unfit(Exception):
    """A word that the grammar takes and that has no meaning here."""


Made = Callable[[str], Predicate]
"""From the schema of what is listed to the test."""


class _Reader(Transformer[Token, Made]):
    """Makes the test while the parser reads."""

    def either(self, parts: list[Made]) -> Made:
        def made(schema: str) -> Predicate:
            tests = [part(schema) for part in parts]
            return lambda resource: any(test(resource) for test in tests)

        return made

    def all(self, parts: list[Made]) -> Made:
        def made(schema: str) -> Predicate:
            tests = [part(schema) for part in parts]
            return lambda resource: all(test(resource) for test in tests)

        return made

    def denial(self, parts: list[Made]) -> Made:
        def made(schema: str) -> Predicate:
            test = parts[0](schema)
            return lambda resource: not test(resource)

        return made

    def comparison(self, words: list[Token]) -> Made:
        field, operator, word = str(words[0]), str(words[1]), words[2]
        value = re.sub(r"\\([\"'])", r"\1", word[1:-1]) if word.type == "QUOTED" else str(word)
        test = _comparison(field, operator, value)

        def made(schema: str) -> Predicate:
            if not _is_field(field, schema):
                raise _Unfit(f"there is no field '{field}'.")
            return test

        return made


def _comparison(field: str, operator: str, value: str) -> Predicate:
    if operator in {"eq", "ne"}:
        try:
            pattern = re.compile(value)
        except re.error as error:
            raise _Unfit(f"'{value}' is not a regular expression ({error}).") from None
        return lambda resource: (
            any(pattern.fullmatch(found) for found in _values(resource, field)) == (operator == "eq")
        )
    return lambda resource: _compare(_values(resource, field), operator, value)


def _is_field(path: str, schema: str) -> bool:
    """Whether a dotted path leads to a published field; below a table such as labels every name does."""
    for name in path.split("."):
        field = fields(schema).get(name) if schema else None
        if field is None:
            return False
        if field.is_map:
            return True
        schema = field.schema
    return True


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", transformer=_Reader())


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

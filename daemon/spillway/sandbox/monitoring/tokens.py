"""The words of a monitoring filter: names, operators, quoted strings, numbers, brackets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from spillway.sandbox.monitoring.source import Invalid


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    STRING = "string"
    NUMBER = "number"
    OPERATOR = "operator"
    OPEN = "("
    CLOSE = ")"
    COMMA = ","
    MINUS = "-"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a filter."""

    kind: Kind
    text: str
    at: int
    """Where it starts, counted from 0."""


_PATTERN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<number>-?\d+(?:\.\d+)?(?![A-Za-z0-9_]))
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*(?:[./-][A-Za-z0-9_]+)*\.?)
  | (?P<operator>!=|>=|<=|=|>|<|:|~)
  | (?P<open>\() | (?P<close>\)) | (?P<comma>,) | (?P<minus>-)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def unquote(text: str) -> str:
    """The value of a quoted string: a backslash stands for the character after it."""
    return _ESCAPE.sub(r"\1", text[1:-1])


def tokens(text: str) -> list[Token]:
    """All words of a filter, ended by one END.

    Raises:
        Invalid: a character that has no place in a filter.
    """
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _PATTERN.match(text, at)
        if match is None:
            what = "a string that is never closed" if text[at] in "\"'" else f"the character {text[at]!r}"
            raise Invalid(f'Field filter had an invalid value of "{text}": {what} at position {at + 1}.')
        kind = match.lastgroup or ""
        if kind == "string" and found and _takes_quoted_key(found[-1], at):
            word = found.pop()
            found.append(Token(Kind.WORD, word.text + unquote(match[0]), word.at))
        elif kind == "string":
            found.append(Token(Kind.STRING, unquote(match[0]), at))
        elif kind != "space":
            found.append(Token(Kind[kind.upper()], match[0], at))
        at = match.end()
    found.append(Token(Kind.END, "", at))
    return found


def _takes_quoted_key(token: Token, at: int) -> bool:
    """Tell if a string at `at` is the quoted key of a path, as in `metric.label."severity"`."""
    return token.kind is Kind.WORD and token.text.endswith(".") and token.at + len(token.text) == at

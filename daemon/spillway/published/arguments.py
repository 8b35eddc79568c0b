"""What the pinned provider takes: the arguments of each of its classes, from a file that is made from the package itself.

`python -m tests.program.arguments` writes the file anew; a test compares the two. So a configuration can be checked without
loading the package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("arguments.json")

WORDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """What one argument holds."""

    type: str
    """`str int float bool`, or the name of a class in this table."""
    is_list: bool = False
    is_table: bool = False
    """A mapping with free names, such as labels."""

    @property
    def is_plain(self) -> bool:
        """True for a text, a number, a truth value, or lists and tables of them."""
        return self.type in WORDS


@cache
def arguments(name: str) -> Mapping[str, Argument]:
    """The arguments of a class such as `compute.BackendService`, by their names in Python.

    Raises:
        KeyError: the table does not have this class.
    """
    return {key: _argument(given) for key, given in _table()[name].items()}


@cache
def _table() -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(FILE.read_text(encoding="utf-8"))["classes"]
    return found


def _argument(given: str) -> Argument:
    """An argument as the file has it: a type, `[type]` for a list, `{type}` for a table."""
    bare = given.strip("[]{}")
    return Argument(type=bare, is_list=given.startswith("["), is_table=given.startswith("{"))

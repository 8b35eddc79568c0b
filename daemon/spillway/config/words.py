"""Own words for whatever pydantic finds: what is wrong, and what to write instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

from spillway.config.anatomy import describe, field_at, keys_of, section_at
from spillway.config.suggest import did_you_mean, key_hint, suggestion, value_hint
from spillway.config.tree import Location


def shown(value: Any) -> str:
    """A value as people wrote it, short."""
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    return json.dumps(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wrong:
    """One of pydantic's errors, taken apart."""

    kind: str
    value: Any
    context: dict[str, Any]
    said: str
    at: Location
    meaning: str
    """What the field is for."""


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _close(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


def _reading(value: Any) -> str:
    """Why a plain word became text, where YAML's versions disagree."""
    if not isinstance(value, str):
        return ""
    if re.fullmatch(r"[-+]?0[0-9]+", value):
        return " (a leading zero makes it octal in one version of YAML and decimal in the other, so it is kept as text)"
    if re.fullmatch(r"[0-9]+(:[0-9]+)+", value):
        return " (one version of YAML reads it as a number to base 60, so it is kept as text)"
    if value.lower() in {"yes", "no", "on", "off", "y", "n"}:
        return " (one version of YAML reads it as true or false, so it is kept as text)"
    if re.fullmatch(r"[-+]?[0-9]+(?:_[0-9]+)+", value):
        return " (only one version of YAML takes underscores in numbers, so it is kept as text)"
    return ""


def _number(value: Any, what: str) -> tuple[str, str]:
    digits = (
        re.fullmatch(r"\s*([-+]?)0*([0-9][0-9_]*)(\.[0-9]+)?\s*", value) if isinstance(value, str) else None
    )
    if digits:
        plain = digits[1] + digits[2].replace("_", "") + (digits[3] or "")
        remedy = f"Write {plain} without quotes, zeros in front or underscores."
    elif isinstance(value, float) and what == "a whole number":
        remedy = f"Write {round(value)}."
    elif isinstance(value, str) and re.fullmatch(r"[0-9.]+\s*%", value):
        remedy = "Write a share as a number: 0.1 for 10 %."
    else:
        remedy = f"Write {what}."
    return f"{shown(value)} is not {what}{_reading(value)}.", remedy


def _missing(wrong: _Wrong) -> tuple[str, str]:
    return f"the key `{wrong.at[-1] if wrong.at else '?'}` is missing.", "Add it."


def _truth(wrong: _Wrong) -> tuple[str, str]:
    value = wrong.value
    guess = str(value).lower() in {"yes", "on", "y", "true", "1"}
    return (
        f"{shown(value)} is neither true nor false{_reading(value)}.",
        f"Write {'true' if guess else 'false'}, without quotes.",
    )


def _text(wrong: _Wrong) -> tuple[str, str]:
    value = wrong.value
    if isinstance(value, dict | list) or value is None:
        return f"{shown(value)} stands where a text is wanted.", "Write a text."
    return f"{shown(value)} is not a text.", f'Put it into quotes: "{json.dumps(value)}".'


def _section(wrong: _Wrong) -> tuple[str, str]:
    value = wrong.value
    if value is None:
        return "the section is empty.", "Fill it, or remove it."
    return f"{shown(value)} stands where a section with keys is wanted.", "Write its keys below it, indented."


def _list(wrong: _Wrong) -> tuple[str, str]:
    value = wrong.value
    example = f"[{_item(value)}]" if isinstance(value, str | int | float) else "[a, b]"
    return f"{shown(value)} stands where a list is wanted.", f"Write a list, such as {example}."


def _item(value: str | float) -> str:
    """An item of a list in brackets; in quotes where YAML would read it in another way, as `*` or `a: b`."""
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z/][A-Za-z0-9._/-]*", value)
    return value if isinstance(value, str) and plain else json.dumps(value)


_COMPARISONS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "multiple_of": ("multiple_of", "a multiple of"),
}


def _bound(wrong: _Wrong) -> tuple[str, str]:
    key, words = _COMPARISONS[wrong.kind]
    limit = wrong.context.get(key)
    return (
        f"{shown(wrong.value)} is out of range: it must be {words} {limit:g}.",
        f"Write {'a value' if isinstance(wrong.value, str) else 'a number'} that is {words} {limit:g}.",
    )


def _length(wrong: _Wrong) -> tuple[str, str]:
    context = wrong.context
    least = context.get("min_length")
    limit, words = (least, "at least") if least is not None else (context.get("max_length"), "at most")
    what = "characters" if wrong.kind.startswith("string") else "entries"
    if not wrong.value:
        return "it is empty.", f"Write {words} {limit} of them." if what == "entries" else "Write a text."
    return f"it must have {words} {limit} {what}.", f"Write {words} {limit}."


def _choice(wrong: _Wrong) -> tuple[str, str]:
    value = wrong.value
    expected = str(wrong.context.get("expected", ""))
    # pydantic quotes words, but neither numbers nor truth values.
    known = re.findall(r"'([^']*)'", expected) or re.split(r", | or ", expected.lower())
    key = next((str(part) for part in reversed(wrong.at) if isinstance(part, str)), "")
    message = f"{shown(value)} is none of {', '.join(known)}{_reading(value)}."
    if (hint := value_hint(key, str(value))) is not None:
        return message, hint
    guess = suggestion(str(value), known)
    return message, f"Did you mean {guess}?" if guess else "Write one of them."


def _tag(wrong: _Wrong) -> tuple[str, str]:
    context = wrong.context
    discriminator = str(context.get("discriminator", "")).strip("'")
    known = re.findall(r"'([^']*)'", str(context.get("expected_tags", "")))
    if wrong.kind == "union_tag_not_found":
        return f"the key `{discriminator}` is missing: it says what this is.", "Add it."
    tag = str(context.get("tag", ""))
    return f"{tag!r} is none of {', '.join(known)}.", did_you_mean(tag, known, "Write one of them.")


def _value(wrong: _Wrong) -> tuple[str, str]:
    text = str(wrong.context.get("error", "")) or wrong.said.removeprefix("Value error, ")
    message, _, remedy = text.partition("; ")
    return _close(message), _sentence(remedy) if remedy else _sentence(wrong.meaning or "Write another value")


_Explain = Callable[[_Wrong], tuple[str, str]]
_WORDS: dict[str, _Explain] = {
    "missing": _missing,
    "string_type": _text,
    "string_unicode": _text,
    "value_error": _value,
    "assertion_error": _value,
    "literal_error": _choice,
    "enum": _choice,
    "union_tag_invalid": _tag,
    "union_tag_not_found": _tag,
    **dict.fromkeys(_COMPARISONS, _bound),
    **dict.fromkeys(("bool_type", "bool_parsing"), _truth),
    **dict.fromkeys(("string_too_short", "string_too_long", "too_short", "too_long"), _length),
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type", "iterable_type"), _list),
    **dict.fromkeys(
        (
            "model_type",
            "model_attributes_type",
            "dict_type",
            "mapping_type",
            "dataclass_type",
            "dataclass_exact_type",
        ),
        _section,
    ),
}
_WHOLE = ("int_type", "int_parsing", "int_parsing_size", "int_from_float")
_REAL = ("float_type", "float_parsing", "finite_number")


def explain(error: ErrorDetails, *, model: type[object], at: Location, around: Any) -> tuple[str, str]:
    """Message and remedy for one of pydantic's errors.

    Args:
        error: what pydantic says.
        model: the model or plain dataclass of the whole document.
        at: where the value stands.
        around: the data of the section that holds it.
    """
    kind = error["type"]
    meaning = describe(field_at(model, at))
    wrong = _Wrong(
        kind=kind,
        value=_seen(error["input"], at),
        context=error.get("ctx", {}),
        said=error["msg"],
        at=at,
        meaning=meaning,
    )
    if kind == "extra_forbidden":
        return unknown_key(str(at[-1]), model, at, around)
    if kind in _WHOLE:
        message, remedy = _number(wrong.value, "a whole number")
    elif kind in _REAL:
        message, remedy = _number(wrong.value, "a number")
    else:
        message, remedy = _WORDS.get(kind, _anything)(wrong)
    if meaning and kind not in {"value_error", "assertion_error"} and meaning not in remedy:
        remedy = f"{remedy} {_sentence(meaning)}"
    return message, remedy


def _seen(value: Any, at: Location) -> Any:
    """A value as messages may show it: the URL of a webhook is a secret."""
    secret = at[:2] == ("daemon", "webhooks") and isinstance(value, str) and ":" in value
    return "(not shown)" if secret else value


def unknown_key(key: str, model: type[object], at: Location, around: Any) -> tuple[str, str]:
    """Message and remedy for a key that the section does not have."""
    section = section_at(model, at[:-1], around)
    known = list(keys_of(section)) if section is not None else []
    message = f"there is no key `{key}` here."
    if (hint := key_hint(key)) is not None:
        return message, hint
    return message, did_you_mean(key, known, "Remove it.")


def _anything(wrong: _Wrong) -> tuple[str, str]:
    """For types that no field of ours produces today: the value, and what the field wants."""
    return f"{shown(wrong.value)} does not fit here.", "" if wrong.meaning else "Write another value."

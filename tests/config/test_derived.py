"""One definition for the core and for users: a plain dataclass is checked by its `Spec`s and comes out as itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Annotated, Any, get_type_hints

import pytest
from tests.config.sample_config import Change, from_text

from spillway.config.check import check_model, validate
from spillway.config.derived import model_of
from spillway.core.values.policy import Policy, Spec, ValueKind, seconds


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A part.

    For developers alone.
    """

    wait: Annotated[float, seconds("How long.", 1.0, 7200.0)] = 60.0
    share: Annotated[float, Spec("How much.", above=0, most=1, key="part")] = 0.5


@dataclass(frozen=True, kw_only=True)
class Outer:
    """The whole."""

    at: Annotated[float, Spec("When.", ValueKind.TIME)]
    colour: Annotated[Colour, Spec("Which.")] = Colour.RED
    where: Annotated[str | None, Spec("Where.", ValueKind.REGION)] = None
    why: Annotated[str, Spec("Why.", least=3)] = "none"
    count: Annotated[int, Spec("How many.", least=2)] = 3
    inner: Inner = field(default_factory=Inner)
    more: Annotated[tuple[Inner, ...], Spec("Others.")] = ()


def test_what_is_written_becomes_the_dataclass() -> None:
    written = {
        "at": "1970-01-01T00:01:00Z",
        "colour": "blue",
        "where": "us-east4",
        "inner": {"wait": "2m", "part": 1},
        "more": [{"wait": "90s"}],
    }
    made, errors = validate(Outer, written)
    assert errors == []
    assert made == Outer(
        at=60.0,
        colour=Colour.BLUE,
        where="us-east4",
        inner=Inner(wait=120.0, share=1.0),
        more=(Inner(wait=90.0),),
    )


@pytest.mark.parametrize(
    ("key", "value", "path", "message", "remedy"),
    [
        ("inner", {"wait": 5}, "inner.wait", "the number 5 has no unit.", "Write for instance 5s or 5m."),
        (
            "inner",
            {"wait": "3h"},
            "inner.wait",
            "3h is out of range.",
            "Write a duration from 1s to 2h.",
        ),
        (
            "inner",
            {"part": 0},
            "inner.part",
            "0 is out of range: it must be more than 0.",
            "Write a number that is more than 0. How much.",
        ),
        ("inner", {"share": 1}, "inner.share", "there is no key `share` here.", "Remove it. There are: part, wait."),
        ("inner", 5, "inner", "5 stands where a section with keys is wanted.", "Write its keys below it, indented. A part."),
        ("colour", "rad", "colour", "'rad' is none of red, blue.", "Did you mean red? Which."),
        ("count", 1, "count", "1 is out of range: it must be at least 2.", "Write a number that is at least 2. How many."),
        ("why", "x", "why", "it must have at least 3 characters.", "Write at least 3. Why."),
    ],
)  # fmt: skip
def test_messages_speak_of_keys_and_meanings(
    key: str, value: Any, path: str, message: str, remedy: str
) -> None:
    _, problems = check_model(Outer, from_text(json.dumps({"at": "1970-01-01T00:00:00Z", key: value})))
    assert [(p.path, p.message) for p in problems] == [(path, message)]
    assert problems[0].remedy == remedy


def test_a_model_has_the_words_for_users_alone() -> None:
    assert model_of(Inner).__doc__ == "A part."
    assert {f.alias or name: f.description for name, f in model_of(Inner).model_fields.items()} == {
        "wait": "How long.",
        "part": "How much.",
    }


def test_a_duration_without_bounds_is_refused() -> None:
    @dataclass(frozen=True)
    class Open:
        wait: Annotated[float, Spec("How long.", ValueKind.DURATION)] = 1.0

    with pytest.raises(TypeError, match="two bounds"):
        model_of(Open)


def within(spec: Spec, value: Any) -> bool:
    return (
        (spec.least is None or value >= spec.least)
        and (spec.most is None or value <= spec.most)
        and (spec.above is None or value > spec.above)
        and (spec.below is None or value < spec.below)
    )


def settings(section: Any, path: str = "") -> list[tuple[str, Spec | None, Any]]:
    """Every setting of a section and its sections: path, specification, value."""
    found: list[tuple[str, Spec | None, Any]] = []
    hints = get_type_hints(type(section), include_extras=True)
    for entry in fields(section):
        value = getattr(section, entry.name)
        if is_dataclass(value):
            found += settings(value, f"{path}{entry.name}.")
        else:
            said = getattr(hints[entry.name], "__metadata__", ())
            found.append((path + entry.name, next((s for s in said if isinstance(s, Spec)), None), value))
    return found


@pytest.mark.parametrize(
    ("path", "spec", "value"), settings(Policy()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_setting_has_a_meaning_and_its_default_is_allowed(path: str, spec: Spec | None, value: Any) -> None:  # fmt: skip
    assert spec is not None, path
    assert spec.meaning.endswith(".")
    assert within(spec, value)


def test_the_backoff_keeps_its_keys(change: Change) -> None:
    asked = {"hold_growth": 3, "hold_decay": "1h", "hold_max": "3h"}
    config = change({"policies/default/rhythm": asked}).config
    assert config is not None
    rhythm = config.policies["default"].rhythm
    assert (rhythm.backoff_growth, rhythm.backoff_decay, rhythm.backoff_max) == (3.0, 3600.0, 10800.0)
    refused = change({"policies/default/rhythm": {"backoff_max": "3h"}})
    assert refused.at("policies.default.rhythm.backoff_max").message == "there is no key `backoff_max` here."

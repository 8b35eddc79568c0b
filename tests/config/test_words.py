"""Every kind of error that pydantic knows has words of our own."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import BaseModel, Field
from pydantic_core import ErrorDetails, core_schema
from tests.config.sample_config import from_text

from spillway.config.check import check_model, render_problems
from spillway.config.fields import Duration, Model, format_duration, parse_duration, parse_time, split_address
from spillway.config.suggest import did_you_mean, listing, suggestion
from spillway.config.words import explain
from spillway.errors import Problem

KINDS = get_args(core_schema.ErrorType)


class Colour(Enum):
    """A choice."""

    RED = "red"


class Square(Model):
    """A shape."""

    kind: Literal["square"]
    side: float


class Surge(Model):
    """Another, with a key that Python reserves."""

    kind: Literal["surge"]
    lasts: Duration = Field(alias="for")


class Zoo(Model):
    """One field of each kind."""

    count: int = 1
    """How many there are."""
    weight: Annotated[float, Field(gt=0, lt=5)] = 1.0
    steps: Annotated[int, Field(multiple_of=5)] = 5
    name: Annotated[str, Field(min_length=2, max_length=4)] = "ok"
    open: bool = True
    colour: Colour = Colour.RED
    tags: Annotated[tuple[str, ...], Field(max_length=2)] = ()
    sizes: dict[str, int] = Field(default_factory=dict)
    shape: Annotated[Square | Surge, Field(discriminator="kind")] | None = None
    pattern: Annotated[str, Field(pattern="^a+$")] = "a"


def test_there_are_kinds() -> None:
    assert len(KINDS) > 80


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_sentence_and_a_remedy(kind: str) -> None:
    error = ErrorDetails(
        type=kind,
        loc=("count",),
        msg="Input should be something",
        input="x",
        ctx={"gt": 1, "ge": 1, "lt": 1, "le": 1, "multiple_of": 1},
    )
    message, remedy = explain(error, model=Zoo, at=("count",), around={"count": "x"})
    assert message.endswith((".", "?"))
    assert remedy.endswith((".", "?"))
    assert "Input should" not in message or kind in {"value_error", "assertion_error"}


@pytest.mark.parametrize(
    ("text", "path", "message", "remedy"),
    [
        ("count: 1.0", "count", "1.0 is not a whole number", "Write 1. How many there are."),
        ("count: '007'", "count", "'007' is not a whole number", "Write 7 without quotes"),
        ("count: 1_000", "count", "underscores", "Write 1000"),
        ("count: true", "count", "true is not a whole number", "Write a whole number"),
        ("count: [1]", "count", "a list is not a whole number", "Write a whole number"),
        ("weight: 0", "weight", "must be more than 0", "more than 0"),
        ("weight: 5", "weight", "must be less than 5", "less than 5"),
        ("weight: x", "weight", "'x' is not a number", "Write a number"),
        ("weight: .nan", "weight", "'.nan' is not a number", "Write a number"),
        ("steps: 7", "steps", "multiple of 5", "multiple of 5"),
        ("name: a", "name", "at least 2 characters", "at least 2"),
        ("name: abcdef", "name", "at most 4 characters", "at most 4"),
        ("name: ''", "name", "it is empty", "Write a text"),
        ("name: {a: 1}", "name", "a section stands where a text", "Write a text"),
        ("open: 1", "open", "1 is neither true nor false", "Write true"),
        ("open: 'off'", "open", "neither true nor false", "Write false"),
        ("colour: rad", "colour", "none of red", "Did you mean red?"),
        ("tags: [a, b, c]", "tags", "at most 2 entries", "at most 2"),
        ("tags: abc", "tags", "a list is wanted", "such as [abc]"),
        ("tags: '*'", "tags", "'*' stands where a list is wanted", 'such as ["*"]'),
        ("tags: 5", "tags", "5 stands where a list is wanted", "such as [5]"),
        ("tags: {a: 1}", "tags", "a list is wanted", "[a, b]"),
        ("tags: [a, 5]", "tags[1]", "5 is not a text", '"5"'),
        ("sizes: [1]", "sizes", "section with keys", "indented"),
        ("sizes: {a: x}", "sizes.a", "not a whole number", "Write a whole number"),
        ("shape: {kind: sqare, side: 1}", "shape.kind", "'sqare' is none of square, surge", "Did you mean square?"),
        ("shape: {side: 1}", "shape.kind", "it says what this is", "Add it"),
        ("shape: {kind: square}", "shape.side", "`side` is missing", "Add it"),
        ("shape: {kind: square, side: 1, sid: 2}", "shape.sid", "no key `sid`", "Did you mean side?"),
        ("shape: {kind: surge, for: 5}", "shape.for", "has no unit", "5s"),
        ("shape: {kind: surge}", "shape.for", "`for` is missing", "Add it"),
        ("shape: {kind: surge, fro: 5s}", "shape.fro", "no key `fro`", "Did you mean for?"),
        ("pattern: b", "pattern", "does not fit here", "Write another value"),
        ("zzz: 1", "zzz", "no key `zzz`", "There are: colour, count"),
    ],
)  # fmt: skip
def test_words(text: str, path: str, message: str, remedy: str) -> None:
    instance, problems = check_model(Zoo, from_text(text))
    assert instance is None
    found = [p for p in problems if p.path == path]
    assert len(found) == 1, problems
    assert message in found[0].message, found
    assert remedy in found[0].remedy, found


def test_a_sound_document_becomes_its_model() -> None:
    instance, problems = check_model(Zoo, from_text("shape: {kind: surge, for: 90s}\ntags: [a]\ncolour: red"))
    assert problems == ()
    assert instance is not None
    assert isinstance(instance.shape, Surge)
    assert instance.shape.lasts == 90.0
    assert instance.tags == ("a",)


def test_mistakes_of_the_text_come_with_those_of_the_model() -> None:
    instance, problems = check_model(Zoo, from_text("count: x\nweight: 1\nweight: 2"))
    assert instance is None
    assert [(p.line, p.path) for p in problems] == [(1, "count"), (3, "weight")]
    instance, problems = check_model(Zoo, from_text("weight: 1\nweight: 2"))
    assert instance is None
    assert len(problems) == 1


def test_a_root_that_is_wrong_has_a_place() -> None:
    class Root(BaseModel):
        key: int

    _, problems = check_model(Root, from_text("other: 1"))
    assert problems[0].path == "key"
    assert problems[0].line == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("90s", 90.0),
        ("1.5m", 90.0),
        ("3h", 10800.0),
        ("2d", 172800.0),
        (" 5 s ", 5.0),
        ("0s", 0.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value", ["5", "s", "-5s", "5 minutes", "30m1h", "1h1h", "1h 30", True, None, [], "1e3s", "\u0663s"]
)
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (60, "60s"),
        (90, "90s"),
        (380, "380s"),
        (480, "8m"),
        (3600, "1h"),
        (86400, "1d"),
        (0, "0s"),
        (0.25, "250ms"),
        (1.5, "1.5s"),
    ],
)
def test_durations_are_written_as_they_are_read(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
    assert parse_duration(text) == seconds


def test_times() -> None:
    assert parse_time("1970-01-02T00:00:00Z") == 86400.0
    assert parse_time("1970-01-02T02:00:00+02:00") == 86400.0
    for wrong in ("tomorrow", 5, "1970-01-02"):
        with pytest.raises(ValueError, match="time"):
            parse_time(wrong)


def test_addresses() -> None:
    assert split_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert split_address("[::1]:80") == ("::1", 80)
    assert split_address(":80") == ("", 80)
    for wrong in ("::1:80", "host", "host:", "host:x", "host:70000"):
        with pytest.raises(ValueError, match="not an address"):
            split_address(wrong)


def test_suggestions() -> None:
    assert suggestion("maxRatePerEndpoint", ["max_rate", "max_rate_per_endpoint"]) == "max_rate_per_endpoint"
    assert suggestion("act-ing", ["acting"]) == "acting"
    assert suggestion("http", ["HTTP", "HTTPS"]) == "HTTP"
    assert suggestion("xyz", ["abc"]) is None
    assert did_you_mean("xyz", [], "Add it.") == "Add it."
    assert did_you_mean("xyz", ["a"], "Add it.") == "Add it. There is: a."
    assert "and 3 more" in did_you_mean("xyz", [f"n{i:02}" for i in range(15)], "Add it.")
    assert [listing(["a", "b", "c"][:n]) for n in range(4)] == ["none", "a", "a and b", "a, b and c"]


def test_problems_are_nice_to_read() -> None:
    second = Problem(file="b.yaml", line=0, path="(whole file)", message="it is empty.", remedy="")
    first = Problem(file="a.yaml", line=12, path="x.y", message="5 has no unit.", remedy="write 5s.")
    text = render_problems([second, first, first])
    assert text == (
        "a.yaml:12  x.y\n    5 has no unit.\n    -> Write 5s.\n\n"
        "b.yaml  (whole file)\n    It is empty.\n\n"
        "2 problems in 2 files"
    )
    assert render_problems([]) == "no problems"
    assert render_problems([first], noun="warning").endswith("1 warning in 1 file")

"""JSON of somebody else: parsed within bounds, and each field of another type said in words."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillway.adapters import answers
from spillway.adapters.answers import ShapeError, number, objects, parse, part, text, texts, truth


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<html>502 Bad Gateway</html>", "no JSON: '<html>502"),
        (b'{"items": [', "no JSON"),
        (b"[]", "a list, not a JSON object"),
        (b"null", "null, not a JSON object"),
        (b"7", "a number, not"),
        (b'"x"', "a text, not"),
        (b'{"name": "\xff"}', "no UTF-8"),
        (b'{"a": 1, "a": 2}', "a key twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": ' + b"9" * 5000 + b"}", "no JSON"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested deeper"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper"),
        (b'{"a": [' + b"[]," * 600_000 + b"0]}", "more than 1,000,000 values"),
    ],
)
def test_what_is_no_object_is_said_in_words(body: bytes, said: str) -> None:
    with pytest.raises(ShapeError, match=said):
        parse(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_have_a_reason(body: bytes) -> None:
    try:
        said = str(len(parse(body)))
    except ShapeError as error:
        said = str(error)
    assert 0 < len(said) < 500


def test_many_values_are_refused_before_they_take_room() -> None:
    body = b"[" * 16_000_000
    tracemalloc.start()
    try:
        with pytest.raises(ShapeError):
            parse(body)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_what_is_left_out_has_its_default() -> None:
    assert objects({}, "items") == []
    assert texts({}, "permissions") == []
    assert part({}, "drain") == {}
    assert text({}, "policy", "") == ""
    assert number({}, "scaler", 1.0, most=1.0) == 1.0
    assert truth({}, "enable", default=False) is False


@pytest.mark.parametrize(
    ("read", "value", "said"),
    [
        (lambda w: objects(w, "x"), None, "x is null, not a list"),
        (lambda w: objects(w, "x"), "abc", "x is a text, not a list"),
        (lambda w: objects(w, "x"), {"a": {}}, "x is an object, not a list"),
        (lambda w: objects(w, "x"), [{}, "a"], "x holds a text where an object belongs"),
        (lambda w: texts(w, "x"), [1], "x holds a number where a text belongs"),
        (lambda w: part(w, "x"), [], "x is a list, not an object"),
        (lambda w: text(w, "x"), None, "x is null, not a text"),
        (lambda w: text(w, "x"), 7, "x is a number, not a text"),
        (lambda w: text(w, "x"), "", "x is empty"),
        (lambda w: text(w, "y"), "", "y is left out"),
        (lambda w: text(w, "x", ""), "x" * 5000, "longer than 4096 characters"),
        (lambda w: number(w, "x", 0, most=1), "0.5", "x is a text, not a number"),
        (lambda w: number(w, "x", 0, most=1), True, "x is a truth value, not a number"),
        (lambda w: number(w, "x", 0, most=1), None, "x is null"),
        (lambda w: number(w, "x", 0, most=1), -0.1, "x is not from 0 to 1"),
        (lambda w: number(w, "x", 0, most=1), 1.5, "x is not from 0 to 1"),
        (lambda w: number(w, "x", 0, most=1), 10**400, "x is not from 0 to 1"),
        (lambda w: number(w, "x", 0, most=float("inf")), float("inf"), "x is not from"),
        (lambda w: number(w, "x", 0, most=1), float("nan"), "x is not from"),
        (lambda w: truth(w, "x", default=True), "false", "x is a text, not true or false"),
        (lambda w: truth(w, "x", default=True), 0, "x is a number, not true or false"),
    ],
)
def test_a_field_of_another_type_is_said_in_words(read: Any, value: object, said: str) -> None:
    with pytest.raises(ShapeError, match=said):
        read({"x": value})


def test_a_page_as_google_sends_it_is_far_from_the_bounds() -> None:
    backend = {"group": "u" * 120, "capacityScaler": 1.0, "balancingMode": "RATE", "maxRatePerEndpoint": 1.0}
    service = {"name": "s", "backends": [backend] * 50, **{f"field{i}": [i] for i in range(40)}}
    body = json.dumps({"items": [service] * 500}).encode()
    assert len(objects(parse(body), "items")) == 500
    assert body.count(b",") + body.count(b"[") + body.count(b"{") < answers._VALUES_MAX / 2

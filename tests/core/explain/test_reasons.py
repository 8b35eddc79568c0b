"""The table of reasons."""

from __future__ import annotations

import re
import string

import pytest

from spillway.core.explain import reasons
from spillway.core.values.decision import span


def test_every_reason_has_its_own_code_and_can_be_told() -> None:
    rows = reasons.table()
    assert len({r.code for r in rows}) == len(rows)
    for row in rows:
        names = [name for _, name, _, _ in string.Formatter().parse(row.sentence) if name]
        numbers = dict.fromkeys(names, 0.5)
        assert reasons.reason(row.code, **numbers).sentence
        assert row.meaning


def test_a_reason_without_its_numbers_is_refused() -> None:
    with pytest.raises(KeyError):
        reasons.reason("shortage", demand=3.0)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, "0 s"), (59.6, "60 s"), (599.0, "599 s"), (600.0, "10 min"), (3599.0, "59 min"), (3600.0, "1 h"),
        (8806.0, "2 h 26 min"), (172_799.0, "47 h 59 min"), (172_800.0, "2 d"), (277_200.0, "3 d 5 h"),
    ],
)  # fmt: skip
def test_times_are_told_as_people_say_them(seconds: float, told: str) -> None:
    assert span(seconds) == told
    assert f"for {told} more" in reasons.ending(seconds, 0.0)


def test_there_is_one_word_for_the_unit_of_rates() -> None:
    for template in reasons.table():
        assert not re.search(
            r"\b(?:req/s|requests per second|rps)\b", template.sentence + template.meaning
        ), template.code
        assert not re.search(r":\.0f\} s\b", template.sentence), (
            f"{template.code}: write a time as {{name:span}}"
        )

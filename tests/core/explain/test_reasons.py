"""The table of reasons."""

from __future__ import annotations

import string

import pytest

from spillway.core.explain import reasons


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

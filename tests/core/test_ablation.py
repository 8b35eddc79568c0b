"""The parts that the ablation takes away are parts that the core has."""

from __future__ import annotations

from importlib import import_module

import pytest
from tests.bench.ablation import PARTS, Part, core_modules, without


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_is_taken_away_wherever_it_is_used_and_put_back(part: Part) -> None:
    for path, value in part.constants:
        module, name = path.rsplit(".", 1)
        known = getattr(import_module(f"spillway.core.{module}"), name)
        users = [m for m in core_modules() if getattr(m, name, None) is known]
        with without(part):
            assert {getattr(m, name) for m in users} == {value}
        assert all(getattr(m, name) is known for m in users)

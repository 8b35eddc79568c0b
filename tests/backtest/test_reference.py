"""`docs/scenarios.md` lists the whole vocabulary, and its example is a scenario that runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from spillway.sim.backtest.jobs import Job, contenders, perform
from spillway.sim.scenario import Scenario
from spillway.sim.scenario_file import load_setup

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scenarios.md"


def words(schema: Any) -> set[str]:
    """Every key, and every constant such as a kind or a shape, that a scenario file may hold."""
    found: set[str] = set()
    if isinstance(schema, dict):
        found |= set(schema.get("properties", {}))
        found |= {value for value in (schema.get("const"), *schema.get("enum", ())) if isinstance(value, str)}
        for value in schema.values():
            found |= words(value)
    elif isinstance(schema, list):
        for value in schema:
            found |= words(value)
    return found


def test_every_word_of_the_vocabulary_is_on_the_page() -> None:
    model: type[BaseModel] = Scenario
    vocabulary = words(model.model_json_schema(by_alias=True))
    assert {"clock-step", "retries", "backoff", "for", "metrics-garbage", "surge"} <= vocabulary
    text = re.sub(r"```.*?```", "", PAGE.read_text(), flags=re.DOTALL)
    marked = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`([^`]+)`", text))))
    assert vocabulary - marked == set()


def test_the_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    file = tmp_path / "two-troubles-in-europe.yaml"
    file.write_text(example)
    setup = load_setup(file)
    assert len(setup.faults) == 4
    (who,) = contenders((), ["google"], oracles=False)
    result = perform(Job(setup=setup, seed=7, contender=who)).result
    assert result.report.retries > 0
    assert result.report.answered == pytest.approx(
        result.report.requests - result.report.failed - result.report.waiting
    )

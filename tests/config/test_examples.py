"""The examples are sound and complete, and the reference page and the schema say what the code does."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from spillway.config.anatomy import alternatives, describe, is_model, item_of, keys_of
from spillway.config.document import render, schema
from spillway.config.features import FEATURES, Feature
from spillway.config.load import fleet, load
from spillway.config.model import Config
from spillway.config.source import read

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = ROOT / "config/spillway.yaml"
REFERENCE = ROOT / "config/reference.yaml"
DEMO = ROOT / "config/demo.yaml"


def models(model: type[BaseModel] = Config) -> dict[str, type[BaseModel]]:
    """All sections, by class name."""
    found: dict[str, type[BaseModel]] = {}
    todo: list[Any] = [model]
    while todo:
        for candidate in alternatives(todo.pop()):
            if is_model(candidate) and candidate.__name__ not in found:
                found[candidate.__name__] = candidate
                todo.extend(info.annotation for info in candidate.model_fields.values())
            elif (item := item_of(candidate)) is not None:
                todo.append(item)
    return found


@pytest.mark.parametrize("file", [PRODUCTION, REFERENCE], ids=["production", "reference"])
def test_an_example_is_sound_and_writes_nothing(file: Path) -> None:
    loaded = load(file)
    assert loaded.warnings == ()
    assert loaded.config.cloud == "gcp"
    assert {p.mode for p in loaded.config.policies.values()} == {"observe"}


def test_the_production_example_is_read_in_two_minutes() -> None:
    assert len(PRODUCTION.read_text(encoding="utf-8").split()) <= 400, "at 200 words a minute"


@pytest.mark.parametrize("model", models().values(), ids=models().keys())
def test_the_reference_has_every_key(model: type[BaseModel]) -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    missing = [key for key in keys_of(model) if not re.search(rf"(^|[\s{{#(]){key}:", text, re.MULTILINE)]
    assert missing == []


def test_the_reference_comments_every_line_with_a_value() -> None:
    """Each key is explained where it is first used; later uses of the same key need no second comment."""
    seen: set[str] = set()
    before = ""
    for number, line in enumerate(REFERENCE.read_text(encoding="utf-8").splitlines(), 1):
        match = re.match(r"\s*-?\s*([a-z_]+):\s+[^\s#{&\[|]", line)
        if match and match[1] not in seen:
            assert "#" in line or before.lstrip().startswith("#"), f"line {number}: {line}"
        before = line
        if match:
            seen.add(match[1])


def test_the_defaults_of_the_reference_are_the_defaults() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    written = load(REFERENCE).config
    assert "are the defaults" in text
    assert written.policies["default"] == type(written.policies["default"])()
    assert written.daemon == type(written.daemon)()


def test_the_demo_is_sound() -> None:
    loaded = load(DEMO)
    assert loaded.config.cloud == "sandbox"
    assert loaded.config.policies["default"].mode == "act"
    assert loaded.warnings == ()
    assert {"pool", "europe"} == {s.name for s in fleet(loaded.config).services}


def test_the_demo_tells_google_what_its_scenario_says() -> None:
    config = load(DEMO).config
    assert config.sandbox is not None
    world = read(Path(config.sandbox.scenario)).data["regions"]
    assert set(world) == set(config.topology.regions)
    pool = fleet(config).service("pool")
    for name, region in world.items():
        backend = pool.backend(name)
        assert backend.target.rate(region["endpoints"], len(backend.groups)) == region["target_rps"], name
        assert backend.standby == region.get("standby", False), name
        assert len(backend.groups) == region.get("zones", 1), name
        assert backend.cost == region["cost"], name


def test_every_field_says_what_it_means() -> None:
    silent = [
        f"{name}.{key}"
        for name, model in models().items()
        for key, info in keys_of(model).items()
        if not describe(info)
    ]
    assert silent == []


def test_the_reference_page_is_fresh() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert page == render(), "run `spillway docs docs/`"


def test_the_reference_page_has_every_key() -> None:
    page = render()
    assert [key for model in models().values() for key in keys_of(model) if f"| `{key}` |" not in page] == []
    anchors = {
        "#" + "".join(c for c in line[3:].lower() if c.isalnum() or c in "-_")
        for line in page.splitlines()
        if line.startswith("## ")
    }
    assert set(re.findall(r"\]\((#[^)]*)\)", page)) <= anchors


@pytest.mark.parametrize("path", [PRODUCTION, DEMO], ids=["production", "demo"])
def test_the_schema_accepts_the_examples(path: Path) -> None:
    made = schema()
    jsonschema.Draft202012Validator.check_schema(made)
    jsonschema.validate(read(path).data, made)


def test_the_schema_refuses_what_is_wrong() -> None:
    validator = jsonschema.Draft202012Validator(schema())
    data = read(PRODUCTION).data
    for path, value in (
        (("daemon", "tick"), 60),
        (("topology", "frontends", "http", "port"), "80-443"),
        (("topology", "regions", "us-east4", "scaler"), 0.05),
        (("topology", "unknown"), 1),
    ):
        wrong = json.loads(json.dumps(data))
        node = wrong
        for part in path[:-1]:
            node = node[part]
        node[path[-1]] = value
        assert not validator.is_valid(wrong), path
    assert validator.is_valid({**data, "x-anchors": {"a": 1}})


def test_the_schema_shows_durations_as_people_write_them() -> None:
    made = schema()
    tick = made["$defs"]["DaemonConfig"]["properties"]["tick"]
    assert (tick["type"], tick["default"]) == ("string", "60s")
    assert "Time between passes" in tick["description"]


def same(ours: Any, theirs: Any) -> bool:
    """Tell if two readers see the same; times are text for us and objects for PyYAML."""
    if isinstance(theirs, datetime):
        return isinstance(ours, str) and datetime.fromisoformat(ours) == theirs
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)


def test_the_examples_are_yaml_for_everybody() -> None:
    """PyYAML reads YAML 1.1, and we read plain words as in 1.2: in the examples both see the same."""
    for path in (PRODUCTION, DEMO):
        assert same(read(path).data, yaml.safe_load(path.read_text(encoding="utf-8")))


def _path_is_known(path: str) -> bool:
    """Whether a path of the table of features leads through the models."""
    found: list[Any] = [Config]
    for part in path.replace("[]", ".[]").split("."):
        following: list[Any] = []
        for candidate in found:
            if part in {"[]", "NAME"}:
                following += [item] if (item := item_of(candidate)) is not None else []
            elif is_model(candidate) and part in keys_of(candidate):
                following.append(keys_of(candidate)[part].annotation)
        found = [inner for one in following for inner in alternatives(one)]
    return bool(found)


@pytest.mark.parametrize("feature", FEATURES, ids=[feature.name for feature in FEATURES])
def test_the_table_of_features_names_keys_that_exist(feature: Feature) -> None:
    assert feature.keys or feature.note
    assert [key for key in feature.keys if not _path_is_known(key)] == []
    assert not _path_is_known("topology.services.NAME.nosuch")

"""Trims the published schemas of the Kubernetes API to the objects that config/kubernetes uses, into kubernetes_fields.json.

    pip install --no-deps --target FOLDER kubernetes-validate
    python -m tests.packaging.kubernetes_fields FOLDER

The package has the schemas of every object in ten versions, 22 MB. Of each object that a manifest reaches the file keeps
all names of fields with their types, so that a misspelt field or a wrong type is found without the package.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MANIFESTS = Path(__file__).resolve().parents[2] / "config" / "kubernetes"
FILE = Path(__file__).with_suffix(".json")
VERSION = "v1.37.0"
KINDS = {
    "ConfigMap": "configmap-v1",
    "Deployment": "deployment-apps-v1",
    "NetworkPolicy": "networkpolicy-networking-v1",
    "PersistentVolumeClaim": "persistentvolumeclaim-v1",
    "Service": "service-v1",
    "ServiceAccount": "serviceaccount-v1",
}
"""Kinds of the API itself by the name of their schema; PodMonitoring is Google's own and has none there."""
_COMMENTED = re.compile(r"(?m)^( +)# (  +(?:- |secret:))")
_KEPT = ("type", "enum", "oneOf", "format")


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and content of each object in config/kubernetes, and of the Deployment with its key file."""
    for path in sorted(MANIFESTS.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield path.name, document
    yield "deployment.yaml with a key file", with_key_file()


def with_key_file() -> dict[str, Any]:
    """The Deployment with the lines that stand there as comments, for those without workload identity."""
    text = (MANIFESTS / "deployment.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(_COMMENTED.sub(r"\1\2", text))
    return document


def trimmed(folder: Path) -> dict[str, Any]:
    """The schemas of KINDS and of what the manifests reach from them, by name, without words for people."""
    schemas = folder / "kubernetes_validate" / "kubernetes-json-schema" / f"{VERSION}-local-strict"
    published: dict[str, Any] = json.loads((schemas / "_definitions.json").read_text())["$defs"]
    for kind, name in KINDS.items():
        published[kind] = json.loads((schemas / f"{name}.json").read_text())
    reached: set[str] = set()
    for _, document in documents():
        if document["kind"] in KINDS:
            _reach(published, document["kind"], document, reached)
    kept = {name: _schema(published, published[name], reached, whole=True) for name in sorted(reached)}
    return {"version": VERSION, "$defs": kept}


def _reach(published: dict[str, Any], name: str, value: object, reached: set[str]) -> None:
    """Note definition `name` and those that the fields of `value` lead to."""
    reached.add(name)
    if isinstance(value, dict):
        for key, below in value.items():
            part = published[name].get("properties", {}).get(key, {})
            _reach_part(published, part, below, reached)


def _reach_part(published: dict[str, Any], part: dict[str, Any], value: object, reached: set[str]) -> None:
    if "$ref" in part:
        _reach(published, _target(part), value, reached)
    elif isinstance(value, list) and isinstance(part.get("items"), dict):
        for each in value:
            _reach_part(published, part["items"], each, reached)
    elif isinstance(value, dict) and isinstance(part.get("additionalProperties"), dict):
        for each in value.values():
            _reach_part(published, part["additionalProperties"], each, reached)


def _target(part: dict[str, Any]) -> str:
    return str(part["$ref"]).rpartition("/")[2]


def _schema(
    published: dict[str, Any], part: dict[str, Any], reached: set[str], *, whole: bool
) -> dict[str, Any]:
    """One schema; what no manifest reaches is cut down to its type."""
    if "$ref" in part:
        name = _target(part)
        if name in reached:
            return {"$ref": f"#/$defs/{name}"}
        return {key: value for key, value in published[name].items() if key in {"type", "oneOf"}}
    kept = {key: part[key] for key in _KEPT if key in part}
    if isinstance(kept.get("type"), list):
        kept["type"] = next(name for name in kept["type"] if name != "null")
    if "enum" in kept:
        kept["enum"] = [value for value in kept["enum"] if value is not None]
    if isinstance(part.get("items"), dict):
        kept["items"] = _schema(published, part["items"], reached, whole=False)
    if isinstance(part.get("additionalProperties"), dict):
        kept["additionalProperties"] = _schema(published, part["additionalProperties"], reached, whole=False)
    if whole and "properties" in part:
        kept["properties"] = {
            name: _schema(published, below, reached, whole=False)
            for name, below in part["properties"].items()
        }
        kept["required"] = part.get("required", [])
        kept["additionalProperties"] = False
    return kept


if __name__ == "__main__":
    found = trimmed(Path(sys.argv[1]))
    lines = [
        f"  {json.dumps(name)}: {json.dumps(schema, sort_keys=True)}"
        for name, schema in found["$defs"].items()
    ]
    FILE.write_text(
        f'{{"version": {json.dumps(found["version"])},\n "$defs": {{\n' + ",\n".join(lines) + "\n}}\n",
        encoding="utf-8",
    )

"""The published API schemas, from the documents inside google-api-python-client, as JSON Schema."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient
import jsonschema

_FOLDER = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
_UNSIGNED = {"uint64": (0, 2**64 - 1), "int64": (-(2**63), 2**63 - 1)}


@cache
def document(name: str) -> Any:
    """One document, such as `compute.v1`."""
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def to_json_schema(node: dict[str, Any]) -> dict[str, Any]:
    """A discovery schema as JSON Schema: closed objects, checked formats, enumerations by name."""
    if "$ref" in node:
        return {"$ref": f"#/$defs/{node['$ref']}"}
    kind = node.get("type")
    if kind == "any":
        return {}
    result: dict[str, Any] = {"type": kind}
    if kind == "array":
        result["items"] = to_json_schema(node["items"])
    if kind == "object":
        result["properties"] = {
            name: to_json_schema(child) for name, child in node.get("properties", {}).items()
        }
        more = node.get("additionalProperties")
        result["additionalProperties"] = to_json_schema(more) if more is not None else False
    if "enum" in node and "repeated" not in node:
        result["enum"] = node["enum"]
    result |= _format(node)
    return result


def _format(node: dict[str, Any]) -> dict[str, Any]:
    match node.get("format"):
        case "int32":
            return {"minimum": -(2**31), "maximum": 2**31 - 1}
        case "uint32":
            return {"minimum": 0, "maximum": 2**32 - 1}
        case "uint64":
            return {"pattern": r"^[0-9]{1,20}$"}
        case "int64":
            return {"pattern": r"^-?[0-9]{1,19}$"}
        case "byte":
            return {"pattern": r"^[A-Za-z0-9+/_-]*={0,2}$"}
        case "google-datetime":
            return {"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$"}
    return {}


def shape(path: str) -> str:
    """A path with every name replaced, so that documents and requests can be compared."""
    return re.sub(r"\{[^}]*\}", "*", path)


class Discovery:
    """Finds the method of a request in the documents, and checks answers. Remembers which methods it has seen."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()
        self._validators: dict[tuple[str, str], jsonschema.Draft202012Validator] = {}

    @staticmethod
    @cache
    def methods(name: str) -> tuple[tuple[str, str, dict[str, Any]], ...]:
        """(HTTP verb, path template, method) of a document, all resources."""
        found: list[tuple[str, str, dict[str, Any]]] = []

        def walk(node: dict[str, Any]) -> None:
            for method in node.get("methods", {}).values():
                path = method.get("flatPath", method["path"])
                found.append((method["httpMethod"], path.removeprefix("v1/"), method))
            for child in node.get("resources", {}).values():
                walk(child)

        walk(document(name))
        return tuple(found)

    def method(self, name: str, http: str, path: str) -> dict[str, Any]:
        """The published method that a request uses."""
        candidates = []
        for verb, template, method in self.methods(name):
            pattern = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
            if verb == http and re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", pattern), path):
                candidates.append((template.count("{"), template, method))
        assert candidates, f"{http} {path} is not in {name}"
        _, template, method = min(candidates, key=lambda c: (c[0], c[1]))
        self.seen.add((http, shape(template)))
        return method

    def validator(self, name: str, schema: str) -> jsonschema.Draft202012Validator:
        """Checks values of one published schema."""
        if (name, schema) not in self._validators:
            definitions = {key: to_json_schema(node) for key, node in document(name)["schemas"].items()}
            self._validators[name, schema] = jsonschema.Draft202012Validator(
                {"$ref": f"#/$defs/{schema}", "$defs": definitions}
            )
        return self._validators[name, schema]

    def check_compute(self, version: str, http: str, path: str, answer: Any) -> None:
        """The answer to a Compute request is as published."""
        self._check(f"compute.{version}", http, path, answer)

    def check_network_services(self, http: str, path: str, answer: Any) -> None:
        """The answer to a Network Services request is as published, the response inside an operation too."""
        self._check("networkservices.v1", http, path, answer)
        inner = answer.get("response", {}) if isinstance(answer, dict) else {}
        if inner.get("@type", "").endswith("ServiceLbPolicy"):
            policy = {name: value for name, value in inner.items() if name != "@type"}
            self.validator("networkservices.v1", "ServiceLbPolicy").validate(policy)

    def check_certificate_manager(self, http: str, path: str, answer: Any) -> None:
        """The answer to a Certificate Manager request is as published, the response inside an operation too."""
        name = "certificatemanager.v1"
        self._check(name, http, path, answer)
        inner = answer.get("response", {}) if isinstance(answer, dict) else {}
        kind = inner.get("@type", "").rpartition(".")[2]
        if kind not in {"", "Empty"}:
            self.validator(name, kind).validate({k: v for k, v in inner.items() if k != "@type"})

    def _check(self, name: str, http: str, path: str, answer: Any) -> None:
        method = self.method(name, http, path)
        if "response" not in method:
            assert answer == {}
            return
        self.validator(name, method["response"]["$ref"]).validate(answer)

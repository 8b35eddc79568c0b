"""Trims the published discovery documents to what Spillway deals with: `python -m tests.sandbox.trim` writes the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.sandbox.discovery import document

from spillway.published.schemas import FILE

ROOTS = {
    ("compute.v1", "compute.beta"): (
        *(
            "Address",
            "BackendBucket",
            "BackendService",
            "CacheInvalidationRule",
            "ForwardingRule",
            "HealthCheck",
            "InstanceGroup",
            "InstanceWithNamedPorts",
        ),
        *(
            "Network",
            "NetworkEndpointGroup",
            "NetworkEndpointWithHealthStatus",
            "Operation",
            "Region",
            "SecurityPolicy",
            "SslCertificate",
            "SslPolicy",
        ),
        *("Subnetwork", "TargetHttpProxy", "TargetHttpsProxy", "UrlMap", "SignedUrlKey", "Zone"),
    ),
    ("networkservices.v1",): ("ServiceLbPolicy",),
    ("certificatemanager.v1",): ("Certificate", "CertificateMap", "CertificateMapEntry", "DnsAuthorization"),
    ("networksecurity.v1",): ("ServerTlsPolicy",),
}
"""Resources by the documents that publish them; of two documents the fields of both."""
NUMBERS = {"float": "double"}
BYTES = "byte"


def trimmed() -> str:
    """The file's text: schemas by name, fields by name, without words for people."""
    schemas: dict[str, dict[str, Any]] = {}
    for names, roots in ROOTS.items():
        tables = [document(name)["schemas"] for name in names]
        for schema in sorted(_reachable(tables, roots)):
            assert schema not in schemas, f"two documents publish {schema}"
            schemas[schema] = _fields([table[schema] for table in tables if schema in table])
    revisions = {name: document(name)["revision"] for names in ROOTS for name in names}
    lines = [f"  {json.dumps(name)}: {json.dumps(schemas[name], sort_keys=True)}" for name in sorted(schemas)]
    return f'{{"revisions": {json.dumps(revisions)},\n "schemas": {{\n' + ",\n".join(lines) + "\n}}\n"


def _reachable(tables: list[dict[str, Any]], roots: tuple[str, ...]) -> set[str]:
    seen: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += [other for table in tables if name in table for other in _references(table[name])]
    return seen


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _fields(versions: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for version in versions:
        for name, node in version.get("properties", {}).items():
            field = _field(node)
            before = found.get(name, field)
            if isinstance(before, list) and isinstance(field, list):
                field = [*before, *(value for value in field if value not in before)]
            found[name] = field
    return found


def _field(node: dict[str, Any]) -> Any:
    field = _value(node)
    words = node.get("description", "").lstrip("*").strip()
    if node.get("readOnly") or words.startswith(("[Output Only]", "Output only.", "[Output only]")):
        return {"output": True, **(field if isinstance(field, dict) else {"is": field})}
    return field


def _value(node: dict[str, Any]) -> Any:
    if "$ref" in node:
        return {"ref": node["$ref"]}
    kind = node["type"]
    if kind == "array":
        return {"in": "list", "of": _value(node["items"])}
    if kind == "object" and "additionalProperties" in node:
        return {"in": "map", "of": _value(node["additionalProperties"])}
    if "enum" in node and "repeated" not in node:
        return list(node["enum"])
    form = node.get("format")
    if kind == "string" and form in {"int64", "uint64"}:
        return form
    if kind == "string" and form == BYTES:
        return "bytes"
    if kind in {"integer", "number"}:
        return NUMBERS.get(form or "double", form or "double")
    return kind


def main() -> None:
    """Write the file."""
    FILE.write_text(trimmed(), encoding="utf-8")


if __name__ == "__main__":
    main()

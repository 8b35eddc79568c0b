"""Writes the table of the provider's arguments: `python -m tests.program.arguments`."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any, get_args, get_origin

from pulumi._types import input_type_types

from spillway.adapters.program.provider_fields import arguments_of, fields_of
from spillway.adapters.program.sdk import compute, networkservices
from spillway.published.arguments import FILE

RESOURCES: dict[str, Any] = {
    **{
        f"compute.{name}": getattr(compute, name)
        for name in (
            *("BackendBucket", "BackendService", "GlobalAddress", "GlobalForwardingRule", "HealthCheck"),
            *(
                "InstanceGroup",
                "ManagedSslCertificate",
                "NetworkEndpointGroup",
                "SSLCertificate",
                "SSLPolicy",
            ),
            *("SecurityPolicy", "TargetHttpProxy", "TargetHttpsProxy", "URLMap"),
        )
    },
    "networkservices.ServiceLbPolicies": networkservices.ServiceLbPolicies,
}


def table() -> str:
    """The file's text."""
    classes: dict[str, dict[str, str]] = {}
    for name, resource in RESOURCES.items():
        _add(name, arguments_of(resource), classes)
    lines = [f"  {json.dumps(name)}: {json.dumps(classes[name], sort_keys=True)}" for name in sorted(classes)]
    head = json.dumps(version("pulumi-gcp"))
    return f'{{"pulumi_gcp": {head},\n "classes": {{\n' + ",\n".join(lines) + "\n}}\n"


def _add(name: str, arguments: type, classes: dict[str, dict[str, str]]) -> None:
    if name in classes:
        return
    types = input_type_types(arguments)
    classes[name] = {}
    for field in fields_of(arguments).values():
        if field.inside is not None:
            inner = f"{field.inside.__module__.split('.')[1]}.{field.inside.__name__}"
            classes[name][field.python] = f"[{inner}]" if field.is_list else inner
            _add(inner, field.inside, classes)
        else:
            classes[name][field.python] = _plain(types[field.name])


def _plain(annotation: Any) -> str:
    if isinstance(annotation, type):
        return annotation.__name__
    inner = next(part for part in _flat(annotation) if part in {str, int, float, bool})
    origin = str(get_origin(annotation))
    return f"{{{inner.__name__}}}" if "Mapping" in origin else f"[{inner.__name__}]"


def _flat(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation]
    return [part for inner in get_args(annotation)[-1:] for part in _flat_all(inner)]


def _flat_all(annotation: Any) -> list[Any]:
    inner = get_args(annotation)
    return [annotation] if not inner else [part for each in inner for part in _flat_all(each)]


def main() -> None:
    """Write the file."""
    FILE.write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()

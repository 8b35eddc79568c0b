"""`extra`: what the provider takes and Spillway has no key for."""

from __future__ import annotations

from typing import Any

import pytest
from tests.config.sample_config import Change
from tests.program.arguments import RESOURCES, table
from tests.program.sketch import sketch

from spillway.adapters.drift.wanted import wanted_parts
from spillway.adapters.program.build import build
from spillway.config.extra import RESERVED, SCHEMAS
from spillway.config.fleet import starting_overlay
from spillway.config.load import load
from spillway.published.arguments import FILE, arguments
from spillway.published.schemas import field_of, fields
from spillway.resources import config_file


def test_the_table_is_that_of_the_pinned_provider() -> None:
    """`python -m tests.program.arguments` writes it anew when the pin moves."""
    assert FILE.read_text(encoding="utf-8") == table()


@pytest.mark.parametrize("resource", sorted(RESERVED))
def test_what_is_reserved_exists(resource: str) -> None:
    assert set(RESERVED[resource]) <= set(arguments(resource))


SERVICE = "topology/services/pool/extra"


@pytest.mark.parametrize(
    ("extra", "at", "message", "remedy"),
    [
        (
            {"ip_adress_selection_policy": "PREFER_IPV6"},
            "ip_adress_selection_policy",
            "no argument 'ip_adress_selection_policy'",
            "ip_address_selection_policy",
        ),
        ({"ip_address_selection_policy": 1}, "ip_address_selection_policy", "must be text", "Correct"),
        (
            {"max_stream_duration": {"seconds": True}},
            "max_stream_duration.seconds",
            "must be text",
            "Correct",
        ),
        (
            {"max_stream_duration": {"second": "1"}},
            "max_stream_duration.second",
            "no key 'second'",
            "seconds",
        ),
        ({"max_stream_duration": 3}, "max_stream_duration", "is a section", "nanos, seconds"),
        ({"locality_lb_policies": {"name": "x"}}, "locality_lb_policies", "is a list", "[...]"),
        ({"compression_mode": "AUTOMATIC"}, "compression_mode", "it is `compression`", "Remove"),
        ({"circuit_breakers": {}}, "circuit_breakers", "has none", "Remove"),
        ({"timeout_sec": 3}, "timeout_sec", "it is `timeout`", "Remove"),
        ({"backends": []}, "backends", "the daemon's lever", "Remove"),
        ({"security_settings": {}}, "security_settings", "it holds a secret", "Remove"),
        ({"name": "x"}, "name", "Spillway makes the names", "Remove"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    change: Change, extra: dict[str, Any], at: str, message: str, remedy: str
) -> None:
    problem = change({SERVICE: extra}).at(f"topology.services.pool.extra.{at}")
    assert message in problem.message
    assert remedy in problem.remedy
    assert problem.line > 0


HTTPS = "topology/frontends/https"


@pytest.mark.parametrize(
    ("place", "extra", "at", "message", "remedy"),
    [
        ("topology/frontends/extra", {"port_range": "80-90"}, "port_range", "it is `port`", "Remove"),
        ("topology/frontends/extra", {"source_ip_ranges": []}, "source_ip_ranges", "passthrough", "Remove"),
        ("topology/frontends/http/extra", {"proxy_bind": True}, "proxy_bind", "service meshes", "Remove"),
        (f"{HTTPS}/extra", {"quic_override": "ENABLE"}, "quic_override", "it is `quic`", "Remove"),
        (f"{HTTPS}/extra", {"certificate_manager_certificates": []}, "certificate_manager_certificates", "internal", "Remove"),
        (f"{HTTPS}/certificates/extra", {"managed": {}}, "managed", "it is `managed`", "Remove"),
        (f"{HTTPS}/certificates/extra", {"describtion": "x"}, "describtion", "no argument", "description"),
    ],
)  # fmt: skip
def test_frontends_take_what_the_provider_does(
    change: Change, place: str, extra: dict[str, Any], at: str, message: str, remedy: str
) -> None:
    secure = {HTTPS: {"certificates": {"managed": ["api.example.com"]}}} if HTTPS in place else {}
    problem = change({**secure, place: extra}).at(f"{place.replace('/', '.')}.{at}")
    assert message in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("place", "extra", "at", "remedy"),
    [
        (SERVICE, {"ip_address_selection_policy": "PREFER_IP6"}, "ip_address_selection_policy", "PREFER_IPV6"),
        (SERVICE, {"external_managed_migration_state": "NOW"}, "external_managed_migration_state", "PREPARE, TEST_ALL_TRAFFIC"),
        ("topology/routes/0/extra", {"cache_policy": {"cache_mode": "bypass"}}, "cache_policy.cache_mode", ""),
    ],
)  # fmt: skip
def test_a_text_that_google_does_not_have_is_named(
    change: Change, place: str, extra: dict[str, Any], at: str, remedy: str
) -> None:
    problem = change({place: extra}).at(f"{place.replace('/0', '[0]').replace('/', '.')}.{at}")
    assert "Google has no" in problem.message
    assert remedy in problem.remedy


def test_every_class_has_a_published_schema() -> None:
    assert set(SCHEMAS) == set(RESERVED)
    assert all(fields(schema) for schema in SCHEMAS.values()), "a schema that is not published raises"
    cdn = field_of("BackendService", "enable_cdn")
    assert (cdn.type if cdn else None) == "boolean", "found whatever the case of its letters"


def test_regions_that_probe_are_not_for_backend_services(change: Change) -> None:
    """The provider takes `source_regions`, and Google refuses to use such a check with a backend service."""
    at = "topology/health_checks/ready/extra"
    problem = change({at: {"source_regions": ["us-east4", "us-west1", "europe-west4"]}}).at(
        "topology.health_checks.ready.extra.source_regions"
    )
    assert "no such health check for a backend service" in problem.message
    assert "Remove" in problem.remedy


def test_what_is_given_reaches_the_provider(change: Change) -> None:
    verdict = change(
        {
            SERVICE: {"description": "chat", "max_stream_duration": {"seconds": "600"}},
            "topology/health_checks/ready/extra": {"description": "probe"},
            "topology/address/extra": {"description": "front"},
            "topology/frontends/extra": {"description": "door"},
            "topology/frontends/http/extra": {"description": "plain"},
        }
    )
    assert verdict.config is not None, verdict.text
    made = sketch(verdict.config)
    service = made.of("BackendService")["spillway-pool"]
    assert service["description"] == "chat"
    assert service["maxStreamDuration"] == {"seconds": "600"}
    assert made.one("HealthCheck")["description"] == "probe"
    assert made.one("GlobalAddress")["description"] == "front"
    assert {rule["description"] for rule in made.of("GlobalForwardingRule").values()} == {"door"}
    (name,) = made.of("TargetHttpProxy")
    assert made.one("TargetHttpProxy")["description"] == "plain"
    assert name.startswith("spillway-http-"), "a proxy with another description is another one"


def test_all_that_the_program_speaks_of_is_reserved() -> None:
    """What Spillway sets itself cannot be given twice."""
    given = load(config_file("reference.yaml")).config
    parts = wanted_parts(build(given, starting_overlay(given)), parallel=2)
    seen = set()
    for part in parts:
        name = next(name for name, resource in RESOURCES.items() if resource.pulumi_type == part.token)
        if name not in RESERVED:
            continue
        seen.add(name)
        ours = {field.python for wire, field in part.fields.items() if wire not in part.ignore}
        assert ours <= set(RESERVED[name]), (part.name, ours - set(RESERVED[name]))
    assert {"compute.BackendService", "compute.HealthCheck", "compute.GlobalAddress"} <= seen

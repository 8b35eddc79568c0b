"""Names of the provider and of the API: each property has its field, and what is sent comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.bench_config import document
from tests.engine.standin_cli import engine_of

from spillway.adapters.engine.provider.convert import field_name, to_body, to_props
from spillway.adapters.program import sdk
from spillway.adapters.program.provider_fields import arguments_of, fields_of
from spillway.config.fleet import starting_overlay
from spillway.config.model import Config
from spillway.errors import PermanentError
from spillway.ports import Outcome
from spillway.published.schemas import fields
from spillway.sandbox.server import SandboxServer

OF_THE_PROVIDER = {"project", "deletionPolicy", "location"}
"""Properties that say how the provider works or where the resource is; no body has them."""
OTHERWISE_NAMED = {
    "BackendService": {
        "connectionDrainingTimeoutSec",
        "logConfig.requestHeaders",
        "logConfig.responseHeaders",
        "iap.oauth2ClientIdWo",
        "iap.oauth2ClientIdWoVersion",
        "iap.oauth2ClientSecretWo",
        "iap.oauth2ClientSecretWoVersion",
    },
    "TargetHttpsProxy": {"certificateManagerCertificates"},
    "SSLCertificate": {"namePrefix", "privateKeyWo", "privateKeyWoVersion"},
    "InstanceGroup": {"instances"},
    "SecurityPolicy": {
        f"rules.preconfiguredWafConfig.exclusions.request{part}"
        for part in ("Bodies", "Cookies", "Headers", "QueryParams", "Uris")
    },
}
"""Properties for which the rule finds no field."""
SCHEMAS = {
    "BackendService": "BackendService",
    "BackendBucket": "BackendBucket",
    "URLMap": "UrlMap",
    "HealthCheck": "HealthCheck",
    "GlobalAddress": "Address",
    "GlobalForwardingRule": "ForwardingRule",
    "TargetHttpProxy": "TargetHttpProxy",
    "TargetHttpsProxy": "TargetHttpsProxy",
    "SSLCertificate": "SslCertificate",
    "ManagedSslCertificate": "SslCertificate",
    "SSLPolicy": "SslPolicy",
    "NetworkEndpointGroup": "NetworkEndpointGroup",
    "InstanceGroup": "InstanceGroup",
    "SecurityPolicy": "SecurityPolicy",
}
"""The API's schema of each of the provider's classes."""


def without_field(schema: str, arguments: type, at: str) -> Iterator[str]:
    for name, given in fields_of(arguments).items():
        field = field_name(schema, name)
        if field is None:
            yield f"{at}{name}"
        elif given.inside is not None and fields(schema)[field].schema:
            yield from without_field(fields(schema)[field].schema, given.inside, f"{at}{name}.")


@pytest.mark.parametrize("resource", sorted(SCHEMAS))
def test_every_property_has_its_field(resource: str) -> None:
    arguments = arguments_of(getattr(sdk.compute, resource))
    found = set(without_field(SCHEMAS[resource], arguments, ""))
    assert found - OF_THE_PROVIDER == OTHERWISE_NAMED.get(resource, set())


ROUTES = {
    "defaultService": "s",
    "headerAction": {"requestHeadersToAdds": [{"headerName": "a", "headerValue": "b", "replace": False}]},
    "pathMatchers": [
        {
            "name": "m",
            "routeRules": [
                {
                    "priority": 1,
                    "matchRules": [{"prefixMatch": "/", "headerMatches": [{"headerName": "x"}]}],
                    "routeAction": {
                        "weightedBackendServices": [{"backendService": "s", "weight": 5}],
                        "timeout": {"seconds": "3"},
                    },
                }
            ],
        }
    ],
}


def test_what_is_sent_comes_back_as_it_was() -> None:
    body = to_body("UrlMap", ROUTES)
    assert body["headerAction"]["requestHeadersToAdd"][0]["headerName"] == "a"
    assert to_props("UrlMap", body, arguments_of(sdk.compute.URLMap)) == ROUTES


def test_other_names_and_64_bit_numbers() -> None:
    given = {
        "enableCdn": True,
        "cdnPolicy": {"signedUrlCacheMaxAgeSec": 7.0},
        "logConfig": {"requestHeaders": []},
    }
    renamed = {"logConfig.requestHeaders": "loggingHttpRequestHeaders"}
    body = to_body("BackendService", given, renamed)
    assert body == {
        "enableCDN": True,
        "cdnPolicy": {"signedUrlCacheMaxAgeSec": "7"},
        "logConfig": {"loggingHttpRequestHeaders": []},
    }


def test_what_cannot_be_sent_is_refused_by_name() -> None:
    with pytest.raises(PermanentError, match=r"cannot send cdnPolicy\.colour"):
        to_body("BackendService", {"cdnPolicy": {"colour": "red"}})


def test_a_property_that_no_request_carries_is_refused_by_name(
    sandbox: SandboxServer, tmp_path: Path
) -> None:
    """It would be lost in silence: `extra` takes all that the provider does."""
    raw = document(
        frontends={
            "https": {
                "certificates": {"managed": ["a.example.com"]},
                "ssl_policy": {"extra": {"custom_features": ["TLS_AES_128_GCM_SHA256"]}},
            }
        }
    )
    config = Config.model_validate(raw)
    engine = engine_of(config, tmp_path, kind="embedded", endpoint=sandbox.url)
    applied = engine.build(starting_overlay(config))
    assert applied.outcome is Outcome.FAILED
    assert "the embedded engine cannot send customFeatures" in applied.sentence

"""What is not taken over: everything that stands in the way is told at once, with the way out, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.adopt.layouts import ROOT, Builder, negs, plain

from spillway.adapters.adopt.refusals import Refusal, RefusedError
from spillway.cli.main import group
from spillway.compose.adoption import adopt
from spillway.errors import PermanentError
from spillway.exits import Exit
from spillway.sandbox.server import SandboxServer

GKE = json.dumps({"kubernetes.io/ingress-name": "default/web"})


@pytest.fixture
def base(sandbox: SandboxServer, tmp_path: Path) -> Path:
    (tmp_path / "world.yaml").write_text("")
    file = tmp_path / "base.yaml"
    file.write_text(
        f"cloud: sandbox\nproject: demo-project\ndaemon: {{state_dir: {tmp_path}/state}}\n"
        f'sandbox: {{scenario: world.yaml, role: build, http: "{sandbox.url.removeprefix("http://")}"}}\n'
    )
    return file


def refused(name: str, base: Path, writes: list[str]) -> tuple[Refusal, ...]:
    """What is told of `name`; nothing may be left behind."""
    file = base.with_name("adopted.yaml")
    writes.clear()
    with pytest.raises(RefusedError) as caught:
        adopt(name, project=None, path=file, base=base)
    assert writes == []
    assert not file.exists()
    assert not list((base.parent / "state").glob("engine/**/main.json"))
    for refusal in caught.value.refusals:
        assert refusal.sentence.endswith("."), refusal
        assert refusal.remedy.endswith("."), refusal
    return caught.value.refusals


def named(cloud: Builder, *, map_name: str = "web", **service: Any) -> str:
    """`plain` with a name of its own for the map, and settings of the service."""
    path = cloud.service("web-backend", cloud.check(), negs(), **service)
    cloud.http("web", cloud.post("urlMaps", name=map_name, defaultService=path))
    return map_name


def classic(cloud: Builder) -> str:
    service = cloud.service("old", cloud.check(), negs(), loadBalancingScheme="EXTERNAL")
    cloud.http(
        "old", cloud.post("urlMaps", name="old", defaultService=service), loadBalancingScheme="EXTERNAL"
    )
    return "old-rule"


def by_ingress(cloud: Builder) -> str:
    return named(cloud, map_name="k8s2-um-abc-default-web-xyz")


def by_gateway(cloud: Builder) -> str:
    return named(cloud, map_name="gkegw1-abc-default-web")


def by_description(cloud: Builder) -> str:
    return named(cloud, description=GKE)


def by_config_connector(cloud: Builder) -> str:
    service = cloud.service("web-backend", cloud.check(), negs())
    url_map = cloud.post("urlMaps", name="web", defaultService=service)
    cloud.label(cloud.http("web", url_map), **{"managed-by-cnrm": "true"})
    return "web"


def two_maps(cloud: Builder) -> str:
    service = cloud.service("web-backend", cloud.check(), negs())
    number = cloud.get(cloud.post("addresses", name="ip", ipVersion="IPV4"))["address"]
    cloud.http("one", cloud.post("urlMaps", name="one", defaultService=service), IPAddress=number)
    cloud.http(
        "two", cloud.post("urlMaps", name="two", defaultService=service), IPAddress=number, portRange="8080"
    )
    return "one"


def identity_proxy(cloud: Builder) -> str:
    return named(
        cloud,
        iap={"enabled": True, "oauth2ClientId": "id", "oauth2ClientSecret": "very-secret"},
        protocol="HTTPS",
    )


def uneven_zones(cloud: Builder) -> str:
    from tests.engine.conftest import PROJECT

    from spillway.sandbox.seeds import SeedGroup

    cloud.server.store.seed_groups([SeedGroup(project=PROJECT, zone="us-east4-c", name="more", endpoints=2)])
    more = {
        "group": f"{ROOT}/zones/us-east4-c/networkEndpointGroups/more",
        "balancingMode": "RATE",
        "maxRatePerEndpoint": 10,
        "capacityScaler": 0.4,
    }
    service = cloud.service("web-backend", cloud.check(), [*negs(), more])
    cloud.http("web", cloud.post("urlMaps", name="web", defaultService=service))
    return "web"


@pytest.mark.parametrize(
    ("layout", "resource", "field", "remedy"),
    [
        (classic, "forwarding rule old-rule", "loadBalancingScheme", "externalManagedMigrationState"),
        (by_ingress, "URL map k8s2-um-abc-default-web-xyz", "name", "Ingress or Gateway"),
        (by_gateway, "URL map gkegw1-abc-default-web", "name", "Ingress or Gateway"),
        (by_description, "backend service web-backend", "description", "Ingress or Gateway"),
        (by_config_connector, "forwarding rule web-rule", "labels", "deletion-policy: abandon"),
        (two_maps, "forwarding rule two-rule", "target", "an address of its own"),
        (identity_proxy, "backend service web-backend", "iap", "Remove it"),
        (
            uneven_zones,
            "backend service web-backend",
            "backends[3].capacityScaler",
            "the same capacity scaler",
        ),
    ],
)
def test_what_cannot_be_taken_over(
    layout: Callable[[Builder], str],
    resource: str,
    field: str,
    remedy: str,
    cloud: Builder,
    base: Path,
    writes: list[str],
) -> None:
    found = refused(layout(cloud), base, writes)
    matching = [r for r in found if (r.resource, r.field) == (resource, field)]
    assert matching, "\n".join(map(str, found))
    assert remedy in matching[0].remedy
    assert "very-secret" not in "\n".join(map(str, found))


def test_a_classic_one_is_told_of_services_and_rules_at_once(
    cloud: Builder, base: Path, writes: list[str]
) -> None:
    found = refused(classic(cloud), base, writes)
    assert {refusal.resource for refusal in found} == {"forwarding rule old-rule", "backend service old"}


def test_the_command_lists_what_stands_in_the_way(cloud: Builder, base: Path) -> None:
    name = by_config_connector(cloud)
    words = ["adopt", name, "--base", str(base), "-c", str(base.with_name("a.yaml"))]
    told = CliRunner().invoke(group, words, standalone_mode=False, catch_exceptions=False)
    assert told.return_value == Exit.REFUSED
    assert "forwarding rule web-rule  labels" in told.output
    assert "-> Annotate" in told.output
    told = CliRunner().invoke(group, [*words, "--json"], standalone_mode=False, catch_exceptions=False)
    document = json.loads(told.stdout)
    assert document["ok"] is False
    assert set(document["refused"][0]) == {"resource", "field", "sentence", "remedy"}


def test_a_name_that_nothing_has(base: Path) -> None:
    with pytest.raises(
        PermanentError, match="no global forwarding rule and no URL map called nobody"
    ) as caught:
        adopt("nobody", project=None, path=base.with_name("a.yaml"), base=base)
    assert "gcloud compute url-maps list" in caught.value.remedy


def test_a_file_that_is_there_stays(cloud: Builder, base: Path) -> None:
    file = base.with_name("a.yaml")
    file.write_text("mine")
    with pytest.raises(PermanentError, match="is there already"):
        adopt(plain(cloud), project=None, path=file, base=base)
    assert file.read_text() == "mine"


def test_a_stack_that_holds_something_takes_nothing_over(
    cloud: Builder, base: Path, writes: list[str]
) -> None:
    name = plain(cloud)
    adopt(name, project=None, path=base.with_name("a.yaml"), base=base)
    writes.clear()
    with pytest.raises(PermanentError, match="holds 5 resources already") as caught:
        adopt(name, project=None, path=base.with_name("b.yaml"), base=base)
    assert "daemon.engine.stack" in caught.value.remedy
    assert not base.with_name("b.yaml").exists()
    assert writes == []


def test_a_base_with_what_adopt_writes_itself(cloud: Builder, base: Path) -> None:
    base.write_text(base.read_text() + "topology: {}\n")
    with pytest.raises(PermanentError, match=r"the base .* has topology"):
        adopt(plain(cloud), project=None, path=base.with_name("a.yaml"), base=base)

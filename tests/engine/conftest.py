"""What the tests of engines share: the forms that may be installed here, and a sandbox to try them on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.engine.bench_config import REGIONS
from tests.engine.standin_cli import EngineForm
from tests.sandbox.conftest import ToyPlant

from spillway.adapters.engine.pulumi_cli.installation import find_cli, has_plugin, plugin_folder, pulumi_home
from spillway.adapters.permissions import Role, names_of
from spillway.sandbox.access import Access
from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.seeds import SeedGroup, SeedMap
from spillway.sandbox.server import SandboxServer
from spillway.sandbox.writes import Timing

CALLERS = {name: os.environ[name] for name in ("PULUMI_HOME",) if name in os.environ}
"""The caller's own, before the fixture that forgets it."""
PROJECT = "demo-project"


def installed(wanted: EngineForm, monkeypatch: pytest.MonkeyPatch) -> EngineForm:
    """`wanted`, if it is there; otherwise the test is skipped, and says what is missing."""
    for name, value in CALLERS.items():
        monkeypatch.setenv(name, value)
    if wanted != "embedded" and find_cli(pulumi_home()) is None:
        pytest.skip("SKIPPED LOUDLY: there is no `pulumi` on PATH; `spillway setup` gets it")
    if wanted == "cli+plugin" and not has_plugin(pulumi_home()):
        pytest.skip(
            f"SKIPPED LOUDLY: the gcp plugin is not in {plugin_folder(pulumi_home())}; `spillway setup` gets it"
        )
    return wanted


@pytest.fixture(
    params=[
        "embedded",
        pytest.param("cli+standin", marks=pytest.mark.engine),
        pytest.param("cli+plugin", marks=pytest.mark.engine),
    ]
)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> EngineForm:
    """Every form of engine that is installed."""
    return installed(request.param, monkeypatch)


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """A loopback cloud that has the groups of the shared configuration, and the two roles of Spillway."""
    plant = ToyPlant()
    server = SandboxServer(
        plant,
        clock=ScaledClock(speed=60.0, epoch=plant.epoch),
        timing=Timing(write_time=1.0, propagation=90.0),
        groups=[
            SeedGroup(project=PROJECT, zone=f"{region}-{zone}", name=f"api-{region}", endpoints=4)
            for region, zone in REGIONS.items()
        ],
        maps=[SeedMap(project=PROJECT, name="certs", hosts=("api.example.com",))],
        access=Access({role.value: names_of(role) for role in Role}),
    )
    with server:
        yield server

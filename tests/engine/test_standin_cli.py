"""The provider that the tests attach to a real CLI, asked over its own wire: it must work before a CLI is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc
from tests.engine.standin_cli import AttachedProvider
from tests.engine.tinycloud import TinyCloud, serving

from spillway.adapters.engine.provider.wire import plain, struct

TOKEN = "gcp:compute/healthCheck:HealthCheck"
URN = f"urn:pulumi:main::spillway::{TOKEN}::ready"
OLD: dict[str, Any] = {
    "name": "ready",
    "project": "demo-project",
    "timeoutSec": 5,
    "httpHealthCheck": {"port": 80},
}
NEW = {**OLD, "timeoutSec": 7}
ID = "projects/demo-project/global/healthChecks/ready"


@pytest.fixture
def cloud() -> Iterator[TinyCloud]:
    with serving(TinyCloud()) as served:
        yield served


@pytest.fixture
def stub(cloud: TinyCloud) -> Iterator[Any]:
    attached = AttachedProvider(cloud.url, seconds=5.0, parallel=2, role="everything")
    with grpc.insecure_channel(f"127.0.0.1:{attached.port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    attached.close()


def test_the_life_of_a_resource(stub: Any, cloud: TinyCloud) -> None:
    old, new = struct(OLD), struct(NEW)
    assert not stub.Check(provider_pb2.CheckRequest(urn=URN, news=old)).failures
    made = stub.Create(provider_pb2.CreateRequest(urn=URN, properties=old))
    assert made.id == ID
    state = {"id": ID, "urn": URN, "olds": made.properties, "old_inputs": old}
    diff = stub.Diff(provider_pb2.DiffRequest(**state, news=new))
    assert list(diff.diffs) == ["timeoutSec"]
    assert not diff.replaces
    changed = stub.Update(provider_pb2.UpdateRequest(**state, news=new))
    assert cloud.store[ID]["timeoutSec"] == 7
    read = stub.Read(provider_pb2.ReadRequest(id=ID, urn=URN, inputs=new, properties=changed.properties))
    assert plain(read.inputs)[0]["timeoutSec"] == 7
    stub.Delete(provider_pb2.DeleteRequest(id=ID, urn=URN, properties=changed.properties))
    assert cloud.store == {}
    assert not stub.Read(provider_pb2.ReadRequest(id=ID, urn=URN, inputs=new)).id

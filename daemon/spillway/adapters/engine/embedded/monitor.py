"""The engine's side of Pulumi's wire: resource monitor and engine, served on loopback to Pulumi's own runtime."""

# ruff: noqa: N802, ARG002  the names and arguments are those of Pulumi's generated base classes

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    language_pb2,
    resource_pb2,
    resource_pb2_grpc,
)

from spillway.adapters.engine.embedded.run import Declared, StoppedError
from spillway.adapters.engine.language import PROJECT, Language
from spillway.adapters.engine.provider.cloud import CloudError
from spillway.adapters.engine.provider.kinds import Props
from spillway.adapters.engine.provider.wire import plain, secret_paths, struct
from spillway.errors import SpillwayError

_SHUTDOWN = 5.0
"""Seconds that calls under way get when the servers stop."""
_LAST = 5.0
"""Seconds that the server gets to take note of that."""


class Registrar(Protocol):
    """What the program's declarations go to: an engine's run, or somebody who only takes them down."""

    errors: list[CloudError | SpillwayError]

    def urn(self, token: str, name: str) -> str:
        """The URN of a resource at the top of the stack."""
        ...

    def register(self, declared: Declared) -> tuple[str, str, Props]:
        """One declaration; its URN, id and outputs."""
        ...


class _Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """What the program declares goes to the run; what it exports is kept."""

    def __init__(self, run: Registrar) -> None:
        self._run = run
        self.outputs: Props = {}

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:
        """Secrets are the one feature that our programs need."""
        return resource_pb2.DeploymentInfo(
            project=PROJECT, supportedFeatures=[resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS]
        )

    def SupportsFeature(self, request: Any, context: Any) -> Any:
        """The same, as older runtimes ask for it."""
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id == "secrets")

    def RegisterResource(self, request: Any, context: Any) -> Any:
        """Carry out one step and answer with its outputs."""
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=self._run.urn(request.type, request.name))
        inputs, secret = plain(request.object)
        declared = Declared(
            token=request.type,
            name=request.name,
            inputs=inputs,
            dependencies=tuple(sorted(request.dependencies)),
            property_dependencies={
                name: tuple(sorted(depends.urns))
                for name, depends in sorted(request.propertyDependencies.items())
            },
            secret=tuple(sorted(secret)),
            secret_paths=tuple(sorted(secret_paths(request.object))),
            ignore=tuple(request.ignoreChanges),
            delete_before=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        )
        try:
            urn, resource_id, outputs = self._run.register(declared)
        except (StoppedError, CloudError, SpillwayError):
            # An RPC error would end the program in the middle of a dozen tasks, with as many tracebacks. A failed
            # result leaves the outputs unknown; what depends on them is told to stop as well.
            return resource_pb2.RegisterResourceResponse(
                urn=self._run.urn(request.type, request.name), result=resource_pb2.Result.FAIL
            )
        return resource_pb2.RegisterResourceResponse(
            urn=urn, id=resource_id, object=struct(outputs, secret), stable=False
        )

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        """The stack's outputs."""
        self.outputs, _ = plain(request.outputs)
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:
        """The program has ended; deletions follow after it."""
        return empty_pb2.Empty()


class _Engine(engine_pb2_grpc.EngineServicer):
    """Keeps the runtime's errors; all other chatter is dropped."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._root = ""

    def Log(self, request: Any, context: Any) -> Any:
        """One line of the runtime."""
        if request.severity == engine_pb2.ERROR:
            self.errors.append(request.message)
        return empty_pb2.Empty()

    def GetRootResource(self, request: Any, context: Any) -> Any:
        """The stack's own URN."""
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    def SetRootResource(self, request: Any, context: Any) -> Any:
        """Remember the stack's own URN."""
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()


@contextmanager
def served(run: Registrar, *, parallel: int) -> Iterator[tuple[str, Callable[[], Props]]]:
    """Serve `run` to a runtime: the address, and a way to the stack's outputs."""
    monitor, engine = _Monitor(run), _Engine()
    server = grpc.server(ThreadPoolExecutor(max_workers=parallel + 4, thread_name_prefix="spillway-engine"))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield address, lambda: monitor.outputs
    finally:
        server.stop(_SHUTDOWN).wait(_SHUTDOWN + _LAST)


def request(address: str, *, stack: str, parallel: int, dry: bool) -> language_pb2.RunRequest:
    """What an engine asks of the language runtime."""
    return language_pb2.RunRequest(
        project=PROJECT,
        stack=stack,
        organization="organization",
        monitor_address=address,
        args=[address],
        parallel=parallel,
        dryRun=dry,
    )


def evaluate(
    program: Callable[[], None], run: Registrar, *, stack: str, parallel: int, dry: bool
) -> tuple[Props, str | None]:
    """Let Pulumi's runtime evaluate the program against `run`; the stack's outputs, and an error of the program."""

    def guarded() -> None:
        try:
            program()
        except SpillwayError as error:
            run.errors.append(error)

    with served(run, parallel=parallel) as (address, outputs):
        result = Language(guarded).Run(request(address, stack=stack, parallel=parallel, dry=dry), None)
    return outputs(), result.error or None

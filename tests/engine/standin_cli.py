"""A tool of the tests: a real Pulumi CLI with the stand-in provider attached, for machines without the gcp plugin.

The provider is served on Pulumi's wire in this process; the CLI attaches to it (PULUMI_DEBUG_PROVIDERS). So all of the
CLI engine runs for real where only a `pulumi` binary is installed. The daemon has no such engine: `auto` takes the
embedded one there.
"""

# ruff: noqa: N802  the names and arguments are those of Pulumi's generated base classes

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from spillway.adapters.drift.guarded import GuardedDeployer
from spillway.adapters.engine.choose import deployer, surveyor_of
from spillway.adapters.engine.provider.cloud import Cloud, CloudError, Deadline
from spillway.adapters.engine.provider.diff import DiffKind
from spillway.adapters.engine.provider.standin import StandInProvider, kind_of
from spillway.adapters.engine.provider.wire import plain, struct
from spillway.adapters.engine.pulumi_cli.cli_engine import CliEngine
from spillway.adapters.engine.pulumi_cli.installation import find_cli, plugin_version, pulumi_home
from spillway.adapters.engine.pulumi_cli.workspace import Workspace
from spillway.adapters.program.build import build
from spillway.config.model import Config
from spillway.core.values.overlay import Overlay
from spillway.errors import SpillwayError

EngineForm = Literal["cli+plugin", "cli+standin", "embedded"]
"""The daemon's engines, and the one of this module."""

_KINDS = {
    DiffKind.ADD: (provider_pb2.PropertyDiff.ADD, provider_pb2.PropertyDiff.ADD_REPLACE),
    DiffKind.DELETE: (provider_pb2.PropertyDiff.DELETE, provider_pb2.PropertyDiff.DELETE_REPLACE),
    DiffKind.UPDATE: (provider_pb2.PropertyDiff.UPDATE, provider_pb2.PropertyDiff.UPDATE_REPLACE),
}
_STOP = 2.0
"""Seconds that calls under way get when the provider closes."""


class _Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """One method for each call of the engine; everything is done by the stand-in."""

    def __init__(self, provider: StandInProvider, version: str, seconds: float) -> None:
        self._provider = provider
        self._version = version
        self._seconds = seconds

    def Handshake(self, request: Any, context: Any) -> Any:
        """Secrets arrive wrapped; everything else is plain."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, request: Any, context: Any) -> Any:
        """An attached provider must answer this."""
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        """Steps under way have their deadline."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """The version of the plugin that this stands in for."""
        return plugin_pb2.PluginInfo(version=self._version)

    def CheckConfig(self, request: Any, context: Any) -> Any:
        """Nothing to check: the endpoint is known."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        """A provider's configuration never makes a difference."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        """For engines without Handshake."""
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:
        """Inputs are taken as they are."""
        token = _token(request.urn)
        inputs, _ = plain(request.news)
        try:
            failures = self._provider.check(token, inputs)
        except SpillwayError as error:
            failures = {"": str(error)}
        return provider_pb2.CheckResponse(
            inputs=request.news,
            failures=[
                provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in failures.items()
            ],
        )

    def Diff(self, request: Any, context: Any) -> Any:
        """What differs, and what that demands."""
        token = _token(request.urn)
        old_inputs, state, news = (
            plain(part)[0] for part in (request.old_inputs, request.olds, request.news)
        )
        verdict = self._provider.diff(token, old_inputs, state, news, tuple(request.ignoreChanges))
        if not verdict.differences:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
        taken = request.id == self._provider.resource_id(token, news)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME,
            replaces=list(verdict.replaces),
            diffs=sorted(verdict.changed),
            deleteBeforeReplace=bool(verdict.replaces) and taken,
            hasDetailedDiff=True,
            detailedDiff={
                difference.path: provider_pb2.PropertyDiff(
                    kind=_KINDS[difference.change][difference.top in verdict.replaces], inputDiff=True
                )
                for difference in verdict.differences
            },
        )

    def Create(self, request: Any, context: Any) -> Any:
        """Make it."""
        token = _token(request.urn)
        inputs, secret = plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(
                properties=struct(self._provider.planned(token, inputs), secret)
            )
        with _Aborting(context):
            resource, outputs = self._provider.create(token, inputs, self._deadline(request))
        return provider_pb2.CreateResponse(id=resource, properties=struct(outputs, secret))

    def Read(self, request: Any, context: Any) -> Any:
        """Look at it; an empty id says that it is gone."""
        token = _token(request.urn)
        inputs, secret = plain(request.inputs)
        if not inputs:
            inputs, secret = plain(request.properties)
        with _Aborting(context):
            there = self._provider.read(token, request.id, inputs, self._deadline(request))
        if there is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=request.id, inputs=struct(there[0], secret), properties=struct(there[1], secret)
        )

    def Update(self, request: Any, context: Any) -> Any:
        """Change it in place."""
        token = _token(request.urn)
        old_inputs, state = plain(request.old_inputs)[0], plain(request.olds)[0]
        news, secret = plain(request.news)
        if request.preview:
            known = {name: value for name, value in state.items() if name != "fingerprint"}
            return provider_pb2.UpdateResponse(properties=struct({**known, **news}, secret))
        with _Aborting(context):
            outputs = self._provider.update(
                token,
                request.id,
                old_inputs=old_inputs,
                state=state,
                news=news,
                deadline=self._deadline(request),
                ignore=tuple(request.ignoreChanges),
            )
        return provider_pb2.UpdateResponse(properties=struct(outputs, secret))

    def Delete(self, request: Any, context: Any) -> Any:
        """Remove it."""
        with _Aborting(context):
            self._provider.delete(request.id, self._deadline(request))
        return empty_pb2.Empty()

    def _deadline(self, request: Any) -> Deadline:
        return Deadline(request.timeout or self._seconds)


class _Aborting:
    """Turns what the cloud says into the error of the call, worded as the real provider words it."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, CloudError | SpillwayError):
            self._context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _token(urn: str) -> str:
    token = str(urn).split("::")[2].rsplit("$", 1)[-1]
    return kind_of(token).token


class AttachedProvider:
    """The provider's server; `port` is what the CLI dials."""

    def __init__(self, endpoint: str, *, seconds: float, parallel: int, role: str) -> None:
        """`endpoint` is the sandbox's root; `seconds` is the deadline of one step; `role` is who it is there."""
        self._cloud = Cloud.sandbox(endpoint, role)
        self._server = grpc.server(
            ThreadPoolExecutor(max_workers=parallel + 4, thread_name_prefix="spillway-standin")
        )
        servicer = _Servicer(StandInProvider(self._cloud), plugin_version(), seconds)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.stop(_STOP).wait()
        self._cloud.close()


class StandInCliEngine(CliEngine):
    """The CLI engine, with the stand-in provider in the plugin's place."""

    kind = "cli+standin"

    def __init__(
        self,
        config: Config,
        folder: Path,
        endpoint: str,
        program: Callable[[Overlay], Callable[[], None]] | None = None,
    ) -> None:
        """`folder` holds the engine's files; `program` makes the program of an overlay, that of `config` where none is given."""
        settings, command = config.daemon.engine, find_cli(pulumi_home())
        assert command is not None, "there is no `pulumi` on PATH"
        self._attached = AttachedProvider(
            endpoint,
            seconds=settings.deadline,
            parallel=settings.parallel,
            role=config.sandbox.role if config.sandbox is not None else "everything",
        )
        workspace = Workspace(
            executable=command,
            installed=pulumi_home(),
            config=config,
            folder=folder,
            endpoint=endpoint,
            environment={"PULUMI_DEBUG_PROVIDERS": f"gcp:{self._attached.port}"},
        )
        super().__init__(program or (lambda overlay: build(config, overlay)), workspace)

    def _free(self) -> None:
        super()._free()
        self._attached.close()


def engine_of(
    config: Config, state_dir: Path, *, kind: EngineForm, endpoint: str, decides: bool = True
) -> GuardedDeployer:
    """The engine of this kind, with its files where the daemon would have them; `decides` as for `deployer`."""
    if kind == "cli+standin":
        folder = state_dir / "engine"
        surveyor = surveyor_of(config, folder, endpoint, decides=decides, now=time.time)
        engine = StandInCliEngine(config, folder / "pulumi", endpoint, surveyor.program)
        return GuardedDeployer(engine, surveyor)
    return deployer(config, state_dir, kind=kind, endpoint=endpoint, decides=decides)

"""Runs the program against Pulumi's own mocks and gives back what it declared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, settings

from spillway.adapters.program.build import build
from spillway.config.fleet import starting_overlay
from spillway.config.model import Config
from spillway.core.values.overlay import Overlay


@dataclass
class Sketch(mocks.Mocks):
    """All resources by type and name, with their inputs; the stack's outputs."""

    resources: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Note it, and answer as the provider would."""
        inputs = dict(args.inputs)
        self.resources[args.typ.rsplit(":", 1)[-1], args.name] = inputs
        outputs = {**inputs}
        if args.typ.endswith(":GlobalAddress"):
            outputs["address"] = "2001:db8::7" if inputs.get("ipVersion") == "IPV6" else "203.0.113.7"
        if args.typ.endswith(":GlobalForwardingRule"):
            outputs["ipAddress"] = "203.0.113.9" if "/" in inputs["ipAddress"] else inputs["ipAddress"]
        return f"id/{args.typ.rsplit(':', 1)[-1]}/{args.name}", outputs

    def call(self, args: mocks.MockCallArgs) -> Any:
        """The program asks nothing of the cloud."""
        raise AssertionError(f"the program called {args.token}")

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resources of one type by name."""
        return {name: inputs for (found, name), inputs in self.resources.items() if found == kind}

    def one(self, kind: str) -> dict[str, Any]:
        """The only resource of one type."""
        (inputs,) = self.of(kind).values()
        return inputs


def sketch(config: Config, overlay: Overlay | None = None) -> Sketch:
    """What the program declares for this configuration."""
    return declared(build(config, overlay or starting_overlay(config)))


def declared(program: Callable[[], object]) -> Sketch:
    """What a program declares."""
    made = Sketch()

    def run() -> None:
        exported = pulumi.export
        try:
            pulumi.export = lambda name, value: pulumi.Output.from_input(value).apply(
                lambda known: made.outputs.__setitem__(name, known)
            )
            program()
        finally:
            pulumi.export = exported

    # The mocks make event loops, in worker threads too, and close none of them.
    loops: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def noted() -> asyncio.AbstractEventLoop:
        loops.append(make())
        return loops[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", noted)
        loop = noted()
        asyncio.set_event_loop(loop)
        try:
            mocks.set_mocks(made, project="spillway", stack="test")
            settings.ROOT.set(None)
            loop.run_until_complete(pulumi.runtime.stack.run_in_stack(run))
        finally:
            asyncio.set_event_loop(None)
            loop.run_until_complete(loop.shutdown_default_executor())
            for each in loops:
                each.close()
    return made

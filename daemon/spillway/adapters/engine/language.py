"""Pulumi's language runtime in this process: it evaluates an inline program, and cleans up even where the engine dies.

Pulumi's `LanguageServer` stops cleaning up at the first task that ended in an error: the rest stays behind, the
event loop stays open, and Python complains on standard error whenever the collector finds them. Ours takes its place.
"""

# ruff: noqa: N802  the names and arguments are those of Pulumi's generated base classes

from __future__ import annotations

import asyncio
import contextvars
import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import grpc
from pulumi import RunError, log
from pulumi.automation._server import LanguageServer
from pulumi.runtime import reset_options, run_in_stack, set_all_config
from pulumi.runtime.proto import language_pb2

PROJECT = "spillway"
"""Name of the Pulumi project, the same in `Pulumi.yaml`."""
_LOGGERS = ("asyncio", "grpc._server", "grpc._common", "grpc._plugin_wrapping")
"""Loggers that write when the engine disappears in the middle of a call."""
_DRAIN = 10.0
"""Seconds that cancelled tasks of a program get to end."""
_THREADS_EACH = 4
"""Threads of the program for each step that runs at the same time, as Pulumi has it."""


class Language(LanguageServer):
    """Runs the program that it was given, once for each call of an engine."""

    def Run(self, request: Any, context: Any) -> Any:
        """Evaluate the program against the monitor that the request names."""
        return contextvars.copy_context().run(self._run, request, context)

    def _run(self, request: Any, context: Any) -> Any:
        reset_options(
            project=request.project,
            monitor_address=request.monitor_address,
            engine_address=request.args[0] if request.args else "",
            stack=request.stack,
            parallel=request.parallel,
            preview=request.dryRun,
            organization=request.organization or "organization",
        )
        if request.config:
            set_all_config(request.config, request.configSecretKeys or None)
        loop = asyncio.new_event_loop()
        pool = ThreadPoolExecutor(max_workers=max(request.parallel, 1) * _THREADS_EACH)
        loop.set_default_executor(pool)
        try:
            return language_pb2.RunResponse(error=self._evaluate(loop, context))
        finally:
            _drain(loop)
            pool.shutdown(wait=False, cancel_futures=True)
            loop.close()

    def _evaluate(self, loop: asyncio.AbstractEventLoop, context: Any) -> str:
        """What went wrong, or an empty text."""
        main = loop.create_task(run_in_stack(self.program))

        def on_error(_loop: asyncio.AbstractEventLoop, what: dict[str, Any]) -> None:
            if isinstance(what.get("exception"), grpc.RpcError):
                main.cancel()

        loop.set_exception_handler(on_error)
        if context is not None:
            # The engine that asked may die at any moment; then nothing here may wait for its answers any more.
            context.add_callback(lambda: _cancel(loop, main))
        try:
            loop.run_until_complete(main)
        except asyncio.CancelledError:
            return "the engine has gone away"
        except RunError as error:
            log.error(str(error))
            return str(error)
        except grpc.RpcError as error:
            # An engine that is gone needs to be told nothing.
            return "" if error.code() == grpc.StatusCode.UNAVAILABLE else f"RPC error: {error.details()}"
        except Exception as error:  # noqa: BLE001 whatever the program or the runtime raises is the program's failure
            log.error(f"python inline source runtime error: {error}")
            return f"python inline source runtime error: {error}"
        return ""


def _cancel(loop: asyncio.AbstractEventLoop, main: asyncio.Task[None]) -> None:
    """From another thread; the loop may be closed by then."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(main.cancel)


def _drain(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left and take note of how it ended, so that nothing is said about it later; within a bound."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        done, _ = loop.run_until_complete(asyncio.wait(left, timeout=_DRAIN))
        for task in done:
            if not task.cancelled():
                task.exception()
    loop.run_until_complete(loop.shutdown_asyncgens())


def use_own_language_server() -> None:
    """Let the automation API use this server: it offers no other way to hand one over."""
    from pulumi.automation import _stack

    vars(_stack)["LanguageServer"] = Language


def _drop(_record: logging.LogRecord) -> bool:
    return False


@contextmanager
def quiet_pulumi() -> Iterator[None]:
    """Silence, for the time of one engine call, warnings of never awaited tasks and tracebacks of broken calls.

    Pulumi's runtime writes them when a run is killed: they are no news and no harm.
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(_drop)
    warnings.filterwarnings("ignore", message="coroutine .* was never awaited", category=RuntimeWarning)
    warnings.filterwarnings("ignore", message="Error in event stream", category=UserWarning)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_drop)

"""Keeping what Pulumi's runtime says about a killed run out of people's sight: it is no news and no harm."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("asyncio", "grpc._server", "grpc._common", "grpc._plugin_wrapping")
"""Who speaks up when the engine disappears in the middle of a call."""


def _drop(_record: logging.LogRecord) -> bool:
    return False


@contextmanager
def quiet() -> Iterator[None]:
    """Silence, for the time of one engine call, warnings of never awaited tasks and tracebacks of broken calls."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(_drop)
    warnings.filterwarnings("ignore", message="coroutine .* was never awaited", category=RuntimeWarning)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_drop)

"""Giving memory back: importing the engine's thousands of classes leaves the allocator full of holes."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Collect garbage and return free pages to the system, where the C library can (glibc's malloc_trim).

    Measured: 218 MiB before and 115 MiB after, where the provider's classes had been imported without cached bytecode.
    """
    gc.collect()
    gc.freeze()  # what has lived until now lives to the end: later collections need not look at it
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return
    trim(0)

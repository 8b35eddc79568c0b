"""Recorded arrivals turned into a rate: counted in 60 s bins, linear between the bins' centres, repeated for ever."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BIN = 60.0
"""Seconds (design.md section 7)."""


@dataclass(frozen=True, eq=False)
class Trace:
    """A periodic rate with mean 1, so that scaling a small trace does not scale its randomness."""

    bins: NDArray[np.float64]

    @property
    def period(self) -> float:
        """Seconds after which it repeats."""
        return len(self.bins) * BIN

    def rate(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Relative rate at `times`, seconds since the trace's first request."""
        centres = (np.arange(-1, len(self.bins) + 1) + 0.5) * BIN
        around = np.concatenate((self.bins[-1:], self.bins, self.bins[:1]))
        return np.interp(np.mod(times, self.period), centres, around)


def bin_arrivals(seconds: NDArray[np.float64]) -> Trace:
    """The trace of requests that arrived at `seconds`, in any order.

    Bins begin at the first request. A last bin that the recording does not fill is left out, unless it is the only
    one: half a minute of silence would be a dip that nobody measured.

    Raises:
        ValueError: no arrivals.
    """
    if seconds.size == 0:
        raise ValueError("the trace holds no requests")
    since = seconds - seconds.min()
    full = max(1, int(since.max() // BIN))
    counts = np.bincount((since // BIN).astype(np.int64))[:full].astype(np.float64)
    return Trace(counts / counts.mean())


def _seconds(text: str, *, milliseconds: bool) -> float:
    if milliseconds:
        return float(text) / 1000.0
    moment = datetime.fromisoformat(text.strip()[:26])
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read_trace(file: Path) -> Trace:
    """The trace in a CSV with one row per request; the first column is an ISO time, or ms where it is named `*_ms`.

    Raises:
        ValueError: a time cannot be read, or there are none; names file and line.
        OSError: the file cannot be read.
    """
    found: list[float] = []
    with file.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.reader(handle)
        header = next(reader, [""])
        milliseconds = header[0].strip().endswith("_ms")
        for row in reader:
            if not row:
                continue
            try:
                found.append(_seconds(row[0], milliseconds=milliseconds))
            except ValueError:
                raise ValueError(
                    f"{file.name}:{reader.line_num}: {row[0]!r} is no time; write an ISO time, or numbers under a "
                    "header that ends in _ms"
                ) from None
    try:
        return bin_arrivals(np.array(found))
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from None

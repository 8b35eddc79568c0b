"""The folder of a report: `index.html`, and a CSV of every run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spillway.errors import SpillwayError
from spillway.sim.report.csv_files import write_csv
from spillway.sim.report.page import Finished, csv_name, render


def write(folder: Path, runs: Sequence[Finished]) -> Path:
    """Write everything into `folder`, which must be there; returns the path of the page.

    Raises:
        SpillwayError: a file cannot be written.
    """
    page = folder / "index.html"
    try:
        for job, done in runs:
            if done.series is not None:
                write_csv(folder / csv_name(job), done.series)
        page.write_text(render(runs), encoding="utf-8")
    except OSError as error:
        raise SpillwayError(
            f"the report cannot be written: {error.filename}: {error.strerror}.",
            remedy="Name a folder that you may write to, on a disk with room.",
        ) from error
    return page

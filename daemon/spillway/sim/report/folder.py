"""The folder of a report: `index.html`, the figures of each scenario and seed, a CSV of every run, and the scripts.

It is read from the disk, without a server and without a network. `data/` has one file for each scenario and seed, which
is loaded when its plots come into sight: a report of a whole library opens as fast as that of one scenario.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from spillway import plotting
from spillway.errors import SpillwayError
from spillway.sim.report.csv_files import write_csv
from spillway.sim.report.figures import figures
from spillway.sim.report.page import Finished, csv_name, render, run_name, series_of

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What has been written."""

    page: Path
    files: int
    size: int
    """Bytes of all files together."""


def write(folder: Path, runs: Sequence[Finished]) -> Written:
    """Write everything into `folder`, which must be there.

    Raises:
        SpillwayError: a file cannot be written, or the plotting library is missing.
    """
    page = folder / "index.html"
    written = [page]
    try:
        (folder / "assets").mkdir(exist_ok=True)
        (folder / "data").mkdir(exist_ok=True)
        sources = (
            plotting.library(),
            plotting.FIGURE,
            plotting.STYLE,
            _HERE / "report.js",
            _HERE / "report.css",
        )
        written += [Path(shutil.copyfile(source, folder / "assets" / source.name)) for source in sources]
        for name, text in _data(runs):
            written.append(folder / "data" / f"{name}.js")
            written[-1].write_text(text, encoding="utf-8")
        for job, done in runs:
            written.append(folder / csv_name(job))
            write_csv(written[-1], series_of(done))
        page.write_text(render(runs), encoding="utf-8")
        size = sum(path.stat().st_size for path in written)
    except OSError as error:
        raise SpillwayError(
            f"the report cannot be written: {error.filename}: {error.strerror}.",
            remedy="Name a folder that you may write to, on a disk with room.",
        ) from error
    return Written(page=page, files=len(written), size=size)


def _data(runs: Sequence[Finished]) -> Iterator[tuple[str, str]]:
    """(name, script) of the figures of each scenario and seed."""

    def which(run: Finished) -> str:
        return run_name(run[0].setup, run[0].seed)

    for name, group in groupby(sorted(runs, key=which), key=which):
        jobs = list(group)
        setup = jobs[0][0].setup
        found = figures(
            [(done.result.policy, series_of(done)) for _, done in jobs],
            setup.faults,
            duration=setup.scenario.duration,
            slo=setup.scenario.slo.latency,
        )
        yield (
            name,
            f"Report.add({json.dumps(name)}, {json.dumps(found, separators=(',', ':'), allow_nan=False)});\n",
        )

"""What ten thousand adjustments on the embedded engine leave behind: memory, descriptors, threads, the state folder.

`python -m tests.bench growth --count 10000`

The cloud is a process of its own and answers at once, so nothing waits and nothing else grows here. Each adjustment is a
whole write of the daemon: intent, engine call, outcome, with journal and state on the disk.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.control.journal_files import journal_at
from tests.engine.bench_config import config, overlay

from spillway.adapters.engine.embedded.embedded_engine import EmbeddedEngine
from spillway.adapters.files import FileStore
from spillway.adapters.journal.store import Bounds
from spillway.adapters.process import release_memory
from spillway.adapters.program.build import build
from spillway.control.memory import Keeper
from spillway.control.timing import Progress
from spillway.control.writer import GOOD, Writer
from spillway.core.values.decision import Plan

JOURNAL_BYTES = 400_000
"""Size that the journal keeps here."""
_SERVE = (
    "import sys\n"
    "from tests.engine.tinycloud import TinyCloud, serving\n"
    "class Forgetful(TinyCloud):\n"
    "    def handle(self, *request):\n"
    "        self.requests.clear(); self._operations.clear(); self._prefixes.clear()\n"
    "        return super().handle(*request)\n"
    "with serving(Forgetful()) as cloud:\n"
    "    print(cloud.url, flush=True)\n"
    "    sys.stdin.read()\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much there is of everything that could grow."""

    memory_mib: float
    descriptors: int
    threads: int
    files: int
    folder_kib: float


def size(folder: Path) -> Size:
    """Of this process, and of its folder."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    files = [file for file in folder.rglob("*") if file.is_file()]
    return Size(
        memory_mib=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        threads=len(list(Path("/proc/self/task").iterdir())),
        files=len(files),
        folder_kib=sum(file.stat().st_size for file in files) / 1024,
    )


def adjust(count: int, marks: int = 5) -> list[tuple[int, Size]]:
    """Make `count` adjustments; what there was after the first tenth and then at equal distances."""
    first = max(1, count // 10)
    points = sorted({first + (count - first) * number // (marks - 1) for number in range(marks)})
    found: list[tuple[int, Size]] = []
    with (
        tempfile.TemporaryDirectory() as name,
        subprocess.Popen(
            [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        assert server.stdout is not None
        folder = Path(name)
        engine = EmbeddedEngine(
            lambda it: build(config(), it),
            endpoint=server.stdout.readline().strip(),
            folder=folder / "engine",
            stack="main",
            name="lb",
            deadline=60.0,
            parallel=4,
        )
        clock = iter(range(1_800_000_000, 2_000_000_000, 60))
        journal = journal_at(folder / "journal", Bounds(age=1e9, size=JOURNAL_BYTES))
        writer = Writer(
            journal=journal,
            keeper=Keeper(FileStore(folder / "state.json")),
            progress=Progress(time.monotonic, tick=60.0, write_limit=60.0),
            now=lambda: float(next(clock)),
        )
        writer.restore()
        built = writer.build(engine, Plan(overlay=overlay(), moves=()), float(next(clock)), "digest")
        assert built.outcome in GOOD, built.sentence
        release_memory()
        for number in range(1, count + 1):
            wanted = overlay(
                {"us-east4": 0.1 + 0.05 * (number % 17), "europe-west4": 1.0 - 0.1 * (number % 3)}
            )
            applied = writer.write(engine, Plan(overlay=wanted, moves=()), float(next(clock)))
            assert applied is not None
            assert applied.outcome in GOOD, applied.sentence
            writer.save()
            if number in points:
                journal.close()  # what its write-ahead log holds goes into the file, and the next record opens it again
                found.append((number, size(folder)))
        engine.close()
        journal.close()
        server.kill()
    return found


def main(words: list[str]) -> int:
    """Adjust, print what there is."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench growth", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args(words)
    began = time.monotonic()
    found = adjust(options.count)
    table = Table("adjustments", "memory MiB", "descriptors", "threads", "files", "folder KiB", box=None)
    for number, it in found:
        table.add_row(
            f"{number}",
            f"{it.memory_mib:.1f}",
            f"{it.descriptors}",
            f"{it.threads}",
            f"{it.files}",
            f"{it.folder_kib:.0f}",
        )
    first, last = found[0][1], found[-1][1]
    table.add_row(
        "growth",
        f"{last.memory_mib - first.memory_mib:+.1f}",
        f"{last.descriptors - first.descriptors:+d}",
        f"{last.threads - first.threads:+d}",
        f"{last.files - first.files:+d}",
        f"{last.folder_kib - first.folder_kib:+.0f}",
    )
    console = Console()
    console.print(table)
    console.print(
        f"{options.count} adjustments in {time.monotonic() - began:.0f} s; the folder is bounded by the journal's"
        f" {JOURNAL_BYTES // 1000} kB here, the engine's state and its last good copy."
    )
    return 0

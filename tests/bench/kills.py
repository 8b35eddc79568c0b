"""200 kills at random moments, by operation, signal and who is killed, and what a new daemon makes of each.

`python -m tests.bench kills --engine cli --count 200 --seed 7`

The embedded engine runs inside the daemon, so there the daemon alone can be killed. With `pulumi` on PATH the real CLI
runs with a plugin of its own, which serves the stand-in provider, and as `cli+plugin` with the real one where it is
installed.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.engine.kills import HEADINGS, WHO, Kill, Life, rows, schedule
from tests.engine.tinycloud import TinyCloud, serving

from spillway.adapters.engine.pulumi_cli.installation import find_cli, has_plugin, plugin_folder, pulumi_home


def main(words: list[str]) -> int:
    """Kill, print the table; 1 where something was not recovered."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench kills", description=__doc__)
    parser.add_argument("--engine", choices=[*WHO, "all"], default="all")
    parser.add_argument("--count", type=int, default=200, help="kills of each engine")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(words)
    console = Console()
    bad = 0
    for engine in WHO if options.engine == "all" else (options.engine,):
        cli = "" if engine == "embedded" else find_cli(pulumi_home())
        if cli is None:
            console.print(f"{engine}: not measured, there is no `pulumi` on PATH")
            continue
        real = engine == "cli+plugin"
        if real and not has_plugin(pulumi_home()):
            console.print(f"{engine}: not measured, there is no plugin in {plugin_folder(pulumi_home())}")
            continue
        chance = random.Random(options.seed)
        with (
            tempfile.TemporaryDirectory() as folder,
            serving(TinyCloud()) as cloud,
            Life(
                cloud, Path(folder) / "life", cli=cli, chance=chance, home=pulumi_home() if real else None
            ) as life,
        ):
            life.rehearse()
            kills: list[Kill] = []
            for number, turn in enumerate(schedule(engine, options.count)):
                kills.append(life.kill(*turn))
                if kills[-1].faults:
                    console.print(f"kill {number}: {kills[-1]}")
        table = Table(*HEADINGS, title=f"{engine}, seed {options.seed}", title_justify="left", box=None)
        for row in rows(kills):
            table.add_row(*row)
        console.print(table)
        bad += sum(bool(kill.faults) for kill in kills)
    return 1 if bad else 0

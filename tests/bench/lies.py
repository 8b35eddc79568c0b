"""The daemon behind a proxy that lies, over many seeds and with each lie told for an hour.

`python -m tests.bench lies --seeds 200 --first 0 --share 0.25 --minutes 30`, `python -m tests.bench lies --lasting`

A lie that is told for an hour may add capacity: so does the truth that it looks like. It may take nothing away. One that says the same
of all regions for longer than `BELIEVE_SECONDS` is believed, and moves are allowed from then on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter

from tests.bench.sheet import console
from tests.lies.judge import added, faults, moved
from tests.lies.liar import ANY_REST, HEALTH, LISTING, METRICS, POLICIES
from tests.lies.story import SPAN, Story, lied, story_of, truth

from spillway.core.explain.assessment import BELIEVE_SECONDS
from spillway.sim.backtest.runner import cores

HOUR = 3600.0
SOURCES = {
    "listing": {**LISTING, **ANY_REST},
    "policies": {**POLICIES, **ANY_REST},
    "health": {**HEALTH, **ANY_REST},
    "backend_request_count": METRICS,
    "backend_latencies": METRICS,
    "request_count": METRICS,
}
"""Lies by the source of which they are told."""
BELIEVED = frozenset({("backend_latencies", "ten times as slow")})
"""(source, lie) of those that no rule can tell from the truth once they have lasted."""


def main(words: Sequence[str]) -> int:
    """Run what the words ask for, and print what is wrong; 1 if anything is."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench lies", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--share", type=float, default=0.25, help="of looks that are lied to")
    parser.add_argument("--minutes", type=float, default=30.0, help="minutes of the world with lies")
    parser.add_argument("--lasting", action="store_true", help="tell each lie for an hour instead")
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at once")
    asked = parser.parse_args(words)
    out = console()
    began = perf_counter()
    with ProcessPoolExecutor(max_workers=asked.jobs) as pool:
        if asked.lasting:
            tasks = [pool.submit(lasting, s, kind) for s, kinds in SOURCES.items() for kind in sorted(kinds)]
        else:
            seeds = range(asked.first, asked.first + asked.seeds)
            tasks = [pool.submit(seeded, seed, asked.share, asked.minutes) for seed in seeds]
        wrong = allowed = 0
        for task in tasks:
            name, lies, found, note = task.result()
            wrong += bool(found)
            allowed += bool(note)
            if note:
                out.print(f"{name}, {lies} lies: {note}", markup=False, highlight=False, soft_wrap=True)
            for sentence in found:
                out.print(f"{name}, {lies} lies: {sentence}", markup=False, highlight=False, soft_wrap=True)
    out.print(
        f"{wrong} of {len(tasks)} runs went wrong, {allowed} moved what a true picture allows; {perf_counter() - began:.0f} s"
    )
    return 1 if wrong else 0


def seeded(seed: int, share: float, minutes: float) -> tuple[str, int, list[str], str]:
    """The name of a run with lies by a seed, the number of its lies, what is wrong with it, and what is allowed."""
    span = (SPAN[0], SPAN[0] + 60.0 * minutes)
    story = story_of(seed)
    record = lied(seed, share=share, span=span)
    return f"seed {seed} ({story})", len(record.lies), faults(record, truth(story, span)), ""


def lasting(source: str, kind: str) -> tuple[str, int, list[str], str]:
    """The same of a quiet hour in which one lie is told at every look; nothing may move but what a true picture allows."""
    record = Story("quiet", always=(source, kind), span=(SPAN[0], SPAN[0] + HOUR)).run()
    name, lies, moves = f"{source}: {kind}", len(record.lies), moved(record)
    if (source, kind) in BELIEVED:
        believed = SPAN[0] + BELIEVE_SECONDS
        early = [told for told, (when, _) in zip(moves, record.sentences, strict=True) if when < believed]
        return name, lies, early, f"{len(moves) - len(early)} moves after it was believed"
    if moves and added(record):
        return name, lies, [], f"{len(moves)} moves, which only add capacity and take that away again"
    return name, lies, moves, ""

"""Scenario files: from a path to a scenario, or to all that is wrong with it, each mistake with its file and line."""

from __future__ import annotations

from pathlib import Path

from spillway.config.check import check_model, in_order, locate, validate
from spillway.config.salvage import Salvage
from spillway.config.source import Source, read
from spillway.config.tree import Location
from spillway.errors import ConfigError, Problem
from spillway.sim.scenario import Scenario
from spillway.sim.scenario_check import check
from spillway.sim.setup import Setup, build

_REGIONS: Location = ("regions",)

_STAND_INS = {"scenario": "unnamed", "duration": "7d"}
"""What a scenario must have and may be judged without."""


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file, and the files that it names.

    Raises:
        ConfigError: with every mistake and its line.
    """
    source = read(path)
    scenario, problems = check_model(Scenario, source)
    found = [*problems]
    if scenario is not None:
        found += [source.problem(*mistake) for mistake in check(scenario, path.parent)]
    else:
        found += _in_the_rest(source, path.parent)
    if scenario is None or found:
        raise ConfigError(in_order(found))
    return scenario


def load_setup(path: Path) -> Setup:
    """A scenario file, ready to build worlds from.

    Raises:
        ConfigError: with every mistake and its line.
    """
    return build(load_scenario(path), path.parent, file=str(path))


def _in_the_rest(source: Source, base_dir: Path) -> list[Problem]:
    """What else is wrong in a file whose keys have mistakes: judged on what is sound, silent on what rests on the rest."""
    if not isinstance(source.data, dict):
        return []
    wrong = {locate(error, source.data) for error in validate(Scenario, source.data)[1]}
    stand_ins = {key: value for key, value in _STAND_INS.items() if (key,) in wrong}
    salvage = Salvage({**source.data, **stand_ins}, broken={(key,) for key in stand_ins})
    sound = salvage.part(Scenario, ())
    if sound is None or salvage.rests_on_broken((_REGIONS,)):
        return []
    written: dict[Location, list[Location]] = {
        ("clients",): [at for at, _ in salvage.items(("clients",), sound.clients)],
        ("faults",): [at for at, _ in salvage.items(("faults",), sound.faults)],
    }
    found = []
    for path, message, remedy in check(sound, base_dir):
        listed = written.get(path[:1])
        at = (*listed[int(path[1])], *path[2:]) if listed is not None and len(path) > 1 else path
        if not salvage.rests_on_broken((at,)):
            found.append(source.problem(at, message, remedy))
    return found

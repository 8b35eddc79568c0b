"""Random scenarios: legal files, the same ones for the same seeds, and as varied as they claim to be."""

from __future__ import annotations

from pathlib import Path

from tests.bench.wilderness import FAULTS, HOURS, REGIONS, save, wild
from tests.sim.random_faults import RANDOM_KINDS

from spillway.sim.scenario_file import load_setup

SEEDS = range(150)


def test_saved_files_are_the_scenarios(tmp_path: Path) -> None:
    for seed in range(20):
        loaded = load_setup(save(seed, tmp_path))
        assert loaded.scenario == wild(seed).scenario
        assert loaded.faults == wild(seed).faults


def test_every_seed_gives_a_legal_scenario_within_the_ranges() -> None:
    scenarios = [wild(seed).scenario for seed in SEEDS]
    assert {len(s.regions) for s in scenarios} == set(range(REGIONS[0], REGIONS[1] + 1))
    assert {len(s.faults) for s in scenarios} == set(range(FAULTS[0], FAULTS[1] + 1))
    assert all(HOURS[0] * 3600 <= s.duration <= HOURS[1] * 3600 for s in scenarios)
    assert {f.kind for s in scenarios for f in s.faults} == set(RANDOM_KINDS)
    assert {c.demand.shape for s in scenarios for c in s.clients} == {"steady", "daily", "step", "surge"}


def test_some_fleets_are_roomy_some_short_and_some_believe_too_much_of_themselves() -> None:
    in_use, honest = [], []
    for seed in SEEDS:
        setup = wild(seed)
        serving = [r for r in setup.scenario.regions.values() if not r.standby]
        asked = sum(
            getattr(c.demand, "rps", 0.0) or getattr(c.demand, "mean_rps", 0.0)
            for c in setup.scenario.clients
        )
        in_use.append(asked / sum(r.capacity_rps for r in serving))
        honest.append(sum(r.capacity_rps for r in serving) / sum(r.target_rps or 0.0 for r in serving))
    assert min(in_use) < 0.5
    assert 0.95 < max(in_use) < 1.01
    assert min(honest) < 0.9
    assert max(honest) > 1.2

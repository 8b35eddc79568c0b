"""`spillway backtest` in process: fields, order, equal hashes however it runs, and mistakes with their lines."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from spillway.cli.main import main
from spillway.exits import Exit

SCENARIO = """\
scenario: {name}
seed: 4
duration: 30m
regions:
  europe-west4: {{endpoints: 10, target_rps: 100, capacity_rps: 110, service_time: {{p50: 0.9s, p95: 2.2s}}}}
  us-east4: {{endpoints: 10, target_rps: 100, capacity_rps: 110, service_time: {{p50: 0.9s, p95: 2.2s}}}}
clients:
  - {{name: paris, latitude: 48.9, longitude: 2.4, demand: {{shape: steady, rps: 60, noise: 0.05}}}}
  - {{name: ohio, latitude: 40.0, longitude: -83.0, demand: {{shape: steady, rps: 50, noise: 0.05}}}}
faults:
  - {{kind: slow, region: us-east4, at: 5m, for: 15m, factor: 3}}
"""
FIELDS = [
    *("scenario", "policy", "seed", "requests", "answered", "failed", "waiting", "bad_requests"),
    *("slo_minutes_lost", "latency_ms", "writes", "reversals", "wrong_way_moves"),
    *("max_over_mean_utilization", "cost", "floors_broken", "trace_hash", "wall_seconds"),
]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two scenarios of half an hour."""
    made = []
    for name in ("one", "two"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(SCENARIO.format(name=name))
        made.append(str(path))
    return made


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["backtest", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_one_object_a_line_in_the_order_of_files_policies_and_seeds(
    capsys: pytest.CaptureFixture[str], files: list[str]
) -> None:
    chosen = ("--baseline", "static", "--baseline", "google", "--seed", "1", "--seed", "2")
    code, one, err = run(capsys, *files, *chosen, "--json", "--jobs", "1")
    assert code == Exit.OK
    assert err == ""
    found = objects(one)
    assert all(list(result) == FIELDS for result in found)
    assert all(list(result["latency_ms"]) == ["p50", "p95", "p99"] for result in found)
    assert [(r["scenario"], r["policy"], r["seed"]) for r in found] == [
        (scenario, policy, seed)
        for scenario in ("one", "two")
        for policy in ("static", "google")
        for seed in (1, 2)
    ]
    code, two, _ = run(capsys, *files, *chosen, "--json", "--jobs", "2")
    assert code == Exit.OK

    def timeless(text: str) -> list[dict[str, Any]]:
        return [{k: v for k, v in result.items() if k != "wall_seconds"} for result in objects(text)]

    assert timeless(one) == timeless(two)
    assert len({r["trace_hash"] for r in found}) > 1


def test_without_names_spillway_meets_every_opponent_that_is_no_oracle(
    capsys: pytest.CaptureFixture[str], files: list[str]
) -> None:
    from spillway.sim.baselines import BASELINES

    code, out, _ = run(capsys, files[0], "--jobs", "1")
    assert code == Exit.OK
    lines = out.splitlines()
    assert lines[0].startswith("one · ")
    assert "seed 4" in lines[0]
    rows = [line.split()[0] for line in lines[2:] if line][:-1]
    assert rows == ["spillway", *(name for name in BASELINES if not name.startswith("oracle"))]
    assert "\x1b" not in out


def test_two_scenarios_get_a_summary(capsys: pytest.CaptureFixture[str], files: list[str]) -> None:
    code, out, _ = run(capsys, *files, "--baseline", "static", "--seed", "1", "--seed", "2", "--jobs", "1")
    assert code == Exit.OK
    assert "mean of 2 seeds" in out
    assert "All 2 scenarios" in out
    assert out.splitlines()[-3].split()[-1] == "2/2"


def test_a_policy_file_steers_and_is_named_after_its_file(
    capsys: pytest.CaptureFixture[str], files: list[str], tmp_path: Path
) -> None:
    policy = tmp_path / "timid.yaml"
    policy.write_text(
        "rhythm: {down_step: 0.1}\nfreezes: [{start: 2026-01-04T00:00:00Z, end: 2026-01-06T00:00:00Z, reason: holidays}]\n"
    )
    code, out, _ = run(
        capsys, files[0], "--policy", str(policy), "--baseline", "spillway", "--json", "--jobs", "1"
    )
    assert code == Exit.OK
    timid, free = objects(out)
    assert (timid["policy"], free["policy"]) == ("timid", "spillway")
    assert timid["writes"] == 0
    assert free["writes"] > 0


def test_all_mistakes_of_all_files_have_their_lines(
    capsys: pytest.CaptureFixture[str], files: list[str], tmp_path: Path
) -> None:
    first, second, policy = Path(files[0]), Path(files[1]), tmp_path / "policy.yaml"
    first.write_text(SCENARIO.format(name="one").replace("region: us-east4, at", "region: us-east1, at"))
    text = SCENARIO.format(name="two").replace("duration: 30m", "duration: 30")
    second.write_text(text.replace("name: ohio", "name: paris").replace("factor: 3", "factr: 3"))
    policy.write_text("rhythm:\n  dwell: 60s\n  up_stepp: 1\n")
    code, out, _ = run(capsys, *files, "--policy", str(policy), "--json")
    assert code == Exit.CONFIG
    found = {(Path(p["file"]).name, p["line"], p["path"]) for p in json.loads(out)["problems"]}
    assert found == {
        ("one.yaml", 11, "faults[0].region"),
        ("two.yaml", 3, "duration"),
        ("two.yaml", 9, "clients[1].name"),
        ("two.yaml", 11, "faults[0].factr"),
        ("policy.yaml", 2, "rhythm.dwell"),
        ("policy.yaml", 3, "rhythm.up_stepp"),
    }
    assert all(p["remedy"] for p in json.loads(out)["problems"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--baseline", "stattic"), "static"),
        (("--jobs", "0"), "--jobs"),
        (("--jobs", "2", "--cluster", "tcp://127.0.0.1:1"), "--cluster"[2:]),
    ],
)
def test_wrong_arguments_are_wrong_input(
    capsys: pytest.CaptureFixture[str], files: list[str], arguments: tuple[str, ...], says: str
) -> None:
    code, out, err = run(capsys, files[0], *arguments)
    assert code == Exit.CONFIG
    assert out == ""
    assert says in err


def test_the_same_scenario_twice_is_a_mistake(capsys: pytest.CaptureFixture[str], files: list[str]) -> None:
    code, _, err = run(capsys, files[0], files[0])
    assert code == Exit.CONFIG
    assert "nother file has a scenario 'one' too" in " ".join(err.split())


def test_a_report_is_a_page_of_its_own_and_a_csv_a_run(
    capsys: pytest.CaptureFixture[str], files: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "report"
    chosen = ("--baseline", "spillway", "--baseline", "static", "--jobs", "1", "--json")
    code, out, err = run(capsys, files[0], *chosen, "--report", str(folder))
    assert code == Exit.OK
    size = sum(path.stat().st_size for path in folder.rglob("*.*"))
    assert err.strip().endswith(f"index.html (9 files, {size / 1e6:.1f} MB)")
    page = (folder / "index.html").read_text()
    assert not {mark for mark in ("http:", "https:", "@import", "url(") if mark in page}
    assert set(re.findall(r'(?:src|href)="([^"#]+)"', page)) == {
        *("assets/report.css", "assets/figure.css", "assets/figure.js", "assets/report.js"),
        *("one-spillway-seed-4.csv", "one-static-seed-4.csv"),
    }
    data = (folder / "data" / "one-seed-4.js").read_text()
    assert len(data) < 300_000
    assert not re.search(r"\b(NaN|Infinity)\b", data)
    figures = json.loads(data.removeprefix('Report.add("one-seed-4", ').removesuffix(");\n"))
    assert [policy["name"] for policy in figures["policies"]] == ["spillway", "static"]
    assert {len(line) for policy in figures["policies"] for line in policy["load"]} == {len(figures["time"])}
    assert [fault["words"] for fault in figures["faults"]] == ["us-east4 slow x3"]
    assert "us-east4 slow x3" in page
    assert "prefers-color-scheme: dark" in (folder / "assets" / "report.css").read_text()
    recorded = objects(out)
    assert recorded[0]["writes"] > 0
    assert page.count("<li><time>") == recorded[0]["writes"] + 1  # and one fault
    names = sorted(path.name for path in folder.glob("*.csv"))
    assert names == ["one-spillway-seed-4.csv", "one-static-seed-4.csv"]
    rows = (folder / names[1]).read_text().splitlines()
    assert len(rows) == 31
    assert rows[0].startswith(
        "utc,seconds,arrived_rps,bad_rps,p95_s,demand_rps[paris],demand_rps[ohio],load_rps"
    )
    assert rows[1].startswith("2026-01-05T00:01:00Z,60,")
    _, plain, _ = run(capsys, files[0], *chosen)
    assert [r["trace_hash"] for r in objects(plain)] == [r["trace_hash"] for r in recorded]


def test_a_report_that_cannot_be_written_is_told_before_the_runs(
    capsys: pytest.CaptureFixture[str], files: list[str]
) -> None:
    code, out, err = run(capsys, files[0], "--baseline", "static", "--report", f"{files[1]}/below", "--json")
    assert code == Exit.FAILED
    assert json.loads(out)["remedy"]
    assert err == ""

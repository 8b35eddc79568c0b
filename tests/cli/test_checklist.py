"""`doctor` as a checklist: every check has its line and its mark, the way out stands below what is missing, a count at the end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

import pytest
from tests.engine.bench_config import without_a_sandbox

from spillway.adapters.doctor import Finding
from spillway.cli.checklist import Cloud, checklist, count
from spillway.cli.main import main
from spillway.exits import Exit


def finding(subject: str, verdict: Literal["ok", "warn", "fail"] = "ok", remedy: str = "") -> Finding:
    return Finding(verdict=verdict, subject=subject, detail=f"of {subject}", remedy=remedy)


GOOD = [
    finding(subject)
    for subject in ("python", "pulumi", "configuration", "state folder", "listen address", "engine")
]


def lines(findings: list[Finding], cloud: Cloud | None) -> dict[str, list[tuple[str, str]]]:
    return {
        section.title: [(item.mark, item.subject) for item in section.items]
        for section in checklist(findings, cloud)
    }


def test_all_is_well() -> None:
    google = ("credentials", "compute API", "clock", "permissions (run)", "permissions (build)")
    found = checklist([*GOOD, *map(finding, google)], "gcp")
    assert [section.title for section in found] == ["This machine", "Configuration", "Google Cloud"]
    assert count(found) == "11 checks: 11 ok"


def test_what_cannot_be_looked_at_is_skipped_with_its_cause() -> None:
    found = checklist([*GOOD, finding("credentials", "fail", "log in")], "gcp")
    items = {item.subject: item for item in found[-1].items}
    assert [item.mark for item in items.values()] == ["missing", "skipped", "skipped", "skipped"]
    assert items["credentials"].remedy == "log in"
    assert "credentials" in items["permissions"].detail
    assert count(found) == "10 checks: 6 ok, 1 missing, 3 skipped"


def test_a_configuration_with_mistakes_hides_all_that_depends_on_it() -> None:
    found = lines([*GOOD[:2], finding("configuration", "fail")], None)
    assert found["Configuration"] == [
        ("missing", "configuration"),
        *(("skipped", subject) for subject in ("state folder", "listen address", "engine", "cloud")),
    ]


def test_a_sandbox_that_does_not_run_is_one_line() -> None:
    found = lines([*GOOD, finding("sandbox", "fail")], "sandbox")
    assert found["Sandbox"] == [("missing", "sandbox"), ("skipped", "permissions")]
    half = [*GOOD, finding("sandbox (REST)", "fail"), finding("sandbox (gRPC)")]
    assert lines(half, "sandbox")["Sandbox"] == [
        ("missing", "sandbox (REST)"),
        ("ok", "sandbox (gRPC)"),
        ("skipped", "permissions"),
    ]


def test_no_finding_is_lost_and_a_good_one_needs_no_remedy() -> None:
    found = checklist(
        [*GOOD, finding("new thing", "warn", "mend it"), finding("credentials", "ok", "none")], "gcp"
    )
    assert [(item.subject, item.mark, item.remedy) for item in found[-1].items] == [
        ("new thing", "warn", "mend it")
    ]
    assert next(item for item in found[2].items if item.subject == "credentials").remedy == ""
    assert "1 to look at" in count(found)


def test_the_printed_list_and_the_document_tell_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = without_a_sandbox(tmp_path)
    assert main(["doctor", "--config", str(file), "--json"]) == Exit.UNAVAILABLE
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"ok", "findings"}
    assert all(set(each) == {"verdict", "subject", "detail", "remedy"} for each in told["findings"])
    assert main(["doctor", "--config", str(file)]) == Exit.UNAVAILABLE
    out = capsys.readouterr().out.splitlines()
    mark = {"ok": "ok", "warn": "warn", "fail": "missing"}
    for each in told["findings"]:
        start = rf"  {mark[each['verdict']]} +{re.escape(each['subject'])}  +{re.escape(each['detail'])}$"
        (at,) = [number for number, line in enumerate(out) if re.match(start, line)]
        if each["verdict"] != "ok":
            assert out[at + 1].strip() == f"→ {each['remedy']}"
    assert [line for line in out if line.startswith("  skipped")]
    assert re.fullmatch(r"8 checks: \d+ ok, (\d+ to look at, )?1 missing, 1 skipped", out[-1])

"""State files of earlier versions load, and nothing that was learned is lost."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from tests.control.fakes import FakeStore

from spillway.control.memory import Keeper, Kept, dump
from spillway.control.migrate import migrate
from spillway.core.values.state import BackendMemory, Estimate

FILE = Path(__file__).parent / "files" / "state-1.json"
"""Written by the program as it was while its estimates were flat: four backends of simulated runs with saturation, flapping, a quota, an
outside edit and a move in flight."""


class OneFile:
    """A store with this content."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def load(self) -> bytes:
        return self.content

    def save(self, content: bytes) -> None:
        self.content = content

    def set_aside(self) -> str:
        raise AssertionError("the file makes sense")


def restored(content: bytes) -> Kept:
    kept, sentence = Keeper(OneFile(content)).restore()
    assert sentence.startswith("Warm start")
    return kept


def flat(estimate: Estimate) -> dict[str, Any]:
    """The estimate under the names of version 1."""
    health, latency, concurrency = estimate.health, estimate.latency, estimate.concurrency
    saturation, arrivals = estimate.saturation, estimate.arrivals
    quota, failures = estimate.quota, estimate.failures
    return {
        "last_minute": estimate.last_minute,
        "endpoints": health.endpoints,
        "healthy_share": health.share,
        "shares": [list(change) for change in health.changes],
        "share_low": health.lowest,
        "share_low_at": health.lowest_at,
        "share_drops": health.drops,
        "baseline": latency.baseline,
        "service_time": latency.service_time,
        "slots": concurrency.limit,
        "saturated_rate": saturation.rate,
        "low_rate": saturation.last_rate,
        "low_count": saturation.findings,
        "low_at": saturation.last_at,
        "doubt": saturation.undecided_rate,
        "doubt_minutes": saturation.undecided_minutes,
        "mean": latency.mean,
        "rising": latency.rising,
        "slope": latency.slope,
        "bad_minutes": failures.bad_minutes,
        "crowded": concurrency.delay,
        "crowded_minutes": concurrency.minutes,
        "waiting": saturation.waiting,
        "in_work": arrivals.in_work,
        "arrived": arrivals.rate,
        "filling": arrivals.filling,
        "slow": failures.slow,
        "errors": failures.errors,
        "refusing": quota.refused_share,
        "quota": quota.rate,
        "quota_met": quota.met_rate,
        "quota_at": quota.met_at,
        "served": estimate.served,
    }


def test_a_flat_estimate_loads_with_every_number() -> None:
    old = json.loads(FILE.read_text(encoding="utf-8"))
    (before,) = old["memory"]["services"]
    (after,) = restored(FILE.read_bytes()).memory.services
    assert len(before["backends"]) == 4
    for raw, backend, (region, estimate) in zip(
        before["backends"], after.backends, after.estimates, strict=True
    ):
        assert region == backend.region
        assert flat(estimate) == raw["estimate"]
        assert (backend.backoff, backend.backoff_at) == (raw["hold"], raw["hold_at"])
        assert (backend.pin.until if backend.pin is not None else None) == (
            raw["held_until"] if raw["held_until"] > old["saved_at"] else None
        )
        same = {f.name for f in fields(BackendMemory)} & set(raw) - {"estimate"}
        assert {name: getattr(backend, name) for name in same} == {name: raw[name] for name in same}


def test_what_the_old_file_covers_is_no_default_anywhere() -> None:
    """Each field of the estimate has a number of its own in some backend, so that none can be swapped or dropped unseen."""
    plain = flat(Estimate())
    (service,) = restored(FILE.read_bytes()).memory.services
    learned = [flat(estimate) for _, estimate in service.estimates]
    assert [name for name in plain if all(found[name] == plain[name] for found in learned)] == []


def test_renamed_fields_of_a_service_its_origins_and_flights_keep_their_values() -> None:
    (before,) = json.loads(FILE.read_text(encoding="utf-8"))["memory"]["services"]
    (after,) = restored(FILE.read_bytes()).memory.services
    assert after.slow_average == before["usual"] > 0.0
    assert [list(pair) for pair in after.expected_load] == before["ahead"] != []
    assert [o.onset for o in after.origins] == [o["leap"] for o in before["origins"]] != []
    assert [f.backoff for f in after.flights] == [f["hold"] for f in before["flights"]] == [2.0]
    assert [f.backoff for f in after.proposed] == [f["hold"] for f in before["proposed"]] != []


def test_what_was_migrated_is_kept_in_the_present_form() -> None:
    kept = restored(FILE.read_bytes())
    assert kept.version == 3
    again = dump(kept)
    assert migrate(again) is again
    assert restored(again) == kept


def test_estimates_inside_of_backends_load_as_they_were() -> None:
    """There the estimate of each backend stood inside of the backend; all else is as it is now."""
    kept = restored(FILE.read_bytes())
    old = json.loads(dump(kept))
    old["version"] = 2
    for service in old["memory"]["services"]:
        estimates = dict(service.pop("estimates"))
        assert len(estimates) == len(service["backends"]) == 4
        for backend in service["backends"]:
            backend["estimate"] = estimates[backend["region"]]
    assert restored(json.dumps(old).encode()) == kept


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b'{"version": 4}', b"\xff\xfe"])
def test_what_is_no_earlier_version_is_left_to_the_check(content: bytes) -> None:
    assert migrate(content) is content


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "memory",
    ["1", '{"services": 1}', '{"services": [1]}', '{"services": [{"backends": [1, {"estimate": 1}]}]}'],
)
def test_an_old_file_that_makes_no_sense_does_not_break_the_migration(memory: str, version: int) -> None:
    kept, flaw = Keeper(OneFile(f'{{"version": {version}, "memory": {memory}}}'.encode())).look()
    assert kept is None
    assert flaw.startswith("unreadable at memory")


def test_a_file_nested_deeper_than_the_parser_follows_is_unreadable() -> None:
    kept, flaw = Keeper(OneFile(b"[" * 200_000)).look()
    assert kept is None
    assert flaw.startswith("unreadable at the whole file")


@pytest.mark.parametrize("moment", [1e308, -1.0, "nan", "inf"])
@pytest.mark.parametrize("field", ["at", "until"])
def test_an_order_at_a_time_that_no_calendar_has_is_given_up_and_nothing_else(
    field: str, moment: float | str
) -> None:
    good = {"kind": "hold", "until": 1.8e9, "at": 1.7e9, "reason": "storm", "number": 7}
    store = FakeStore()
    store.content = json.dumps(
        {
            "version": 3,
            "tick": 41,
            "holds": {"items": [{**good, field: moment}, good]},
            "undo": {"orders": {"items": [{**good, field: moment}]}, "told": "hold"},
        }
    ).encode()
    written = store.content
    kept, sentence = Keeper(store).restore()
    assert kept.tick == 41
    assert [order.number for order in kept.holds.items] == [7]
    assert kept.undo is None
    assert sentence.startswith(
        "Warm start: going on after tick 41. Given up, because they make no sense: order 1 ("
    )
    assert "no calendar" in sentence
    assert "what `spillway undo` would bring back" in sentence
    assert store.aside == [written], "the file as it was is kept for whoever wants to know"
    assert restored(store.content or b"") == kept, "what was given up is not told again"


ALARM = {"code": "slo-missed", "service": "pool", "region": None, "part": "", "sentence": "s", "since": 1.7e9}
SILENCE = {"code": "slo-missed", "until": 1.8e9, "reason": "known"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('"silences":[%s,{"code":"slo-missed","until":"tomorrow","reason":"r"}]', "silence 2 (until: "),
        ('"silences":[%s,{"code":"slo-missed","until":Infinity,"reason":"r"}]', "silence 2 (until: "),
        ('"silences":[%s,{"code":"slo-missed","until":"NaN","reason":"r"}]', "silence 2 (until: "),
        ('"silences":[%s,{"code":"slo-missed","until":1e999,"reason":"r"}]', "silence 2 (until: "),
        ('"silences":[%s,7]', "silence 2 ("),
        ('"silences":[%s],"alarms":[{"code":"slo-missed","since":null}]', "alarm 1 (service: "),
        ('"silences":[%s],"alarms":7', "the alarms ("),
        ('"silences":[%s],"counted":[{"service":"pool","to":NaN}]', "count of answers 1 (to: "),
        (
            '"silences":[%s],"savings":{"services":[{"service":"a","since":1,"saved":Infinity}]}',
            "the sums of what",
        ),
        ('"silences":[%s],"saved_at":-Infinity', "the time of the file ("),
        ('"silences":[%s],"outputs":[7],"order_number":5', "the outputs ("),
    ],
)
def test_a_small_part_that_makes_no_sense_is_given_up_and_nothing_else(text: str, told: str) -> None:
    """A number that is not finite would be read now, written as null, and cost the whole memory at the next start."""
    store = FakeStore()
    holds = '"holds":{"items":[{"kind":"hold","until":1.8e9,"at":1.7e9,"reason":"storm","number":7}]}'
    store.content = f'{{"version":3,"tick":41,{holds},{text % json.dumps(SILENCE)}}}'.encode()
    kept, sentence = Keeper(store).restore()
    assert sentence.startswith(
        f"Warm start: going on after tick 41. Given up, because they make no sense: {told}"
    )
    assert [order.number for order in kept.holds.items] == [7]
    assert [silence.until for silence in kept.silences] == [1.8e9]
    assert restored(store.content) == kept, "what was given up is not told again"


@pytest.mark.parametrize("tick", [-1, 10**30])
def test_a_number_of_the_tick_that_none_can_have_is_given_up(tick: int) -> None:
    """The journal's column does not hold it, and every pass would end in a defect."""
    store = FakeStore()
    store.content = json.dumps({"version": 3, "tick": tick, "order_number": 5}).encode()
    kept, sentence = Keeper(store).restore()
    assert (kept.tick, kept.order_number) == (0, 5)
    assert "the number of the tick" in sentence


@pytest.mark.parametrize("digits", [400, 4000, 5000])
def test_numbers_of_many_digits_beside_a_bad_order_are_no_defect(digits: int) -> None:
    content = f'{{"version":3,"holds":{{"items":[{{"kind":"hold"}}]}},"saved_at":{"9" * digits},"tick":{"9" * digits}}}'
    kept, flaw = Keeper(OneFile(content.encode())).look()
    if digits < 4300:  # what the reader of JSON takes
        assert kept == Kept()
        assert flaw == ""
    else:
        assert flaw.startswith("unreadable at the whole file")


def test_many_parts_that_make_no_sense_are_counted() -> None:
    store = FakeStore()
    store.content = json.dumps({"version": 3, "alarms": [{**ALARM, "since": "x"}] * 10_000}).encode()
    _, sentence = Keeper(store).restore()
    assert "and 9990 more" in sentence
    assert len(sentence) < 2000


def test_an_order_that_makes_no_sense_beside_another_flaw_leaves_the_file_whole() -> None:
    content = {"version": 3, "tick": "many", "holds": {"items": [{"kind": "hold"}]}}
    kept, flaw = Keeper(OneFile(json.dumps(content).encode())).look()
    assert kept is None
    assert flaw.startswith("unreadable at tick")

"""The journal on disk: durable, bounded, and no trouble with the disk, the file or a kill takes more than one record."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.control.journal_files import AMPLE, intact, journal_at, records_in
from tests.exporter import example_report as example
from tests.journal.samples import record_of

from spillway.adapters.journal import store
from spillway.adapters.journal.schema import NAME, PAGE, SCHEMA, file_system, open_reader, used_bytes
from spillway.adapters.journal.store import Bounds, SqliteJournal
from spillway.errors import PermanentError, TemporaryError

ROOT = Path(__file__).resolve().parents[2]
Make = Callable[..., SqliteJournal]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Make]:
    made: list[SqliteJournal] = []

    def make(bounds: Bounds = AMPLE, **options: Any) -> SqliteJournal:
        made.append(SqliteJournal(tmp_path / "journal", bounds, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def numbers(folder: Path) -> list[int]:
    return [record["tick"] for record in records_in(folder / "journal")]


def note(tick: int, **more: Any) -> dict[str, Any]:
    return {"kind": "note", "at": float(tick), "tick": tick, "sentence": "something happened", **more}


def tick_at(at: float, number: int, **more: Any) -> dict[str, Any]:
    return {**record_of(example.quiet(number)), "at": at, **more}


def test_records_come_back_in_order_with_the_schema_in_front(journal: Make, tmp_path: Path) -> None:
    written = journal()
    for number in range(5):
        written.append(note(number))
    assert numbers(tmp_path) == [0, 1, 2, 3, 4]
    found = records_in(tmp_path / "journal")[0]
    assert next(iter(found.items())) == ("schema", SCHEMA)


def test_a_tick_comes_back_whole(journal: Make, tmp_path: Path) -> None:
    record = record_of(example.report(7))
    journal().append(record)
    (found,) = records_in(tmp_path / "journal")
    for name in ("inputs", "overlay", "assessments", "moves", "refusals", "applied", "orders"):
        assert found[name] == json.loads(msgspec.json.encode(record[name])), name


def test_nothing_is_made_before_the_first_record(journal: Make, tmp_path: Path) -> None:
    journal()
    assert not (tmp_path / "journal").exists()


def test_other_users_cannot_read_it(journal: Make, tmp_path: Path) -> None:
    journal().append(note(1))
    for path in (tmp_path / "journal").iterdir():
        assert path.stat().st_mode & 0o777 == 0o640, path.name


def test_what_is_not_finite_is_null(journal: Make, tmp_path: Path) -> None:
    journal().append(note(1, headroom=float("inf")))
    assert records_in(tmp_path / "journal")[0]["headroom"] is None


def test_what_has_no_json_is_refused_and_spoils_nothing(journal: Make, tmp_path: Path) -> None:
    written = journal()
    with pytest.raises(TypeError):
        written.append(note(1, thing=object()))
    with pytest.raises(TypeError):
        written.append({**record_of(example.quiet(2)), "memory": object()})
    written.append(note(3))
    assert numbers(tmp_path) == [3]


# where it lies


def mounts(tmp_path: Path, kind: str) -> Path:
    """A list of file systems in which one of `kind` holds the test's folder."""
    path = tmp_path / "mountinfo"
    path.write_text(
        "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        f"28 27 0:30 / {tmp_path} rw,relatime shared:1 - {kind} server:/x rw\n"
    )
    return path


def test_a_local_disk_has_a_write_ahead_log(journal: Make, tmp_path: Path) -> None:
    written = journal(mounts=mounts(tmp_path, "ext4"))
    written.append(note(1))
    assert written.path.with_name(f"{NAME}-wal").exists()


@pytest.mark.parametrize("kind", ["nfs4", "fuse.gcsfuse", "9p"])
def test_another_disk_has_none_and_that_is_said_once(
    journal: Make, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    written = journal(mounts=mounts(tmp_path, kind))
    with caplog.at_level(logging.WARNING):
        written.append(note(1))
        written.close()
        written.append(note(2))
    assert not written.path.with_name(f"{NAME}-wal").exists()
    (told,) = [record.getMessage() for record in caplog.records]
    assert kind in told
    assert "local disk" in told
    assert numbers(tmp_path) == [1, 2]


def test_a_journal_that_moves_to_another_disk_gives_up_its_log(journal: Make, tmp_path: Path) -> None:
    first = journal(mounts=mounts(tmp_path, "xfs"))
    first.append(note(1))
    first.close()
    second = journal(mounts=mounts(tmp_path, "nfs"))
    second.append(note(2))
    assert not second.path.with_name(f"{NAME}-wal").exists()
    assert numbers(tmp_path) == [1, 2]


def test_the_innermost_mount_counts(tmp_path: Path) -> None:
    assert file_system(tmp_path / "a", mounts(tmp_path, "nfs")) == "nfs"
    assert file_system(Path("/"), mounts(tmp_path, "nfs")) == "ext4"
    assert file_system(tmp_path, tmp_path / "not there") == ""


# bounds


def test_what_is_too_old_goes_a_few_records_a_tick(journal: Make, tmp_path: Path) -> None:
    written = journal(Bounds(age=3600.0, size=64 << 20))
    for number in range(30):
        written.append(note(number))
    written.append(tick_at(10_000.0, 30))
    assert len(numbers(tmp_path)) == 31 - store._STEP
    for number in range(31, 35):
        written.append(tick_at(10_000.0 + number, number))
    assert numbers(tmp_path) == [30, 31, 32, 33, 34]
    with open_reader(written.path, 10.0) as connection:
        counts = "SELECT (SELECT count(*) FROM figures), (SELECT count(*) FROM bodies)"
        assert connection.execute(counts).fetchone() == (5, 5)


def test_the_file_is_bounded_and_keeps_the_newest(journal: Make, tmp_path: Path) -> None:
    bound = 600_000
    written = journal(Bounds(age=1e9, size=bound))
    filler = os.urandom(20_000).hex()
    for number in range(60):
        written.append(tick_at(1000.0 + 60 * number, number, memory=filler))
    written.close()
    assert written.path.stat().st_size < bound + 200_000
    found = numbers(tmp_path)
    assert found == list(range(found[0], 60))
    assert 5 < len(found) < 60
    assert intact(written.path)


def test_a_smaller_bound_gives_the_disk_its_room_back(journal: Make) -> None:
    large = journal(Bounds(age=1e9, size=64 << 20))
    filler = os.urandom(100_000).hex()
    for number in range(60):
        large.append(tick_at(1000.0 + 60 * number, number, memory=filler))
    large.close()
    before = large.path.stat().st_size
    assert before > 6_000_000
    small = journal(Bounds(age=1e9, size=1_000_000))
    for number in range(60, 90):
        small.append(tick_at(1000.0 + 60 * number, number))
    small.close()
    assert small.path.stat().st_size < before - 1_000_000
    with open_reader(small.path, 10.0) as connection:
        assert used_bytes(connection) < 1_100_000


# trouble


def test_a_full_disk_is_named_and_leaves_no_half_record(journal: Make, tmp_path: Path) -> None:
    written = journal()
    written.append(note(1))
    connection = written._connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(TemporaryError, match="No space left") as caught:
        written.append(note(2, filler="x" * 1_000_000, memory=os.urandom(60_000).hex()))
    assert "Free space" in caught.value.remedy
    written.append(note(3))
    assert numbers(tmp_path) == [1, 3]
    assert intact(written.path)


_LIMITED = """
import resource, sys
from pathlib import Path
from tests.control.journal_files import journal_at
from spillway.errors import TemporaryError
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
journal = journal_at(Path(sys.argv[1]))
written = 0
for number in range(200):
    try:
        journal.append({"kind": "note", "at": float(number), "tick": number, "memory": "y" * 50, "x": str(hash(number)) * 500})
        written += 1
    except TemporaryError as error:
        print(written, error.remedy, flush=True)
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append({"kind": "note", "at": 999.0, "tick": 999})
journal.close()
"""


def test_a_file_that_may_not_grow_takes_records_again_once_it_may(tmp_path: Path) -> None:
    """As on a real full disk, from the system and not from SQLite's own bound."""
    told = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path / "journal")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'daemon'}:{ROOT}"},
    ).stdout.split(maxsplit=1)
    found = numbers(tmp_path)
    assert 2 < int(told[0]) < 200
    assert found[-1] == 999
    assert found[:-1] == list(range(int(told[0])))
    assert intact(tmp_path / "journal" / NAME)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal").touch()
    with pytest.raises(TemporaryError, match="File exists"):
        journal_at(tmp_path / "journal").append(note(1))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir(mode=0o500)
    with pytest.raises(TemporaryError, match="Permission denied") as caught:
        journal_at(folder).append(note(1))
    assert "daemon's user" in caught.value.remedy


def test_a_file_that_is_read_only_is_named_and_recovers(
    journal: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = journal()
    written.append(note(1))
    written.close()

    def read_only(path: Path, *, wal: bool) -> sqlite3.Connection:
        del wal
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)

    with monkeypatch.context() as patch:
        patch.setattr(store, "open_writer", read_only)
        with pytest.raises(TemporaryError, match="readonly") as caught:
            written.append(note(2))
    assert "daemon's user" in caught.value.remedy
    written.append(note(3))
    assert numbers(tmp_path) == [1, 3]


def test_an_error_of_the_system_is_named(journal: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path, *, wal: bool) -> sqlite3.Connection:
        del path, wal
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(store, "open_writer", broken)
    with pytest.raises(TemporaryError, match="Read-only file system") as caught:
        journal().append(note(1))
    assert "can be written" in caught.value.remedy


def test_who_holds_it_keeps_the_loop_for_a_bounded_time(
    journal: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spillway.adapters.journal.schema.BUSY_SECONDS", 0.05)
    written = journal()
    written.append(note(1))
    holder = sqlite3.connect(written.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(TemporaryError, match="somebody else holds it"):
        written.append(note(2))
    holder.execute("ROLLBACK")
    holder.close()
    written.append(note(3))
    assert numbers(tmp_path) == [1, 3]


@pytest.mark.parametrize("spoil", ["not a database", "pages of zeros", "cut short"])
def test_a_spoiled_file_is_set_aside_with_its_time_and_told(
    journal: Make, tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = journal()
    for number in range(200):
        first.append(note(number, filler=os.urandom(2000).hex()))
    first.close()
    content = first.path.read_bytes()
    first.path.write_bytes(
        {
            "not a database": b"once upon a time" * 1000,
            "pages of zeros": content[:100] + bytes(len(content) - 100),
            "cut short": content[:9000],
        }[spoil]
    )
    second = journal()
    second.append(note(500))
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "now lies in" in told[0]
    aside = [path for path in (tmp_path / "journal").iterdir() if ".unreadable-2" in path.name]
    assert len(aside) == 1
    assert str(aside[0]) in told[0]
    recovered, record = records_in(tmp_path / "journal")
    assert (recovered["kind"], record["tick"]) == ("recover", 500)
    assert str(aside[0]) in recovered["sentence"]


def test_what_is_spoiled_where_only_the_pruning_looks_is_found(
    journal: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that takes records and cannot drop any would grow for ever."""
    written = journal()
    written.append(tick_at(1000.0, 1))
    spoiled = sqlite3.DatabaseError("database disk image is malformed")
    spoiled.sqlite_errorcode = sqlite3.SQLITE_CORRUPT

    def fail(*_: object) -> int:
        raise spoiled

    with monkeypatch.context() as patch:
        patch.setattr(store, "prune", fail)
        written.append(tick_at(1060.0, 2))
    assert "now lies in" in caplog.text
    written.append(tick_at(1120.0, 3))
    assert [record["kind"] for record in records_in(tmp_path / "journal")] == ["recover", "tick"]


def test_a_pruning_that_fails_is_told_once_and_costs_no_record(
    journal: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = journal()

    def fail(*_: object) -> int:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(store, "prune", fail)
    for number in range(1, 4):
        written.append(tick_at(1000.0 + 60.0 * number, number))
    assert caplog.text.count("cannot drop what is too old") == 1
    assert numbers(tmp_path) == [1, 2, 3]


def test_a_file_that_somebody_took_away_is_made_anew(journal: Make, tmp_path: Path) -> None:
    """A process would write on into a file that has no name any more, and nobody would ever read it."""
    written = journal()
    written.append(note(1))
    for path in (tmp_path / "journal").iterdir():
        path.unlink()
    written.append(note(2))
    assert numbers(tmp_path) == [2]


@pytest.mark.parametrize("touch", ["emptied", "cut", "overwritten", "log removed", "log emptied"])
def test_what_somebody_does_to_the_open_files_costs_no_later_record(
    journal: Make, tmp_path: Path, touch: str
) -> None:
    """The connection would go on to write into a log without a name, or beside what others have written, and tell nobody."""
    written = journal()
    for number in range(1, 6):
        written.append(note(number))
    log = written.path.with_name(f"{NAME}-wal")
    match touch:
        case "emptied":
            os.truncate(written.path, 0)
        case "cut":
            os.truncate(written.path, PAGE)
        case "overwritten":
            written.path.write_bytes(b"once upon a time" * 1000)
        case "log removed":
            log.unlink()
        case _:
            os.truncate(log, 0)
    if written.path.stat().st_size == 0:
        with pytest.raises(TemporaryError, match="is empty"):
            records_in(tmp_path / "journal")  # whoever reads an emptied file removes its log
    written.append(note(6))
    written.append(note(7))
    assert numbers(tmp_path)[-2:] == [6, 7]
    written.close()
    assert numbers(tmp_path)[-2:] == [6, 7]
    assert intact(written.path)


def test_no_reader_and_no_writer_waits_for_a_pipe(journal: Make, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    os.mkfifo(tmp_path / "journal" / NAME)
    with pytest.raises(TemporaryError, match="no regular file"):
        journal().append(note(1))
    with pytest.raises(TemporaryError, match="no regular file"):
        records_in(tmp_path / "journal")


def test_a_database_of_another_program_is_named_and_left_alone(journal: Make, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    other = sqlite3.connect(tmp_path / "journal" / NAME, isolation_level=None)
    other.execute("CREATE TABLE records (a)")
    other.close()
    with pytest.raises(PermanentError, match="another program") as caught:
        journal().append(note(1))
    assert "Move the file away" in caught.value.remedy
    (tmp_path / "journal" / NAME).unlink()
    journal().append(note(2))
    assert numbers(tmp_path) == [2]


def test_a_newer_schema_is_refused_and_left_alone(journal: Make, tmp_path: Path) -> None:
    first = journal()
    first.append(note(1))
    first.close()
    changed = sqlite3.connect(first.path, isolation_level=None)
    changed.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    changed.close()
    with pytest.raises(PermanentError, match=f"schema {SCHEMA + 1}") as caught:
        journal().append(note(2))
    assert "newer Spillway" in caught.value.remedy
    with pytest.raises(PermanentError, match=f"schema {SCHEMA + 1}"):
        records_in(tmp_path / "journal")
    assert [path.name for path in (tmp_path / "journal").iterdir() if "unreadable" in path.name] == []


# kills


_ENDLESS = """
import sys
from pathlib import Path
from tests.control.journal_files import journal_at
from tests.exporter import example_report as example
from tests.journal.samples import record_of
from spillway.adapters.journal.store import Bounds
journal = journal_at(Path(sys.argv[1]), Bounds(age=1e9, size=400_000))
number = int(sys.argv[2])
while True:
    journal.append(record_of(example.report(number)))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""


def test_a_kill_at_any_moment_loses_at_most_the_record_being_written(tmp_path: Path) -> None:
    """A child appends without end and says each number once `append` has returned; what it has said must be there."""
    folder = tmp_path / "journal"
    number = 1
    for life in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", _ENDLESS, str(folder), str(number)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'daemon'}:{ROOT}"},
        ) as child:
            assert child.stdout is not None
            said = [int(child.stdout.readline()) for _ in range(20 + 17 * life)]
            child.send_signal(signal.SIGKILL)
            said += [int(line) for line in child.stdout.read().splitlines()]
        found = numbers(tmp_path)
        assert said[-1] <= found[-1] <= said[-1] + 1
        assert found == list(range(found[0], found[-1] + 1)), "nothing is missing in between"
        number = found[-1] + 1
    assert intact(folder / NAME)
